"""Radiative transfer in a slab as an integral equation for the mean intensity: Galerkin's method, a dense solve.

Fields are cell averages on an interval, `(samples, cells)`. The coefficients are constant in a cell, and all integrals
over the kernel ½E₁ of the optical depth are then exact: none is left to quadrature.
"""

import math
from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expn

Array = np.ndarray

kernel = njit(cache=True, nogil=True, error_model="numpy")
THIN = 1e-8  # product of the depths of two cells, each at most 1, under which differences of E₃ lose half their digits


def mean_intensity(scattering: Float[Array, "n cells"], *, absorption: float, width: float) -> Float[Array, "n cells"]:
    """Return φ = K (μ_s φ + 1), the mean intensity in a slab with a unit isotropic source and no light from outside.

        (Kq)(x) = ∫ ½E₁(|τ(x) − τ(y)|) q(y) dy,   τ(x) = ∫₀ˣ μ_t,   μ_t = μ_s + μ_a.

    With E₁ = E₃″ the averages of K over pairs of cells are second differences of E₃ between faces,

        K_ij = (E₃(near) + E₃(far) − E₃(left) − E₃(right) + 2 μ_i h δ_ij) / (2 μ_i μ_j h),

    symmetric; where two cells are so thin that the differences cancel, the averages of E₁ take their place, by a series
    (`_thin`): entries are right to 3e-8 at any absorption. 1 − μ_s^½ K μ_s^½ is positive definite, and its Cholesky
    factorization takes (cells)³/3 operations. Order 2 in the cell averages. Light is kept: what is absorbed or leaves
    is what is emitted, to round-off. A sample that is not finite comes back as NaN.

    Raises:
        ValueError: a scattering coefficient that is negative, or an absorption that is not positive.

    Source: Fan, Lin, Ying, Zepeda-Núñez (2019), arXiv 1808.02376, section 4.3; Case, Zweifel, Linear Transport Theory
    (1967), for the equation.
    """
    if (scattering < 0).any() or not 0 < absorption < np.inf:
        least = np.nanmin(scattering) if scattering.size else np.nan
        raise ValueError(
            f"scattering must be 0 or more and absorption positive, got a minimum of {least:.6g} and {absorption:.6g}"
        )
    n = scattering.shape[1]
    out, system = np.full(scattering.shape, np.nan), np.empty((n, n))
    for i, row in enumerate(scattering):
        if not np.isfinite(row).all():
            continue
        matrix = transport_matrix(row, absorption=absorption, width=width)
        root, emitted = np.sqrt(row), matrix.sum(axis=1)
        _symmetrise(matrix, root, system)
        factor = cho_factor(system.T, lower=True, overwrite_a=True, check_finite=False)
        out[i] = matrix @ (root * cho_solve(factor, root * emitted, check_finite=False)) + emitted
    return out


