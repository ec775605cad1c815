"""The density of the lowest orbitals of −½ψ″ + V ψ = E ψ, periodic: a dense symmetric eigenproblem, by LAPACK."""

from dataclasses import dataclass
from functools import lru_cache
from typing import final, no_type_check

import numpy as np
from jaxtyping import Bool, Float
from numba import njit
from scipy.fft import irfft, rfft
from scipy.linalg import eigh

Array = np.ndarray

_kernel = njit(cache=True, nogil=True)

TOLERANCE = 1e-9  # of a residual, in units of the energies above the lowest potential
ANGLE = 1e-6  # by which round-off may turn orbitals that are determined
SHARE = 0.01  # of what is taken for an energy's error by the scheme, that may be wrong itself


@final
@dataclass(frozen=True)
class Densities:
    """Densities of a batch.

    Attributes:
        densities: ρ = Σ |ψ_i|² over the orbitals filled, h Σ ρ their number; NaN where the potential is not finite.
        energies: the sum of their energies, of the scheme.
        gaps: the next orbital's energy less that of the last one filled, both corrected.
        residuals: the largest ‖Hψ − Eψ‖ / (E_next − min V), of these orbitals.
        converged: no residual is over 1e-9.
        determined: the gap tells which orbitals to fill.
    """

    densities: Float[Array, "n points"]
    energies: Float[Array, " n"]
    gaps: Float[Array, " n"]
    residuals: Float[Array, " n"]
    converged: Bool[Array, " n"]
    determined: Bool[Array, " n"]


@final
@dataclass(frozen=True)
class _Kinetic:
    """−½ d²/dx² on one grid.

    Attributes:
        matrix: the scheme's.
        values: its eigenvalues, by wave.
        missing: those of −½ d²/dx² itself, less the scheme's.
        doubtful: the part of an energy that is taken for its error: what is missing, and of the spectral scheme all of
            the waves in the last third, which the grid hardly tells from shorter ones.
    """

    matrix: Float[Array, "points points"]
    values: Float[Array, " waves"]
    missing: Float[Array, " waves"]
    doubtful: Float[Array, " waves"]


def orbital_densities(
    potentials: Float[Array, "n points"], *, electrons: int, length: float, spectral: bool
) -> Densities:
    """Return the densities of `electrons` orbitals, one electron in each.

    The matrix of −½ d²/dx² is full for the spectral scheme, second differences for the other (order 2); either way the
    lowest electrons + 2 pairs are found by Householder's reduction and the relatively robust representations of
    LAPACK's syevr: (points)³ · 4/3 operations.

    Second differences take the energy of a wave k for too low, by k⁴h²/24 and more, the more so the narrower its well:
    so a wide well's orbital and a narrow one's may change places, and an electron would fill the wrong one. So orbitals
    are filled in the order of their energies as corrected to first order, E + ⟨ψ, (K − K_h) ψ⟩ with K = −½ d²/dx² and
    K_h the scheme's: of order 4, and exact for spectral ones.

    The density is determined if the gap, so corrected, is over a hundredth of the two corrections together, and over
    1e6 times the residual, so that round-off turns the orbitals by 1e-6 at most.

    Raises:
        ValueError: no electron, or fewer than electrons + 1 points.

    Source: Dhillon, Parlett, Vömel, ACM TOMS 32 (2006); Trefethen, Spectral Methods in MATLAB (2000), for the matrix;
    Paine, de Hoog, Anderssen, Computing 26 (1981), for the correction.
    """
    n, points = potentials.shape
    if electrons < 1 or points < max(electrons + 1, 3):
        raise ValueError(f"{electrons} electrons need at least {max(electrons + 1, 3)} points, got {points}")
    kinetic, h = _kinetic(points, float(length), spectral), length / points
    densities, numbers = np.full((n, points), np.nan), np.full((5, n), np.nan)
    for i, potential in enumerate(potentials):
        if np.isfinite(potential).all():
            filled, numbers[:, i] = _fill(kinetic, np.ascontiguousarray(potential, dtype=np.float64), electrons)
            densities[i] = _sum_of_squares(filled) / h
    energies, gaps, residuals, sizes, doubts = numbers
    return Densities(densities, energies, gaps, residuals / sizes, residuals <= TOLERANCE * sizes, gaps > doubts)


