"""The plan for lifted labels: its formula by hand, what every plan keeps to, and what it refuses to lift."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlft.errors import BudgetError
from mlft.planning import ByLabels, ErrorCurve, Fall, Gap, Optimal, Outlook, Plan, Planner, Terms, Wanted
from mlft.planning.labels import AVERAGED, LEAST, MARGIN, predicted

COSTS = (1 / 64, 1 / 8, 1.0)


def outlook(
    sizes: dict[tuple[int, int], float], *, origin: int = 0, exponent: float = 0.4, reach: float = 1e4
) -> Outlook:
    """Believe in e(n) = min(1, n^(−exponent)), and in these distances."""
    base = ErrorCurve(((16, 0.3),), 1.0, exponent, 1.0, ((1.0, exponent), (1.3, exponent), (0.8, exponent)))
    return Outlook(base, origin, 0.4, 0.2, {pair: Gap(size, 0.1, 4) for pair, size in sizes.items()}, reach)


def terms(of: Outlook, costs: tuple[float, ...], budget: float, bought: tuple[int, ...] = ()) -> Terms:
    noise = np.random.default_rng(0).standard_normal((20, of.beliefs))
    return Terms(costs, budget, bought or (0,) * len(costs), of, noise)


def planned(sizes: dict[tuple[int, int], float], budget: float = 64.0) -> Plan:
    return ByLabels().plan(terms(outlook(sizes), COSTS, budget))


def every(plan: Plan) -> tuple[Plan, ...]:
    return plan, *plan.alternatives


Facts = tuple[dict[tuple[int, int], float], int, float, tuple[float, ...], float, tuple[int, ...]]


@st.composite
def facts_of(draw: st.DrawFn) -> Facts:
    """Distances, coarsest usable level, exponent, costs, budget, and a nested pilot that is bought."""
    count = draw(st.integers(1, 4))
    ratios = draw(st.lists(st.floats(1.2, 10.0), min_size=count, max_size=count))
    costs = tuple(math.prod(ratios[: i + 1]) for i in range(count))
    bought = tuple(sorted(draw(st.lists(st.integers(0, 12), min_size=count, max_size=count)), reverse=True))
    usable = sorted(draw(st.sets(st.integers(0, count - 1), min_size=1)))
    sizes = {pair: draw(st.floats(1e-4, 0.9)) for pair in itertools.combinations(usable, 2)}
    return sizes, usable[0], draw(st.floats(0.2, 0.7)), costs, draw(st.floats(0.3, 60.0)) * costs[-1], bought


def asking(facts: Facts) -> Terms:
    sizes, origin, exponent, costs, budget, bought = facts
    return terms(outlook(sizes, origin=origin, exponent=exponent), costs, budget, bought)


def seen(asked: Terms) -> Outlook:
    assert asked.outlook is not None
    return asked.outlook


def test_the_formula_is_worked_out_by_hand() -> None:
    """e(n) = n^(−½), φ(16) = 0.696, φ(64) = 0.459; V_01 = 0.3, V_12 = 0.2, V_02 = 0.4; n* = 100."""
    of = outlook({(0, 1): 0.3, (1, 2): 0.2, (0, 2): 0.4}, exponent=0.5, reach=100)
    few, many = 1.6 * 16**-0.3, 1.6 * 64**-0.3
    assert predicted(of, (0, 0, 16)) == pytest.approx(0.25)
    assert predicted(of, (16, 0, 0)) == pytest.approx(math.sqrt(0.0625 + 0.64 * 0.16))
    assert predicted(of, (100, 0, 16)) == pytest.approx(math.sqrt(0.01 + 0.64 * (0.4 * few) ** 2))
    three = 0.01 / 4**0.1 + 0.64 * ((0.3 * many) ** 2 + (0.2 * few) ** 2)  # of 400 samples 300 count as 15
    assert predicted(of, (400, 64, 16)) == pytest.approx(math.sqrt(three))
    below = 0.01 + 0.64 * ((0.3 * few) ** 2 + 0.2**2)  # the target is level 1, and 0.2 from the finest
    assert predicted(of, (100, 16, 0)) == pytest.approx(math.sqrt(below))
    assert predicted(of, (100, 2, 0)) == pytest.approx(math.sqrt(0.01 + 0.64 * (0.3**2 + 0.2**2)))  # φ(2) = 1


@given(facts_of())
def test_every_plan_is_nested_within_the_budget_and_keeps_what_is_bought(facts: Facts) -> None:
    asked = asking(facts)
    try:
        plan = ByLabels().plan(asked)
    except BudgetError as error:
        assert error.needed > asked.budget
        ByLabels().plan(replace(asked, budget=error.needed * (1 + 1e-12)))
        return
    of = seen(asked)
    assert len({len(each.levels) for each in every(plan)}) == len(every(plan))  # the best of each number of levels
    for each in every(plan):
        used = [n for n in each.samples if n]
        assert used == sorted(used, reverse=True)
        assert set(each.levels) <= set(of.levels)
        assert all(each.samples[level] >= asked.bought[level] for level in each.levels)
        assert each.wasted == tuple(0 if n else had for n, had in zip(each.samples, asked.bought, strict=True))
        assert each.cost <= asked.budget * (1 + 1e-12)
        assert len(used) == 1 or used[-1] >= LEAST
        assert each.predicted == predicted(of, each.samples)
        assert each.interval is not None and each.interval[0] <= each.predicted <= each.interval[1]


@given(facts_of(), st.integers(-30, 30))
def test_neither_the_unit_of_cost_nor_the_order_of_the_distances_matters(facts: Facts, power: int) -> None:
    asked = asking(facts)
    unit, of = 2.0**power, seen(asked)
    turned = replace(of, gaps=dict(reversed(list(of.gaps.items()))))
    other = replace(asked, costs=tuple(c * unit for c in asked.costs), budget=asked.budget * unit, outlook=turned)
    try:
        plan = ByLabels().plan(asked)
    except BudgetError:
        with pytest.raises(BudgetError):
            ByLabels().plan(other)
        return
    assert [each.samples for each in every(ByLabels().plan(other))] == [each.samples for each in every(plan)]


@given(facts_of(), st.floats(1.0, 10.0))
def test_more_budget_never_predicts_more_error(facts: Facts, factor: float) -> None:
    """Exactly so for the best plan of each number of levels; the margin may keep one by a twentieth a level."""
    asked = asking(facts)
    try:
        before = ByLabels().plan(asked)
    except BudgetError:
        assume(False)
    after = ByLabels().plan(replace(asked, budget=asked.budget * factor))
    best = {len(each.levels): each.predicted or 0.0 for each in every(after)}
    for each in every(before):
        assert best[len(each.levels)] <= (each.predicted or 0.0)
    assert (after.predicted or 0.0) <= (before.predicted or 0.0) / MARGIN**2


@pytest.mark.parametrize("sizes", [(0.3, 0.1, 0.35), (0.05, 0.1, 0.12), (0.2, 0.02, 0.2)])
@pytest.mark.parametrize("bought", [(0, 0, 0), (20, 3, 1)])
def test_no_plan_by_brute_force_is_much_better(sizes: tuple[float, ...], bought: tuple[int, ...]) -> None:
    """Over all nested samples with 8 coupled draws at least; the grid of the search loses less than 2%."""
    of = outlook(dict(zip([(0, 1), (1, 2), (0, 2)], sizes, strict=True)))
    costs, budget = (1 / 16, 1 / 4, 1.0), 30.0
    best = {1: math.inf, 2: math.inf, 3: math.inf}
    for middle, top in itertools.product(range(121), range(31)):
        above = (max(middle, bought[1]) if middle else 0, max(top, bought[2]) if top else 0)
        spent = sum(c * (n or had) for c, n, had in zip(costs[1:], above, bought[1:], strict=True))
        for low in {0, math.floor((budget - spent) / costs[0])}:
            samples = (low, *above)
            used = [n for n in samples if n]
            fits = spent + costs[0] * (low or bought[0]) <= budget and low >= (bought[0] if low else 0)
            nested = used == sorted(used, reverse=True) and (len(used) == 1 or used[-1:] >= [LEAST])
            if used and fits and nested:
                best[len(used)] = min(best[len(used)], predicted(of, samples))
    for each in every(ByLabels().plan(terms(of, costs, budget, bought))):
        assert best[len(each.levels)] * (1 - 1e-12) <= (each.predicted or 0.0) <= 1.02 * best[len(each.levels)]


@pytest.mark.parametrize("budget", [16.0, 64.0, 256.0])
def test_an_aliased_level_is_refused_and_one_that_is_near_is_lifted(budget: float) -> None:
    """Labels of level 0 that are nearly as far from the finest as the mean predictor's; then eight times nearer."""
    assert planned({(0, 1): 0.8, (1, 2): 0.02, (0, 2): 0.8}, budget).samples[0] == 0
    assert planned({(0, 1): 0.1, (1, 2): 0.02, (0, 2): 0.1}, budget).samples[0] > 0


