"""A planner: prices, a budget and what is known of the errors in, samples a level out."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

from mlft.errors import BudgetError, ConfigError
from mlft.planning.outlook import Noise, Outlook
from mlft.planning.plan import Levels, Plan
from mlft.planning.rules import given, mlmc

Rule = Callable[..., Plan]
"""(costs, budget, *, least) → plan, with at least `least` samples, one number or one a level, on the levels it uses."""


@final
@dataclass(frozen=True)
class Terms:
    """What a plan is made within.

    Attributes:
        costs: price of one sample on each level, in the unit of the budget.
        budget: what may be spent, with what is bought already.
        bought: samples a level that are bought already.
        outlook: what is believed of the errors, for a planner that estimates.
        noise: of the beliefs of the outlook; see `Outlook.plan`.
    """

    costs: tuple[float, ...]
    budget: float
    bought: tuple[int, ...]
    outlook: Outlook | None = None
    noise: Noise | None = None

    def seen(self) -> tuple[Outlook, Noise]:
        """Return the outlook and its noise.

        Raises:
            ValueError: if there is none.
        """
        if self.outlook is None or self.noise is None:
            raise ValueError("a planner that estimates needs an outlook and the noise of its beliefs")
        return self.outlook, self.noise


Measured = Mapping[tuple[int, int | None], int]
"""Samples of a level that were asked for when its learning curve (level, None) or lift (level, target) was measured."""


@final
@dataclass(frozen=True)
class Wanted:
    """What a plan rests on that is not measured yet.

    Attributes:
        level: whose learning curve, or label error, it is.
        target: the level whose solutions lifted labels are to be; None for a learning curve.
        samples: of all levels, to be bought for it.
    """

    level: int
    target: int | None
    samples: tuple[int, ...]


PARTS, FEW, MOST = (8, 2), 24, 1024
"""Parts of a plan's samples that its learning curve is measured on, in turn; the least and the most samples for it."""


def next_point(plan: Plan, measured: Measured) -> Wanted | None:
    """Return the next point of the learning curve of the coarsest level of a plan; None where it has enough.

    It is measured on an eighth, then on half of that level's samples, 24 at least and 1,024 at most.
    """
    first, n = plan.levels[0], plan.samples[plan.levels[0]]
    known, steps = measured.get((first, None), 0), [min(n, MOST, max(FEW, math.ceil(n / k))) for k in PARTS]
    more = [step for step in steps if step > 1.5 * known]
    return Wanted(first, None, samples_of(plan, {first: more[0]})) if more else None


def samples_of(plan: Plan, some: Mapping[int, int]) -> tuple[int, ...]:
    """Return samples of all levels of a plan: those of some, and none of the others."""
    return tuple(some.get(level, 0) for level in range(len(plan.samples)))


class Planner(ABC):
    """Makes plans.

    Attributes:
        estimates: whether it needs an outlook, and with that a pilot.
        corrections: whether that must tell how well a network learns the correction from one level to the next.
    """

    estimates: bool
    corrections: ClassVar[bool] = True

    @abstractmethod
    def plan(self, terms: Terms) -> Plan:
        """Return a plan within the terms.

        Raises:
            BudgetError: if the budget is too small, with what is needed.
        """

    def wants(self, plan: Plan, measured: Measured) -> Wanted | None:  # noqa: ARG002 (most planners trust their pilot)
        """Return what a plan rests on that should be measured before it is followed; None where nothing is left."""
        return None

    @abstractmethod
    def levels(self, costs: Sequence[float]) -> Levels:
        """Return the levels that may be used at these prices.

        Raises:
            ValueError: for a level that does not exist.
        """


@final
@dataclass(frozen=True)
class ByRule(Planner):
    """Plans by a rule that needs no estimates, such as `equal_cost`.

    Attributes:
        rule: (costs, budget, *, least) → plan.
    """

    rule: Rule
    estimates: bool = False

    def plan(self, terms: Terms) -> Plan:
        """Return the rule's plan for what is left after the samples bought on levels that it does not use."""
        used = self.levels(terms.costs)
        outside = sum(
            c * n for level, (c, n) in enumerate(zip(terms.costs, terms.bought, strict=True)) if level not in used
        )
        if outside >= terms.budget:
            needed = outside + sum(terms.costs[level] for level in used)
            message = f"the budget {terms.budget:.4g} does not buy the pilot; give at least {needed:.4g}"
            raise BudgetError(message, needed=needed, given=terms.budget)
        return self.rule(terms.costs, terms.budget - outside, least=terms.bought if any(terms.bought) else 1)

    def levels(self, costs: Sequence[float]) -> Levels:
        """Return the levels that the rule uses when money is no object."""
        return self.rule(costs, 1e6 * sum(costs), least=1).levels


