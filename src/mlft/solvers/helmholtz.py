"""−Δu − k² n u = f with impedance boundaries, ∂u/∂ν − iku = g: second-order differences, solved directly.

Fields are point values on bounded nodal grids, `(samples, *grid)`, all end points stored. Equations are weighted by the
quadrature weights of the points (½ on a side, ¼ in a corner), so that the matrix is symmetric:

    in units of h⁰:   Σ_j e_ij (u_i − u_j) − (kh)² w_i n_i u_i − ikh b_i u_i = right_i,

with e the length of the face between two points, w the weight and b the boundary length of a point, over h.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Complex, Float
from numba import njit
from scipy.sparse.linalg import splu

from mlft.solvers.fronts import apply_five_point, five_point_matrix, solve_five_point

Array = np.ndarray

LANES = 8


def helmholtz_1d(
    indices: Float[Array, "n points"], right: Complex[Array, " points"], *, wave_number: float, spacing: float
) -> Complex[Array, "n points"]:
    """Return the solutions on an interval for n = indices, by Gaussian elimination from the left end.

    No pivoting: with an absorbing end to begin at, the pivots are the ratios u_i / u_{i+1} of a wave that leaves, of
    modulus about 1. `LANES` samples are solved side by side, and see nothing of each other.

    Args:
        indices: n, the square of the refractive index.
        right: the right-hand side, weighted: h² w f inside, and + h g at an end.
        wave_number: k.
        spacing: h.

    Raises:
        ValueError: fewer than 3 points.

    Source: Ihlenburg, Babuška, Computers Math. Applic. 30 (1995), for the problem and its discrete waves.
    """
    if indices.shape[1] < 3:
        raise ValueError(f"the scheme needs at least 3 points, got {indices.shape[1]}")
    out = np.empty(indices.shape, dtype=np.complex128)
    _sweeps(np.ascontiguousarray(indices, dtype=np.float64), np.ascontiguousarray(right), wave_number * spacing, out)
    return out


def helmholtz_2d(
    indices: Float[Array, "n rows columns"],
    right: Complex[Array, "rows columns"],
    *,
    wave_number: float,
    spacing: float,
) -> Complex[Array, "n rows columns"]:
    """Return the solutions on a rectangle for n = indices, by nested dissection: `mlft.solvers.fronts`.

    Where a block of the dissection resonates, so that the residual is above 1e-12 of the wave, the sample is solved
    again by SuperLU, with pivots. One that is not finite comes back as NaN. Memory: 0.1 GB at 257² points.

    Args:
        indices: n, the square of the refractive index.
        right: the right-hand side, weighted: h² w f, and + h b g on the boundary.
        wave_number: k.
        spacing: h, the same along both axes.

    Raises:
        ValueError: fewer than 3 points on an axis.

    Source: George, SIAM J. Numer. Anal. 10 (1973), nested dissection; Li, ACM TOMS 31 (2005), SuperLU.
    """
    samples, rows, columns = indices.shape
    if min(rows, columns) < 3:
        raise ValueError(f"the scheme needs at least 3 points on each axis, got {rows} and {columns}")
    (weights, ends), (weights2, ends2) = _axis(rows), _axis(columns)
    faces = {"down": np.tile(weights2, (rows - 1, 1)), "along": np.tile(weights[:, None], columns - 1)}
    kh, empty = wave_number * spacing, np.zeros((rows, columns))
    mass = kh**2 * np.outer(weights, weights2)
    free = -apply_five_point(empty, np.ones((rows, columns)), **faces)
    free = free - 1j * kh * (np.outer(ends, weights2) + np.outer(weights, ends2))
    out, norm = np.full(indices.shape, np.nan, dtype=np.complex128), np.linalg.norm(right)
    for index, wave in zip(indices, out, strict=True):
        if not np.isfinite(index).all():
            continue
        diagonal = free - mass * index
        wave[:] = solve_five_point(diagonal, right, **faces)
        residual = np.linalg.norm(apply_five_point(diagonal, wave, **faces) - right)
        if not residual <= 1e-12 * (np.linalg.norm(wave) + norm):
            wave[:] = splu(five_point_matrix(diagonal, **faces)).solve(right.reshape(-1)).reshape(wave.shape)
    return out


def _axis(points: int) -> tuple[Array, Array]:
    """Return the weights and the boundary of the points of one axis."""
    weights, ends = np.ones(points), np.zeros(points)
    weights[[0, -1]], ends[[0, -1]] = 0.5, 1.0
    return weights, ends


@njit(cache=True, nogil=True)
@no_type_check
def _sweeps(indices, right, kh, out):
    samples, points = indices.shape
    lanes = np.zeros((4, points, LANES))  # real and imaginary parts of 1/pivot, and of the solution
    diagonal = np.zeros((points, LANES))
    for start in range(0, samples, LANES):
        used = min(LANES, samples - start)
        for k in range(LANES):  # a lane without a sample idles on a copy of the last
            for i in range(points):
                mass = kh * kh * indices[start + min(k, used - 1), i]
                diagonal[i, k] = 2.0 - mass if 0 < i < points - 1 else 1.0 - 0.5 * mass
        _eliminate(diagonal, right, kh, lanes)
        for k in range(used):
            for i in range(points):
                out[start + k, i] = complex(lanes[2, i, k], lanes[3, i, k])


@njit(cache=True, nogil=True)
@no_type_check
def _eliminate(diagonal, right, kh, lanes):
    """u_i = (y_i + u_{i+1}) / d_i with d_i = a_i − 1/d_{i−1} and y_i = r_i + y_{i−1}/d_{i−1}, in every lane."""
    points = len(diagonal)
    p, q, x, y = lanes[0], lanes[1], lanes[2], lanes[3]
    for i in range(points):
        loss, real, imaginary = kh if i == 0 or i == points - 1 else 0.0, right[i].real, right[i].imag
        before = max(i - 1, 0)
        on = 1.0 if i > 0 else 0.0
        for k in range(LANES):
            u, v = on * p[before, k], on * q[before, k]
            d, e = diagonal[i, k] - u, -loss - v
            size = 1.0 / (d * d + e * e)
            a, b = x[before, k], y[before, k]
            x[i, k] = real + (u * a - v * b)
            y[i, k] = imaginary + (u * b + v * a)
            p[i, k], q[i, k] = d * size, -e * size
    for i in range(points - 1, -1, -1):
        after, on = min(i + 1, points - 1), 1.0 if i < points - 1 else 0.0
        for k in range(LANES):
            a, b = x[i, k] + on * x[after, k], y[i, k] + on * y[after, k]
            x[i, k], y[i, k] = p[i, k] * a - q[i, k] * b, p[i, k] * b + q[i, k] * a
