"""−u″ = f, −Δu = f and u⁗ = f with values 0 at the ends: second-order differences, solved without building a matrix.

Fields are point values on bounded nodal grids, both ends stored. In one dimension `LANES` samples are solved side by
side, one in each SIMD lane; a lane sees nothing of the others. In two a sample is transformed alone.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit
from scipy.fft import dstn

Array = np.ndarray

LANES, BLOCK = 16, 32


def poisson_1d(sources: Float[Array, "n points"], *, spacing: float) -> Float[Array, "n points"]:
    """Return the u with (−u_{i−1} + 2 u_i − u_{i+1}) / h² = f_i inside and u = 0 at both ends.

    Gaussian elimination, whose pivots 2, 3/2, 4/3, … are known: 4 operations a point. Order 2; exact at the points for
    a constant or linear f. The values of f at the ends are not read.

    Raises:
        ValueError: fewer than 3 points.

    >>> poisson_1d(np.ones((1, 5)), spacing=0.25).tolist()
    [[0.0, 0.09375, 0.125, 0.09375, 0.0]]
    """
    _need(sources, 3)
    out = np.zeros(sources.shape)
    _solve(np.ascontiguousarray(sources, dtype=np.float64), float(spacing) ** 2, np.empty((0, 2)), out)
    return out


def biharmonic_1d(sources: Float[Array, "n points"], *, spacing: float, clamped: bool) -> Float[Array, "n points"]:
    """Return the u with (u_{i−2} − 4 u_{i−1} + 6 u_i − 4 u_{i+1} + u_{i+2}) / h⁴ = f_i and u = 0 at both ends.

    Supported ends (u″ = 0, u_{−1} = −u_1) are two Poisson solves: the matrix is the square of the second difference.
    Clamped ends (u′ = 0, u_{−1} = u_1) add 2/h⁴ to its two corners, a correction of rank 2 (Woodbury). Order 2. No
    matrix with its condition of (2/h)⁴ is factorised: round-off stays near 1e-16 · (points)².

    Raises:
        ValueError: fewer than 5 points.

    Source: Hager, Updating the inverse of a matrix, SIAM Review 31 (1989).
    """
    _need(sources, 5)
    n, h = sources.shape[1] - 1, float(spacing)
    corrections = np.zeros((n + 1, 2))
    if clamped:
        units = np.zeros((2, n + 1))
        units[[0, 1], [1, n - 1]] = 2 / h**4
        left, right = poisson_1d(poisson_1d(units, spacing=h), spacing=h)
        a, b = 1 + left[1], left[n - 1]  # the 2 x 2 matrix of the correction is symmetric, by reflection
        corrections = 0.5 * np.stack([(left + right) / (a + b), (left - right) / (a - b)], axis=1)
    out = np.zeros(sources.shape)
    _solve(np.ascontiguousarray(sources, dtype=np.float64), h**2, corrections, out)
    return out


def poisson_2d(
    sources: Float[Array, "n rows columns"], *, spacing: tuple[float, float]
) -> Float[Array, "n rows columns"]:
    """Return the solution of the five-point scheme with u = 0 on the boundary, by two fast sine transforms.

    The eigenvalues of the scheme are Σ_i 4 sin²(k_i π h_i / 2L_i) / h_i². Order 2. The values of f on the boundary are
    not read.

    Raises:
        ValueError: fewer than 3 points on an axis.
    """
    _need(sources, 3)
    _need(sources.transpose(0, 2, 1), 3)
    rows, columns = (points - 1 for points in sources.shape[1:])
    values = [
        (2 / h * np.sin(np.pi * np.arange(1, n) / (2 * n))) ** 2 for n, h in zip((rows, columns), spacing, strict=True)
    ]
    inverse = 1 / (4 * rows * columns * (values[0][:, None] + values[1]))
    out = np.zeros(sources.shape)
    for i in range(len(sources)):
        modes = dstn(sources[i, 1:-1, 1:-1], type=1)
        modes *= inverse
        out[i, 1:-1, 1:-1] = dstn(modes, type=1, overwrite_x=True)
    return out


def _need(field: Array, points: int) -> None:
    if field.shape[-1] < points:
        raise ValueError(f"the scheme needs at least {points} points on each axis, got {field.shape[-1]}")


@njit(cache=True, nogil=True)
@no_type_check
def _solve(sources, factor, corrections, out):
    """Solve LANES samples at a time, the last block may be short: once, or twice and then corrected."""
    samples, points = sources.shape
    lanes = np.zeros((points, LANES))
    for start in range(0, samples, LANES):
        rows = slice(start, min(start + LANES, samples))
        _move(sources[rows], lanes, factor, True)
        _sweep(lanes)
        if len(corrections) > 0:
            lanes *= factor
            _sweep(lanes)
            _correct(lanes, corrections)
        _move(out[rows], lanes, 1.0, False)


@njit(cache=True, nogil=True)
@no_type_check
def _move(rows, lanes, factor, inwards):
    """Copy inner values between rows and lanes, a few points at a time, so that they stay in the first cache."""
    last = len(lanes) - 1
    for low in range(1, last, BLOCK):
        for k in range(len(rows)):
            for i in range(low, min(low + BLOCK, last)):
                if inwards:
                    lanes[i, k] = factor * rows[k, i]
                else:
                    rows[k, i] = lanes[i, k]


@njit(cache=True, nogil=True)
@no_type_check
def _sweep(lanes):
    """Eliminate from the left and substitute from the right, in every lane; both ends stay 0."""
    points = lanes.shape[0]
    for i in range(1, points - 1):
        ratio = i / (i + 1.0)
        for k in range(LANES):
            lanes[i, k] = (lanes[i, k] + lanes[i - 1, k]) * ratio
    for i in range(points - 2, 0, -1):
        ratio = i / (i + 1.0)
        for k in range(LANES):
            lanes[i, k] += ratio * lanes[i + 1, k]


@njit(cache=True, nogil=True)
@no_type_check
def _correct(lanes, corrections):
    """Subtract the even and the odd correction, in proportion to the values next to the ends."""
    last = len(lanes) - 1
    first, final = lanes[1].copy(), lanes[last - 1].copy()
    for i in range(1, last):
        even, odd = corrections[i, 0], corrections[i, 1]
        for k in range(LANES):
            lanes[i, k] -= (first[k] + final[k]) * even + (first[k] - final[k]) * odd
