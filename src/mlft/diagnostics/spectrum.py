"""Which waves of the solution a surrogate gets right."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.grids import Grid, to_waves, wave_numbers

Array = np.ndarray

RESOLVED = 0.5
"""Largest error of a wave and all finer ones, relative to the solution in them, at which it counts as resolved."""


@final
@dataclass(frozen=True)
class Spectrum:
    """Mean squares of the waves of errors and of solutions.

    Attributes:
        numbers: wave numbers, rounded; periods a box, half periods on bounded ones.
        error: mean square of the error's waves over that of the whole solution, so that they add up to the square of a
            relative error.
        solution: the same of the solution's; they add up to 1.
    """

    numbers: Float[Array, " waves"]
    error: Float[Array, " waves"]
    solution: Float[Array, " waves"]

    @property
    def resolved(self) -> float:
        """The last k before all finer waves, taken together, are off by more than half; NaN if there is none.

        In squares: the k before the first j with Σ_{i ≥ j} error_i > ¼ Σ_{i ≥ j} solution_i.
        """
        error, solution = (np.cumsum(part[::-1])[::-1] for part in (self.error, self.solution))
        lost = np.flatnonzero(~(error <= RESOLVED**2 * solution))
        first = int(lost[0]) if len(lost) else len(self.numbers)
        return float(self.numbers[first - 1]) if first else math.nan


def spectrum_of(predictions: Float[Array, "n c *grid"], solutions: Float[Array, "n c *grid"], grid: Grid) -> Spectrum:
    """Return the spectrum of predictions − solutions beside that of the solutions; rows with NaN are left out.

    Fourier waves on periodic axes, cosines on bounded ones, in two dimensions summed over rings of |k|. NaN where no
    row is left.
    """
    finite = np.isfinite(solutions.reshape(len(solutions), -1)).all(axis=1)
    errors, solved = (predictions - solutions)[finite], solutions[finite]
    rings = np.rint(wave_numbers(grid)).astype(int).ravel()
    numbers = np.flatnonzero(np.bincount(rings) > 0)
    if not finite.any():
        return Spectrum(numbers.astype(np.float64), *np.full((2, len(numbers)), np.nan))
    error, solution = (np.bincount(rings, weights=_power(field, grid)) for field in (errors, solved))
    whole = solution.sum()
    return Spectrum(numbers.astype(np.float64), error[numbers] / whole, solution[numbers] / whole)


def _power(fields: Array, grid: Grid) -> Array:
    """Return the mean square of each wave, summed over channels; they add up to the mean square of the fields."""
    return np.asarray((np.abs(to_waves(fields, grid)) ** 2).mean(axis=0).sum(axis=0).ravel())
