"""The density of the lowest orbitals of −½ψ″ + V ψ = E ψ, periodic: a dense symmetric eigenproblem, by LAPACK."""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh

Array = np.ndarray


@final
@dataclass(frozen=True)
class Densities:
    """Densities of a batch.

    Attributes:
        densities: ρ = Σ |ψ_i|² over the lowest orbitals, h Σ ρ their number; NaN where the potential is not finite.
        energies: the sum of their energies.
        gaps: the next orbital's energy less that of the last one counted.
    """

    densities: Float[Array, "n points"]
    energies: Float[Array, " n"]
    gaps: Float[Array, " n"]


def orbital_densities(
    potentials: Float[Array, "n points"], *, electrons: int, length: float, spectral: bool
) -> Densities:
    """Return the densities of the `electrons` lowest orbitals, one electron in each.

    The matrix of −½ d²/dx² is full for the spectral scheme, second differences for the other (order 2); either way the
    lowest electrons + 1 pairs are found by Householder's reduction and the relatively robust representations of
    LAPACK's syevr: (points)³ · 4/3 operations.

    Raises:
        ValueError: no electron, or fewer than electrons + 1 points.

    Source: Dhillon, Parlett, Vömel, ACM TOMS 32 (2006); Trefethen, Spectral Methods in MATLAB (2000), for the matrix.
    """
    n, points = potentials.shape
    if electrons < 1 or points < max(electrons + 1, 3):
        raise ValueError(f"{electrons} electrons need at least {max(electrons + 1, 3)} points, got {points}")
    kinetic, h = _kinetic(points, float(length), spectral), length / points
    densities, numbers = np.full((n, points), np.nan), np.full((2, n), np.nan)
    for i, potential in enumerate(potentials):
        if not np.isfinite(potential).all():
            continue
        matrix = kinetic + np.diag(potential)
        values, vectors = eigh(
            matrix, overwrite_a=True, check_finite=False, subset_by_index=(0, electrons), driver="evr"
        )
        densities[i] = 0.0
        for orbital in range(electrons):
            densities[i] += vectors[:, orbital] ** 2 / h
        numbers[:, i] = values[:electrons].sum(), values[electrons] - values[electrons - 1]
    return Densities(densities, *numbers)


@lru_cache(maxsize=16)
def _kinetic(points: int, length: float, spectral: bool) -> Array:
    """Return the matrix of −½ d²/dx²: circulant, its first column the transform of its eigenvalues."""
    waves = 2 * np.pi * np.fft.fftfreq(points, 1 / points) / length
    h = length / points
    values = 0.5 * (waves**2 if spectral else (2 / h * np.sin(waves * h / 2)) ** 2)
    column = np.fft.ifft(values).real
    column = 0.5 * (column + np.roll(column[::-1], 1))  # symmetric to the last bit
    return np.asarray(column[(np.arange(points)[:, None] - np.arange(points)) % points])
