"""Is it worth it: the words on made-up facts, each worked out by hand, and the picture."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finished import INFINITE, a_run, read, record
from mlft.experiment.outcome import Outcome, Way
from mlft.experiment.record import from_plain, read_outcome
from mlft.reports import report, worth_lines
from mlft.reports.worth import invested, worth_figure


def facts(*, surrogate: tuple[float, float], **changes: dict[str, Any]) -> Outcome:
    """The made-up run: its surrogate errs by 0.137 and takes these seconds alone and in batches.

    Plain solvers on 32, 64, 128 and 256 cells err by 0.21, 0.14, 0.08 and 0 and take 77 µs, 308 µs, 1.23 ms and 4.93
    ms; the surrogate errs by 0.14 on those 8 draws. A corrected solver on 64 cells errs by 0.09.

    Args:
        surrogate: its seconds.
        changes: of the ways, by kind and level, as in `solver_1`.
    """
    told: Outcome = from_plain(Outcome, record() | {"error": {"relative_l2": INFINITE, "samples": 37}})
    assert told.worth is not None

    def changed(way: Way) -> Way:
        if way.kind == "surrogate":
            way = replace(way, alone=surrogate[0], batched=surrogate[1])
        return replace(way, **changes.get(way.kind if way.level is None else f"{way.kind}_{way.level}", {}))

    return replace(told, worth=replace(told.worth, ways=tuple(map(changed, told.worth.ways))))


def test_the_seconds_of_the_run_are_of_its_solves_trainings_and_plans_the_pilot_once() -> None:
    told = facts(surrogate=(1.0, 1.0))
    parts = told.budget.spent.seconds, told.seconds.train, told.seconds.plan, told.budget.pilot.seconds
    assert invested(told) == pytest.approx(parts[0] + parts[1] + max(0.0, parts[2] - parts[3]))
    slow = replace(told, seconds=replace(told.seconds, plan=100.25))
    assert invested(slow) == pytest.approx(parts[0] + parts[1] + 100.0)


def test_a_surrogate_that_is_the_cheapest_way_is_told_with_when_it_has_paid() -> None:
    """Grid 64 errs by as much on the same draws, and grid 32 by more: that one is no rival."""
    told = facts(surrogate=(2.08e-4, 4.5e-5))
    first, paid = worth_lines(told)
    assert first == (
        "At the error reached, 0.137, the cheapest way is the surrogate: 208 µs a prediction alone, 45 µs in batches "
        "of 256; next the 64-cell solver errs no more (0.140, the surrogate 0.140 on the same 8 draws) and takes 308 "
        "µs."
    )
    spent = invested(told)
    alone, batched = round(spent / 1e-4 + 0.5), round(spent / 2.63e-4 + 0.5)
    assert paid.endswith(
        f"have paid after {alone:,} predictions alone, {batched:,} in batches of 256, against the 64-cell solver."
    )


def test_the_coarser_grid_is_said_where_it_is_cheaper_and_as_accurate() -> None:
    told = facts(surrogate=(9e-4, 4e-4), solver_0={"error": 0.03}, corrected_1={"draws": 1, "beside": 0.2})
    first, paid = worth_lines(told)
    assert first == (
        "At the error reached, 0.137, the cheapest way is not the surrogate (900 µs a prediction alone, 400 µs in "
        "batches of 256): the 32-cell solver errs less (0.0300, the surrogate 0.140 on the same 8 draws) and takes 77 "
        "µs: use the coarser grid."
    )
    assert paid.endswith("s of solving and training never pay against the 32-cell solver, which is faster.")


def test_where_only_batches_are_cheaper_both_are_told() -> None:
    first, paid = worth_lines(facts(surrogate=(9e-4, 4.5e-5)))
    assert first.startswith(
        "At the error reached, 0.137, the cheapest way is the surrogate in batches of 256, 45 µs a prediction, and not "
        "alone, 900 µs: there the 64-cell solver errs no more"
    )
    assert first.endswith("takes 308 µs: use the coarser grid.")
    assert "predictions in batches of 256 against the 64-cell solver; alone they never do." in paid


def test_where_only_alone_is_cheaper_both_are_told() -> None:
    first, paid = worth_lines(facts(surrogate=(1e-4, 3.5e-4)))
    assert "the surrogate alone, 100 µs a prediction, and not in batches of 256, 350 µs: there the 64-cell" in first
    assert "predictions alone against the 64-cell solver; in batches of 256 they never do." in paid


def test_the_cheapest_way_in_batches_may_be_another_than_alone() -> None:
    first, _ = worth_lines(facts(surrogate=(1e-4, 3.5e-4), corrected_1={"batched": 1.5e-4}))
    assert "not in batches of 256, 350 µs: there the corrected solver on 64 cells errs less" in first
    assert first.endswith("takes 150 µs: use the corrected solver.")
    first, _ = worth_lines(facts(surrogate=(1e-4, 1e-4), corrected_1={"batched": 1.5e-4}))
    assert "next the 64-cell solver errs no more" in first and first.endswith("takes 308 µs.")


def test_a_corrected_solver_may_be_the_cheapest_and_the_run_pays_against_plain_ones() -> None:
    told = facts(surrogate=(9e-4, 6e-4), corrected_1={"alone": 4e-4, "batched": 3.5e-4}, solver_1={"error": 0.2})
    first, paid = worth_lines(told)
    assert first.endswith(
        "the corrected solver on 64 cells errs less (0.0900, the surrogate 0.140 on the same 8 draws) and takes 400 "
        "µs: use the corrected solver."
    )
    assert paid.endswith("against the 128-cell solver.")


def test_the_finest_grid_is_a_way_too_and_needs_no_draws() -> None:
    bad = {"error": 0.5}
    told = facts(surrogate=(9e-3, 6e-3), corrected_1=bad, solver_0=bad, solver_1=bad, solver_2=bad)
    first, paid = worth_lines(told)
    assert "the 256-cell solver, against which the error is measured, takes 4.93 ms: use the solver itself." in first
    assert paid.endswith("never pay against the 256-cell solver, which is faster.")


def test_draws_are_compared_with_the_same_draws() -> None:
    """On the 8 draws of the grids the surrogate errs by 0.1, and grid 64, at 0.12, is worse: though 0.12 < 0.137."""
    less = {"beside": 0.1}
    told = facts(surrogate=(9e-4, 6e-4), corrected_1=less, solver_1=less | {"error": 0.12}, solver_2=less)
    assert "128-cell solver" in worth_lines(told)[1]


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    gone = {"error": None, "draws": 0, "beside": None}
    told = facts(surrogate=(9e-4, 4e-4), corrected_1=gone, solver_0=gone, solver_1=gone, solver_2=gone)
    assert worth_lines(told)[-1] == (
        "Not among the ways, for want of a measured error: the corrected solver on 64 cells, the 32-cell solver, the "
        "64-cell solver, the 128-cell solver."
    )
    older = replace(told, worth=None)
    assert worth_lines(older) == [
        "What a prediction costs by other ways was not measured: the run was made by an older version of mlft."
    ]
    lost = replace(told, worth=replace(told.worth, ways=tuple(replace(w, error=None) for w in told.worth.ways)))
    assert worth_lines(lost) == []


def test_the_page_has_a_picture_and_a_table_of_every_way(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    page = read(report(folder)).text
    assert "Is it worth it?" in page and "the corrected solver on 64 cells 0.0900 8 0.140 1.4 ms 412 µs 128" in page
    assert "the 256-cell solver 0 by definition – 4.93 ms the same 16" in page
    assert "with 2 threads" in page and "The 256-cell solver itself has a bias of 0.0412." in page
    drawn = (folder / "figures" / "worth.svg").read_text()
    for words in (
        "surrogate, alone",
        "surrogate, batch",
        "corrected, 64 cells",
        "32-cell solver",
        "256-cell solver: error 0",
    ):
        assert f">{words}<" in drawn
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert {"solver_error,1,0.14", "surrogate_seconds_batched,,4.5e-05", "corrected_seconds_alone,1,0.0014"} <= set(
        rows
    )


@pytest.mark.parametrize(("batched", "labels"), [(2.4, 1), (2.6, 2), (1 / 2.4, 1), (1 / 2.6, 2)])
def test_two_dots_that_would_hide_each_others_label_share_one(batched: float, labels: int) -> None:
    told = facts(surrogate=(1e-3, 1e-3 / batched))
    assert told.worth is not None
    drawn = worth_figure(told, told.worth).narrow
    assert drawn.count(">surrogate, ") == labels and (">surrogate, alone or in a batch<" in drawn) == (labels == 1)


@pytest.mark.usefixtures("undrawn")
def test_an_older_run_has_its_page_without_them(tmp_path: Path) -> None:
    folder = a_run(tmp_path, worth=None)
    page = read(report(folder)).text
    assert read_outcome(folder).worth is None
    assert page.count("made by an older version of mlft") == 2 and not (folder / "figures" / "worth.svg").exists()