@final
@dataclass(frozen=True)
class Given(Planner):
    """Somebody's own samples a level, coarsest first."""

    samples: tuple[int, ...]
    estimates: bool = False

    def plan(self, terms: Terms) -> Plan:
        """Return the samples as a plan.

        Raises:
            BudgetError: if the budget does not buy them.
            ConfigError: for samples that are no plan of these levels.
        """
        try:
            return given(self.samples, terms.costs, terms.budget)
        except ValueError as error:
            raise ConfigError(f"option 'plan': {error}") from None

    def levels(self, costs: Sequence[float]) -> Levels:
        """Return the levels that have samples."""
        return tuple(level for level, n in enumerate(self.samples) if n)


FAITH = 0.8
"""A plan that leaves a level whose learning curve was measured must promise this much of the error of staying there:
it takes the curve of that level for its own, and what it would lose is paid for. Chosen by that reason, on no run."""


@final
@dataclass(frozen=True)
class Optimal(Planner):
    """The plan with the least predicted error, over the levels used too; of one level it measures the learning curve.

    Where one is measured it stays on that level unless another plan promises a fifth less error. A plan of several
    levels is looked at again after its coarsest stage, by `rounds` of a strategy.
    """

    estimates: bool = True

    def plan(self, terms: Terms) -> Plan:
        """Return `Outlook.plan`, or the best alternative on a level that was measured."""
        outlook, noise = terms.seen()
        best = outlook.plan(terms.costs, terms.budget, bought=terms.bought, noise=noise)
        known = [plan for plan in best.alternatives if set(plan.levels) <= set(outlook.own)]
        if best.levels[0] in outlook.own or not known:
            return best
        stay = min(known, key=_predicted)
        if _predicted(best) <= FAITH * _predicted(stay):
            return best
        reason = f"level {stay.levels[0]}, which was measured: another plan promises less than a fifth less error"
        others = tuple(plan for plan in (replace(best, alternatives=()), *best.alternatives) if plan is not stay)
        return replace(stay, reason=reason, alternatives=others)

    def wants(self, plan: Plan, measured: Measured) -> Wanted | None:
        """Return the next point of the learning curve of the only level of a plan; None for several."""
        return next_point(plan, measured) if len(plan.levels) == 1 else None

    def levels(self, costs: Sequence[float]) -> Levels:
        """Return all levels."""
        return tuple(range(len(costs)))


def _predicted(plan: Plan) -> float:
    return math.inf if plan.predicted is None else plan.predicted


@final
@dataclass(frozen=True)
class ByVariances(Planner):
    """The rule of Multi-Level Monte Carlo on all usable levels, the optimal plan as its alternative."""

    estimates: bool = True

    def plan(self, terms: Terms) -> Plan:
        """Return `mlmc` for the measured sizes of the corrections, with the error that the outlook predicts for it."""
        outlook, noise = terms.seen()
        best = Optimal().plan(terms)
        levels = outlook.levels
        sizes = [outlook.base.cap, *(outlook.gaps[pair].size for pair in zip(levels, levels[1:], strict=False))]
        costs = [terms.costs[level] for level in levels]
        wasted = tuple(0 if level in levels else n for level, n in enumerate(terms.bought))
        left = terms.budget - math.fsum(c * n for c, n in zip(terms.costs, wasted, strict=True))
        ruled = mlmc([size**2 for size in sizes], costs, left, least=[terms.bought[level] for level in levels])
        found = dict(zip(levels, ruled.samples, strict=True))
        samples = tuple(found.get(level, 0) for level in range(len(terms.costs)))
        plan = Plan(samples, terms.costs, terms.budget, ruled.rule, ruled.reason, wasted=wasted)
        judged = outlook.judge(plan, outlook.believed(noise, len(terms.costs)))
        return replace(judged, alternatives=(replace(best, alternatives=()),))

    def levels(self, costs: Sequence[float]) -> Levels:
        """Return all levels."""
        return tuple(range(len(costs)))
