"""Strategies compared at several budgets: one store, every cell once, and what is refused."""

import csv
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import mlft
from mlft.errors import BudgetError, ConfigError
from mlft.experiment.record import read_budgets
from mlft.reports import report, summary_lines
from small import SMALL, problem

STRATEGIES = ("finest-only", "single-level:1")
ASKED: dict[str, Any] = SMALL | {"strategies": STRATEGIES, "seeds": 2, "symmetry": "none"}


def solved(folder: Path) -> list[tuple[int, int]]:
    """Return level and index of every training sample of a store, as often as it is there."""
    with sqlite3.connect(folder / "ledger.sqlite") as ledger:
        return ledger.execute("select level, sample from samples where stream = 'train'").fetchall()


def test_each_budget_is_a_comparison_of_its_own_and_samples_are_shared(tmp_path, monkeypatch):
    found = mlft.compare(problem, budget=("12 solves", "6solves"), out=tmp_path / "both", **ASKED)
    assert found.budgets == ("6solves", "12 solves") and found.folders == ("6solves", "12solves")
    assert read_budgets(tmp_path / "both") == found and "6solves, 12 solves" in repr(found)
    alone = mlft.compare(problem, budget="12 solves", out=tmp_path / "alone", **ASKED)
    errors = {(row.budget, row.strategy, row.seed): row.relative_l2 for row in found.rows}
    assert len(errors) == 8
    for row in alone.rows:
        assert errors["12 solves", row.strategy, row.seed] == row.relative_l2
    rows = solved(tmp_path / "both" / "seed-1")
    assert sorted(rows) == [(1, i) for i in range(48)] + [(2, i) for i in range(12)]  # the larger budget's, once
    with (tmp_path / "both" / "compare.csv").open() as stream:
        assert [row["budget"] for row in csv.DictReader(stream)] == ["6solves"] * 4 + ["12 solves"] * 4

    ran: list[str] = []
    monkeypatch.setattr("mlft.experiment.loop._run", lambda session: ran.append(session.asked.config.budget))
    again = mlft.compare(problem, budget="6solves,12 solves", out=tmp_path / "both", **ASKED)
    assert again.rows == found.rows and not ran


def test_a_further_budget_may_be_added_and_nothing_else_may_differ(tmp_path):
    asked = ASKED | {"strategies": ("finest-only",), "seeds": 1}
    mlft.compare(problem, budget=("4solves", "6solves"), out=tmp_path, **asked)
    more = mlft.compare(problem, budget=("4solves", "8solves"), out=tmp_path, **asked)
    assert more.budgets == ("4solves", "8solves")
    with pytest.raises(ConfigError, match="is of another configuration: test is 7 there and 9 here"):
        mlft.compare(problem, budget=("4solves", "8solves"), out=tmp_path, **asked | {"test": 9})


def test_a_folder_tells_of_the_comparison_that_was_asked_for_last(tmp_path):
    asked = ASKED | {"strategies": ("finest-only",), "seeds": 1, "out": tmp_path}
    mlft.compare(problem, budget=("4solves", "6solves"), **asked)
    mlft.compare(problem, budget="6solves", **asked)
    assert "at 2 budgets" not in " ".join(summary_lines(tmp_path))
    assert "Error against budget" not in report(tmp_path).read_text()
    mlft.compare(problem, budget=("4solves", "6solves"), **asked)
    assert "at 2 budgets" in " ".join(summary_lines(tmp_path))
    assert "Error against budget" in report(tmp_path).read_text()
    assert sorted(file.name for file in tmp_path.glob("*.json")) == ["budgets.json"]


@pytest.mark.parametrize(
    ("budgets", "words"),
    [
        (("6solves", "6 solves"), "each budget is compared once, got 6solves, 6 solves"),
        (("60s", "1min"), "each budget is compared once"),
        (("6solves", "1min"), "budgets are compared in one unit, solves or time, got 6solves, 1min"),
        ("6solves,", "a budget is a number and a unit"),
        ((), "at least one budget is needed"),
    ],
)
def test_budgets_that_cannot_be_compared_are_refused_before_anything_is_solved(budgets, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        mlft.compare(problem, budget=budgets, out=tmp_path / "x", **ASKED)
    assert not (tmp_path / "x").exists()


def test_the_command_that_repeats_it_names_all_budgets(tmp_path):
    asked = {name: value for name, value in ASKED.items() if name != "strategies"}
    found = mlft.compare("small:problem", budget="3solves,4solves", out=tmp_path, strategies=("finest-only",), **asked)
    assert "--budget 3solves,4solves" in found.command and "--strategies finest-only" in found.command


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_budget_that_one_of_the_strategies_cannot_live_on_is_refused_before_anything_is_solved(jobs, tmp_path):
    asked = ASKED | {"strategies": ("finest-only", "finetune"), "jobs": jobs}
    with pytest.raises(BudgetError, match=r"needs a pilot of 8 samples of the coarsest level .* got 4") as refused:
        mlft.compare(problem, budget="4solves", out=tmp_path / "two", **asked)
    assert refused.value.needed > refused.value.given == 4
    assert not (tmp_path / "two").exists()
