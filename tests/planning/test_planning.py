import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from mlft.errors import BudgetError, ConfigError
from mlft.planning import (
    ByRule,
    ByVariances,
    Curve,
    Given,
    Optimal,
    Terms,
    allocate,
    equal_cost,
    finest_only,
    from_facts,
    mixture,
    mlmc,
    predict,
    rates,
    single_level,
)
from mlft.planning import given as given_plan


def costs_to(most):
    return st.integers(1, most).flatmap(lambda n: st.lists(st.floats(0.01, 10), min_size=n, max_size=n).map(sorted))


costs_of = costs_to(4)
curves = st.builds(Curve, st.floats(1e-4, 1.0), st.floats(0.3, 2.0), st.floats(1e-3, 1.0))


@st.composite
def plannings(draw, levels=4):
    costs = draw(costs_to(levels))
    levels = range(len(costs))
    pairs = [(None, level) for level in levels] + list(itertools.combinations(levels, 2))
    corrections = {pair: draw(curves) for pair in pairs}
    bias = [draw(st.floats(0, 0.5)) for _ in levels[:-1]] + [0.0]
    return corrections, costs, draw(st.floats(0.5, 200)) * costs[-1], bias


def brute_force(corrections, costs, budget, bias, most=200):
    """The least predicted error over all integer allocations with non-increasing counts."""
    best = math.inf
    levels = range(len(costs))
    for size in range(1, len(costs) + 1):
        for chain in itertools.combinations(levels, size):
            pairs = list(zip((None, *chain[:-1]), chain, strict=True))
            ranges = [range(1, min(most, int(budget / costs[level])) + 1) for level in chain]
            for counts in itertools.product(*ranges):
                cost = sum(costs[level] * n for level, n in zip(chain, counts, strict=True))
                if cost <= budget and list(counts) == sorted(counts, reverse=True):
                    error = sum(corrections[p](n) for p, n in zip(pairs, counts, strict=True))
                    best = min(best, error + bias[chain[-1]] ** 2)
    return math.sqrt(best)


def test_two_levels_agree_with_the_hand_worked_multi_level_monte_carlo_rule():
    # p = 1: n_l = √(C_l/c_l) B / Σ √(C_l c_l). C = (1, 0.01), c = (1, 25), B = 300: n = (1, 0.02)·300/1.5 = (200, 4).
    corrections = {(None, 0): Curve(1.0, 1.0), (None, 1): Curve(1.0, 1.0), (0, 1): Curve(0.01, 1.0)}
    plan = allocate(corrections, [1.0, 25.0], 300.0, bias=[1.0, 0.0])
    assert plan.samples == (200, 4)
    assert plan.cost == pytest.approx(300)
    assert plan.predicted == pytest.approx(math.sqrt(1 / 200 + 0.01 / 4))
    assert plan.alternatives[0].samples == (0, 12)


@given(plannings())
def test_a_plan_never_exceeds_the_budget_and_its_counts_never_increase(planning):
    corrections, costs, budget, bias = planning
    try:
        plan = allocate(corrections, costs, budget, bias=bias)
    except BudgetError as error:
        assert error.needed > budget
        return
    used = [n for n in plan.samples if n]
    assert plan.cost <= budget and used == sorted(used, reverse=True)
    for other in plan.alternatives:
        assert other.cost <= budget and other.predicted >= plan.predicted


@given(plannings(levels=3), st.floats(1e-3, 1e3))
def test_the_unit_of_cost_does_not_matter(planning, unit):
    corrections, costs, budget, bias = planning
    assume(budget >= min(costs) * 1.01)
    other = allocate(corrections, [c * unit for c in costs], budget * unit, bias=bias)
    # Round-off may let one sample more or less fit exactly, so the plan lies between those of budgets a little apart.
    low, high = (allocate(corrections, costs, budget * (1 + e), bias=bias).predicted for e in (1e-9, -1e-9))
    assert low * (1 - 1e-9) <= other.predicted <= high * (1 + 1e-9)


@given(plannings(levels=3), st.randoms(use_true_random=False))
def test_renaming_the_levels_renames_the_plan(planning, random):
    corrections, costs, budget, bias = planning
    assume(budget >= min(costs) * 1.01)
    names = list(range(len(costs)))
    random.shuffle(names)  # level i is called names[i]
    renamed = {(None if k is None else names[k], names[level]): curve for (k, level), curve in corrections.items()}
    back = [names.index(level) for level in range(len(costs))]
    other = allocate(renamed, [costs[i] for i in back], budget, bias=[bias[i] for i in back])
    one = allocate(corrections, costs, budget, bias=bias)
    assert other.predicted == pytest.approx(one.predicted, rel=1e-12)
    same = [other.samples[names[level]] for level in range(len(costs))]  # or another plan that is exactly as good
    assert predict(corrections, same, bias=bias) == pytest.approx(one.predicted, rel=1e-12)


