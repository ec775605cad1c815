"""The section of lifted labels: what each level's label error was, by which lift, and one draw of each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlft.experiment.outcome import Interval, LiftFacts, Outcome
from mlft.experiment.record import read_outcome
from mlft.grids import Grid
from mlft.reports.lifts import lifts

GOLDEN = Path(__file__).parent / "golden" / "run-v1"


def lifted_facts(grid: Grid) -> Outcome:
    error = Interval(0.25, 0.2, 0.3), Interval(0.0625, 0.05, 0.075), Interval(1.5, 1.0, 2.0)
    tried: dict[str, float | str] = {"richardson": "needs a coarser level", "local": 0.0625}
    rows = (
        LiftFacts(0, 2, "local", *error, draws=14, samples=90, tried=tried, cpu_seconds=12.5),
        LiftFacts(1, 2, "none", *error, draws=14, samples=0, tried={}, cpu_seconds=0.0),
    )
    return replace(read_outcome(GOLDEN), lifts=rows, grid=grid)


@pytest.mark.parametrize("grid", [Grid((10,)), Grid((6, 9))], ids=str)
def test_the_section_tells_both_errors_and_shows_a_draw_of_each_level(grid: Grid) -> None:
    random = np.random.default_rng(0)
    evaluation = {f"lift-{level}": random.normal(size=(3, 1, *grid.shape)) for level in (0, 1)}
    html, drawings = lifts(lifted_facts(grid), evaluation)
    assert set(drawings) == {"lift-0", "lift-1"} and all("<svg" in each.narrow for each in drawings.values())
    for words in ("0.250<small>0.200 to 0.300", "0.0625<small>0.0500 to 0.0750", "1.50", "12.5 s of CPU time"):
        assert words in html
    assert "richardson: needs a coarser level; local: 0.0625" in html
    assert html.count("None of its labels is used") == 1


def test_a_run_without_lifts_has_no_such_section() -> None:
    assert lifts(read_outcome(GOLDEN), {}) == ("", {})
