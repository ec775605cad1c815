"""An outlook: error curves for every subset of levels, put together from a pilot's few numbers, with intervals."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.planning.allocate import allocate, predict
from mlft.planning.curve import ErrorCurve
from mlft.planning.falls import Fall
from mlft.planning.gaps import Gap
from mlft.planning.plan import Curve, Pair, Plan

Curves = dict[Pair, Curve | tuple[Curve, ...]]

LEARNABILITY, SPREAD, EASE = 0.25, 0.15, 3.0
"""κ believed before anything is measured (mean, standard deviation), and its multiple from scratch; see `Outlook`."""

PASSES, SLOWED = 30, 0.3
"""Passes that a sample wants; how much of the exponent is left where the training effort does not give it them."""

IDLE = 0.1
"""How samples beyond n* count that are trained on together: on Burgers with 256 solves 16,384 taught no more than
4,096, on kohn-sham 4,096 a fifth more than 1,024."""

Noise = Float[np.ndarray, "rows beliefs"]

SIMPLICITY = 0.05
"""Predicted error that a plan of fewer levels may have more, relatively."""


@final
@dataclass(frozen=True)
class Outlook:
    """What is believed of the errors of a problem.

    The coarsest usable level's learning curve is e_0(n), with e_0(0) = V_0: the pilot's, or where rounds have measured
    curves, that of the nearest level. A correction of size V_kl is a rougher function of the input than the solution
    map itself: the part of it that n samples do not teach a network that is fine-tuned is taken as
    V_kl (e_0(n) / V_0)^κ, with κ = 1 if it is learned as easily as the map, and κ = 0 if not at all. Learning level l
    from scratch costs e_0² and the correction from level 0 to l with three times that κ, at most 1; where rounds have
    measured curves, that of the nearest level. Beyond the n* samples that the optimizer steps can visit thirty times,
    the error falls with three tenths of the exponent only: a second power law that takes over there, added so that
    their sum is the curve at its last point.

    The constants were chosen on sweeps of real trainings over three problems and three budgets (`docs/results.md`), and
    judged on other seeds. They are beliefs: the interval of a prediction moves κ, the curve and the distances.

    Attributes:
        base: the learning curve of the coarsest usable level.
        origin: that level.
        learnability: κ.
        scatter: standard deviation of κ.
        gaps: V_kl for every pair of usable levels.
        reach: n*.
        known: a level whose error after its samples is measured, with that error: (level, samples, error); it replaces
            the curve there.
        own: learning curves that were measured in rounds, by level.
        falls: what lifts were measured to leave of the label error, by pair of levels.
    """

    base: ErrorCurve
    origin: int
    learnability: float
    scatter: float
    gaps: Mapping[tuple[int, int], Gap]
    reach: float
    known: tuple[int, int, float] | None = None
    own: Mapping[int, ErrorCurve] = field(default_factory=dict)
    falls: Mapping[tuple[int, int], Fall] = field(default_factory=dict)

    def learned(self, level: int, n: float) -> float:
        """Return the error of a network after n samples of a level, on that level's own solutions.

        By the curve that was measured on the level, or on the nearest one, the finer of two; by the pilot's where none
        was: the error of a network on its own level's labels hardly depends on the level. Beyond n* samples count less,
        as n* (n / n*)^0.1.
        """
        return self._nearest(level)(effective(n, self.reach)).value

    def fall(self, pair: tuple[int, int]) -> Fall:
        """Return what a lift leaves of the distance of a pair of levels: as measured, else what is believed.

        What lifts of a level left towards one target, that of most draws, is believed of the others: an aliased level
        is aliased for all of them.
        """
        alike = [other for other in self.falls if other[0] == pair[0]]
        if pair in self.falls or not alike:
            return self.falls.get(pair, Fall())
        return self.falls[max(alike, key=lambda other: self.falls[other].draws)]

    def corrected(self, level: int, samples: int, error: float) -> "Outlook":
        """Return the outlook in which the error of a level after its samples is known.

        Where rounds have measured curves, that of the level goes through the error: the other levels, which take the
        nearest one, are believed to be no easier.
        """
        own = {**self.own, level: self._nearest(level).through(samples, error)} if self.own else self.own
        return replace(self, known=(level, samples, error), own=own)

    def curves(self) -> Curves:
        """Return the mean-square error curve of every pair of levels, as `allocate` takes them."""
        found: Curves = {(None, level): self._alone(level) for level in self.levels}
        found |= {pair: self._correction(*pair) for pair in self.gaps}
        return found if self.known is None else found | {(None, self.known[0]): self._measured(*self.known)}

    @property
    def levels(self) -> list[int]:
        """The levels that can be used."""
        return sorted({self.origin} | {level for pair in self.gaps for level in pair})

    def bias(self, count: int) -> list[float]:
        """Return the distance of each of `count` levels from the finest usable one; 0 for those not usable."""
        top = self.levels[-1]
        return [self.gaps[level, top].size if (level, top) in self.gaps else 0.0 for level in range(count)]

    @property
    def beliefs(self) -> int:
        """How many numbers tell one belief from another: for κ, a measured error, each distance and each lift."""
        return 2 * len(self.gaps) + 2

    def plan(self, costs: Sequence[float], budget: float, *, bought: Sequence[int], noise: Noise) -> Plan:
        """Return the best plan, with intervals for it and its alternatives.

        Args:
            costs: price of one sample on each level.
            budget: what may be spent, with what `bought` has cost already.
            bought: samples a level that are paid for.
            noise: a row of normal numbers for each belief of the interval, `beliefs` of them.

        Raises:
            BudgetError: if the budget does not buy a sample on any level.
        """
        bias = self.bias(len(costs))
        best = allocate(self.curves(), costs, budget, bias=bias, bought=bought, simplicity=SIMPLICITY)
        believed = self.believed(noise, len(costs))
        others = tuple(self.judge(other, believed) for other in best.alternatives)
        return replace(self.judge(best, believed), alternatives=others)

    def judge(self, plan: Plan, believed: Sequence[tuple[Curves, list[float]]]) -> Plan:
        """Return a plan with the error that this outlook predicts for it, and the 95% interval over other beliefs."""
        value = predict(self.curves(), plan.samples, bias=self.bias(len(plan.costs)))
        found = [predict(curves, plan.samples, bias=bias) for curves, bias in believed]
        lower, upper = np.quantile([*found, value], [0.025, 0.975])
        return replace(plan, predicted=value, interval=(float(min(lower, value)), float(max(upper, value))))

    def believed(self, noise: Noise, count: int) -> list[tuple[Curves, list[float]]]:
        """Return the curves and biases of outlooks that the same pilot allows, one a row of normal numbers."""
        return [(each.curves(), each.bias(count)) for each in self.replicates(noise)]

    def replicates(self, noise: Noise) -> Iterator["Outlook"]:
        """Yield outlooks that the same pilot allows: curve, κ and distances moved by their own scatter."""
        for i, z in enumerate(noise.tolist()):
            kappa = min(1.0, max(0.0, self.learnability + self.scatter * z[0]))
            gaps = {
                pair: replace(gap, size=gap.size * math.exp(min(gap.scatter, 0.5) * x))
                for (pair, gap), x in zip(self.gaps.items(), z[2:], strict=False)
            }
            known = None if self.known is None else (*self.known[:2], self.known[2] * math.exp(0.1 * z[1]))
            base, own = self.base.replicate(i), {level: curve.replicate(i) for level, curve in self.own.items()}
            lifts = zip(self.gaps, z[2 + len(self.gaps) :], strict=True)
            falls = {pair: self.fall(pair).moved(x) for pair, x in lifts}
            yield replace(self, base=base, learnability=kappa, gaps=gaps, known=known, own=own, falls=falls)

    def _nearest(self, level: int) -> ErrorCurve:
        """Return the curve that was measured on a level, or on the nearest one; the pilot's where none was."""
        nearest = min(self.own, key=lambda other: (abs(other - level), -other), default=None)
        return self.base if nearest is None else self.own[nearest]

    def _alone(self, level: int) -> tuple[Curve, ...]:
        """Return the curve of a level learned from scratch."""
        curve = self._nearest(level)
        a, last = curve.exponent, max(n for n, _ in curve.points)
        late = 2 * a * (1 - SLOWED)
        scale = curve.scale**2 / (1 + (last / self.reach) ** late)
        slowed = Curve(scale * self.reach**-late, 2 * a * SLOWED)
        plain = level == self.origin or bool(self.own)
        harder = () if plain else (self._correction(self.origin, level, ease=EASE),)
        return Curve(scale, 2 * a, curve.cap**2), slowed, *harder

    def _correction(self, k: int, level: int, *, ease: float = 1.0) -> Curve:
        size, kappa = self.gaps[k, level].size, min(1.0, max(0.01, ease * self.learnability))
        curve = self._nearest(self.origin)
        scale = size * (curve.scale / curve.cap) ** kappa
        return Curve(scale**2, 2 * curve.exponent * kappa, size**2)

    def _measured(self, level: int, samples: int, error: float) -> tuple[Curve, ...]:
        """Return the curve through a measured error, with half the exponent of the base: what more samples may gain."""
        p = self.base.exponent
        return (Curve(error**2 * samples**p, p, max(self.base.cap, error) ** 2),)


def effective(n: float, reach: float) -> float:
    """Return the number of samples that teach as much when all get enough passes, n* (n / n*)^0.1 beyond n*.

    >>> effective(100, 100), round(effective(1000, 100))
    (100, 126)
    """
    return n if n <= reach else reach * (n / reach) ** IDLE


def learnability(base: ErrorCurve, correction: ErrorCurve) -> tuple[float, float]:
    """Return κ and its standard deviation from the error curve of one correction, drawn towards what is believed.

    At the largest n that the correction was tested on, κ = log(e_δ(n)/V_δ) / log(e_0(n)/V_0), between 0 and 1. A
    single pilot's estimate scatters about twice as much as the belief, so it has a fifth of the weight.
    """
    n, error = correction.points[-1]
    ratio, falls = min(1.0, error / correction.cap), base(n).value / base.cap
    if not 0 < falls < 0.95 or ratio <= 0:
        return LEARNABILITY, SPREAD
    found = min(1.0, max(0.0, math.log(ratio) / math.log(falls)))
    weight = 0.2
    return (1 - weight) * LEARNABILITY + weight * found, SPREAD * math.sqrt(1 - weight)
