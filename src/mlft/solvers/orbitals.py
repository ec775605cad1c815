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
DOUBT = 2.5  # times the second order of an energy's correction, by which it may be wrong
SPARE = 6  # orbitals over the number of electrons, among which the filled ones are
PARTED = 0.1  # least difference of the shares of orbitals that are filled and those that are not


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
        length: of the box.
        matrix: the scheme's.
        values: its eigenvalues, by wave.
        missing: those of −½ d²/dx² itself, less the scheme's.
        doubtful: the part of an energy that is taken for its error: what is missing, and of the spectral scheme all of
            the waves in the last third, which the grid hardly tells from shorter ones.
    """

    length: float
    matrix: Float[Array, "points points"]
    values: Float[Array, " waves"]
    missing: Float[Array, " waves"]
    doubtful: Float[Array, " waves"]


@final
@dataclass(frozen=True)
class _Orbitals:
    """The lowest orbitals of one sample, of norm 1, in the order of the scheme's energies.

    Attributes:
        states: the orbitals.
        values: their energies above the lowest potential.
        corrected: the same, corrected.
        doubts: what the corrected ones may be wrong by.
        residuals: ‖Hψ − Eψ‖.
    """

    states: Float[Array, "orbitals points"]
    values: Float[Array, " orbitals"]
    corrected: Float[Array, " orbitals"]
    doubts: Float[Array, " orbitals"]
    residuals: Float[Array, " orbitals"]


@final
@dataclass(frozen=True)
class _Filled:
    """The orbitals filled, and their energy, gap, residual, E_next − min V, and what the gap must be over."""

    states: Float[Array, "electrons points"]
    numbers: tuple[float, ...]


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

    A corrected energy is doubted by 2.5 times the size of the second order, ‖(K − K_h − ⟨K − K_h⟩) ψ‖² / (E − min V).
    Where the gap is under the doubts of its two orbitals, the sample is solved again by the spectral scheme on twice as
    many points, with the trigonometric polynomial of the potential, and of the grid's own lowest electrons + 6 those
    are filled that lie most in the ones filled there. Of wells of one point a width four samples in five are, and take
    four times as long; of two points one in ten, of four and more hardly any.

    The density is determined if the gap (the finer grid's, if that was asked) is over its doubt and 1e6 times the
    residual, so that round-off turns the orbitals by 1e-6 at most; and if it is plain which orbitals are filled.

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
            filled = _fill(kinetic, np.ascontiguousarray(potential, dtype=np.float64), electrons)
            densities[i], numbers[:, i] = _sum_of_squares(filled.states) / h, filled.numbers
    energies, gaps, residuals, sizes, doubts = numbers
    return Densities(densities, energies, gaps, residuals / sizes, residuals <= TOLERANCE * sizes, gaps > doubts)


def _fill(kinetic: _Kinetic, potential: Array, electrons: int, *, last: bool = False) -> _Filled:
    """Fill the orbitals of one sample; where its grid cannot place them, as one twice as fine does, if not the last."""
    v, lowest = potential - potential.min(), float(potential.min())
    found = _lowest(kinetic, v, electrons + 2)
    order = np.argsort(found.corrected, kind="stable")
    top, above = order[electrons - 1], order[electrons]
    residual = found.residuals[order[: electrons + 1]].max()
    gap, doubt = found.corrected[above] - found.corrected[top], found.doubts[above] + found.doubts[top]
    if not last and 0 < gap <= doubt:
        found = _lowest(kinetic, v, electrons + SPARE)
        order, gap, doubt = _placed(kinetic, v, found.states, electrons)
    filled = order[:electrons]
    energy = found.values[filled].sum() + electrons * lowest
    numbers = energy, gap, residual, found.values[order[electrons]], doubt + residual / ANGLE
    return _Filled(found.states[filled], numbers)


def _lowest(kinetic: _Kinetic, v: Array, count: int) -> _Orbitals:
    points, matrix = len(v), kinetic.matrix.copy(order="F")
    np.einsum("ii->i", matrix)[:] += v
    last = min(count, points) - 1
    values, vectors = eigh(matrix, overwrite_a=True, check_finite=False, subset_by_index=(0, last), driver="evr")
    states = np.ascontiguousarray(vectors.T)
    modes = rfft(states)
    missing, doubtful, squares = (
        _means(modes, symbol, points) for symbol in (kinetic.missing, kinetic.doubtful, kinetic.doubtful**2)
    )
    spread = np.maximum(squares - doubtful**2, 0.0)
    doubts = DOUBT * spread / np.maximum(values, 0.5 * (2 * np.pi / kinetic.length) ** 2)
    residuals = _residuals(irfft(modes * kinetic.values, points), v, states, values)
    return _Orbitals(states, values, values + missing, doubts, residuals)


def _placed(kinetic: _Kinetic, v: Array, states: Array, electrons: int) -> tuple[Array, float, float]:
    """Return the order in which the spectral scheme fills orbitals on a grid twice as fine, its gap and its doubt.

    There the potential is its trigonometric polynomial. An orbital's share is the part of it in those filled there;
    where shares do not tell the filled from the others, the doubt is infinite.
    """
    fine = _kinetic(2 * len(v), kinetic.length, True)
    found = _fill(fine, twice_as_fine(v), electrons, last=True)
    basis, _ = np.linalg.qr(found.states[:, ::2].T)
    shares = ((states @ basis) ** 2).sum(axis=1)
    order = np.argsort(-shares, kind="stable")
    _, gap, _, _, doubt = found.numbers
    parted = shares[order[electrons - 1]] - shares[order[electrons]] >= PARTED
    return order, gap, doubt if parted else np.inf


def twice_as_fine(values: Float[Array, " points"]) -> Float[Array, " twice"]:
    """Return a periodic function's trigonometric polynomial on twice as many points; every other is its own."""
    points, modes = len(values), rfft(values)
    if points % 2 == 0:
        modes[-1] *= 0.5  # the shortest wave is two on the finer grid
    return np.asarray(2 * irfft(modes, 2 * points))


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
    return _Kinetic(
        length, matrix, values, missing, np.where(waves * h > 2 * np.pi / 3, exact, 0.0) if spectral else missing
    )