@given(plannings(), st.floats(1.0, 10))
def test_a_larger_budget_does_not_hurt(planning, factor):
    corrections, costs, budget, bias = planning
    assume(budget >= min(costs))
    small = allocate(corrections, costs, budget, bias=bias)
    large = allocate(corrections, costs, budget * factor, bias=bias)
    assert large.predicted <= small.predicted * (1 + 1e-9)


@given(plannings())
def test_what_a_budget_error_says_is_needed_is_enough(planning):
    corrections, costs, _, bias = planning
    with pytest.raises(BudgetError) as caught:
        allocate(corrections, costs, min(costs) * 0.5, bias=bias)
    assert allocate(corrections, costs, caught.value.needed, bias=bias).cost <= caught.value.needed


@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(plannings())
def test_a_plan_is_within_one_percent_of_brute_force_on_small_cases(planning):
    corrections, costs, _, bias = planning
    costs, bias = costs[:3], [*bias[: min(len(costs), 3) - 1], 0.0]
    costs = [max(c, costs[-1] / 8) for c in costs]
    budget = 6.3 * costs[-1]
    corrections = {pair: curve for pair, curve in corrections.items() if pair[1] < len(costs)}
    plan = allocate(corrections, costs, budget, bias=bias)
    assert plan.predicted <= 1.01 * brute_force(corrections, costs, budget, bias)


def test_an_accurate_coarse_level_is_used_alone_and_useless_levels_are_left_out():
    same = {(None, 0): Curve(1.0, 1.0), (None, 1): Curve(1.0, 1.0)}
    accurate = allocate(same | {(0, 1): Curve(1e-6, 1.0, cap=1e-6)}, [1.0, 4.0], 100.0, bias=[1e-3, 0.0])
    assert accurate.samples == (100, 0) and "level 0 only" in accurate.reason
    useless = allocate(same | {(0, 1): Curve(1.0, 1.0)}, [1.0, 1.5], 100.0, bias=[1.0, 0.0])
    assert useless.samples == (0, 66) and "finest only" in useless.reason


def test_a_cap_says_that_too_few_samples_learn_nothing():
    curve = Curve(4.0, 1.0, cap=0.25)
    assert [curve(n) for n in (0, 1, 16, 32)] == [0.25, 0.25, 0.25, 0.125]


@given(costs_of, st.floats(1.0, 1e5))
def test_equal_cost_spends_no_more_than_the_budget_and_little_less(costs, factor):
    budget = math.fsum(costs) * factor
    plan = equal_cost(costs, budget)
    assert plan.cost <= budget and min(plan.samples) >= 1
    assert list(plan.samples) == sorted(plan.samples, reverse=True)
    assert budget - plan.cost <= math.fsum(costs) * 2 + 0.05 * budget


@pytest.mark.parametrize("exponent", [0.0, -0.7, -6.0])
def test_a_mixture_has_samples_in_the_ratio_of_its_exponential(exponent):
    plan = mixture([1 / 64, 1 / 8, 0.5, 1.0], 1e5, exponent)
    assert 0 <= plan.budget - plan.cost < 1
    ratios = np.array(plan.samples) / plan.samples[0]
    np.testing.assert_allclose(ratios, np.exp(exponent * np.arange(4) / 3), rtol=5e-3)
    assert mixture([1.0], 7.5, exponent).samples == (7,)
    assert mixture([0.25, 1.0], 12, exponent, least=[8, 5]).samples[1] >= 5
    with pytest.raises(BudgetError):
        mixture([0.25, 1.0], 1, exponent)


@pytest.mark.parametrize("exponent", [0.1, -50.1, np.nan])
def test_a_mixture_of_more_fine_samples_than_coarse_ones_is_refused(exponent):
    with pytest.raises(ValueError, match="λ lies between -50 and 0"):
        mixture([0.25, 1.0], 8, exponent)


def test_equal_cost_of_a_ratio_four_hierarchy_is_powers_of_four():
    assert equal_cost([1 / 64, 1 / 16, 1 / 4, 1.0], 64).samples == (1024, 256, 64, 16)
    assert equal_cost([1 / 64, 1 / 16, 1 / 4, 1.0], 85 / 64).samples == (1, 1, 1, 1)


def test_a_plan_prints_as_a_table_with_a_row_a_level_and_its_reason():
    text = str(equal_cost([0.25, 1.0], 8))
    assert text.splitlines()[1].split() == ["0", "0.25", "16", "50%"]
    assert "equal-cost: the same cost on each of 2 levels" in text


