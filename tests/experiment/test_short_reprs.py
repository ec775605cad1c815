"""What a session or a notebook shows of a thing is short, whatever is in the thing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlft
from finished import Page, a_comparison, a_run
from mlft.experiment.finished import LevelSamples
from mlft.experiment.foresight import Forecast
from mlft.experiment.outcome import CurveFacts, Foresight, LawFacts, RateFacts, RatesFacts, TrustOutcome
from mlft.experiment.pricing import Prices
from mlft.experiment.progress import Progress
from mlft.experiment.record import read_bands, read_comparison, read_outcome
from small import GRIDS, problem

MOST = 300
LONG = "a name of many words " * 40
LAW = LawFacts(LONG, 0.1, 0.05, 0.2, 0.1, 0.3, failed=0, refused="", failures="")
PLAN = mlft.Plan((900, 30, 9), (0.06, 0.25, 1.0), 80.0, "optimal", LONG, 0.123, (0.1, 0.15), (0.5, 0.2, 0.1))
PLAN = replace(PLAN, alternatives=(PLAN,) * 30, errors=(0.1, 0.1, 0.1), bias=(0.4, 0.2, 0.1))


def outcome(folder: Path) -> mlft.Outcome:
    return replace(read_outcome(a_run(folder)), problem=LONG)


def record(folder: Path) -> mlft.Record:
    told = read_outcome(a_run(folder))
    return mlft.Record(told, mlft.Surrogate(torch.nn.Identity(), (1, 1), told.grid), Path("runs/first"))


def trust(_: Path) -> TrustOutcome:
    return TrustOutcome(LONG, LONG, 48, 900, (LAW,) * 20, (LAW,) * 9, (0.5, 2.0), 12.0, None, LONG)


def comparison(folder: Path) -> mlft.Comparison:
    return read_comparison(a_comparison(folder, {LONG: {0: 0.1, 1: 0.3}, "finest-only": {0: 0.2, 1: 0.4}}))


def forecast(_: Path) -> Forecast:
    prices = Prices("solves", 80.0, PLAN.costs, PLAN.costs, (0, 0, 0))
    return Forecast(PLAN, prices, None, rounds=False)


def foresight(_: Path) -> Foresight:
    curve, rate = CurveFacts(((8, 0.4), (17, 0.3)), 0.9, 1.1, 1.0, ()), RateFacts(1.0, 0.1, (1.0, 1.1) * 9)
    rates = RatesFacts(rate, rate, rate)
    return Foresight("learning-curve", (32, 12, 3), curve, 0, (0.5, 0.1), ((0, 1, 0.2, 9),) * 9, rates, (LONG,), ())


def samples(_: Path) -> LevelSamples:
    return LevelSamples(0, tuple(range(900)), np.zeros((900, 1, 28)), np.zeros((900, 1, 7)))


THINGS: dict[str, Callable[[Path], Any]] = {
    "record": record,
    "outcome": outcome,
    "foresight": foresight,
    "sure": lambda folder: outcome(folder).sure,
    "worth": lambda folder: outcome(folder).worth,
    "surrogate": lambda folder: record(folder).surrogate,
    "bands": lambda folder: read_bands(folder, outcome(folder).grid),
    "banded": lambda folder: read_bands(folder, outcome(folder).grid).about(np.zeros((9, 1, 45)), 0.9),  # type: ignore[union-attr]
    "trust": trust,
    "comparison": comparison,
    "forecast": forecast,
    "plan": lambda _: PLAN,
    "samples": samples,
    "examination": lambda _: mlft.check(problem, draws=2),
    "own problem": lambda _: replace(problem, name=LONG),
    "shipped problem": lambda _: mlft.PROBLEMS["schrodinger"](),
    "solved": lambda _: mlft.Solved(np.zeros((40, 1, 28)), ("ok",) * 40),
    "configuration": lambda _: mlft.Config(problem="burgers", budget="64solves", options={"cells": 64}),
    "strategy": lambda _: mlft.STRATEGIES["lift"],
    "training": lambda _: mlft.Training(),
    "progress": lambda _: Progress("train", "level 2", 3, 300, 0.123, 0, "a note", "train", "seed 0", 0.5, 90.0),
    "grid": lambda _: GRIDS[-1],
    "problems": lambda _: mlft.PROBLEMS,
}


@pytest.mark.parametrize("name", THINGS)
def test_a_thing_is_shown_in_a_line(name: str, tmp_path: Path) -> None:
    shown = repr(THINGS[name](tmp_path))
    assert 5 < len(shown) <= MOST and shown.isprintable(), shown


@pytest.mark.parametrize("name", ["record", "forecast", "comparison", "plan"])
def test_a_notebook_shows_a_table(name: str, tmp_path: Path) -> None:
    page = Page(THINGS[name](tmp_path)._repr_html_())
    assert "table" in page.tags and page.tags.count("tr") > 2


def test_a_plan_is_shown_in_a_notebook_level_by_level() -> None:
    text = Page(PLAN._repr_html_()).text
    assert "level cost each bias correction samples error" in text
    assert "1 0.25 0.2 0.2 30 0.1" in text and "all 70.5" in text and "939 0.123 (0.1 to 0.15)" in text
    assert repr(PLAN) == "Plan(900/30/9 samples by 'optimal', cost 70.5, predicted error 0.123 (0.1 to 0.15))"


def test_a_configuration_shows_what_is_not_as_it_is_by_default() -> None:
    config = mlft.Config(problem="burgers", budget="64solves", seed=3)
    assert repr(config) == "Config(problem='burgers', budget='64solves', seed=3)"


def test_an_own_problem_is_shown_by_its_grids_and_an_examination_by_its_counts() -> None:
    assert repr(problem) == "FunctionProblem('small', grids 7, 14, 28)"
    assert repr(mlft.check(problem, draws=2)).startswith("Examination(small: ")
