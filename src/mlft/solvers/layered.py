"""−(a u′)′ = f on an interval with u = 0 at both ends: finite volumes, solved by summation, and exact solutions."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

Array = np.ndarray

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
LEAST = 1e-11  # slow part that is summed
TOLERANCE = 1e-10  # of a panel against its halves, whose own error is about the square of that


def solve_layered(coefficients: Float[Array, "n cells"], source: float, *, width: float) -> Float[Array, "n cells"]:
    """Return the finite-volume solutions for a = coefficients, constant in each cell, and a constant f.

    With the resistances r_0 = h/2a_0, r_i = h/2a_{i−1} + h/2a_i, r_n = h/2a_{n−1} of the faces, the flux through face i
    is q_i = q_0 + ihf, and q_0 follows from Σ_i r_i q_i = 0; then u_i = −Σ_{j ≤ i} r_j q_j. Order 2 in the cell widths
    where a is smooth; exact at the cell centres for a constant in each cell, but for f h²/8a_i.

    Raises:
        ValueError: a coefficient that is not positive.
    """
    if (coefficients <= 0).any():
        raise ValueError(f"the coefficient must be positive everywhere, got a minimum of {np.nanmin(coefficients):.6g}")
    out = np.empty(coefficients.shape)
    _sum(np.ascontiguousarray(coefficients, dtype=np.float64), float(source), float(width), out)
    return out


def exact_averages(
    cosines: Float[Array, "n modes"], phases: Float[Array, " n"], *, cells: int, ripple: float, period: float
) -> Float[Array, "n cells"]:
    """Return exact cell averages on (0, 1) for f = 1 and a = (1 + Σ_k c_k cos kπx) (1 + ripple cos 2π(x/period + φ)).

    u′ = (q − x)/a, q = ∫ x/a / ∫ 1/a, so that averages follow from the moments of 1/a in every cell. These are
    integrals from cell face to the next maximum or minimum of the fast part, by Gauss's rule with 12 points on panels
    halved until they agree with their halves: towards the poles of 1/a, √(2 (1 − ripple)) / 2π periods beside the
    minima, in log(1/(1 − ripple)) steps. Right to about 1e-13, or to the round-off of a slow part near 0. No memory
    beyond a cell's moments; (cells + 2/period) times 1 to 5 µs a sample for ripples up to 0.9, 25 µs at 1 − 1e-6. NaN
    where the slow part is under 1e-11: rounding leaves it few digits there, or none.
    """
    out = np.empty((len(phases), cells))
    for i in range(len(phases)):
        moments = np.zeros((cells, 3))
        _moments(np.ascontiguousarray(cosines[i]), float(phases[i] % 1.0), ripple, period, moments)
        out[i] = _averages(moments)
    return out


def _averages(moments: Float[Array, "cells 3"]) -> Float[Array, " cells"]:
    """∫ (x − left)^k / a over the cells, k = 0, 1, 2, to averages: u(left) + ∫ u′ (right − x) dx / h."""
    zeroth, first, second = moments.T
    h = 1 / len(moments)
    left = np.arange(len(moments)) * h
    flux = left - np.sum(left * zeroth + first) / np.sum(zeroth)
    slopes = -(flux * zeroth + first)
    inside = -(flux * (h * zeroth - first) + h * first - second) / h
    return np.concatenate([[0.0], np.cumsum(slopes)[:-1]]) + inside


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _moments(cosines, phase, ripple, period, moments):
    """Walk from 0 to 1 by half periods, cut at cell faces; of each piece, the end nearer to the minimum comes first.

    Places are kept as x and as v, the distance from the minimum in periods: each keeps its digits where the other's go.
    """
    cells = len(moments)
    half, cell, x = int(np.floor(2.0 * phase)), 0, 0.0
    while cell < cells:
        face, end = (cell + 1.0) / cells, period * (0.5 * (half + 1) - phase)
        stop = min(face, end)
        minimum = period * (0.5 * half - phase) if half % 2 else end
        near, far = (x, stop) if half % 2 else (stop, x)
        if stop > x:
            v = abs(near - minimum) / period
            piece = (near, far - near, v, abs(far - minimum) / period - v, cell / cells)
            _bisect(piece, ripple, cosines, moments[cell])
        x = stop
        if stop == face:
            cell += 1
        if stop == end:
            half += 1


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _bisect(piece, ripple, cosines, total):
    """Add the moments over a piece, in panels halved until the zeroth agrees with those of the halves.

    NaN where the slow part is under LEAST.
    """
    ends, wholes, top = np.empty((64, 2)), np.empty((64, 3)), 0
    left, right = np.empty(3), np.empty(3)
    ends[0, 0], ends[0, 1] = 0.0, 1.0
    _panel(0.0, 1.0, piece, ripple, cosines, wholes[0])
    while top >= 0:
        low, high, whole = ends[top, 0], ends[top, 1], wholes[top, 0]
        middle = 0.5 * (low + high)
        least = _panel(low, middle, piece, ripple, cosines, left)
        least = min(least, _panel(middle, high, piece, ripple, cosines, right))
        if least < LEAST:
            total[:] = np.nan
            return
        both = left[0] + right[0]
        if abs(whole - both) <= (TOLERANCE + 1e-14 / least) * both or top > 61:
            total += left + right
            top -= 1
        else:
            ends[top, 0], ends[top, 1], wholes[top] = middle, high, right
            ends[top + 1, 0], ends[top + 1, 1], wholes[top + 1] = low, middle, left
            top += 1


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _panel(low, high, piece, ripple, cosines, out):
    """Set `out` to the moments over a part of a piece, and return the least slow part on it."""
    near, length, nearest, turns, left = piece
    out[:], least = 0.0, np.inf
    for node in range(len(NODES)):
        part = 0.5 * (low + high + (high - low) * NODES[node])
        x, sine = near + length * part, np.sin(np.pi * (nearest + turns * part))
        wave = np.cos(np.pi * x)
        slow, before, here = 1.0, 1.0, wave
        for k in range(len(cosines)):
            slow += cosines[k] * here
            before, here = here, 2.0 * wave * here - before
        # 1 + ripple cos about its minimum, where 1 − ripple must keep its digits
        weight = WEIGHTS[node] / (slow * ((1.0 - ripple) + 2.0 * ripple * sine * sine))
        out[0] += weight
        out[1] += weight * (x - left)
        out[2] += weight * (x - left) ** 2
        least = min(least, slow)
    out *= 0.5 * (high - low) * abs(length)
    return least


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _sum(coefficients, source, width, out):
    samples, cells = coefficients.shape
    resistances = np.empty(cells + 1)
    for n in range(samples):
        before, total, moment = 0.0, 0.0, 0.0
        for i in range(cells + 1):
            half = 0.5 * width / coefficients[n, i] if i < cells else 0.0
            resistances[i] = before + half
            total += resistances[i]
            moment += resistances[i] * i
            before = half
        u, mean = 0.0, moment / total
        for i in range(cells):
            u -= resistances[i] * (i - mean)
            out[n, i] = u * source * width
