"""What a lift leaves of the label error: believed before it is fitted, measured by its certificate, extrapolated."""

import math
from dataclasses import dataclass, replace
from typing import final

SCALE, EXPONENT, SCATTER = 1.6, 0.3, 0.45
"""After n coupled draws a lift is believed to leave min(1, 1.6 n^(−0.3)) of the label error, within a factor e^0.45.

Seen with 20 to 90 draws and the problems' own transfers: 0.26 (advection, darcy with channels), 0.28 (elliptic1d),
0.5 to 0.6 (euler, kohn-sham, oscillating), 0.85 (burgers), 1.0 (schrodinger, whose coarsest level is aliased).
"""

NOTHING, EXACT = 4, 1e-3
"""Coupled draws that teach a lift nothing, for the slope of what was measured; the least believed to be left."""


@final
@dataclass(frozen=True)
class Fall:
    """What lifts leave of the distance between two levels, φ(n), after n coupled draws.

    Where φ(m) was measured, φ(n) = φ(m) (m/n)^a. The slope is the mean of the one that is believed, 0.3, and of that
    from 4 draws, which leave everything, to what was measured: a lift that has learned little so far goes on so.

    Attributes:
        draws: m, the coupled draws that it was measured on; 0 where it is believed.
        left: φ(m), the lifted over the raw label error.
        scatter: relative standard error of it.
    """

    draws: int = 0
    left: float = 1.0
    scatter: float = SCATTER

    def __call__(self, n: float) -> float:
        """Return φ(n), at most 1.

        >>> round(Fall()(16), 3), round(Fall()(64), 3), Fall(16, 0.5)(16), round(Fall(16, 0.5)(64), 3)
        (0.696, 0.459, 0.5, 0.287)
        """
        if not self.draws:
            return min(1.0, self.left * SCALE * n**-EXPONENT)
        return min(1.0, self.left * (self.draws / n) ** self.slope)

    @staticmethod
    def measured(draws: int, left: float, scatter: float) -> "Fall":
        """Return what is believed after a measurement: the mean of both logarithms, by their precision.

        >>> found = Fall.measured(16, 0.5, 0.1)
        >>> round(found.left, 3), round(found.scatter, 3)
        (0.508, 0.098)
        """
        weight = SCATTER**2 / (SCATTER**2 + scatter**2)
        mean = weight * math.log(max(EXACT, left)) + (1 - weight) * math.log(Fall()(draws))
        return Fall(draws, math.exp(mean), scatter * math.sqrt(weight))

    @property
    def slope(self) -> float:
        """How fast it falls with more draws."""
        if self.draws <= NOTHING or not 0 < self.left < 1:
            return EXPONENT / 2
        return 0.5 * (EXPONENT - math.log(self.left) / math.log(self.draws / NOTHING))

    def moved(self, z: float) -> "Fall":
        """Return another one that the measurement allows: by e^(scatter · z)."""
        return replace(self, left=self.left * math.exp(self.scatter * z))