def test_a_level_that_is_right_already_is_used_alone() -> None:
    plan = planned({(0, 1): 1e-6, (1, 2): 1e-6, (0, 2): 1e-6})
    assert plan.samples == (64 * 64, 0, 0)
    assert plan.reason == "level 0 alone: no lift of a coarser level promises a twentieth less error"
    assert planned({(0, 1): 9.0, (1, 2): 9.0, (0, 2): 9.0}).samples == (0, 0, 64)  # and the finest where all are wrong


def test_a_lifted_plan_must_promise_a_twentieth_less_than_a_plan_of_fewer_levels() -> None:
    """Over many distances: the margin decides, and it keeps single levels that are worse by less."""
    kept = lifted = 0
    for size in np.geomspace(0.005, 1.0, 40):
        plan = planned({(0, 1): 0.8 * size, (1, 2): 0.3 * size, (0, 2): size})
        error = {len(each.levels): each.predicted or 0.0 for each in every(plan)}
        count = len(plan.levels)
        assert all(min(error.values()) < MARGIN * error[fewer] for fewer in error if fewer < count)
        assert MARGIN * error[count] <= min(error.values())
        kept += count == 1 and min(error.values()) < error[1]
        lifted += count > 1
    assert kept > 3 and lifted > 3


def test_a_plan_tells_what_each_level_teaches_and_leaves() -> None:
    plan = planned({(0, 1): 0.1, (1, 2): 0.05, (0, 2): 0.12})
    for each in every(plan):
        used, of = each.levels, outlook({(0, 1): 0.1, (1, 2): 0.05, (0, 2): 0.12})
        assert each.bias == (0.12, 0.05, 0.0)
        assert each.corrections[used[0]] == 1.0 and each.errors[used[0]] == of.learned(used[0], each.samples[used[0]])
        for k, level in itertools.pairwise(used):
            assert each.corrections[level] == of.gaps[k, level].size
            assert each.errors[level] == pytest.approx(of.gaps[k, level].size * Fall()(each.samples[level]))
        assert all(math.isnan(each.corrections[level]) for level in range(3) if level not in used)
        squares = [each.errors[used[0]] ** 2, *((AVERAGED * each.errors[level]) ** 2 for level in used[1:])]
        squares.append((AVERAGED * each.bias[used[-1]]) ** 2)
        assert each.predicted == pytest.approx(math.sqrt(math.fsum(squares)))
    assert "learned on" in next(each.reason for each in every(plan) if len(each.levels) > 1)


