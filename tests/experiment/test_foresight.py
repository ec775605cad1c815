"""The pilot, and the outlook that is put together from it; the second look after the coarse stage."""

import types

import numpy as np
import pytest

import mlft
from mlft.errors import BudgetError, GenerationError
from mlft.experiment.asking import ask
from mlft.experiment.foresight import foresee, reconsider
from mlft.experiment.loop import fit
from mlft.experiment.session import Session
from mlft.planning import Stretch, bank, stretch
from mlft.planning.past import farther
from mlft.reports import report
from small import GRIDS, HEAD, SMALL, draw, evaluate, facts, problem, solve


@pytest.mark.parametrize("estimator", ["learning-curve", "kernel-trained", "kernel-initial"])
def test_a_run_is_planned_from_its_pilot_and_the_plan_is_kept(tmp_path, estimator):
    options = {**SMALL, "surrogate_options": {"modes": [3], "width": 5, "depth": 2}}
    record = mlft.run(problem, budget="60solves", out=tmp_path, estimator=estimator, **options)
    told = facts(record)
    predicted = told["plan"]["predicted_error"]
    assert predicted["lower"] <= predicted["value"] <= predicted["upper"] and told["plan"]["rule"] == "optimal"
    assert told["foresight"]["estimator"] == estimator
    asked = stretch(bank(), problem.name) if estimator == "learning-curve" else Stretch()  # kernels have no past
    assert (predicted["coverage"], predicted["stretch"]) == (asked.coverage, asked.times)
    assert {plan["coverage"] for plan in told["plan"]["alternatives"]} == {asked.coverage}
    pilot = told["foresight"]["pilot"]
    assert told["budget"]["pilot"]["solves"] <= 6.0 and told["budget"]["spent"]["solves"] <= 60.0
    spent = np.max([pilot, told["plan"]["samples"], *(one["bought"] for one in told["foresight"]["rounds"])], axis=0)
    assert told["budget"]["spent"]["solves"] == pytest.approx(np.dot(spent, problem.costs))
    assert sorted(gap[:2] for gap in told["foresight"]["gaps"]) == [[0, 1], [0, 2], [1, 2]]
    assert all(stage["movement"] >= 0 and 0 <= stage["alignment"] <= 1 for stage in told["stages"])
    page = report(tmp_path).read_text()
    assert "What was foreseen" in page and "Kernel moved" in page and "nan" not in page.lower().split("<body")[1][:200]
    budgets = [row[0] for row in told["foresight"]["by_budget"]]
    assert budgets == [60.0 * 2.0**i for i in range(-3, 4)]
    assert all(low <= value <= high for _, value, low, high in told["foresight"]["by_budget"])
    (tmp_path / "record.json").unlink()
    again = mlft.run(problem, budget="60solves", out=tmp_path, estimator=estimator, **options)
    assert facts(again)["plan"] == told["plan"] and again.error == record.error


def test_a_plan_of_one_level_is_measured_there_before_the_rest_is_bought(tmp_path):
    options = SMALL | {"surrogate": "linear", "surrogate_options": {}}
    record = mlft.run(problem, budget="60solves", out=tmp_path, **options)
    plan, rounds = record.outcome.plan, record.outcome.foresight.rounds
    (level,) = (level for level, n in enumerate(plan.samples) if n)
    curve = rounds[-1].curve
    assert all(one.target is None and one.curve is not None for one in rounds) and rounds[-1].level == level
    assert curve.points[-1][0] == 3 * rounds[-1].bought[level] // 4 <= plan.samples[level] // 2
    assert plan.predicted_error.made == f"after round {len(rounds)}, before the rest was bought"
    on_level = curve.scale * plan.samples[level] ** -curve.exponent
    assert plan.predicted_error.value == pytest.approx(np.hypot(on_level, record.outcome.levels[level].bias), rel=0.2)
    assert 0.8 < record.error / plan.predicted_error.value < 1.25
    solved = record.outcome.budget.spent.solves
    (tmp_path / "record.json").unlink()
    again = mlft.run(problem, budget="60solves", out=tmp_path, **options)
    assert (again.outcome.foresight, again.outcome.budget.spent.solves) == (record.outcome.foresight, solved)


def test_what_is_predicted_by_budget_is_stretched_as_the_plan_is(tmp_path, monkeypatch):
    def rows(name):
        asked = ask(problem, budget="60solves", strategy="finetune:mlmc", surrogate="linear", **HEAD | {"workers": 0})
        with Session(asked, tmp_path / name) as session:
            return foresee(session).foresight.by_budget

    stretched, times = rows("stretched"), stretch(bank(), problem.name).times
    monkeypatch.setattr("mlft.experiment.pilot.bank", tuple)
    for (*before, low, high), row in zip(rows("believed"), stretched, strict=True):
        assert row == pytest.approx((*before, *farther(before[1], (low, high), times)))
        assert row[3] > high


def test_after_a_coarse_stage_no_level_is_believed_to_be_easier_than_it_was(tmp_path):
    """By their kernels these networks learn far more than in 24 steps."""
    record = mlft.run(problem, budget="60solves", out=tmp_path, estimator="kernel-trained", **SMALL)
    first, plan = record.outcome.foresight.first, record.outcome.plan
    assert plan.predicted_error.made == "after the coarsest stage" and first.predicted < 0.1
    assert 0.8 < plan.predicted_error.value / record.error < 1.25
    assert max(plan.samples) >= max(first.samples)


