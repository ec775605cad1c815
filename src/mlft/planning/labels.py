"""The plan for lifted labels: which level is cheap, and how many coupled draws teach its lift."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import ClassVar, final

import numpy as np

from mlft.errors import BudgetError
from mlft.planning.outlook import SIMPLICITY, Outlook
from mlft.planning.plan import Levels, Plan, fit
from mlft.planning.planner import Planner, Terms

LEFT, FALL = 2.2, 0.5
"""After n coupled draws a lift leaves min(1, 2.2 n^(−1/2)) of the label error.

Measured between 8 and 64 draws: on Burgers 0.58 to 0.35 (32 points for 256), 0.64 to 0.18 (64), 0.70 to 0.11 (128); on
Darcy 0.47 and 0.45 with 16. The rule says 0.78, 0.55, 0.39, 0.28 for 8, 16, 32, 64.
"""

AVERAGED = 0.8
"""What a network keeps of the label error: it averages a part of it out (0.79 and 0.82 measured on Burgers)."""

MARGIN = 1 - SIMPLICITY
"""A plan of more levels must promise this much of the error of one of fewer, as every planner asks. It was 0.9, and on
Burgers at 64 solves three plans of six then lifted nothing; the others erred by 10 to 14% less than the best level."""

LEAST = 8
"""Coupled draws that a lift is planned with, at least."""

FACTORS = (2, 3, 4, 6)
"""Draws of the middle level of a chain, in multiples of those of the finest one."""


@final
@dataclass(frozen=True)
class ByLabels(Planner):
    """The plan with the least predicted error where labels of a coarse level are lifted by what coupled draws teach.

    With s(n) the learning curve of the network, V_kl the distance between levels and φ(n) = min(1, 2.2 n^(−1/2)) what
    a lift leaves of it after n coupled draws, the plan with n_l samples of level l, n_m of level m and n_t of level t
    (l < m < t, nested) has the error

        e² = s(n_l)² + 0.8² [(V_lm φ(n_m))² + (V_mt φ(n_t))² + V_tL²],

    without the middle term for two levels, and s(n_t)² + 0.8² V_tL² for a single one. Curve and distances are the
    pilot's. All single levels, pairs and triples are compared, with n_t in steps of a fifth; levels are lifted only
    where that promises a twentieth less error than the best single level.
    """

    estimates: bool = True
    corrections: ClassVar[bool] = False

    def plan(self, terms: Terms) -> Plan:
        """Return the best plan, the best single level, pair and triple beside it as its alternatives, the best first.

        Raises:
            BudgetError: if the budget does not buy a sample on any usable level.
        """
        outlook, noise = terms.seen()
        best = {count: _best(outlook, terms, count) for count in (1, 2, 3)}
        found = [plan for plan in best.values() if plan is not None]
        if not found:
            needed = min(terms.costs[level] for level in outlook.levels) + _bought(terms, ())
            message = (
                f"the budget {terms.budget:.4g} does not buy a sample beyond the pilot; give at least {needed:.4g}"
            )
            raise BudgetError(message, needed=needed, given=terms.budget)
        others = list(outlook.replicates(noise))
        judged = [_judged(plan, outlook, others) for plan in found]
        chosen = _chosen(judged)
        rest = (plan for plan in judged if plan is not chosen)
        return replace(chosen, alternatives=tuple(sorted(rest, key=lambda plan: plan.predicted or 0.0)))

    def levels(self, costs: Sequence[float]) -> Levels:
        """Return all levels."""
        return tuple(range(len(costs)))


def left(draws: float) -> float:
    """Return what a lift is believed to leave of the label error after some coupled draws, φ(n).

    >>> left(4), round(left(16), 2)
    (1.0, 0.55)
    """
    return min(1.0, LEFT * draws**-FALL)


def predicted(outlook: Outlook, samples: Sequence[int]) -> float:
    """Return the predicted error of samples a level, by the formula of `ByLabels`."""
    used = [level for level, n in enumerate(samples) if n]
    sizes = {pair: gap.size for pair, gap in outlook.gaps.items()}
    label = [sizes[k, level] * left(samples[level]) for k, level in zip(used, used[1:], strict=False)]
    top = outlook.levels[-1]
    remaining = sizes.get((used[-1], top), 0.0)
    own = outlook.base(samples[used[0]]).value
    return math.hypot(own, AVERAGED * math.hypot(*label, remaining))


def _best(outlook: Outlook, terms: Terms, count: int) -> Plan | None:
    """Return the best plan that uses a number of levels; None if the budget buys none."""
    plans = (samples for levels in combinations(outlook.levels, count) for samples in _candidates(terms, levels))
    scored = [(predicted(outlook, samples), samples) for samples in plans]
    if not scored:
        return None
    _, samples = min(scored)
    wasted = tuple(0 if n else had for n, had in zip(samples, terms.bought, strict=True))
    bias = tuple(outlook.bias(len(samples)))
    return Plan(samples, terms.costs, terms.budget, "lift", "", bias=bias, wasted=wasted)


def _candidates(terms: Terms, levels: Levels) -> Iterator[tuple[int, ...]]:
    """Yield samples a level on some levels, nested, at least what is bought, that spend the budget."""
    low, *rest = levels
    budget = terms.budget - _bought(terms, levels)
    for above in _coupled(terms, rest, budget):
        left_over = budget - math.fsum(terms.costs[level] * n for level, n in above.items())
        n = fit(left_over, terms.costs[low]) if left_over > 0 else 0
        if n >= max(1, terms.bought[low], *above.values()):
            yield tuple((above | {low: n}).get(level, 0) for level in range(len(terms.costs)))


def _coupled(terms: Terms, levels: Sequence[int], budget: float) -> Iterator[dict[int, int]]:
    """Yield coupled draws of the levels above the lowest one; nothing for no level."""
    if not levels:
        yield {}
        return
    top, n = levels[-1], max(LEAST, terms.bought[levels[-1]])
    while n * terms.costs[top] < budget:
        for factor in FACTORS if len(levels) > 1 else (1,):
            yield {level: max(n * factor, terms.bought[level]) for level in levels[:-1]} | {top: n}
        n = max(n + 1, math.floor(1.2 * n))


def _bought(terms: Terms, levels: Levels) -> float:
    """Return what was spent on levels that are not among these."""
    spent = (c * n for level, (c, n) in enumerate(zip(terms.costs, terms.bought, strict=True)) if level not in levels)
    return math.fsum(spent)


def _judged(plan: Plan, outlook: Outlook, others: Sequence[Outlook]) -> Plan:
    """Return a plan with its predicted error, and the interval over what else the pilot allows."""
    value = predicted(outlook, plan.samples)
    lower, upper = np.quantile([value, *(predicted(other, plan.samples) for other in others)], [0.025, 0.975])
    used = plan.levels
    gaps = {level: outlook.gaps[k, level].size for k, level in zip(used, used[1:], strict=False)}
    sizes = tuple(
        gaps.get(level, outlook.base.cap if level in used[:1] else math.nan) for level in range(len(plan.samples))
    )
    errors = tuple(
        size * left(n) if level in gaps else outlook.base(n).value if n else math.nan
        for level, (size, n) in enumerate(zip(sizes, plan.samples, strict=True))
    )
    interval = float(min(lower, value)), float(max(upper, value))
    return replace(plan, predicted=value, interval=interval, corrections=sizes, errors=errors, reason=_reason(plan))


def _chosen(plans: Sequence[Plan]) -> Plan:
    """Return the best plan; fewer levels unless more promise a twentieth less error."""
    chosen = plans[0]
    for plan in plans[1:]:
        if (plan.predicted or math.inf) < MARGIN * (chosen.predicted or math.inf):
            chosen = plan
    return chosen


def _reason(plan: Plan) -> str:
    used = plan.levels
    if len(used) == 1:
        return f"level {used[0]} alone: no lift of a coarser level promises a twentieth less error"
    path = " to ".join(str(level) for level in used)
    return f"labels lifted from level {path}, learned on {plan.samples[used[-1]]} coupled draws"
