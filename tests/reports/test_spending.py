"""What is said of stated and of measured prices."""

from dataclasses import replace
from pathlib import Path

import pytest

from finished import a_run, read
from mlft.experiment.outcome import Cost, Outcome
from mlft.experiment.record import read_outcome
from mlft.reports import report, spending_lines


def told(folder: Path, measured: float | None, cost_seconds: float | None = 7.7e-05) -> Outcome:
    """A finished run of 63.94 stated solves whose coarsest solves took some seconds; a fine one takes 0.004928."""
    facts = read_outcome(folder)
    levels = (replace(facts.levels[0], cost_seconds=cost_seconds), *facts.levels[1:])
    return replace(facts, levels=levels, budget=replace(facts.budget, spent=Cost(3.1415, 63.94, measured)))


@pytest.mark.parametrize("measured", [32.0, 63.94, 127.8, None])
def test_nothing_is_said_where_the_prices_agree_within_two(tmp_path: Path, measured: float | None) -> None:
    assert spending_lines(told(a_run(tmp_path), measured, 4.928e-3 / 3)) == []


def test_more_than_twice_is_a_warning_that_names_the_level_that_is_most_off(tmp_path: Path) -> None:
    (line,) = spending_lines(told(a_run(tmp_path), 128.0, 4.928e-3 / 2))
    assert "cost 128 solves at measured prices, not the 63.9 of the run's" in line
    assert "a solve on 32 cells takes 32 times what is stated" in line and "--costs measured" in line


def test_less_than_half_is_a_warning_too(tmp_path: Path) -> None:
    (line,) = spending_lines(told(a_run(tmp_path), 31.9, 7.7e-05 / 4))
    assert "a solve on 32 cells takes 1/4 of what is stated" in line


@pytest.mark.usefixtures("undrawn")
def test_the_report_has_both_prices_and_its_title_the_measured_one_where_it_is_far(tmp_path: Path) -> None:
    parts = {"seconds": 3.1415, "solves": 63.94, "measured": 675.0}
    text = " ".join(read(report(a_run(tmp_path, budget={**BUDGET, "spent": parts}))).text.split())
    assert "63.9 solves spent of 64 (675 solves at measured prices)" in text
    assert "spent in all 63.9 675 3.14" in text and "Warning: the samples cost 675 solves" in text


BUDGET = {
    "asked": "64solves",
    "unit": "solves",
    "pilot": {"seconds": 0.25, "solves": 1.5, "measured": 2.5},
    "failed": {"seconds": 0.0123, "solves": 0.25, "measured": 0.5},
}