def test_single_levels_spend_everything_on_one():
    assert finest_only([1.0, 4.0], 9).samples == (0, 2)
    assert single_level([1.0, 4.0], 9, 0).samples == (9, 0)
    with pytest.raises(ValueError, match="levels 0 to 0"):
        single_level([1.0], 9, 3)


def test_a_planner_by_rule_pays_for_what_was_bought_on_levels_that_it_does_not_use():
    planner = ByRule(finest_only)
    assert planner.levels((1.0, 4.0)) == (1,) and not planner.estimates
    assert planner.plan(Terms((1.0, 4.0), 17.0, (3, 2))).samples == (0, 3)  # 3 are bought on level 0, 14 are left
    assert planner.plan(Terms((1.0, 4.0), 17.0, (0, 2))).samples == (0, 4)
    with pytest.raises(BudgetError, match="does not buy the pilot") as caught:
        planner.plan(Terms((1.0, 4.0), 3.0, (3, 0)))
    assert caught.value.needed == 7.0


def test_given_samples_are_a_planner_that_refuses_what_is_no_plan():
    assert Given((5, 0, 2)).plan(Terms((1.0, 2.0, 4.0), 13.0, (0, 0, 0))).samples == (5, 0, 2)
    assert Given((5, 0, 2)).levels((1.0, 2.0, 4.0)) == (0, 2)
    with pytest.raises(ConfigError, match="option 'plan'"):
        Given((2, 5)).plan(Terms((1.0, 2.0), 99.0, (0, 0)))


def test_a_planner_that_estimates_needs_an_outlook():
    for planner in (Optimal(), ByVariances()):
        assert planner.estimates and planner.levels((1.0, 2.0, 4.0)) == (0, 1, 2)
        with pytest.raises(ValueError, match="outlook"):
            planner.plan(Terms((1.0, 2.0), 99.0, (0, 0)))


@pytest.mark.parametrize("budget", [0.0, -1.0, math.nan, math.inf])
def test_a_budget_that_is_no_amount_is_refused(budget):
    with pytest.raises(BudgetError, match="positive and finite"):
        equal_cost([1.0, 2.0], budget)


def test_what_is_no_price_or_no_curve_is_refused():
    with pytest.raises(ValueError, match="costs must be positive"):
        equal_cost([1.0, 0.0], 3)
    with pytest.raises(ValueError, match="exponent > 0"):
        Curve(1.0, 0.0)
    with pytest.raises(ValueError, match="at least one level"):
        allocate({(0, 1): Curve(1.0, 1.0)}, [1.0, 2.0], 9)
    with pytest.raises(ValueError, match="bias for each"):
        allocate({(None, 0): Curve(1.0, 1.0)}, [1.0, 2.0], 9, bias=[0.0])


def test_several_curves_of_a_level_add_up_and_any_samples_can_be_judged():
    curves = {(None, 0): (Curve(1.0, 1.0), Curve(0.5, 0.5)), (0, 1): Curve(0.2, 1.0, cap=0.1)}
    found = predict(curves, (16, 4), bias=[0.3, 0.0])
    assert found == pytest.approx(math.sqrt(1 / 16 + 0.5 / 4 + 0.2 / 4))
    assert predict(curves, (16, 0), bias=[0.3, 0.0]) == pytest.approx(math.sqrt(1 / 16 + 0.5 / 4 + 0.09))
    summed = allocate(curves, [1.0, 4.0], 40.0, bias=[0.3, 0.0])
    best = min(
        predict(curves, (n, m), bias=[0.3, 0.0]) for n in range(1, 41) for m in range(11) if n + 4 * m <= 40 and m <= n
    )
    assert summed.predicted == pytest.approx(best, rel=1e-12)


def test_bought_samples_are_kept_where_used_and_paid_for_where_not():
    curves = {(None, 0): Curve(1.0, 1.0), (None, 1): Curve(1e-6, 1.0)}
    plan = allocate(curves, [1.0, 2.0], 10.0, bias=[0.5, 0.0], bought=[4, 1])
    assert plan.samples == (0, 3) and plan.wasted == (4, 0) and plan.cost == 10.0
    kept = allocate({(None, 0): Curve(1.0, 1.0)}, [1.0, 2.0], 10.0, bias=[0.0, 0.0], bought=[4, 1])
    assert kept.samples == (8, 0) and kept.wasted == (0, 1) and kept.cost == 10.0
    with pytest.raises(ValueError, match="count of what is bought"):
        allocate(curves, [1.0, 2.0], 10.0, bought=[1])


