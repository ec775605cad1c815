import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from mlft.errors import BudgetError, ConfigError
from mlft.planning import Curve, allocate, by_rule, equal_cost, single_level

costs_of = st.integers(1, 4).flatmap(lambda n: st.lists(st.floats(0.01, 10), min_size=n, max_size=n).map(sorted))
curves = st.builds(Curve, st.floats(1e-4, 1.0), st.floats(0.3, 2.0), st.floats(1e-3, 1.0))


@st.composite
def plannings(draw):
    costs = draw(costs_of)
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


@settings(max_examples=20)
@given(plannings(), st.floats(1e-3, 1e3))
def test_the_unit_of_cost_does_not_matter(planning, unit):
    corrections, costs, budget, bias = planning
    assume(budget >= min(costs) * 1.01)
    one = allocate(corrections, costs, budget, bias=bias)
    other = allocate(corrections, [c * unit for c in costs], budget * unit, bias=bias)
    assert other.predicted == pytest.approx(one.predicted, rel=0.02)


@settings(max_examples=20)
@given(plannings(), st.floats(1.5, 10))
def test_a_larger_budget_does_not_hurt(planning, factor):
    corrections, costs, budget, bias = planning
    assume(budget >= min(costs))
    small = allocate(corrections, costs, budget, bias=bias)
    large = allocate(corrections, costs, budget * factor, bias=bias)
    assert large.predicted <= small.predicted * (1 + 1e-12)


@given(plannings())
def test_what_a_budget_error_says_is_needed_is_enough(planning):
    corrections, costs, _, bias = planning
    with pytest.raises(BudgetError) as caught:
        allocate(corrections, costs, min(costs) * 0.5, bias=bias)
    assert allocate(corrections, costs, caught.value.needed, bias=bias).cost <= caught.value.needed


@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(plannings())
def test_a_plan_is_within_two_percent_of_brute_force_on_small_cases(planning):
    corrections, costs, _, bias = planning
    # Without caps: below its cap a correction is convex in n, and that is what the plan assumes inside a subset.
    corrections = {pair: replace(curve, cap=math.inf) for pair, curve in corrections.items()}
    costs, bias = costs[:3], [*bias[: min(len(costs), 3) - 1], 0.0]
    costs = [max(c, costs[-1] / 8) for c in costs]
    budget = 6.3 * costs[-1]
    corrections = {pair: curve for pair, curve in corrections.items() if pair[1] < len(costs)}
    plan = allocate(corrections, costs, budget, bias=bias)
    assert plan.predicted <= 1.02 * brute_force(corrections, costs, budget, bias)


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


def test_equal_cost_of_a_ratio_four_hierarchy_is_powers_of_four():
    assert equal_cost([1 / 64, 1 / 16, 1 / 4, 1.0], 64).samples == (1024, 256, 64, 16)
    assert equal_cost([1 / 64, 1 / 16, 1 / 4, 1.0], 85 / 64).samples == (1, 1, 1, 1)


def test_a_plan_prints_as_a_table_with_a_row_a_level_and_its_reason():
    text = str(equal_cost([0.25, 1.0], 8))
    assert text.splitlines()[1].split() == ["0", "0.25", "16", "50%"]
    assert "equal-cost: the same cost on each of 2 levels" in text


def test_rules_have_names_and_unknown_ones_name_the_known():
    assert by_rule("finest-only", [1.0, 4.0], 9).samples == (0, 2)
    assert by_rule("single-level:0", [1.0, 4.0], 9).samples == (9, 0)
    assert by_rule("equal-cost", [1.0, 4.0], 16).samples == (8, 2)
    with pytest.raises(ConfigError, match="did you mean 'equal-cost'"):
        by_rule("equal-costs", [1.0], 9)
    with pytest.raises(ValueError, match="number of a level"):
        by_rule("single-level:x", [1.0], 9)
    with pytest.raises(ValueError, match="levels 0 to 0"):
        single_level([1.0], 9, 3)


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
