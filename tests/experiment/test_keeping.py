"""A budget in time is kept by the clock, whatever solves take; a clock of the test's own, which solves move on."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlft
from mlft.errors import BudgetError
from mlft.experiment.asking import ask
from mlft.experiment.foresight import Forecast, foresee
from mlft.experiment.keeping import kept
from mlft.experiment.progress import Progress
from mlft.experiment.session import Session
from mlft.experiment.timing import contradicted
from mlft.planning import bank, stretch
from mlft.planning.past import farther
from small import GRIDS, SMALL, draw, evaluate, solve

EQUAL, FINEST = "finetune:equal-cost", "finest-only"


class Clock:
    """Stands for `time` where solves are timed."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("mlft.generation.work.time", made)
    return made


Cost = Callable[[np.ndarray, int], float]


def heavy(inputs: np.ndarray, cells: int) -> float:
    """One sample in twelve takes 30 times what the others do; a mean of 3.4 ms by cells / 28."""
    tail = np.abs(np.sin(1e4 * inputs[:, 0, 2] * cells)) > math.cos(math.pi / 24)
    return float((1 + 29 * tail).sum()) * cells / 28e3


def cheap(inputs: np.ndarray, cells: int) -> float:
    """A batch takes 10 ms, and each of its samples a tenth of that."""
    return 0.01 + 1e-3 * len(inputs) * cells / 28


def even(inputs: np.ndarray, cells: int) -> float:
    return len(inputs) * cells / 28


def quick(inputs: np.ndarray, cells: int) -> float:
    return even(inputs, cells) / 1000


