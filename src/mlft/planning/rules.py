"""Rules that need no error estimate, or only variances: equal cost, single levels, Multi-Level Monte Carlo's."""

import math
from collections.abc import Sequence

from mlft.planning.plan import Plan, check, fit

Least = int | Sequence[int]
"""Samples that a level gets at least: a number for all, or one a level, as of a pilot and of what is bought already."""

MOST_SKEWED = -50.0
"""The exponent of a mixture that has all but everything on its coarsest level."""


def equal_cost(costs: Sequence[float], budget: float, *, least: Least = 1) -> Plan:
    """Return the plan that spends the same on every level, n_l ≈ B / ((L+1) c_l), at least `least` samples each.

    Shares are given out from the finest level down, so that what a level cannot use falls to the coarser ones. The
    counts never increase with the level (nested samples need it), and the budget is never exceeded.

    Raises:
        BudgetError: if the budget does not buy `least` samples on each level.

    >>> equal_cost([1 / 64, 1 / 16, 1 / 4, 1.0], 64).samples
    (1024, 256, 64, 16)
    """
    reason = f"the same cost on each of {len(costs)} levels; no error estimate was asked"
    return _shared([1.0] * len(costs), costs, budget, _nested(least, costs), rule="equal-cost", reason=reason)


def mlmc(variances: Sequence[float], costs: Sequence[float], budget: float, *, least: Least = 1) -> Plan:
    """Return the plan of Multi-Level Monte Carlo, n_l ∝ √(V_l / c_l): what a level costs is ∝ √(V_l c_l).

    It is optimal for a mean estimated by averages, whose error is Σ V_l / n_l, on all levels; a network need not learn
    like that. It is offered as the rule that multi-fidelity training borrows.

    Args:
        variances: V_l = E‖u_l − u_(l−1)‖² for each level, E‖u_0‖² for the coarsest.
        costs: price of one sample on each level.
        budget: what may be spent.
        least: samples that each level gets at least, and one; a number for all, or one a level, as of a pilot.

    Raises:
        BudgetError: if the budget does not buy the least samples on each level.
        ValueError: for a wrong number of variances or counts, or a variance that is negative.

    Source: Giles 2008, "Multilevel Monte Carlo path simulation", Oper. Res. 56, eq. 3.1; for training,
    Song, Tartakovsky 2021.

    >>> mlmc([1.0, 0.01], [1.0, 25.0], 300.0).samples
    (200, 4)
    """
    if len(variances) != len(costs) or min(variances) < 0:
        raise ValueError(f"a variance that is not negative is needed for each of {len(costs)} levels, got {variances}")
    nested = _nested(least, costs)
    weights = [math.sqrt(v * c) for v, c in zip(variances, costs, strict=True)]
    return _shared(weights, costs, budget, nested, rule="mlmc", reason="samples ∝ √(variance / cost)")


def mixture(costs: Sequence[float], budget: float, exponent: float, *, least: Least = 1) -> Plan:
    """Return the plan of a mixture of levels, n_l ∝ exp(λ ξ_l) with ξ_l = l/L the fidelity of a level.

    λ = 0 solves every draw on every level; the further it is below, the more are solved on coarse ones alone.

    Args:
        costs: price of one sample on each level.
        budget: what may be spent.
        exponent: λ, between −50 and 0: nested samples never increase with the level.
        least: samples that each level gets at least, and one; a number for all, or one a level, as of a pilot.

    Raises:
        BudgetError: if the budget does not buy the least samples on each level.
        ValueError: for an exponent that is not allowed.

    Source: Setinek, Galletti, Brandstetter 2025, arXiv 2511.01830, for datasets composed of several fidelities.

    >>> mixture([1 / 16, 1 / 4, 1.0], 64, -4.0).samples
    (564, 75, 10)
    """
    if not MOST_SKEWED <= exponent <= 0:
        raise ValueError(f"λ lies between {MOST_SKEWED:g} and 0, got {exponent:g}")
    last = max(1, len(costs) - 1)
    weights = [c * math.exp(exponent * level / last) for level, c in enumerate(costs)]
    reason = f"samples ∝ exp({exponent:g} ξ), with the fidelity ξ from 0 to 1"
    return _shared(weights, costs, budget, _nested(least, costs), rule="mixture", reason=reason)