def test_other_plans_of_the_same_budget_come_best_first() -> None:
    for size in (0.02, 0.1, 0.5):
        others = planned({(0, 1): size, (1, 2): 0.4 * size, (0, 2): size}).alternatives
        assert [each.predicted for each in others] == sorted(each.predicted or 0.0 for each in others)


def test_an_interval_is_over_the_beliefs_that_the_pilot_allows() -> None:
    of = outlook({(0, 1): 0.1, (1, 2): 0.05, (0, 2): 0.12})
    asked = terms(of, COSTS, 64.0)
    assert asked.noise is not None
    for each in every(ByLabels().plan(asked)):
        found = [predicted(other, each.samples) for other in of.replicates(asked.noise)]
        lower, upper = np.quantile([predicted(of, each.samples), *found], [0.025, 0.975])
        assert each.interval == pytest.approx((lower, upper))
        assert lower < upper


def test_what_is_needed_counts_the_pilot_and_is_enough() -> None:
    of = outlook({(0, 1): 0.1})
    asked = terms(of, (0.25, 1.0), 5.0, (8, 4))
    with pytest.raises(BudgetError, match=r"beyond the pilot; give at least 6.25") as caught:
        ByLabels().plan(asked)
    assert caught.value.needed == 6.25
    assert ByLabels().plan(replace(asked, budget=6.25)).cost <= 6.25


