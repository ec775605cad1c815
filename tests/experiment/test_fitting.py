"""A fit: a data set without a solver gives the record, the report and the trust of a run, and true words."""

import functools
import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlft
from mlft import DataError, Dataset
from mlft.errors import ConfigError, StoreError
from mlft.experiment import loop
from mlft.experiment.fitting import asked_of
from mlft.grids import relative_error
from mlft.lifts import LIFTS
from mlft.lifts.learned import Effort
from mlft.lifts.local import Layers, Local
from mlft.reports import run_lines, summary_lines, trust_lines, write_trust_report
from mlft.seeds import generator
from mlft.sources import Drawn
from rows import SMALL_FIT, between, made, unrelated
from small import GRIDS, draw, evaluate, solve

COUNTS = 44, 33, 25


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> mlft.Record:
    """A fit of three coupled levels."""
    return mlft.fit(made(COUNTS), out=tmp_path_factory.mktemp("fits") / "one", **SMALL_FIT)


def key(rows: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in rows}


def test_no_test_row_was_learned_from_and_the_error_is_that_of_the_test_rows(fitted: mlft.Record) -> None:
    train, test = fitted.samples(2), fitted.samples(2, "test")
    assert (len(train), len(test)) == (20, 5)
    everything = key(np.concatenate([fitted.samples(level).inputs for level in range(3)]))
    assert not everything & key(test.inputs) and len(everything) == 39
    assert key(np.concatenate([train.inputs, test.inputs])) == key(made(COUNTS).levels[2].inputs)
    errors = relative_error(fitted.predict(test.inputs, unfamiliar="ignore"), test.solutions, GRIDS[2])
    assert fitted.error == pytest.approx(errors.mean(), rel=1e-12)
    np.testing.assert_allclose(test.solutions, solve(test.inputs, GRIDS[2]), rtol=1e-12)  # rows were not mixed up


def test_a_problem_whose_draw_picks_rows_leaks_and_a_fit_does_not() -> None:
    (level,) = made((40,)).levels

    def pick(n: int, stream: torch.Generator) -> np.ndarray:
        return torch.randint(40, (n, 1), generator=stream).numpy().astype(float)

    old = mlft.FunctionProblem(
        "old", GRIDS[-1:], pick, lambda d, g: level.inputs[d[:, 0].astype(int)], solve, cost_exponent=2.0
    )
    train, test = (set(Drawn(old, 0, stream).draws(range(n))[:, 0]) for stream, n in (("train", 32), ("test", 8)))
    assert len(train & test) / len(test) > 0.4
    problem = asked_of(made((40,)), test=8).problem
    assert not set(problem.draws_of("train")) & set(problem.draws_of("test"))  # type: ignore[attr-defined]


def test_a_record_of_a_fit_tells_of_rows_and_of_no_solves(fitted: mlft.Record) -> None:
    told = fitted.outcome
    assert told.data is not None and told.worth is None and told.symmetry is None and told.foresight is None
    assert (told.data.rows, told.data.train, told.data.test, told.data.coupled) == (COUNTS, (39, 28, 20), 5, True)
    assert [row.samples for row in told.levels] == [39, 28, 20] and not told.failures
    assert [row.cost_seconds for row in told.levels] == [None] * 3 and told.budget.spent.seconds == 0
    with sqlite3.connect(fitted.folder / "ledger.sqlite") as ledger:
        assert ledger.execute("SELECT count(*) FROM samples WHERE stream = 'warm-up'").fetchone() == (0,)  # no clock
    assert told.levels[0].bias is not None and told.levels[1].bias == pytest.approx(0.02, rel=0.3)
    assert str(told).endswith("(mean of 5 rows held back), trained on 39/28/20 rows of the data set")
    words = "\n".join([*run_lines(told, fitted.folder), *summary_lines(fitted.folder), fitted._repr_html_()])
    page = mlft.report(fitted.folder).read_text()
    text = re.sub(r"<[^>]+>", " ", page[page.index("<header>") :])
    for said in (words, text):
        assert "5 of the finest were held back for the test, without replacement" in said
        assert not re.search(r"\bsolves\b (spent|at)|solver time|older version|mlft run", said), said
    assert "There was no solver: what a prediction is worth" in text and "rows on grid 14" in text


