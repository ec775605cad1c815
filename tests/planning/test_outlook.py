"""The pilot's counts, and the outlook that is put together from what it solved."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlft.errors import BudgetError
from mlft.estimators import fit_curve
from mlft.planning import (
    ByVariances,
    ErrorCurve,
    Fall,
    Gap,
    Optimal,
    Outlook,
    Plan,
    Terms,
    learnability,
    pilot_counts,
    predict,
)
from mlft.planning.pilot import SHARE

COSTS = (1 / 64, 1 / 16, 1 / 4, 1.0)


def outlook(sizes, *, exponent=0.4, cap=1.0, kappa=0.4, scale=1.0, reach=100.0):
    base = ErrorCurve(((16, scale * 16**-exponent),), scale, exponent, cap, ((scale, exponent),) * 3)
    pairs = {(k, level): Gap(size, 0.1, 4) for (k, level), size in sizes.items()}
    return Outlook(base, 0, kappa, 0.2, pairs, reach)


def gaps(steps):
    """Distances of all pairs from those of neighbours, as if corrections were unrelated."""
    levels = range(len(steps) + 1)
    return {(k, j): math.hypot(*steps[k:j]) for k, j in itertools.combinations(levels, 2)}


def noise(of):
    """Normal numbers of a hundred beliefs."""
    return np.random.default_rng(0).standard_normal((100, of.beliefs))


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
    plan = accurate.plan(COSTS, 64.0, bought=[0] * 4, noise=noise(accurate))
    assert plan.levels == (0,) and "level 0 only" in plan.reason
    wrong = outlook(gaps([5.0, 5.0, 5.0]), kappa=0.0)  # coarse levels are wrong, and corrections cannot be learned
    plan = wrong.plan(COSTS, 64.0, bought=[0] * 4, noise=noise(wrong))
    assert plan.levels == (3,) and "finest only" in plan.reason
    smooth = outlook({pair: size * 0.5 for pair, size in gaps([1.0, 0.5, 0.25]).items()}, kappa=1.0, exponent=0.5)
    plan = smooth.plan((1e-4, 1e-2, 0.1, 1.0), 64.0, bought=[0] * 4, noise=noise(smooth))
    assert len(plan.levels) > 1 and plan.predicted < min(p.predicted for p in plan.alternatives if len(p.levels) == 1)
    for told in (plan, *plan.alternatives):
        assert told.interval[0] <= told.predicted <= told.interval[1] and told.cost <= 64


def test_an_outlook_is_worked_out_by_hand():
    # One level, a = ½, c = 1, n* = 4, measured up to n = 16: (n^-1 + (4^(-½·0.7))² · n^(-0.3)) / (1 + (16/4)^0.7).
    one = outlook({(0, 1): 0.3}, exponent=0.5, reach=4.0, kappa=0.5)
    base, longer = ((n**-1 + 4**-0.7 * n**-0.3) / (1 + 4**0.7) for n in (16, 64))
    assert base == pytest.approx(16**-1)  # as it was measured
    assert predict(one.curves(), (16, 0), bias=one.bias(2)) == pytest.approx(math.sqrt(base + 0.3**2))
    assert predict(one.curves(), (64, 0), bias=one.bias(2)) == pytest.approx(math.sqrt(longer + 0.3**2))
    # From scratch on level 1 with κ' = 1: the correction's 0.3² falls like the base, 0.3² · 16^-1.
    assert predict(one.curves(), (0, 16), bias=one.bias(2)) == pytest.approx(math.sqrt(base + 0.3**2 / 16))
    # Fine-tuned with κ = ½ on 4 of the 16: 0.3² · (4^-½)^(2·½) = 0.3² / 2.
    assert predict(one.curves(), (16, 4), bias=one.bias(2)) == pytest.approx(math.sqrt(base + 0.3**2 / 2))


def test_a_measured_error_takes_the_place_of_the_curve():
    one = outlook(gaps([0.3]))
    known = one.corrected(0, 50, 0.07)
    assert predict(known.curves(), (50, 0), bias=[0.0, 0.0]) == pytest.approx(0.07)
    assert predict(known.curves(), (50, 0), bias=[0.0, 0.0]) != predict(one.curves(), (50, 0), bias=[0.0, 0.0])
    assert known.curves()[None, 1] == one.curves()[None, 1]


def test_where_curves_were_measured_a_measured_error_moves_those_of_the_other_levels():
    measured = ErrorCurve(((40, 0.01),), 0.01 * 40**0.5, 0.5, 1.0, ((0.2, 0.5),))
    one = replace(outlook(gaps([0.3, 0.2])), own={1: measured}, reach=1e12)
    known = one.corrected(1, 200, 0.4)
    assert predict(one.curves(), (0, 0, 8), bias=[0.0] * 3) == pytest.approx(0.01 * 5**0.5)
    assert predict(known.curves(), (0, 0, 8), bias=[0.0] * 3) == pytest.approx(min(1.0, 0.4 * 25**0.5))
    assert predict(known.curves(), (0, 0, 800), bias=[0.0] * 3) == pytest.approx(0.2)
    assert known.own[1].replicates[0][0] == pytest.approx(0.2 * 0.4 / (0.01 * (40 / 200) ** 0.5))


def test_a_belief_moves_each_number_by_its_own_scatter():
    base = ErrorCurve(((16, 0.3),), 1.0, 0.4, 1.0, ((1.0, 0.4), (1.2, 0.3)))
    pairs = {(0, 1): Gap(0.3, 0.1, 4), (0, 2): Gap(0.5, 0.9, 1), (1, 2): Gap(0.2, 0.4, 0)}
    own = ErrorCurve(((40, 0.1),), 0.5, 0.6, 1.0, ((0.5, 0.6), (0.4, 0.5), (0.3, 0.7)))
    of = Outlook(base, 0, 0.4, 0.2, pairs, 100.0, (0, 50, 0.07), {1: own}, {(0, 2): Fall(16, 0.5, 0.1)})
    beliefs = np.array([[0.5, -2.0, 1.0, 1.0, -1.0], [-9.0, 0.0, 0.0, 0.0, 0.0], [9.0, 3.0, 0.0, 2.0, 0.0]])
    rows = np.concatenate([beliefs, [[2.0, 2.0, -1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]], axis=1)
    assert of.beliefs == rows.shape[1]
    first, second, third = of.replicates(rows)
    assert [each.learnability for each in (first, second, third)] == pytest.approx([0.5, 0.0, 1.0])
    assert [(each.base.scale, each.base.exponent) for each in (first, second, third)] == [
        (1, 0.4),
        (1.2, 0.3),
        (1, 0.4),
    ]
    moved = {pair: gap.size for pair, gap in first.gaps.items()}
    sizes = {(0, 1): 0.3 * math.exp(0.1), (0, 2): 0.5 * math.exp(0.5), (1, 2): 0.2 * math.exp(-0.4)}
    assert moved == pytest.approx(sizes)  # a scatter counts as a half at most
    assert second.gaps == pairs and second.known == of.known
    assert first.known == (0, 50, pytest.approx(0.07 * math.exp(-0.2)))
    assert third.known == (0, 50, pytest.approx(0.07 * math.exp(0.3)))
    assert [(each.own[1].scale, each.own[1].exponent) for each in (first, second, third)] == [*own.replicates]
    assert first.falls[0, 2].left == pytest.approx(0.5 * math.exp(0.2))
    assert first.falls[0, 1].left == pytest.approx(0.5 * math.exp(0.2))  # as towards level 2
    assert first.falls[1, 2](64) == pytest.approx(1.6 * 64**-0.3 * math.exp(-0.45))  # believed, so it moves by more
    assert second.falls[1, 2] == Fall() and second.falls[0, 2] == of.falls[0, 2]


def test_a_curve_is_the_levels_own_or_that_of_the_nearest_measured_one_and_slows_beyond_what_a_training_visits():
    one = outlook(gaps([0.3, 0.2, 0.1]))
    near, far = (ErrorCurve(((40, 0.1),), scale, 0.5, 1.0, ((scale, 0.5),)) for scale in (0.5, 0.8))
    known = replace(one, own={0: far, 2: near})
    assert one.learned(1, 64) == one.base(64).value
    assert [known.learned(level, 64) for level in range(4)] == pytest.approx([0.1, 0.0625, 0.0625, 0.0625])
    bias = known.bias(4)
    found = [predict(replace(known, reach=1e9).curves(), [40 * (k == i) for k in range(4)], bias=bias) for i in (0, 1)]
    assert found == pytest.approx([math.hypot(0.8 * 40**-0.5, bias[0]), math.hypot(0.5 * 40**-0.5, bias[1])])
    correction = gaps([0.3, 0.2, 0.1])[0, 2] * (0.8 * 9**-0.5) ** 0.4  # as easily as the measured curve of level 0 says
    both = predict(replace(known, reach=1e9).curves(), (40, 0, 9, 0), bias=bias)
    assert both == pytest.approx(math.hypot(0.8 * 40**-0.5, correction, bias[2]))
    slow = replace(known, reach=64.0)
    assert slow.learned(0, 64) == pytest.approx(0.1)
    assert slow.learned(0, 64 * 16) == pytest.approx(0.1 * 16 ** (-0.5 * 0.1))


def test_a_level_that_was_measured_is_left_for_a_fifth_less_error_alone():
    """Level 1 has 0.45 n^-½ and a bias of its own; level 2 has none, and a fourth of the samples."""
    curve = ErrorCurve(((40, 0.45 * 40**-0.5),), 0.45, 0.5, 1.0, ((0.45, 0.5),) * 3)

    def planned(bias: float) -> Plan:
        one = replace(outlook(gaps([5.0, bias]), kappa=0.0, reach=1e9), own={1: curve})
        return Optimal().plan(Terms((0.05, 0.25, 1.0), 64.0, (0, 40, 0), one, noise(one)))

    near, beyond = planned(0.06), planned(0.08)
    assert near.levels == (1,) and "which was measured" in near.reason
    better = min(near.alternatives, key=lambda plan: plan.predicted)
    assert better.levels == (2,) and 0.8 < better.predicted / near.predicted < 0.95
    assert beyond.levels == (2,) and beyond.predicted < 0.8 * math.hypot(0.45 * 256**-0.5, 0.08)
    assert len({plan.samples for plan in (near, *near.alternatives)}) == len(near.alternatives) + 1


def test_a_level_that_was_not_measured_keeps_nobody():
    """Level 2 promises the least, level 0 an eighth more; level 1, the one that was measured, three times as much."""
    curve = ErrorCurve(((40, 0.45 * 40**-0.5),), 0.45, 0.5, 1.0, ((0.45, 0.5),) * 3)
    sizes = {(0, 1): 0.2, (0, 2): 0.07, (1, 2): 0.2}
    one = replace(outlook(sizes, kappa=0.0, reach=1e9), own={1: curve})
    plan = Optimal().plan(Terms((0.05, 0.25, 1.0), 64.0, (0, 40, 0), one, noise(one)))
    other = next(each for each in plan.alternatives if each.levels == (0,))
    assert plan.levels == (2,) and 0.8 < plan.predicted / other.predicted < 1


def test_a_level_is_believed_to_be_lifted_to_one_target_as_to_another():
    known = replace(outlook(gaps([0.3, 0.2, 0.1])), falls={(0, 1): Fall(30, 0.9), (0, 2): Fall(8, 0.4)})
    assert [known.fall((0, top)).left for top in (1, 2, 3)] == [0.9, 0.4, 0.9]
    assert known.fall((1, 3)) == Fall()


def test_learnability_is_one_for_a_correction_that_is_learned_like_the_map(generator):
    base = fit_curve([16], [np.full(9, 0.1)], cap=1.0, generator=generator)
    like = fit_curve([16], [np.full(9, 0.02)], cap=0.2, generator=generator)
    never = fit_curve([16], [np.full(9, 0.2)], cap=0.2, generator=generator)
    assert learnability(base, like)[0] == pytest.approx(0.8 * 0.25 + 0.2)
    assert learnability(base, never)[0] == pytest.approx(0.8 * 0.25)


@pytest.mark.parametrize("sizes", [(0.3, 0.2, 0.1), (30.0, 9.0, 3.0), (1.0, 7.0, 13.0)])
@pytest.mark.parametrize("lost", [(), (0,), (3,)])
def test_the_rule_of_multi_level_monte_carlo_keeps_the_pilot_and_the_budget(sizes, lost):
    costs, budget = (0.001, 0.01, 0.1, 1.0), 5.14
    usable = [level for level in range(4) if level not in lost]
    distances = {(k, j): math.fsum(sizes[k:j]) for k, j in itertools.combinations(usable, 2)}
    believed = replace(outlook(distances), origin=usable[0])
    counts = pilot_counts(costs, budget, at_least=(0, 0, 0, 1))
    plan = ByVariances().plan(Terms(costs, budget, counts, believed, noise(believed)))
    assert plan.cost <= plan.budget == budget
    assert all(plan.samples[level] >= counts[level] for level in usable)
    assert plan.wasted == tuple(counts[level] if level in lost else 0 for level in range(4))
    assert list(plan.levels) == usable
    assert [plan.samples[level] for level in usable] == sorted((n for n in plan.samples if n), reverse=True)
