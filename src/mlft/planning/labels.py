"""The plan for lifted labels: which level is cheap, and how many coupled draws teach its lift."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import ClassVar, final

import numpy as np

from mlft.errors import BudgetError
from mlft.planning.outlook import SIMPLICITY, Outlook
from mlft.planning.plan import Levels, Plan, fit
from mlft.planning.planner import Measured, Planner, Terms, Wanted, next_point, samples_of

AVERAGED = 0.8
"""What a network keeps of the label error: it averages a part of it out (0.79 and 0.82 measured on Burgers)."""

MARGIN = 1 - SIMPLICITY
"""The best plan must promise this much of the error of one of fewer levels, as every planner asks. It was 0.9, and on
Burgers at 64 solves three plans of six then lifted nothing; the others erred by 10 to 14% less than the best level."""

LEAST, ENOUGH = 8, 32
"""Coupled draws that a lift is planned with, at least; that it is measured on before it is followed, at most."""

FACTORS = (2, 3, 4, 6)
"""Draws of the middle level of a chain, in multiples of those of the finest one."""


@final
@dataclass(frozen=True)
class ByLabels(Planner):
    """The plan with the least predicted error where labels of a coarse level are lifted by what coupled draws teach.

    With s(n) the learning curve of the network, V_kl the distance between levels and φ(n) what a lift leaves of it
    after n coupled draws (`Fall`), the plan with n_l samples of level l, n_m of level m and n_t of level t (l < m < t,
    nested) has the error

        e² = s(n_l)² + 0.8² [(V_lm φ(n_m))² + (V_mt φ(n_t))² + V_tL²],

    without the middle term for two levels, and s(n_t)² + 0.8² V_tL² for a single one. Curve, distances and lifts are
    the pilot's and what was measured since. All single levels, pairs and triples are compared, with n_t in steps of a
    fifth; of those within a twentieth of the best the one of the fewest levels is taken.
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

    def wants(self, plan: Plan, measured: Measured) -> Wanted | None:
        """Return what is to be measured next: a lift, that of the finest level first, or the learning curve.

        A lift is measured on half of the plan's coupled draws, 8 at least and 32 at most; the curve as `next_point`
        says.
        """
        for k, level in reversed(list(pairwise(plan.levels))):
            enough = min(ENOUGH, max(LEAST, math.ceil(plan.samples[level] / 2)))
            if measured.get((k, level), 0) < enough:
                return Wanted(k, level, samples_of(plan, {k: enough, level: enough}))
        return next_point(plan, measured)

    def levels(self, costs: Sequence[float]) -> Levels:
        """Return all levels."""
        return tuple(range(len(costs)))


def predicted(outlook: Outlook, samples: Sequence[int]) -> float:
    """Return the predicted error of samples a level, by the formula of `ByLabels`."""
    used = [level for level, n in enumerate(samples) if n]
    label = [_label(outlook, pair, samples[pair[1]]) for pair in pairwise(used)]
    top = outlook.gaps.get((used[-1], outlook.levels[-1]))
    remaining = top.size if top is not None else 0.0
    own = outlook.learned(used[0], samples[used[0]])
    return math.hypot(own, AVERAGED * math.hypot(*label, remaining))


def _label(outlook: Outlook, pair: tuple[int, int], draws: int) -> float:
    """Return the label error that a lift leaves of the distance of a pair of levels."""
    return outlook.gaps[pair].size * outlook.fall(pair)(draws)


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
    sizes, errors = ([math.nan] * len(plan.samples) for _ in range(2))
    sizes[used[0]], errors[used[0]] = outlook.base.cap, outlook.learned(used[0], plan.samples[used[0]])
    for k, level in pairwise(used):
        sizes[level], errors[level] = outlook.gaps[k, level].size, _label(outlook, (k, level), plan.samples[level])
    interval = float(min(lower, value)), float(max(upper, value))
    return replace(
        plan, predicted=value, interval=interval, corrections=tuple(sizes), errors=tuple(errors), reason=_reason(plan)
    )


def _chosen(plans: Sequence[Plan]) -> Plan:
    """Return the plan of the fewest levels among those within a twentieth of the best."""
    allowed = min(plan.predicted or 0.0 for plan in plans) / MARGIN
    return next(plan for plan in plans if (plan.predicted or 0.0) <= allowed)


def _reason(plan: Plan) -> str:
    used = plan.levels
    if len(used) == 1:
        return f"level {used[0]} alone: no lift of a coarser level promises a twentieth less error"
    path = " to ".join(str(level) for level in used)
    return f"labels lifted from level {path}, learned on {plan.samples[used[-1]]} coupled draws"
