"""What is said where a coarser grid is nearer to the reference than the finest."""

from dataclasses import replace
from pathlib import Path

import pytest

from finished import a_run, read
from mlft.experiment.outcome import Measure, Outcome
from mlft.experiment.record import read_outcome, write_outcome
from mlft.reports import report, target_lines


def told(folder: Path, biases: tuple[float | None, ...], kind: str = "reference") -> Outcome:
    facts = read_outcome(folder)
    rows = [replace(row, bias=bias) for row, bias in zip(facts.levels, biases, strict=True)]
    return replace(facts, levels=tuple(rows), measure=Measure(kind, 6))  # type: ignore[arg-type]


@pytest.mark.usefixtures("undrawn")
def test_a_coarser_grid_that_is_nearer_to_the_reference_is_named(tmp_path: Path) -> None:
    grids = [row.grid for row in read_outcome(a_run(tmp_path)).levels]
    facts = told(tmp_path, (0.001, *[0.004] * (len(grids) - 2), 0.021))
    (line,) = target_lines(facts)
    assert f"on {grids[0]} cells are nearer to the reference than those on the finest grid, {grids[-1]}" in line
    assert "(0.00100 and 0.0210 away, on 6 draws)" in line and f"a hierarchy that ends with {grids[0]} cells" in line
    write_outcome(tmp_path, facts)
    assert line in " ".join(read(report(tmp_path)).text.split())


@pytest.mark.parametrize(
    ("coarse", "finest", "kind"),
    [(0.3, 0.02, "reference"), (0.018, 0.02, "reference"), (0.001, 0.02, "finest"), (0.001, None, "reference")],
)
def test_nothing_is_said_where_the_finest_grid_is_best_or_that_is_not_known(
    coarse: float, finest: float | None, kind: str, tmp_path: Path
) -> None:
    count = len(read_outcome(a_run(tmp_path)).levels)
    assert target_lines(told(tmp_path, (*[coarse] * (count - 1), finest), kind)) == []