def test_what_repeats_a_fit_gives_the_same_bits(fitted: mlft.Record, tmp_path: Path) -> None:
    assert fitted.outcome.command.startswith("mlft.fit(data, seed=0, ")
    call = fitted.outcome.command.partition("  #")[0].replace(f"out='{fitted.folder}-again'", "out=out, report=None")
    again = eval(call, {"mlft": mlft, "data": made(COUNTS), "out": tmp_path / "again"})  # noqa: S307
    inputs = fitted.samples(0).inputs
    np.testing.assert_array_equal(again.surrogate.predict(inputs), fitted.surrogate.predict(inputs))


def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(
    fitted: mlft.Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            mlft.fit(made(COUNTS), out=tmp_path, **SMALL_FIT)
    again = mlft.fit(made(COUNTS), out=tmp_path, **SMALL_FIT)
    inputs = fitted.samples(0).inputs
    np.testing.assert_array_equal(again.surrogate.predict(inputs), fitted.surrogate.predict(inputs))
    assert again.error == fitted.error


def test_other_rows_or_another_split_are_not_taken_for_those_of_a_folder(fitted: mlft.Record, tmp_path: Path) -> None:
    other = made(COUNTS, seed=1)
    with pytest.raises(ConfigError, match="is of another configuration: "):
        mlft.fit(made(COUNTS), out=fitted.folder, test=6, **SMALL_FIT)
    asked_once = {"out": tmp_path, **SMALL_FIT}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loop, "fit", stop)
        mlft.fit(made(COUNTS), **asked_once)
    with pytest.raises(StoreError, match="options"):
        mlft.fit(other, **asked_once)


def test_labels_are_lifted_by_coupled_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlft.lifts.local.LINE", Layers((1, 2, 1), width=6, kernel=3))
    monkeypatch.setitem(LIFTS, "local", Local(line=Effort(40, passes=0, rate=1e-2)))
    monkeypatch.setitem(LIFTS, "spectral", LIFTS["none"])
    data = made(COUNTS[1:])
    coarse, fine = data.levels
    off = coarse.solutions + 0.3 * np.sin(2 * coarse.solutions)  # wrong by a local function of the solution
    given = [coarse.inputs, fine.inputs], [off, fine.solutions]
    record = mlft.fit(
        Dataset.from_arrays(*given, grid=GRIDS[2], name="off"), out=tmp_path, strategy="lift", **SMALL_FIT
    )
    (lift,) = record.outcome.lifts
    assert lift.name == "local" and lift.draws == 20 and lift.samples == 8  # that the finest level does not have
    assert lift.lifted.value is not None and lift.raw.value is not None and lift.lifted.value < 0.8 * lift.raw.value
    assert record.corrections == ()  # a corrected solver needs a solver


def test_labels_of_a_grid_that_is_not_refined_to_the_finest_are_lifted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlft.lifts.local.LINE", Layers((1, 2, 1), width=6, kernel=3))
    monkeypatch.setitem(LIFTS, "local", Local(line=Effort(40, passes=0, rate=1e-2)))
    monkeypatch.setitem(LIFTS, "spectral", LIFTS["none"])
    data = unrelated((36, 28), mlft.Grid((20,)), off=0.3).with_transfers(prolong_function=between)
    record = mlft.fit(data, out=tmp_path / "run", strategy="lift", **SMALL_FIT)
    (lift,) = record.outcome.lifts
    assert lift.name == "local" and lift.lifted.value is not None and lift.raw.value is not None
    assert lift.lifted.value < 0.8 * lift.raw.value
    test = record.samples(1, "test")
    np.testing.assert_allclose(test.solutions, solve(test.inputs, GRIDS[2]), rtol=1e-12)
    errors = relative_error(record.predict(test.inputs, unfamiliar="ignore"), test.solutions, GRIDS[2])
    assert record.error == pytest.approx(errors.mean(), rel=1e-12) and record.error < 0.9
    assert record.outcome.transfers == {"prolong": "between"}
    assert record.outcome.data is not None
    assert record.outcome.data.assumed == (
        "no input on 20 cells is another of the finest level (coarsen_function=... compares them)",
    )
    assert mlft.trust(record.folder, report=None).families[0].mean == pytest.approx(record.error, rel=1e-12)
    assert mlft.report(record.folder).exists()
    assert len(record.export("npz", tmp_path / "npz").files) == 4
    with pytest.raises(DataError, match="inputs of 28 points have no averages on 20 cells, .* write npz or xarray"):
        record.export("pdebench", tmp_path / "pdebench")
    with pytest.raises(ConfigError, match="of other transfers of odd"):
        other = data.with_transfers(prolong_function=functools.partial(between))
        mlft.fit(other, out=tmp_path / "run", strategy="lift", **SMALL_FIT)