def test_the_cheapest_level_may_be_unusable() -> None:
    """Then what is needed is a sample of another level."""
    asked = terms(outlook({(1, 2): 0.1}, origin=1), (0.1, 1.0, 4.0), 0.5)
    with pytest.raises(BudgetError) as caught:
        ByLabels().plan(asked)
    assert ByLabels().plan(replace(asked, budget=caught.value.needed)).samples == (0, 1, 0)


def test_coupled_draws_are_never_more_than_those_of_the_coarse_level() -> None:
    """Not even where samples teach the network nothing, and only coupled draws lower the error."""
    plan = ByLabels().plan(terms(outlook({(0, 1): 0.5}, exponent=1e-6), (0.5, 1.0), 30.0))
    (pair,) = (each for each in every(plan) if len(each.levels) == 2)
    assert pair.samples == (22, 19)


def test_a_plan_is_measured_before_it_is_followed() -> None:
    """Lifts on half of their draws, from the finest level down; then the curve on an eighth and on a half."""
    plan = Plan((800, 60, 20), COSTS, 64.0, "lift", "")
    first = ByLabels().wants(plan, {})
    assert first == Wanted(1, 2, (0, 10, 10))
    second = ByLabels().wants(plan, {(1, 2): 10})
    assert second == Wanted(0, 1, (30, 30, 0))
    curves: dict[tuple[int, int | None], int] = {(1, 2): 10, (0, 1): 30}
    found = []
    while (wanted := ByLabels().wants(plan, curves)) is not None and len(found) < 9:
        assert wanted.level == 0 and wanted.target is None
        curves[0, None] = wanted.samples[0]
        found.append(wanted.samples)
    assert found == [(100, 0, 0), (400, 0, 0)]


def test_a_small_plan_is_measured_once_and_a_large_one_not_for_ever() -> None:
    def curve(n: int) -> list[int]:
        known, found = 0, []
        plan = Plan((0, n, 0), COSTS, 1e9, "lift", "")
        while (wanted := ByLabels().wants(plan, {(1, None): known})) is not None and len(found) < 9:
            known = wanted.samples[1]
            found.append(known)
        return found

    assert (curve(10), curve(40), curve(120)) == ([10], [24], [24, 60])
    assert curve(20_000) == [1024]
    assert ByLabels().wants(Plan((9, 8, 0), COSTS, 9.0, "lift", ""), {(0, None): 9}) == Wanted(0, 1, (8, 8, 0))


def test_without_lifts_a_plan_of_one_level_is_measured_and_one_of_several_is_not() -> None:
    alone, several = Plan((0, 0, 160), COSTS, 1e9, "optimal", ""), Plan((800, 60, 20), COSTS, 64.0, "optimal", "")
    assert Optimal().wants(alone, {}) == Wanted(2, None, (0, 0, 24))
    assert Optimal().wants(alone, {(2, None): 24}) == Wanted(2, None, (0, 0, 80))
    assert Optimal().wants(alone, {(2, None): 80}) is None
    assert Optimal().wants(several, {}) is None


@pytest.mark.parametrize("planner", [ByLabels(), Optimal()])
@given(facts=facts_of())
def test_what_is_wanted_is_a_part_of_the_plan_and_comes_to_an_end(planner: Planner, facts: Facts) -> None:
    """Bought, the plan made again, and so on: within the budget, whatever was planned from."""
    asked, measured = asking(facts), dict[tuple[int, int | None], int]()
    try:
        plan = planner.plan(asked)
    except BudgetError:
        return
    for _ in range(60):
        wanted = planner.wants(plan, measured)
        if wanted is None:
            return
        assert all(n <= planned for n, planned in zip(wanted.samples, plan.samples, strict=True))
        assert wanted.samples[wanted.level] > measured.get((wanted.level, wanted.target), 0)
        measured[wanted.level, wanted.target] = wanted.samples[wanted.level]
        bought = tuple(max(pair) for pair in zip(asked.bought, wanted.samples, strict=True))
        asked = replace(asked, bought=bought)
        plan = planner.plan(asked)
        assert plan.cost <= asked.budget * (1 + 1e-12)
    raise AssertionError("it does not come to an end")
