"""The energy of fields in bands of waves."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from mlft.grids import Grid, to_waves, wave_numbers

Array = np.ndarray

FLOOR = 1e-10
"""Share of the energy, the square of 1e-5 of the amplitude, that counts as none."""


@final
@dataclass(frozen=True)
class Waves:
    """Bands of waves of a grid: 0 (the mean), 1, 2 to 3, 4 to 7 and so on.

    Attributes:
        grid: whose waves they are.
        order: entries of the transform, band by band.
        starts: where each band begins in that order.
        weights: of each entry in the energy: twice for the waves that a real transform leaves out.
    """

    grid: Grid
    order: Int[Array, " k"]
    starts: Int[Array, " bands"]
    weights: Float[Array, " k"]

    def shares(self, fields: Float[Array, "n c *grid"]) -> Float[Array, "n c bands"]:
        """Return log₁₀ of the share of each band in the energy of a sample's channel, at least `FLOOR`."""
        from scipy.fft import rfftn  # here: who loads a surrogate need not wait for it

        half = all(self.grid.wraps)
        made = rfftn(fields, axes=tuple(range(2, fields.ndim))) if half else to_waves(fields, self.grid)
        squares = (made.real**2 + made.imag**2) if np.iscomplexobj(made) else made**2
        energy = squares.reshape(*fields.shape[:2], -1)
        energy = (energy if fields.ndim == 3 else energy[..., self.order]) * self.weights  # a line is in order
        total = energy.sum(axis=-1, keepdims=True)
        bands = np.add.reduceat(energy, self.starts, axis=-1)
        return np.log10(bands / np.where(total > 0, total, 1.0) + FLOOR)


def bands_of(grid: Grid) -> Waves:
    """Return the bands of waves of a grid, |k| rounded down to a power of two; those without an entry are left out."""
    numbers = wave_numbers(grid)
    weights = np.ones(grid.shape)
    if all(grid.wraps):
        last = grid.shape[-1]
        numbers, weights = numbers[..., : last // 2 + 1], weights[..., : last // 2 + 1]
        weights[..., 1 : (last + 1) // 2] = 2.0
    band = np.where(numbers > 0, np.floor(np.log2(np.maximum(numbers, 1.0))) + 1, 0).ravel()
    order = np.argsort(band, kind="stable")
    starts = np.flatnonzero(np.diff(band[order], prepend=-1.0))
    return Waves(grid, order, starts, weights.ravel()[order])