def own(clock: Clock, cost: Cost, exponent: float = 1.0) -> mlft.FunctionProblem:
    def timed(inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
        clock.now += cost(inputs, grid.cells[0])
        return solve(inputs, grid)

    return mlft.FunctionProblem("clocked", GRIDS, draw, evaluate, timed, cost_exponent=exponent)


def bought(problem: mlft.FunctionProblem, folder: Path, **asked: Any) -> tuple[Forecast, float]:
    """What a budget buys, and the seconds of all that is charged."""
    with Session(ask(problem, **SMALL, **asked), folder) as session:
        found = kept(session, foresee(session))
        counts = map(max, found.plan.samples, found.plan.wasted or found.plan.samples, found.prices.bought)
        rows = [row for level, n in enumerate(counts) for row in session.rows("train", level, n)]
        return found, math.fsum(row.seconds for row in rows)


@pytest.mark.parametrize("strategy", [EQUAL, FINEST, "single-level:0"])
@pytest.mark.parametrize(
    ("cost", "budget", "most"),
    [(heavy, 0.9, 0.03), (cheap, 0.6, 0.011), (even, 7.5, 1.0)],
    ids=["heavy", "cheap", "few"],
)
def test_what_is_spent_is_the_budget_within_a_tenth_or_one_solve(clock, tmp_path, cost, budget, most, strategy):
    found, spent = bought(own(clock, cost), tmp_path, budget=f"{budget}s", strategy=strategy)
    assert abs(spent - budget) <= max(0.1 * budget, most)
    assert found.plan.cost == pytest.approx(spent) or strategy == "single-level:0"  # the finest level's pilot is lost
    used = [n for n in found.plan.samples if n]
    assert used == sorted(used, reverse=True)


def test_even_prices_buy_what_the_pilot_had_planned(clock, tmp_path):
    with Session(ask(own(clock, even), budget="30s", strategy=FINEST, **SMALL), tmp_path) as session:
        planned = foresee(session).plan
    assert planned.samples == (0, 0, 30)
    found, spent = bought(own(clock, even), tmp_path, budget="30s", strategy=FINEST)
    assert found.plan.samples == (0, 0, 30) and spent == 30 and "had planned" not in found.plan.reason


def test_a_plan_from_estimates_is_kept_and_its_error_foreseen_for_what_was_bought(clock, tmp_path, monkeypatch):
    asked = {"budget": "0.9s", "strategy": "finetune:mlmc", "training": {"steps": 8, "batch": 4, "checks": 1}}
    problem = own(clock, heavy)
    with Session(ask(problem, **SMALL | asked), tmp_path) as session:
        first = foresee(session)
        found = kept(session, first)
        counts = map(max, found.plan.samples, found.plan.wasted or found.plan.samples, found.prices.bought)
        spent = math.fsum(row.seconds for level, n in enumerate(counts) for row in session.rows("train", level, n))
    assert abs(spent - 0.9) <= 0.09 and found.plan.samples != first.plan.samples
    assert "the pilot's prices had planned" in found.plan.reason
    assert found.plan.predicted != first.plan.predicted
    low, high = found.plan.interval
    assert low <= found.plan.predicted <= high
    monkeypatch.setattr("mlft.experiment.pilot.bank", tuple)
    with Session(ask(problem, **SMALL | asked), tmp_path) as session:
        believed = kept(session, first).plan.interval
    assert found.plan.interval == pytest.approx(farther(found.plan.predicted, believed, found.plan.stretch))
    assert found.plan.stretch == stretch(bank(), problem.name).times


def test_a_first_solve_that_compiles_is_no_price(clock, tmp_path):
    seen = set()

    def compiles(inputs: np.ndarray, cells: int) -> float:
        first = cells not in seen
        seen.add(cells)
        return even(inputs, cells) + 1000 * first

    found, spent = bought(own(clock, compiles), tmp_path, budget="60s", strategy=EQUAL)
    assert abs(spent - 60) <= 6 and found.prices.costs[2] == pytest.approx(1.0)


def test_what_was_bought_is_frozen_and_a_run_that_was_stopped_goes_on_as_planned(clock, tmp_path):
    asked = {"budget": "0.9s", "strategy": EQUAL}
    left = [200]

    def stops(inputs: np.ndarray, cells: int) -> float:
        left[0] -= len(inputs)
        if left[0] < 0:
            raise KeyboardInterrupt
        return heavy(inputs, cells)

    with pytest.raises(KeyboardInterrupt):
        bought(own(clock, stops), tmp_path / "stopped", **asked)
    again, spent = bought(own(clock, heavy), tmp_path / "stopped", **asked)
    assert abs(spent - 0.9) <= 0.09
    later, same = bought(own(clock, cheap), tmp_path / "stopped", **asked)  # a machine that is faster by then
    assert later.plan == again.plan and later.prices == again.prices and same == spent


@pytest.mark.parametrize(
    ("strategy", "solves"), [("finetune", {7: 2}), (EQUAL, {7: 3, 14: 3, 28: 2}), (FINEST, {28: 2})]
)
def test_slow_solves_are_refused_as_early_as_can_be_known(clock, tmp_path, strategy, solves):
    made: dict[int, int] = {}

    def slow(inputs: np.ndarray, cells: int) -> float:
        made[cells] = made.get(cells, 0) + len(inputs)
        return even(inputs, cells)

    with pytest.raises(BudgetError, match=r"takes [\d.]+ s$") as told:
        bought(own(clock, slow), tmp_path, budget="1.9s", strategy=strategy)
    assert made == solves and told.value.needed > 1.9


def test_one_slow_solve_among_quick_ones_refuses_nothing(clock, tmp_path):
    calls = []

    def once(inputs: np.ndarray, cells: int) -> float:
        calls.append(cells)
        return 5.0 if len(calls) == 2 else 0.06 * len(inputs)

    found, spent = bought(own(clock, once), tmp_path, budget="20s", strategy=FINEST)
    assert abs(spent - 20) <= 2 and found.plan.samples[2] > 200


# ---- stated prices


def test_stated_prices_that_the_clock_contradicts_are_told_once_while_the_run_goes_on(clock, tmp_path):
    told: list[Progress] = []
    problem = own(clock, quick, exponent=4.0)  # 1/256 and 1/16 are stated, 1/4 and 1/2 are true
    asked = ask(problem, budget="12solves", strategy=EQUAL, **SMALL)
    with Session(asked, tmp_path, report=told.append) as session:
        session.solve("train", dict(enumerate(foresee(session).plan.samples)))
    (warning,) = [place for place, step in enumerate(told) if step.phase == "warn"]
    assert warning < len(told) - 2
    assert "that the problem states: one on level 1 takes 8 times what is stated" in told[warning].label
    assert str(told[warning]).startswith("warning: the samples so far cost ")


@pytest.mark.parametrize("asked", [{"budget": "12solves"}, {"budget": "12solves", "costs": "measured"}])
def test_prices_that_are_right_or_measured_are_not_doubted(clock, tmp_path, asked):
    told: list[Progress] = []
    problem = own(clock, quick, exponent=4.0 if "costs" in asked else 1.0)
    with Session(ask(problem, strategy=EQUAL, **asked, **SMALL), tmp_path, report=told.append) as session:
        session.solve("train", dict(enumerate(foresee(session).plan.samples)))
    assert not [step for step in told if step.phase == "warn"]


def test_too_few_samples_say_nothing_of_prices():
    assert contradicted([[9.0] * 30, [2.0] * 3], [0.125, 1.0]) == ""
    assert "one on level 0 takes 0.04 times" in contradicted([[1.0] * 30, [5.0] * 4], [5.0, 1.0])