def single_level(costs: Sequence[float], budget: float, level: int, *, least: Least = 1) -> Plan:
    """Return the plan that spends everything on one level.

    Raises:
        ValueError: for a level that does not exist.
        BudgetError: if the budget does not buy `least` samples there.

    >>> single_level([0.25, 1.0], 2.6, 0).samples
    (10, 0)
    """
    if not 0 <= level < len(costs):
        raise ValueError(f"there are levels 0 to {len(costs) - 1} (0 is the coarsest), got {level}")
    needed = least if isinstance(least, int) else max(1, least[level])
    check(costs, budget, needed=needed * costs[level], what=f"{_count(needed)} on level {level}")
    samples = [0] * len(costs)
    samples[level] = fit(budget, costs[level])
    finest = level == len(costs) - 1
    rule = "finest-only" if finest else f"single-level:{level}"
    reason = "everything on the finest grid" if finest else f"everything on level {level}"
    return Plan(tuple(samples), tuple(costs), budget, rule, reason)


def given(samples: Sequence[int], costs: Sequence[float], budget: float) -> Plan:
    """Return the plan that somebody gives.

    Raises:
        ValueError: for counts that are negative, all zero, increasing with the level, or of a wrong number.
        BudgetError: if the budget does not buy them.
    """
    used = [n for n in samples if n]
    if len(samples) != len(costs) or not used or min(used) < 0 or used != sorted(used, reverse=True):
        raise ValueError(
            f"a plan gives samples for {len(costs)} levels, coarsest first, that never increase from one level that is "
            f"used to the next (0 leaves a level out), got {list(samples)}"
        )
    cost = math.fsum(c * n for c, n in zip(costs, samples, strict=True))
    check(costs, budget * (1 + 1e-12), needed=cost, what=f"the plan {list(samples)}")
    return Plan(tuple(samples), tuple(costs), budget, "given", "samples given by the user")


def finest_only(costs: Sequence[float], budget: float, *, least: Least = 1) -> Plan:
    """Return the plan that spends everything on the finest level.

    Raises:
        BudgetError: if the budget does not buy `least` samples there.
    """
    return single_level(costs, budget, len(costs) - 1, least=least)


def _nested(least: Least, costs: Sequence[float]) -> list[int]:
    """Return the least counts of each level, one at least, that never increase with the level."""
    counts = [least] * len(costs) if isinstance(least, int) else least
    if len(counts) != len(costs):
        raise ValueError(f"the least counts of {len(costs)} levels are needed, or one for all, got {least}")
    return [max(1, *counts[level:]) for level in range(len(costs))]


def _shared(
    weights: Sequence[float], costs: Sequence[float], budget: float, least: Sequence[int], *, rule: str, reason: str
) -> Plan:
    """Return the plan whose levels cost in the ratio of the weights, given out from the finest level down.

    Args:
        weights: what each level's cost is in proportion to.
        costs: price of one sample on each level.
        budget: what may be spent.
        least: samples that each level gets at least; they never increase with the level.
        rule: the name of the rule.
        reason: why, in words.
    """
    floors = [c * n for c, n in zip(costs, least, strict=True)]
    what = f"{_count(least[0])} on each level" if len(set(least)) == 1 else f"the plan {list(least)}"
    check(costs, budget, needed=math.fsum(floors), what=what)
    samples = [0] * len(costs)
    for level in reversed(range(len(costs))):
        spent = math.fsum(c * n for c, n in zip(costs, samples, strict=True))
        reserve = math.fsum(floors[:level])
        total = math.fsum(weights[: level + 1])
        share = (budget - spent) * (weights[level] / total if total else 1 / (level + 1))
        share = max(share, floors[level])
        samples[level] = max(least[level], fit(min(share, budget - spent - reserve), costs[level]))
        if level < len(costs) - 1:
            samples[level] = max(samples[level], samples[level + 1])
    return Plan(tuple(_within(samples, costs, budget, least)), tuple(costs), budget, rule, reason)


def _within(samples: list[int], costs: Sequence[float], budget: float, least: Sequence[int]) -> list[int]:
    """Return the counts lowered, the largest spender first and never below the next level, to fit the budget."""
    samples = list(samples)
    while (excess := math.fsum(n * c for n, c in zip(samples, costs, strict=True)) - budget) > 0:
        floors = [max(pair) for pair in zip([*samples[1:], 0], least, strict=True)]
        free = [i for i in range(len(samples)) if samples[i] > floors[i]]
        level = max(free, key=lambda i: samples[i] * costs[i])
        room = samples[level] - floors[level]
        samples[level] -= max(1, min(room, math.floor(excess / costs[level])))
    return samples


def _count(n: int) -> str:
    return "one sample" if n == 1 else f"{n} samples"