def test_a_grid_that_is_not_refined_to_the_finest_is_refused_without_a_way_there() -> None:
    data = unrelated((36, 28), mlft.Grid((20,)))
    with pytest.raises(DataError, match=r"level 0 has 20 cells and the finest 28: .*with_transfers\(prolong_function="):
        asked_of(data)
    with pytest.raises(DataError, match="prolong_function, asked for fields of 20 points on 28 cells, returned"):
        asked_of(data.with_transfers(prolong_function=lambda fields, grid: fields))
    assert asked_of(data.only(-1)).config.plan == (22,)


def test_levels_that_share_no_draw_are_learned_from_one_after_the_other(tmp_path: Path) -> None:
    data = made((30, 20), coupled=False)
    with pytest.raises(DataError, match="no draw of this data set is on two"):
        mlft.fit(data, out=tmp_path / "no", strategy="lift", **SMALL_FIT)
    record = mlft.fit(data, out=tmp_path / "yes", **SMALL_FIT)
    coarse, fine = record.samples(0), record.samples(1)
    assert (len(coarse), len(fine)) == (30, 16) and not set(coarse.indices) & set(fine.indices)
    assert [(stage.level, stage.samples + stage.held_out) for stage in record.outcome.stages] == [(0, 30), (1, 16)]
    assert all(stage.held_out for stage in record.outcome.stages)
    np.testing.assert_allclose(fine.solutions, solve(fine.inputs, GRIDS[2]), rtol=1e-12)
    assert key(coarse.solutions) == key(data.levels[0].solutions)
    assert record.outcome.levels[0].bias is None


def test_trust_is_that_of_the_test_rows_and_says_what_is_missing(fitted: mlft.Record) -> None:
    found = mlft.trust(fitted.folder, report=None)
    assert [law.name for law in found.families] == ["the law itself"] and found.samples == 5
    assert found.families[0].mean == pytest.approx(fitted.error, rel=1e-12)
    assert found.amplitudes == () and found.green is None
    said = "\n".join(trust_lines(found))
    for missing in ("Other laws of inputs were not measured", "At which amplitudes", "a data set has no solver"):
        assert missing in said
    assert "trust" in write_trust_report(fitted.folder).name
    with pytest.raises(ConfigError, match="unfamiliar='solve' needs a solver, and this is a fit of a data set"):
        fitted.predict(fitted.samples(2).inputs, unfamiliar="solve")


def test_an_alarm_is_calibrated_on_test_rows_where_there_are_enough(tmp_path: Path) -> None:
    record = mlft.fit(made((320,)), out=tmp_path, test=280, **SMALL_FIT)
    told = record.outcome.familiar
    assert told is not None and told.measured == 140 and told.fitted + told.calibrated == 140
    assert told.false_alarms.value is not None and told.false_alarms.value < 0.15
    assert record.familiarity(40 * record.samples(0, "test").inputs[:3]).rings.all()


