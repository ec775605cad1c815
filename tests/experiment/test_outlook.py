"""The pilot, and the outlook that is put together from it; the second look after the coarse stage."""

import itertools
import math
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mlft
from mlft.errors import BudgetError, GenerationError
from mlft.estimators import ErrorCurve, fit_curve
from mlft.experiment import fit
from mlft.experiment.foresight import _by_variances, reconsider
from mlft.experiment.outlook import Outlook, learnability
from mlft.experiment.pilot import SHARE, Gap, Pilot, pilot_counts
from mlft.experiment.pricing import Prices
from mlft.experiment.solving import Solver
from mlft.planning import predict
from mlft.reports import write_report
from small import GRIDS, SMALL, draw, evaluate, problem, solve

COSTS = (1 / 64, 1 / 16, 1 / 4, 1.0)


def outlook(sizes, *, exponent=0.4, cap=1.0, kappa=0.4, scale=1.0, reach=100.0):
    base = ErrorCurve(((16, scale * 16**-exponent),), scale, exponent, cap, ((scale, exponent),) * 3)
    pairs = {(k, level): Gap(size, 0.1, 4) for (k, level), size in sizes.items()}
    return Outlook(base, 0, kappa, 0.2, pairs, reach)


def gaps(steps):
    """Distances of all pairs from those of neighbours, as if corrections were unrelated."""
    levels = range(len(steps) + 1)
    return {(k, j): math.hypot(*steps[k:j]) for k, j in itertools.combinations(levels, 2)}


@given(st.lists(st.floats(0.1, 1.0), min_size=2, max_size=5), st.floats(0.0, 7.0).map(math.exp))
def test_a_pilot_is_nested_and_costs_at_most_a_tenth(ratios, budget):
    costs = [math.prod(ratios[level:]) for level in range(1, len(ratios) + 1)]
    try:
        counts = pilot_counts(costs, budget, at_least=[0] * len(costs))
    except BudgetError as error:
        assert error.needed > budget
        pilot_counts(costs, error.needed * (1 + 1e-12), at_least=[0] * len(costs))
        return
    assert list(counts) == sorted(counts, reverse=True)
    assert math.fsum(c * n for c, n in zip(costs, counts, strict=True)) <= SHARE * budget * (1 + 1e-9)
    assert counts[0] >= 8 and counts[1] >= 2 and counts[-1] <= 32


def test_what_is_bought_already_stays_in_the_pilot():
    assert pilot_counts(COSTS, 64.0, at_least=(0, 0, 0, 3))[-1] == 3


def test_levels_that_teach_nothing_new_are_left_out():
    accurate = outlook(gaps([1e-4, 1e-4, 1e-4]))
    plan = accurate.plan(COSTS, 64.0, bought=[0] * 4, generator=torch.Generator().manual_seed(0))
    assert plan.levels == (0,) and "level 0 only" in plan.reason
    wrong = outlook(gaps([5.0, 5.0, 5.0]), kappa=0.0)  # coarse levels are wrong, and corrections cannot be learned
    plan = wrong.plan(COSTS, 64.0, bought=[0] * 4, generator=torch.Generator().manual_seed(0))
    assert plan.levels == (3,) and "finest only" in plan.reason
    smooth = outlook({pair: size * 0.5 for pair, size in gaps([1.0, 0.5, 0.25]).items()}, kappa=1.0, exponent=0.5)
    plan = smooth.plan((1e-4, 1e-2, 0.1, 1.0), 64.0, bought=[0] * 4, generator=torch.Generator().manual_seed(0))
    assert len(plan.levels) > 1 and plan.predicted < min(p.predicted for p in plan.alternatives if len(p.levels) == 1)
    for told in (plan, *plan.alternatives):
        assert told.interval[0] <= told.predicted <= told.interval[1] and told.cost <= 64


def test_an_outlook_is_worked_out_by_hand():
    # One level, n = 16, a = ½, c = 1, n* = 4: 16^-1 + (4^(-½·0.7))² · 16^(-0.3) = 0.0625 + 4^-0.7 · 16^-0.3.
    one = outlook({(0, 1): 0.3}, exponent=0.5, reach=4.0, kappa=0.5)
    base = 16**-1 + 4**-0.7 * 16**-0.3
    assert predict(one.curves(), (16, 0), bias=one.bias(2)) == pytest.approx(math.sqrt(base + 0.3**2))
    # From scratch on level 1 with κ' = 1: the correction's 0.3² falls like the base, 0.3² · 16^-1.
    assert predict(one.curves(), (0, 16), bias=one.bias(2)) == pytest.approx(math.sqrt(base + 0.3**2 / 16))
    # Fine-tuned with κ = ½ on 4 of the 16: 0.3² · (4^-½)^(2·½) = 0.3² / 2.
    assert predict(one.curves(), (16, 4), bias=one.bias(2)) == pytest.approx(math.sqrt(base + 0.3**2 / 2))


def test_a_measured_error_takes_the_place_of_the_curve():
    one = outlook(gaps([0.3]))
    known = Outlook(**{**vars(one), "known": (0, 50, 0.07)})
    assert predict(known.curves(), (50, 0), bias=[0.0, 0.0]) == pytest.approx(0.07)
    assert predict(known.curves(), (50, 0), bias=[0.0, 0.0]) != predict(one.curves(), (50, 0), bias=[0.0, 0.0])