def test_the_rate_of_the_prices_is_of_those_that_are_planned_with(tmp_path, monkeypatch):
    monkeypatch.setattr(Session, "timed", lambda self, level, n: (0.02, 0.1, 0.9)[level])
    told = facts(mlft.run(problem, budget="60solves", out=tmp_path, costs="measured", **SMALL))
    expected = np.polyfit(np.log([grid.cells[0] for grid in GRIDS]), np.log([0.02, 0.1, 0.9]), 1)[0]
    assert told["foresight"]["rates"]["cost_rate"]["value"] == pytest.approx(expected, abs=1e-9)
    assert abs(expected - problem.cost_exponent) > 0.2


def test_several_levels_are_looked_at_again_after_the_coarse_stage(tmp_path, monkeypatch):
    clock = types.SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)

    def lasting(seconds, call):
        def slow(*arguments, **options):
            clock.now += seconds
            return call(*arguments, **options)

        return slow

    monkeypatch.setattr("mlft.experiment.session.time", clock)
    monkeypatch.setattr("mlft.experiment.loop.reconsider", lasting(100.0, reconsider))
    monkeypatch.setattr("mlft.experiment.loop.fit", lasting(1.0, fit))
    biased = mlft.FunctionProblem("biased", GRIDS, draw, evaluate, _far, cost_exponent=4.0)
    options = SMALL | {"training": {"steps": 60, "batch": 8, "checks": 3, "rate": 1e-2}}
    options |= {"surrogate_options": {"modes": [5], "width": 8, "depth": 2}}
    told = facts(mlft.run(biased, budget="40solves", out=tmp_path, **options))
    assert told["foresight"]["first"] is not None, told["plan"]
    assert len(told["foresight"]["first"]["samples"]) == 3 and len(told["foresight"]["learnability_after"]) == 2
    first = told["foresight"]["first"]
    level = next(i for i, n in enumerate(first["samples"]) if n)
    if told["plan"]["samples"][level]:
        assert told["plan"]["samples"][level] >= first["samples"][level]  # what is bought is kept
    assert told["budget"]["spent"]["solves"] <= 40.0 * (1 + 1e-12)
    assert told["stages"][0]["level"] == next(i for i, n in enumerate(told["plan"]["samples"]) if n)
    assert told["seconds"]["plan"] == 100.0  # the second look is a part of the planning
    assert told["seconds"]["train"] == 2.0  # and the coarse stage of the training


def _far(inputs, grid):
    """A map whose coarse levels are off by a multiple of the input, which is easily learned."""
    return np.tanh(inputs) + 1.0 + 60.0 * grid.spacing[0] ** 2 * inputs


def _hopeless_when_fine(inputs, grid):
    return solve(inputs, grid) if grid.cells[0] < 28 else np.full_like(inputs, np.nan)


def test_a_level_whose_solves_all_fail_is_left_out_with_a_warning(tmp_path):
    broken = mlft.FunctionProblem("broken", GRIDS, draw, evaluate, _hopeless_when_fine, cost_exponent=1.0)
    solver_run = lambda: mlft.run(broken, budget="60solves", out=tmp_path, **SMALL)  # noqa: E731
    with pytest.raises(GenerationError):  # the test draws are of the finest level, which cannot be solved at all
        solver_run()
    with mlft.store.SampleStore.open(tmp_path, _identity(broken)) as store:
        name = next(key for key in _facts(tmp_path) if key.startswith("fact/plan/"))
        told = store.frozen(name.removeprefix("fact/"))
    assert told["facts"]["warnings"] == [
        f"level 2 is left out: all its {told['facts']['pilot'][2]} pilot samples failed"
    ]
    assert told["plan"]["samples"][2] == 0


def _identity(own):
    return {"problem": own.name, "options": own.options, "seed": 0}


def _facts(folder):
    import sqlite3

    with sqlite3.connect(folder / "ledger.sqlite") as ledger:
        tables = [row[0] for row in ledger.execute("select name from sqlite_master where type = 'table'")]
        rows = [row for table in tables for row in ledger.execute(f"select * from {table}")]
    return [str(row[0]) for row in rows]


def test_the_rule_of_multi_level_monte_carlo_is_a_named_alternative(tmp_path):
    told = facts(mlft.run(problem, budget="60solves", out=tmp_path, strategy="finetune:mlmc", **SMALL))
    assert told["plan"]["rule"] == "mlmc" and min(told["plan"]["samples"]) >= 1
    assert told["plan"]["alternatives"][0]["rule"] == "optimal" and told["plan"]["cost"] <= 60


def test_a_budget_too_small_for_a_pilot_says_what_is_needed(tmp_path):
    with pytest.raises(BudgetError, match="finetune:equal-cost") as caught:
        mlft.run(problem, budget="2solves", out=tmp_path, **SMALL)
    assert caught.value.needed == pytest.approx(10 * (8 / 16 + 2 / 4))


@pytest.mark.parametrize("strategy", ["lift", "finetune"])
def test_the_progress_of_each_part_of_a_plan_ends_at_its_total(tmp_path, strategy):
    """The steps of a training that may stop early jump to their end."""
    told = []
    asked = ask(problem, budget="60solves", strategy=strategy, **SMALL)
    with Session(asked, tmp_path, report=lambda step: told.append(step)) as session:
        foresee(session)
    parts = {step.label: [] for step in told if step.phase == "plan"}
    for step in told:
        if step.phase == "plan":
            parts[step.label].append((step.done, step.total))
    assert len(parts) > 1
    for done in parts.values():
        assert done == [(i, done[0][1]) for i in range(1, done[0][1] + 1)]
