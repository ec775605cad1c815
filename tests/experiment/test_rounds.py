"""Rounds of a run: what is bought and measured before a plan is followed, what it costs, and how it is continued."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlft
from mlft.errors import GenerationError
from mlft.experiment.asking import ask
from mlft.experiment.foresight import Forecast, foresee
from mlft.experiment.outcome import Foresight, Outcome
from mlft.experiment.progress import Progress, Report, quiet
from mlft.experiment.session import Session
from mlft.grids import Grid
from mlft.intervals import Middle
from mlft.learners import Lifted
from mlft.lifts import LIFTS, LabelError
from mlft.lifts.learned import Effort
from mlft.lifts.local import Layers, Local
from mlft.planning import ErrorCurve
from mlft.reports import report
from mlft.store import SampleStore
from small import GRIDS, SMALL, draw, evaluate, failing

BUDGET = "90solves"


def solve(inputs: np.ndarray, grid: Grid) -> np.ndarray:
    """A map whose coarse levels are off by a local function of the solution."""
    right = np.tanh(inputs) + 1.0
    return np.asarray(right + 80 * grid.spacing[0] ** 2 * np.sin(2 * right))


PROBLEM = mlft.FunctionProblem("off", GRIDS, draw, evaluate, solve, cost_exponent=2.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    small_lifts(monkeypatch)


def small_lifts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlft.lifts.local.LINE", Layers((1, 2, 1), width=6, kernel=3))
    monkeypatch.setitem(LIFTS, "local", Local(line=Effort(10, passes=0, rate=1e-2)))
    monkeypatch.setitem(LIFTS, "spectral", LIFTS["none"])


def run(folder: Path, problem: mlft.Problem = PROBLEM, **options: Any) -> Outcome:
    return mlft.run(problem, budget=BUDGET, strategy="lift", out=folder, **SMALL | options).outcome


def planned(folder: Path, problem: mlft.Problem = PROBLEM, *, report: Report = quiet, **options: Any) -> Forecast:
    with Session(ask(problem, budget=BUDGET, strategy="lift", **SMALL | options), folder, report=report) as session:
        return foresee(session)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run that nothing disturbs."""
    with pytest.MonkeyPatch.context() as patched:
        small_lifts(patched)
        return run(tmp_path_factory.mktemp("whole"))


def foreseen(told: Outcome) -> Foresight:
    assert told.foresight is not None
    return told.foresight