def test_a_plan_of_fewer_levels_is_preferred_where_the_gain_is_small():
    curves = {(None, 0): Curve(1.0, 1.0), (None, 1): Curve(1.0, 1.0), (0, 1): Curve(0.01, 1.0, cap=0.04)}
    sharp = allocate(curves, [1.0, 4.0], 100.0, bias=[0.15, 0.0])
    assert len(sharp.levels) == 2
    single = next(p for p in sharp.alternatives if len(p.levels) == 1)
    slack = single.predicted / sharp.predicted - 1
    assert allocate(curves, [1.0, 4.0], 100.0, bias=[0.15, 0.0], simplicity=1.01 * slack).samples == single.samples
    assert allocate(curves, [1.0, 4.0], 100.0, bias=[0.15, 0.0], simplicity=0.99 * slack).samples == sharp.samples


def test_multi_level_monte_carlo_shares_by_variance_and_cost():
    assert mlmc([1.0, 0.01], [1.0, 25.0], 300.0).samples == (200, 4)
    assert mlmc([1.0, 1.0, 0.0], [1.0, 4.0, 9.0], 60.0).samples[2] == 1
    with pytest.raises(ValueError, match="not negative"):
        mlmc([1.0, -1.0], [1.0, 4.0], 9)
    with pytest.raises(BudgetError):
        mlmc([1.0, 1.0], [1.0, 4.0], 4)
    with pytest.raises(ValueError, match="counts of 2 levels"):
        mlmc([1.0, 1.0], [1.0, 4.0], 99, least=[3])


@given(costs_of, st.floats(1.0, 1e3), st.data())
def test_multi_level_monte_carlo_keeps_what_each_level_has_and_the_budget(costs, factor, data):
    each = st.lists(st.integers(0, 40), min_size=len(costs), max_size=len(costs))
    least = data.draw(each.filter(any))
    variances = data.draw(st.lists(st.floats(0.0, 1e4), min_size=len(costs), max_size=len(costs)))
    nested = [max(1, *least[level:]) for level in range(len(costs))]
    needed = math.fsum(c * n for c, n in zip(costs, nested, strict=True))
    plan = mlmc(variances, costs, needed * factor, least=least)
    assert plan.cost <= plan.budget and list(plan.samples) == sorted(plan.samples, reverse=True)
    assert all(n >= m for n, m in zip(plan.samples, nested, strict=True))
    with pytest.raises(BudgetError) as caught:
        mlmc(variances, costs, needed * 0.999, least=least)
    assert caught.value.needed == pytest.approx(needed)


def test_given_samples_are_a_plan_if_they_are_nested_and_paid_for():
    assert given_plan([8, 0, 2], [1.0, 2.0, 4.0], 16).samples == (8, 0, 2)
    for wrong in ([2, 0, 3], [0, 0, 0], [1, 1], [-1, 0, 0]):
        with pytest.raises(ValueError, match="a plan gives samples"):
            given_plan(wrong, [1.0, 2.0, 4.0], 99)
    with pytest.raises(BudgetError, match="too small"):
        given_plan([8, 0, 3], [1.0, 2.0, 4.0], 16)


def test_a_plan_is_written_as_plain_values_and_read_back():
    curves = {(None, 0): Curve(1.0, 1.0), (None, 1): Curve(1.0, 1.0), (0, 1): Curve(0.01, 1.0, cap=0.04)}
    plan = allocate(curves, [1.0, 4.0], 100.0, bias=[0.5, 0.0])
    again = from_facts(json.loads(json.dumps(plan.facts).replace("NaN", "null").replace("Infinity", "null")))
    assert (again.samples, again.costs, again.predicted) == (plan.samples, plan.costs, plan.predicted)
    assert [p.samples for p in again.alternatives] == [p.samples for p in plan.alternatives]
    with pytest.raises(ValueError, match="not a plan"):
        from_facts({"samples": [1]})


def test_rates_are_the_slopes_of_exact_power_laws():
    points, h = [10, 20, 40, 80], [1 / n for n in (10, 20, 40, 80)]
    bias, steps = [x**1.5 for x in h[:-1]] + [0.0], [1.0] + [3 * x**2 for x in h[1:]]
    found = rates(points, bias=bias, corrections=steps, costs=[n**2.5 for n in points])
    told = found.bias_rate.value, found.variance_rate.value, found.cost_rate.value
    assert told == pytest.approx((1.5, 4.0, 2.5)) and found.cost_rate.residual < 1e-12
    assert math.isnan(rates([8, 16], bias=[0.1, 0], corrections=[1, 0.1], costs=[1, 2]).bias_rate.value)


def test_a_level_that_learns_nothing_is_passed_through_with_one_sample():
    curves = {(None, 0): Curve(1.0, 1.0), (0, 1): Curve(1e6, 1.0, cap=1e-4)}
    assert allocate(curves, [1.0, 4.0], 100004.0, bias=[1.0, 0.0]).samples == (100000, 1)
