"""The energy of fields in bands of waves."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from mlft.grids import Grid, wave_numbers

Array = np.ndarray

FLOOR = 1e-10
"""Share of the energy, the square of 1e-5 of the amplitude, that counts as none."""


@final
@dataclass(frozen=True)
class Waves:
    """Bands of waves of a grid: 0 (the mean), 1, 2 to 3, 4 to 7 and so on.

    Attributes:
        periodic: whether waves are those of Fourier, else cosines.
        order: entries of the transform, band by band.
        starts: where each band begins in that order.
        weights: of each entry in the energy: twice for the waves that a real transform leaves out.
    """

    periodic: bool
    order: Int[Array, " k"]
    starts: Int[Array, " bands"]
    weights: Float[Array, " k"]

    def shares(self, fields: Float[Array, "n c *grid"]) -> Float[Array, "n c bands"]:
        """Return log₁₀ of the share of each band in the energy of a sample's channel, at least `FLOOR`."""
        from scipy.fft import dctn, rfftn  # here: who loads a surrogate need not wait for it

        axes = tuple(range(2, fields.ndim))
        made = rfftn(fields, axes=axes) if self.periodic else dctn(fields, type=2, axes=axes, norm="ortho")
        squares = (made.real**2 + made.imag**2) if self.periodic else made**2
        energy = squares.reshape(*fields.shape[:2], -1)[..., self.order] * self.weights
        total = energy.sum(axis=-1, keepdims=True)
        bands = np.add.reduceat(energy, self.starts, axis=-1)
        return np.log10(bands / np.where(total > 0, total, 1.0) + FLOOR)


def bands_of(grid: Grid) -> Waves:
    """Return the bands of waves of a grid, |k| rounded down to a power of two; those without an entry are left out."""
    numbers = wave_numbers(grid)
    weights = np.ones(grid.shape)
    if grid.periodic:
        last = grid.shape[-1]
        numbers, weights = numbers[..., : last // 2 + 1], weights[..., : last // 2 + 1]
        weights[..., 1 : (last + 1) // 2] = 2.0
    band = np.where(numbers > 0, np.floor(np.log2(np.maximum(numbers, 1.0))) + 1, 0).ravel()
    order = np.argsort(band, kind="stable")
    starts = np.flatnonzero(np.diff(band[order], prepend=-1.0))
    return Waves(grid.periodic, order, starts, weights.ravel()[order])