def leaving(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every lift leave a share of the label error."""
    middle = Middle(1.0, 0.99, 1.01)
    part = Middle(*(share * end for end in (1.0, 0.99, 1.01)))
    found = LabelError(middle, part, middle, 20)
    monkeypatch.setattr(Lifted, "left", lambda *_: found)


def halving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each fourfold number of samples halve the error, whatever the level."""
    curve = ErrorCurve(((40, 0.3),), 0.3 * 40**0.5, 0.5, 1.0, ((0.3 * 40**0.5, 0.5),) * 3, (0.1,))
    monkeypatch.setattr("mlft.estimators.study.network_curve", lambda *_, **__: curve)
    monkeypatch.setattr("mlft.training.Training.reach", lambda *_: 1e6)


def test_every_round_buys_more_measures_it_and_plans_again(whole: Outcome) -> None:
    told = whole
    rounds, before = foreseen(told).rounds, foreseen(told).pilot
    assert len(rounds) > 1
    for one in rounds:
        assert all(now >= earlier for now, earlier in zip(one.bought, before, strict=True))
        assert (one.curve is None) == (one.target is not None) == (one.fall is not None)
        before = one.bought
    asked = [(one.level, one.target, one.bought[one.level]) for one in rounds]
    assert len(set(asked)) == len(asked)
    assert rounds[-1].plan.samples == told.plan.samples
    first = foreseen(told).first
    assert first is not None and first.predicted != told.plan.predicted
    curves = [one.curve for one in rounds if one.curve is not None and one.level == rounds[-1].level]
    for earlier, later in zip(curves, curves[1:], strict=False):
        assert later.points[:-1] == earlier.points and later.points[-1][0] > earlier.points[-1][0]


@pytest.mark.parametrize("estimator", ["kernel-initial", "kernel-trained"])
def test_rounds_of_lifted_labels_go_by_the_tangent_kernel_where_it_is_asked_for(
    estimator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlft.estimators.study.network_curve", lambda *_, **__: pytest.fail("it was trained"))
    network = {"modes": [3], "width": 5, "depth": 2}
    told = planned(tmp_path, estimator=estimator, surrogate_options=network).foresight
    assert told is not None and told.estimator == estimator
    curves = [one.curve for one in told.rounds if one.curve is not None]
    assert curves and all(len(one.points) > 1 and all(0 < error < 2 for _, error in one.points) for one in curves)


def test_what_a_round_bought_and_the_plan_does_not_use_is_paid_for(tmp_path: Path, monkeypatch: Any) -> None:
    """Lifts that leave all of the label error are given up after they were measured."""
    halving(monkeypatch)
    leaving(1.0, monkeypatch)
    told = run(tmp_path)
    bought = foreseen(told).rounds[-1].bought
    assert any(
        had > max(n, first) for had, n, first in zip(bought, told.plan.samples, foreseen(told).pilot, strict=True)
    )
    paid = [max(pair) for pair in zip(bought, told.plan.samples, strict=True)]
    assert told.budget.spent.solves == pytest.approx(np.dot(paid, PROBLEM.costs)) and told.budget.spent.solves <= 90.0
    with SampleStore.open(tmp_path, {"problem": "off", "options": PROBLEM.options, "seed": 0}) as store:
        assert [len(store.ledger("train", level)) for level in range(3)] == paid
    assert [row.samples + row.failed for row in told.levels] == paid
    level = next(level for level, n in enumerate(told.plan.wasted) if n > foreseen(told).pilot[level])
    for file in ("record.json", "manifest.json", *tmp_path.glob(f"samples/level-{level}/train-*")):
        (tmp_path / file).unlink()
    assert run(tmp_path).budget.spent.solves == told.budget.spent.solves  # also where it was lost
    page = report(tmp_path).read_text()
    assert "What the plan rests on was bought in part" in page and "of the label error" in page


def test_lifts_that_leave_nothing_are_followed_and_lifts_that_leave_all_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halving(monkeypatch)
    used = {}
    for share in (0.01, 1.0):
        leaving(share, monkeypatch)
        used[share] = planned(tmp_path / f"{share}").plan.levels
    assert len(used[0.01]) > 1 == len(used[1.0]), used


@pytest.mark.parametrize("after", [30, 90])
def test_a_plan_stopped_in_a_round_goes_on_to_the_same_plan(after: int, tmp_path: Path, whole: Outcome) -> None:
    """In the pilot's trainings, and in a round's."""
    seen = iter(range(1, 10**6))

    def stop(progress: Progress) -> None:
        if progress.phase == "plan" and next(seen) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        planned(tmp_path, report=stop)
    again = planned(tmp_path)
    assert again.foresight == whole.foresight and again.plan.samples == whole.plan.samples


def test_a_plan_that_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = planned(tmp_path)
    monkeypatch.setattr("mlft.experiment.foresight.measured_round", lambda *_: pytest.fail("measured again"))
    assert planned(tmp_path) == first


def test_samples_that_fail_do_not_make_rounds_go_on_for_ever(tmp_path: Path) -> None:
    told = planned(tmp_path, failing, max_failure_rate=0.5).foresight
    assert told is not None and 1 <= len(told.rounds) < 12


def test_a_level_that_the_plan_rests_on_and_that_cannot_be_solved_any_more_is_named(tmp_path: Path) -> None:
    """Its pilot succeeds, and all that a round tries fails: too many failures, in the words of every generation."""
    tried: list[int] = []

    def breaking(inputs: np.ndarray, grid: Grid) -> np.ndarray:
        tried.extend([1] * len(inputs))
        return solve(inputs, grid) if len(tried) < 70 else np.full_like(inputs, np.nan)

    broken = mlft.FunctionProblem("breaking", GRIDS, draw, evaluate, breaking, cost_exponent=2.0)
    with pytest.raises(GenerationError, match="fail"):
        planned(tmp_path, broken)
