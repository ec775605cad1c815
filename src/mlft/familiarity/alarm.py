"""An alarm for inputs that are unlike the draws of a law, with a stated rate of false alarms on the law itself."""

import functools
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import bdtrc

from mlft.familiarity.law import INDICATORS, NOTHING, Law, finite, fit_law
from mlft.grids import Grid

Array = np.ndarray

FALSE_ALARMS, SURE = 0.05, 0.99
"""The share of the law's draws for which the alarm rings at most, and the probability that a calibration keeps it."""

MINIMUM, FEWEST = 90, 135
"""Draws from which an alarm is calibrated at all; draws from which there is one, as a third of them is for the moments.
"""

WITHIN = 1
"""The distance within the span, among the indicators: the reason only where no plainer one rings by itself."""

TWO_SIDED = (1, 2, 3)
"""Indicators that are strange where they are small, too: the two within the span, and the amplitude."""

_NOT_FINITE = "values that are not finite"

_ROOM = 0.02
"""Least distance of the ends of what is usual from the middle, in log₁₀: 5% of a value are no alarm."""


@final
@dataclass(frozen=True)
class Familiarity:
    """Whether inputs are like those of the law that was trained on.

    Attributes:
        score: in [0, 1]: the share of the law's draws, of those that calibrated it, that are less strange.
        threshold: the alarm rings above it.
        reasons: why the alarm rings, one for each input; empty where it does not.
        rings: where it rings.
    """

    score: Float[Array, " n"]
    threshold: float
    reasons: tuple[str, ...]
    rings: Bool[Array, " n"]

    def __repr__(self) -> str:
        """Return for how many it rings, and the first reason."""
        first = next((why for why in self.reasons if why), "")
        return f"Familiarity({int(self.rings.sum())} of {len(self.rings)} ring{first and ': '}{first})"


@final
@dataclass(frozen=True)
class Alarm:
    """Indicators, what is usual for them, and how strange the law's own draws are.

    An indicator a has the exceedance (a − middle) / (high − middle), or (middle − a) / (middle − low) below the middle;
    the strangeness of an input is the largest of its indicators'.

    Attributes:
        law: what is known of the law.
        usual: low, middle and high of each indicator.
        strangeness: of the draws that calibrate, smallest first.
        trained: inputs that the trained span is from.
        fitted: draws that moments, and what is usual, are from.
    """

    law: Law
    usual: Float[Array, "indicators 3"]
    strangeness: Float[Array, " n"]
    trained: int
    fitted: int

    @property
    def calibrated(self) -> int:
        """Draws that calibrate."""
        return len(self.strangeness)

    @property
    def threshold(self) -> float:
        """The score above which the alarm rings."""
        return 1 - rank_of_alarm(self.calibrated) / self.calibrated

    @property
    def bound(self) -> float:
        """The strangeness above which the alarm rings."""
        return float(self.strangeness[-rank_of_alarm(self.calibrated)])

    def of(self, inputs: Float[Array, "n _c *_grid"]) -> Familiarity:
        """Return whether inputs are like the law's.

        Raises:
            ValueError: for inputs of another shape.
        """
        indicators = self.law.measure(inputs)
        over = exceedances(indicators, self.usual)
        less = np.searchsorted(self.strangeness, over.max(axis=1), side="left")
        rings = less > self.calibrated - rank_of_alarm(self.calibrated)
        reasons = [""] * len(inputs)
        for i in np.flatnonzero(rings):
            reasons[i] = self._reason(indicators[i], over[i]) if np.isfinite(inputs[i]).all() else _NOT_FINITE
        return Familiarity(less / self.calibrated, self.threshold, tuple(reasons), rings)

    def _reason(self, indicators: Array, over: Array) -> str:
        others = np.where(np.arange(len(over)) == WITHIN, -np.inf, over)
        worst = int(others.argmax() if others.max() > self.bound else WITHIN)
        value, low, high = (10**x - NOTHING for x in (indicators[worst], *self.usual[worst, [0, 2]]))
        usual = f"{low:.2g} to {high:.2g}" if worst in TWO_SIDED else f"at most {high:.2g}"
        return f"{INDICATORS[worst]}: {value:.3g}, usual {usual}"


def fit_alarm(trained: Float[Array, "m c *grid"], drawn: Float[Array, "n c *grid"], grid: Grid) -> Alarm:
    """Return an alarm that rings for at most 5% of the draws of a law, in 99 of 100 calibrations.

    A third of the draws gives the moments of the law and what is usual for each indicator, the others the strangeness
    of draws that neither it nor the surrogate has seen.

    Args:
        trained: inputs that were trained on.
        drawn: further draws of the law, at least `FEWEST`.
        grid: that they live on.

    Raises:
        ValueError: for too few draws, or inputs that are not finite.

    Source: Bates, Candès, Lei, Romano, Sesia 2023, Testing for outliers with conformal p-values, Annals of Statistics
    51, 149: the rank among held-out draws, section 2, and a threshold that holds given the calibration, section 3.
    """
    if len(drawn) < FEWEST or not len(trained):
        raise ValueError(
            f"an alarm needs {FEWEST} draws of the law and an input that was trained on, got {len(drawn)} "
            f"and {len(trained)}"
        )
    if not (finite(trained).all() and finite(drawn).all()):
        raise ValueError("an alarm is fitted to inputs that are finite")
    third = len(drawn) // 3
    law = fit_law(trained, drawn[:third], grid)
    usual = _usual(law.measure(drawn[:third]))
    strangeness = exceedances(law.measure(drawn[third:]), usual).max(axis=1)
    return Alarm(law, usual, np.sort(strangeness), len(trained), third)


def exceedances(
    indicators: Float[Array, "n indicators"], usual: Float[Array, "indicators 3"]
) -> Float[Array, "n indicators"]:
    """Return how far each indicator is from its middle, in units of what is usual: 1 at the ends of that."""
    low, middle, high = usual.T
    with np.errstate(invalid="ignore"):  # an infinite one over an infinite end
        return np.fmax((indicators - middle) / (high - middle), (middle - indicators) / (middle - low))


@functools.cache
def rank_of_alarm(calibrated: int) -> int:
    """Return k: the alarm rings for what is stranger than the k-th strangest of the draws that calibrate.

    Given n draws, its rate of false alarms has the law Beta(k, n + 1 − k), or less where strangeness has ties; k is the
    largest for which that is at most 5% with a probability of 99%.

    Raises:
        ValueError: for fewer than 90 draws, of which even the strangest does not support this.

    >>> [rank_of_alarm(n) for n in (90, 400, 1000)]
    [1, 11, 35]
    """
    ranks = np.arange(1, calibrated + 1)
    k = int(np.sum(bdtrc(ranks - 1, calibrated, FALSE_ALARMS) >= SURE))
    if not k:
        raise ValueError(f"an alarm is calibrated on {MINIMUM} draws or more, got {calibrated}")
    return k


def _usual(indicators: Float[Array, "n indicators"]) -> Float[Array, "indicators 3"]:
    """Return what share 1 − 5%/(number of indicators) of the draws keeps within, about the median."""
    tail = FALSE_ALARMS / indicators.shape[1]
    low, middle, high = np.quantile(indicators, [tail, 0.5, 1 - tail], axis=0)
    low = np.minimum(low, middle - _ROOM)
    low[[i for i in range(len(low)) if i not in TWO_SIDED]] = -np.inf
    return np.stack([low, middle, np.maximum(high, middle + _ROOM)], axis=1)