def test_the_error_of_a_fit_is_that_of_new_draws(tmp_path: Path) -> None:
    data = made((230,))
    record = mlft.fit(data, out=tmp_path, test=180, **SMALL_FIT | {"training": {"steps": 150, "batch": 8, "checks": 3}})
    new = evaluate(draw(300, generator(7, "new")), GRIDS[2])
    errors = relative_error(record.surrogate.predict(new), solve(new, GRIDS[2]), GRIDS[2])
    told = record.outcome.error.relative_l2
    assert told.mean is not None and told.mean_upper is not None
    half = told.mean_upper - told.mean
    # both are means of independent draws: three standard deviations of the difference, a false alarm in 370
    assert abs(errors.mean() - told.mean) < 3 * np.hypot(half / 1.96, errors.std() / 300**0.5)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a budget": ({"budget": "9solves"}, "'budget' is of solves: all rows that are not tested on are learned from"),
    "rivals": ({"baselines": ("finest-only",)}, "'baselines' are trained at equal cost"),
    "workers": ({"workers": 2}, "'workers' solve: a fit has no solver"),
    "symmetries": ({"symmetry": "find"}, "symmetries are verified by solves"),
    "an unknown option": ({"stratgy": "lift"}, "unknown option 'stratgy': did you mean 'strategy'"),
    "a test of all": ({"test": 24}, "24 rows cannot be tested on: the finest level has 25"),
    "rows that are not there": ({"plan": (39, 28, 21)}, "asks for rows that are not there: [39, 28, 20]"),
    "costs": ({"costs": (1.0, 2.0)}, "costs are 3 positive numbers, one a level"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_fit_cannot_do_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    asked, words = REFUSED[name]
    with pytest.raises((ConfigError, DataError), match=re.escape(words)):
        mlft.fit(made(COUNTS), out=tmp_path / "run", **SMALL_FIT | asked)
    assert not (tmp_path / "run").exists()


def test_a_coarser_level_with_fewer_rows_is_refused_and_can_be_left_out(tmp_path: Path) -> None:
    data = made((9, 25))
    with pytest.raises(DataError, match=r"\[8, 20\] rows would be trained on, .* leave it out, data.only\(-1\)"):
        mlft.fit(data, out=tmp_path, **SMALL_FIT)
    assert asked_of(data.only(-1)).config.plan == (20,)


def test_names_of_problems_are_not_those_of_data() -> None:
    with pytest.raises(DataError, match="cannot be named 'darcy'"):
        asked_of(made((9,), name="darcy"))


def test_costs_are_told_and_decide_nothing(fitted: mlft.Record, tmp_path: Path) -> None:
    asked = asked_of(made(COUNTS), costs=(1, 2, 4))
    assert asked.problem.costs == (0.25, 0.5, 1.0) and asked.config.limit.value == 39 / 4 + 28 / 2 + 20
    steps: list[mlft.Progress] = []
    told = SMALL_FIT | {"report": steps.append}
    dear = mlft.fit(made(COUNTS), out=tmp_path, costs=(1, 2, 4000), **told)
    assert dear.error == fitted.error and dear.outcome.plan.samples == fitted.outcome.plan.samples
    inputs = fitted.samples(0).inputs
    np.testing.assert_array_equal(dear.surrogate.predict(inputs), fitted.surrogate.predict(inputs))
    assert [row.cost_solves for row in dear.outcome.levels] == [1 / 4000, 2 / 4000, 1]
    assert dear.outcome.budget.spent.solves == pytest.approx(20 + 39 / 4000 + 28 * 2 / 4000, rel=1e-12)
    words = "the rows that are learned from cost as much as 20 of the finest level"
    assert any(words in line for line in run_lines(dear.outcome, tmp_path))
    assert not any(words in line for line in run_lines(fitted.outcome, tmp_path))
    assert steps and not [step for step in steps if step.phase == "warn"]  # to look a row up takes what it takes


def test_rows_with_the_same_input_stay_together(tmp_path: Path) -> None:
    (level,) = made((20,)).levels
    twice = np.concatenate([level.inputs, level.inputs[:7]])
    data = Dataset.from_arrays(twice, solve(twice, GRIDS[2]), grid=GRIDS[2], name="twice")
    record = mlft.fit(data, out=tmp_path, **SMALL_FIT)
    assert not key(record.samples(0).inputs) & key(record.samples(0, "test").inputs)
    assert record.outcome.data is not None and record.outcome.data.alike == 14
    assert any("14 draws share their input" in line for line in run_lines(record.outcome, tmp_path))


def test_a_network_of_ones_own_is_to_have_the_channels_of_the_rows(tmp_path: Path) -> None:
    asked = {name: value for name, value in SMALL_FIT.items() if name != "surrogate_options"}
    with pytest.raises(ConfigError, match="the network returns 2 channels, and the solutions have 1"):
        mlft.fit(made((30,)), out=tmp_path / "two", network=torch.nn.Conv1d(1, 2, 3, padding=1), **asked)
    found = mlft.fit(made((30,)), out=tmp_path / "one", network=torch.nn.Conv1d(1, 1, 3, padding=1), **asked)
    assert 0 < found.error < 2