def _fill(kinetic: _Kinetic, potential: Array, electrons: int) -> tuple[Array, tuple[float, ...]]:
    """Return the orbitals filled, and their energy, gap, residual, E_next − min V, and what the gap must be over."""
    points, lowest = len(potential), float(potential.min())
    v, matrix = potential - lowest, kinetic.matrix.copy(order="F")
    np.einsum("ii->i", matrix)[:] += v
    last = min(electrons + 1, points - 1)
    values, vectors = eigh(matrix, overwrite_a=True, check_finite=False, subset_by_index=(0, last), driver="evr")
    orbitals = np.ascontiguousarray(vectors.T)
    modes = rfft(orbitals)
    missing, doubtful = _means(modes, kinetic.missing, points), _means(modes, kinetic.doubtful, points)
    residuals = _residuals(irfft(modes * kinetic.values, points), v, orbitals, values)
    corrected = values + missing
    order = np.argsort(corrected, kind="stable")
    filled, top, above = order[:electrons], order[electrons - 1], order[electrons]
    residual = residuals[order[: electrons + 1]].max()
    doubt = SHARE * (doubtful[above] + doubtful[top]) + residual / ANGLE
    energy, gap = values[filled].sum() + electrons * lowest, corrected[above] - corrected[top]
    return orbitals[filled], (energy, gap, residual, values[above], doubt)


@_kernel
@no_type_check
def _means(modes, symbol, points):
    """Return ⟨ψ, Sψ⟩ for each orbital, of norm 1, from the transforms of real ones; S has this symbol."""
    out = np.zeros(len(modes))
    for i in range(len(modes)):
        for k in range(len(symbol)):
            twice = 1.0 if k == 0 or 2 * k == points else 2.0
            out[i] += twice * symbol[k] * (modes[i, k].real ** 2 + modes[i, k].imag ** 2)
        out[i] /= points
    return out


@_kernel
@no_type_check
def _residuals(kinetic, potential, orbitals, energies):
    """Return ‖Kψ + Vψ − Eψ‖ of each orbital, given Kψ."""
    out = np.zeros(len(energies))
    for i in range(len(energies)):
        for k in range(len(potential)):
            out[i] += (kinetic[i, k] + (potential[k] - energies[i]) * orbitals[i, k]) ** 2
        out[i] = np.sqrt(out[i])
    return out


@_kernel
@no_type_check
def _sum_of_squares(orbitals):
    """Return Σ |ψ|², in their order."""
    out = np.zeros(orbitals.shape[1])
    for orbital in orbitals:
        for k in range(len(out)):
            out[k] += orbital[k] ** 2
    return out


@lru_cache(maxsize=16)
def _kinetic(points: int, length: float, spectral: bool) -> _Kinetic:
    """Return the matrix of −½ d²/dx²: circulant, its first column the transform of its eigenvalues."""
    waves, h = 2 * np.pi * np.arange(points // 2 + 1) / length, length / points
    exact = 0.5 * waves**2
    values = exact if spectral else 0.5 * (2 / h * np.sin(waves * h / 2)) ** 2
    column = irfft(values, points)
    column = 0.5 * (column + np.roll(column[::-1], 1))  # symmetric to the last bit
    matrix = np.asfortranarray(column[(np.arange(points)[:, None] - np.arange(points)) % points])  # as LAPACK wants it
    missing = exact - values
    return _Kinetic(matrix, values, missing, np.where(waves * h > 2 * np.pi / 3, exact, 0.0) if spectral else missing)