def test_learnability_is_one_for_a_correction_that_is_learned_like_the_map(generator):
    base = fit_curve([16], [np.full(9, 0.1)], cap=1.0, generator=generator)
    like = fit_curve([16], [np.full(9, 0.02)], cap=0.2, generator=generator)
    never = fit_curve([16], [np.full(9, 0.2)], cap=0.2, generator=generator)
    assert learnability(base, like)[0] == pytest.approx(0.8 * 0.25 + 0.2)
    assert learnability(base, never)[0] == pytest.approx(0.8 * 0.25)


@pytest.mark.parametrize("estimator", ["learning-curve", "kernel-trained", "kernel-initial"])
def test_a_run_is_planned_from_its_pilot_and_the_plan_is_kept(tmp_path, estimator):
    options = {**SMALL, "surrogate_options": {"modes": [3], "width": 5, "depth": 2}}
    record = mlft.run(problem, budget="60solves", out=tmp_path, estimator=estimator, **options)
    told = record.facts
    predicted = told["plan"]["predicted_error"]
    assert predicted["lower"] <= predicted["value"] <= predicted["upper"] and told["plan"]["rule"] == "optimal"
    assert told["foresight"]["estimator"] == estimator
    pilot = told["foresight"]["pilot"]
    assert told["budget"]["pilot"]["solves"] <= 6.0 and told["budget"]["spent"]["solves"] <= 60.0
    spent = [max(a, b) for a, b in zip(pilot, told["plan"]["samples"], strict=True)]
    assert told["budget"]["spent"]["solves"] == pytest.approx(np.dot(spent, problem.costs))
    assert sorted(gap[:2] for gap in told["foresight"]["gaps"]) == [[0, 1], [0, 2], [1, 2]]
    assert all(stage["movement"] >= 0 and 0 <= stage["alignment"] <= 1 for stage in told["stages"])
    page = write_report(tmp_path).read_text()
    assert "What was foreseen" in page and "Kernel moved" in page and "nan" not in page.lower().split("<body")[1][:200]
    budgets = [row[0] for row in told["foresight"]["by_budget"]]
    assert 60.0 in budgets and all(low <= value <= high for _, value, low, high in told["foresight"]["by_budget"])
    (tmp_path / "record.json").unlink()
    again = mlft.run(problem, budget="60solves", out=tmp_path, estimator=estimator, **options)
    assert again.facts["plan"] == told["plan"] and again.error == record.error


def test_the_rate_of_the_prices_is_of_those_that_are_planned_with(tmp_path, monkeypatch):
    monkeypatch.setattr(Solver, "timed", lambda self, level, n: (0.02, 0.1, 0.9)[level])
    told = mlft.run(problem, budget="60solves", out=tmp_path, costs="measured", **SMALL).facts
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

    monkeypatch.setattr("mlft.experiment.loop.time", clock)
    monkeypatch.setattr("mlft.experiment.loop.reconsider", lasting(100.0, reconsider))
    monkeypatch.setattr("mlft.experiment.loop.fit", lasting(1.0, fit))
    biased = mlft.FunctionProblem("biased", GRIDS, draw, evaluate, _far, cost_exponent=4.0)
    options = SMALL | {"training": {"steps": 60, "batch": 8, "checks": 3, "rate": 1e-2}}
    options |= {"surrogate_options": {"modes": [5], "width": 8, "depth": 2}}
    told = mlft.run(biased, budget="40solves", out=tmp_path, **options).facts
    assert "first" in told["foresight"], told["plan"]
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
    told = mlft.run(problem, budget="60solves", out=tmp_path, strategy="finetune:mlmc", **SMALL).facts
    assert told["plan"]["rule"] == "mlmc" and min(told["plan"]["samples"]) >= 1
    assert told["plan"]["alternatives"][0]["rule"] == "optimal" and told["plan"]["cost"] <= 60


@pytest.mark.parametrize("sizes", [(0.3, 0.2, 0.1), (30.0, 9.0, 3.0), (1.0, 7.0, 13.0)])
@pytest.mark.parametrize("lost", [(), (0,), (3,)])
def test_the_rule_of_multi_level_monte_carlo_keeps_the_pilot_and_the_budget(sizes, lost):
    costs, budget = (0.001, 0.01, 0.1, 1.0), 5.14
    usable = [level for level in range(4) if level not in lost]
    distances = {(k, j): math.fsum(sizes[k:j]) for k, j in itertools.combinations(usable, 2)}
    believed = replace(outlook(distances), origin=usable[0])
    counts = pilot_counts(costs, budget, at_least=(0, 0, 0, 1))
    best = believed.plan(costs, budget, bought=counts, generator=torch.Generator().manual_seed(0))
    pilot = Pilot(counts, {}, dict(believed.gaps), (0.0,) * 4, ())
    plan = _by_variances(believed, pilot, best, Prices("solves", budget, costs, costs, counts))
    assert plan.cost <= plan.budget == budget
    assert all(plan.samples[level] >= counts[level] for level in usable)
    assert plan.wasted == tuple(counts[level] if level in lost else 0 for level in range(4))
    assert list(plan.levels) == usable
    assert [plan.samples[level] for level in usable] == sorted((n for n in plan.samples if n), reverse=True)


def test_a_budget_too_small_for_a_pilot_says_what_is_needed(tmp_path):
    with pytest.raises(BudgetError, match="finetune:equal-cost") as caught:
        mlft.run(problem, budget="2solves", out=tmp_path, **SMALL)
    assert caught.value.needed == pytest.approx(10 * (8 / 16 + 2 / 4))