def transport_matrix(
    scattering: Float[Array, " cells"], *, absorption: float, width: float
) -> Float[Array, "cells cells"]:
    """Return K_ij, the averages over cells of the kernel of radiative transfer: what cell j sends to cell i."""
    total = scattering + absorption
    thicknesses = total * width
    values = np.empty(len(total) * (len(total) + 1) // 2)
    _integrals(thicknesses, values)
    out = np.empty((len(total), len(total)))
    _second_differences(values, thicknesses, float(width), out)
    return out


def _pieces() -> Array:
    """Return the polynomials, in (−1, 1), of e^x E₃(x) on 2 < x < 4, 4 < x < 8, … to 512: a row each, to round-off."""
    lows = 2.0 ** np.arange(1, 9)
    rows, nodes = np.zeros((len(lows), 21)), np.polynomial.chebyshev.chebpts1(21)
    for row, low in zip(rows, lows, strict=True):
        x = low * (1.5 + 0.5 * nodes)
        found = np.polynomial.chebyshev.cheb2poly(np.polynomial.chebyshev.chebfit(nodes, np.exp(x) * expn(3, x), 20))
        row[: len(found)] = found
    return rows


_ENTIRE = np.array(
    [-np.euler_gamma] + [-((-1.0) ** k) / (k * math.factorial(k)) for k in range(1, 24)]
)  # E₁(x) + log x
_PIECES = _pieces()


@kernel
@no_type_check
def _integrals(thicknesses, values):
    """Set `values` to E₃(x) = ½ (e^(−x) (1 − x) + x² E₁(x)) for the faces p < q, row by row; nearest faces first.

    A row sums its own optical depths: as differences of depths from one end they would lose digits to a thick medium.
    """
    n, place = len(thicknesses) + 1, 0
    gaps, entire = np.empty(n), np.empty(n)
    for p in range(n - 1):
        near, depth = 0, 0.0
        for k in range(n - 1 - p):
            depth += thicknesses[p + k]
            gaps[k] = depth
            entire[k] = 0.0
            near += depth < 2.0
        for term in range(len(_ENTIRE) - 1, -1, -1):
            for k in range(near):
                entire[k] = entire[k] * gaps[k] + _ENTIRE[term]
        for k in range(near):
            x = gaps[k]
            values[place + k] = 0.5 * (np.exp(-x) * (1.0 - x) + x * x * (entire[k] - np.log(x)))
        for k in range(near, n - 1 - p):
            values[place + k] = _far(gaps[k])
        place += n - 1 - p


@kernel
@no_type_check
def _far(x):
    """E₃(x) for x ≥ 2, to round-off; 0 from 512 on."""
    if x >= 512.0:
        return 0.0
    piece, low, total = 0, 2.0, 0.0
    while x >= 2.0 * low:
        piece, low = piece + 1, 2.0 * low
    place = 2.0 * x / low - 3.0
    for k in range(_PIECES.shape[1] - 1, -1, -1):
        total = total * place + _PIECES[piece, k]
    return np.exp(-x) * total


@kernel
@no_type_check
def _symmetrise(matrix, root, system):
    """Set the system to 1 − μ_s^½ K μ_s^½."""
    for i in range(len(root)):
        for j in range(len(root)):
            system[i, j] = -root[i] * matrix[i, j] * root[j]
        system[i, i] += 1.0


@kernel
@no_type_check
def _second_differences(values, thicknesses, width, out):
    """`values` holds E₃ for the faces p < q, row by row."""
    n, half = len(thicknesses), 0.5 * width
    for i in range(n):
        here, between = thicknesses[i], 0.0
        upper = i * (n + 1) - i * (i + 1) // 2 - i - 1  # values[upper + q] is E₃ between the faces i and q > i
        lower = upper + n - i - 1  # and values[lower + q] that between i + 1 and q
        if here < 1e-3:
            mean = 1.5 - np.euler_gamma - np.log(here) + here / 3.0 - here * here / 24.0
        else:
            mean = (2.0 * values[upper + i + 1] - 1.0 + 2.0 * here) / (here * here)
        out[i, i] = half * mean
        for j in range(i + 1, n):
            there = thicknesses[j]
            thinner, thicker = min(here, there), max(here, there)
            if thinner * min(thicker, 1.0) < THIN:
                mean = _thin(between, thinner, thicker)
            else:
                near = values[lower + j] if j > i + 1 else 0.5
                mean = (near + values[upper + j + 1] - values[upper + j] - values[lower + j + 1]) / (here * there)
            out[i, j] = out[j, i] = half * mean
            between += there


@kernel
@no_type_check
def _thin(gap, a, b):
    """The mean of E₁(gap + s + t) over 0 < s < a, 0 < t < b, for a ≤ b and a min(b, 1) < THIN: so a < 1e-4.

    Where b is small too: E₁ = entire − log, the mean of the first by its Taylor series in the middle, of the second in
    closed form. Else the difference over b of the mean of E₂ over a, which then keeps its digits.
    """
    middle = gap + 0.5 * (a + b)
    squares = (a * a + b * b) / 24.0
    if b > 3e-3:
        return (_mean_of_second(gap, a) - _mean_of_second(gap + b, a)) / b
    bend = np.exp(-middle) * (1.0 + middle) / (middle * middle)  # E₁″
    if middle >= 1.0:
        return _first(middle) + squares * bend
    return _entire(middle) + squares * (bend - 1.0 / (middle * middle)) - _mean_of_log(gap, a, b)


@kernel
@no_type_check
def _mean_of_log(gap, a, b):
    """The mean of log(gap + s + t), a ≤ b: a second difference of ½ x² log x, with its cancelling parts taken out."""
    if gap > 1e3 * b:
        middle = gap + 0.5 * (a + b)
        return np.log(middle) - (a * a + b * b) / (24.0 * middle * middle)
    far = gap + b
    first = far * far * np.log1p(a / far)
    if gap > 0.0:
        first -= gap * gap * np.log1p(a / gap)
    second = a * (2.0 * gap + a) * np.log1p(b / (gap + a))
    return 0.5 * (first + second) / (a * b) + np.log(far + a) - 1.5


@kernel
@no_type_check
def _mean_of_second(x, a):
    """The mean of E₂ over (x, x + a), a < 1e-5: of its smooth part and of x log x."""
    middle = x + 0.5 * a
    if middle >= 1.0:
        return _second(middle)
    total = (2.0 * x + a) * np.log(x + a)
    if x > 0.0:
        total += x * (x / a) * np.log1p(a / x)
    return np.exp(-middle) - middle * _entire(middle) + 0.5 * total - 0.5 * middle


@kernel
@no_type_check
def _entire(x):
    """E₁(x) + log x for x < 2."""
    total = 0.0
    for term in range(len(_ENTIRE) - 1, -1, -1):
        total = total * x + _ENTIRE[term]
    return total


@kernel
@no_type_check
def _first(x):
    """E₁(x)."""
    if x < 2.0:
        return _entire(x) - np.log(x)
    return (np.exp(-x) - (np.exp(-x) - 2.0 * _far(x)) / x) / x


@kernel
@no_type_check
def _second(x):
    """E₂(x)."""
    return np.exp(-x) - x * _first(x) if x < 2.0 else (np.exp(-x) - 2.0 * _far(x)) / x
