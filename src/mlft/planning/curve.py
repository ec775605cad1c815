"""A learning curve: the error of a network as a power of the number of samples, with an interval."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class LevelError:
    """A predicted mean relative L2 error, with a 95% interval."""

    value: float
    lower: float
    upper: float


@final
@dataclass(frozen=True)
class ErrorCurve:
    """Mean relative L2 error after n samples, e(n) = min(cap, c n^(−a)).

    Attributes:
        points: what it was fitted to, (samples, error).
        scale: c.
        exponent: a; a mean square falls with 2a.
        cap: the error of learning nothing.
        replicates: (c, a) of curves that the points allow as well, for intervals.
        scatters: relative standard error of each point, where it was kept.
    """

    points: tuple[tuple[int, float], ...]
    scale: float
    exponent: float
    cap: float
    replicates: tuple[tuple[float, float], ...]
    scatters: tuple[float, ...] = ()

    def __call__(self, n: float) -> LevelError:
        """Return the error after n samples, with the 95% interval over the replicates; the cap at n = 0."""
        if n <= 0:
            return LevelError(self.cap, self.cap, self.cap)
        value, *found = (min(self.cap, c * n**-a) for c, a in [(self.scale, self.exponent), *self.replicates])
        lower, upper = np.quantile([*found, value], [0.025, 0.975])
        return LevelError(value, float(min(lower, value)), float(max(upper, value)))

    def through(self, n: float, error: float) -> "ErrorCurve":
        """Return the curve, and what else is allowed, times the factor with which its error after n samples is given.

        >>> ErrorCurve(((16, 0.25),), 1.0, 0.5, 1.0, ((2.0, 0.25),)).through(64, 0.25)(256).value
        0.125
        """
        factor = error / (self.scale * n**-self.exponent)
        moved = tuple((factor * c, a) for c, a in self.replicates)
        return replace(self, scale=factor * self.scale, replicates=moved)

    def replicate(self, number: int) -> "ErrorCurve":
        """Return one of the curves that the points allow as well, counted around."""
        scale, exponent = self.replicates[number % len(self.replicates)]
        return replace(self, scale=scale, exponent=exponent)
