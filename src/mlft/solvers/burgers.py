"""Inviscid Burgers in one periodic dimension, u_t + (u²/2)_x = 0: a finite-volume scheme and the exact solution.

Fields are cell averages, `(samples, cells)`. A sample is marched alone, by one fixed order of operations, so that it
never depends on its batch; the loops over cells carry nothing from one cell to the next and hold neither branch nor
division, so that the compiler vectorises them.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

Array = np.ndarray

CFL = 0.8
_MAGNITUDE = np.int64(0x7FFFFFFFFFFFFFFF)


def march(
    initial: Float[Array, "n cells"], *, width: float, time: float, cfl: float = CFL, step_limit: int = 1_000_000
) -> tuple[Float[Array, "n cells"], Int[Array, " n"], Bool[Array, " n"]]:
    """Return cell averages at `time`, the steps taken by each sample, and whether it got there.

    MUSCL–Hancock with the monotonised central limiter and the exact Godunov flux. With λ = Δt/h, a and b the
    differences to the left and the right neighbour, and ν = λu, each step is

        s = minmod(a, b, (a + b)/4)                                    half the limited slope
        r = u + s (1 − max(ν, 0)),   l = u − s (1 + min(ν, 0))         both faces of a cell, half a step later
        m = max(r_i, −l_(i+1), 0),   F_(i+½) = m²/2                    the exact Riemann solution for u²/2
        u ← u − λ (F_(i+½) − F_(i−½)),   Δt = cfl · h / max|u|

    The signs in r and l matter in cells where the wave speed changes sign only: there the usual predictor (with ν in
    place of its parts) lets the faces leave the range of the neighbours, and the range of the solution grows.

    Order 2 in L1 on smooth data (the limiter clips extrema: 1.8 to 1.9 in L2, 1.3 to 1.5 in the maximum norm), order 1
    in L1 once there are shocks. Mass is kept to round-off. For cfl ≤ 0.85 neither the range nor the total variation
    grew in any step from any of 800,000 rough random states; at 0.9 they did. The solution is mirrored when the
    initial state is, u(x) → −u(−x), bit for bit.

    Args:
        initial: cell averages at time 0; a sample with a value that is not finite comes back as NaN.
        width: the cell width h, in the unit of length.
        time: the end time, in the unit of time.
        cfl: cells that the fastest wave may cross in a step.
        step_limit: steps after which a sample is given up.

    Raises:
        ValueError: fewer than 2 cells.

    Source: van Leer, J. Comput. Phys. 32 (1979), and SIAM J. Sci. Stat. Comput. 5 (1984); Toro, Riemann Solvers and
    Numerical Methods for Fluid Dynamics (2009), section 14.4.
    """
    if initial.shape[1] < 2:
        raise ValueError(f"the scheme needs at least 2 cells, got {initial.shape[1]}")
    solutions = np.empty(initial.shape)
    steps = np.zeros(len(initial), dtype=np.int64)
    done = np.zeros(len(initial), dtype=np.bool_)
    rows, parameters = np.array(initial, dtype=np.float64, order="C"), (float(width), float(time), float(cfl))
    _march(rows, parameters, step_limit, solutions, steps, done)
    return solutions, steps, done


def exact(
    cosines: Float[Array, "n modes"], sines: Float[Array, "n modes"], *, cells: int, time: float, points: int = 4096
) -> Float[Array, "n cells"]:
    """Return exact cell averages on [0, 1) at `time` of the solution from u₀ = Σ_k a_k cos 2πkx + b_k sin 2πkx, k ≥ 1.

    The potential U, with U_x = u and Φ' = u₀, is given by the formula of Lax and Oleinik, and averages follow from it:

        U(x, t) = min_y Φ(y) + (x − y)²/(2t),   u_i = (U(x_(i+½), t) − U(x_(i−½), t)) / h

    The minimiser grows with x: faces are visited by bisection, each searching a table of Φ between its neighbours'
    minimisers; every point of the table that could be the nearest to the minimum is then refined by Newton's method
    on the series. Exact to about 1e-14 in U (so 1e-14/h in the averages), before and after shocks.

    Args:
        cosines: a_k.
        sines: b_k.
        cells: cells of the grid, of width h = 1/cells.
        time: t > 0.
        points: points of the table in the unit interval, at least 32 a wave of the highest mode are used.

    Source: Lax, Comm. Pure Appl. Math. 10 (1957), theorem 2.1; Evans, Partial Differential Equations, section 3.4.2.
    """
    angles = 2 * np.pi * np.arange(max(points, 32 * cosines.shape[1])) / max(points, 32 * cosines.shape[1])
    solutions = np.empty((len(cosines), cells))
    _exact(np.ascontiguousarray(cosines), np.ascontiguousarray(sines), float(time), np.exp(1j * angles), solutions)
    return solutions


@njit(cache=True, nogil=True)
@no_type_check
def _march(initial, parameters, step_limit, solutions, steps, done):
    width, time, cfl = parameters
    samples, cells = initial.shape
    u = np.empty(cells + 4)  # two ghost cells at each end
    left, right = np.empty(cells + 2), np.empty(cells + 2)
    for sample in range(samples):
        for i in range(cells):
            u[i + 2] = initial[sample, i]
        remaining, speed = time, _largest(u)
        while remaining > 0.0 and steps[sample] < step_limit and speed < np.inf:
            step = remaining if speed * remaining <= cfl * width else cfl * width / speed
            _wrap(u)
            _reconstruct(u, step / width, left, right)
            _update(u, step / width, left, right)
            remaining -= step
            steps[sample] += 1
            speed = _largest(u)
        for i in range(cells):
            solutions[sample, i] = u[i + 2] if speed < np.inf else np.nan
        done[sample] = remaining <= 0.0


@njit(cache=True, nogil=True)
@no_type_check
def _largest(u):
    """Return max|u|, or NaN: read as integers, the bits of |u| are ordered as |u|, NaN last, and vectorise."""
    bits = u.view(np.int64)
    top = np.int64(0)
    for i in range(2, len(u) - 2):
        top = max(top, bits[i] & _MAGNITUDE)
    bits[0] = top  # a ghost cell, to read them as a float again
    return u[0]


@njit(cache=True, nogil=True)
@no_type_check
def _wrap(u):
    n = len(u)
    u[0], u[1] = u[n - 4], u[n - 3]
    u[n - 2], u[n - 1] = u[2], u[3]


@njit(cache=True, nogil=True)
@no_type_check
def _reconstruct(u, ratio, left, right):
    """Set the right-face values r and, with the sign changed, the left-face values −l, half a step later."""
    for i in range(len(right)):
        a, v, b = u[i + 1] - u[i], u[i + 1], u[i + 2] - u[i + 1]
        c = 0.25 * (a + b)
        s = max(min(min(a, b), c), min(max(max(a, b), c), 0.0))  # minmod(a, b, c)
        slip = s * ratio
        right[i] = (v + s) - slip * max(v, 0.0)
        left[i] = (s - v) + slip * min(v, 0.0)


@njit(cache=True, nogil=True)
@no_type_check
def _update(u, ratio, left, right):
    half = 0.5 * ratio
    for i in range(len(right) - 2):
        inflow = max(max(right[i], left[i + 1]), 0.0)
        outflow = max(max(right[i + 1], left[i + 2]), 0.0)
        u[i + 2] -= half * (outflow * outflow - inflow * inflow)


@njit(cache=True, nogil=True)
@no_type_check
def _exact(cosines, sines, time, circle, solutions):
    cells = solutions.shape[1]
    for sample in range(len(solutions)):
        potential = _potential(cosines[sample], sines[sample], time, circle, cells)
        for i in range(cells):
            solutions[sample, i] = (potential[(i + 1) % cells] - potential[i]) * cells


@njit(cache=True, nogil=True)
@no_type_check
def _potential(a, b, time, circle, cells):
    """Return U at the faces i/cells, by bisection on the faces."""
    points = len(circle)
    table = _potential_table(a, b, circle)
    swing, curvature = _bounds(a, b)
    reach = 1 + int(points * np.sqrt(2.0 * time * swing))  # from U(x) ≤ Φ(x)
    slack = (1.0 / time + curvature) / (8.0 * points**2)  # half a spacing off the minimum is at most this much higher
    potential, nearest = np.empty(cells), np.empty(cells, dtype=np.int64)
    top = 1
    while top < cells:
        top *= 2
    stride = top
    while stride >= 1:
        for face in range(stride % top, cells, 2 * stride):  # face 0, then those between, and between again
            x = face / cells
            low, high = int(x * points) - reach, int(x * points) + 1 + reach
            if face > 0:
                after = face + stride
                low = max(low, nearest[face - stride] - 1)
                high = min(high, 1 + (nearest[after] if after < cells else nearest[0] + points))
            nearest[face], least = _search(table, x, time, low, high)
            potential[face] = _refine(table, (a, b), (x, time), (low, high), least + slack)
        stride //= 2
    return potential


@njit(cache=True, nogil=True)
@no_type_check
def _potential_table(a, b, circle):
    """Return Φ = Σ_k (a_k sin 2πky − b_k cos 2πky) / (2πk) on the points of the table."""
    points = len(circle)
    table = np.zeros(points)
    for k in range(1, len(a) + 1):
        even, odd, phase = -b[k - 1] / (2.0 * np.pi * k), a[k - 1] / (2.0 * np.pi * k), 0
        for i in range(points):
            table[i] += even * circle[phase].real + odd * circle[phase].imag
            phase += k
            phase -= points if phase >= points else 0
    return table


@njit(cache=True, nogil=True)
@no_type_check
def _bounds(a, b):
    """Return upper bounds of max Φ − min Φ and of |Φ''|."""
    swing, curvature = 0.0, 0.0
    for k in range(1, len(a) + 1):
        size = abs(a[k - 1]) + abs(b[k - 1])
        swing += 2.0 * size / (2.0 * np.pi * k)
        curvature += 2.0 * np.pi * k * size
    return swing, curvature


@njit(cache=True, nogil=True)
@no_type_check
def _height(table, x, time, i):
    points = len(table)
    return table[i % points] + (x - i / points) ** 2 / (2.0 * time)


@njit(cache=True, nogil=True)
@no_type_check
def _search(table, x, time, low, high):
    best, least = low, _height(table, x, time, low)
    for i in range(low + 1, high + 1):
        height = _height(table, x, time, i)
        if height < least:
            best, least = i, height
    return best, least


@njit(cache=True, nogil=True)
@no_type_check
def _refine(table, series, place, between, bound):
    """Return the least value over the local minima of the table that lie below `bound`, each refined on the series."""
    x, time = place
    least = np.inf
    for i in range(between[0], between[1] + 1):
        height = _height(table, x, time, i)
        lower = height <= _height(table, x, time, i - 1) and height <= _height(table, x, time, i + 1)
        if height <= bound and lower:
            least = min(least, _newton(series, place, i / len(table), 1.0 / len(table)))
    return least


@njit(cache=True, nogil=True)
@no_type_check
def _newton(series, place, start, spacing):
    """Return the least Φ(y) + (x − y)²/(2t) seen by Newton's method on its derivative, within a spacing of `start`."""
    x, time = place
    y, least = start, np.inf
    for _ in range(8):
        potential, value, slope = _series(series[0], series[1], y)
        least = min(least, potential + (x - y) ** 2 / (2.0 * time))
        stretch = 1.0 + time * slope
        if stretch <= 0.0:
            break
        y = min(max(y - (y + time * value - x) / stretch, start - spacing), start + spacing)
    return least


@njit(cache=True, nogil=True)
@no_type_check
def _series(a, b, y):
    """Return Φ(y), u₀(y) and u₀'(y)."""
    first = complex(np.cos(2.0 * np.pi * y), np.sin(2.0 * np.pi * y))
    wave, potential, value, slope = 1.0 + 0.0j, 0.0, 0.0, 0.0
    for k in range(1, len(a) + 1):
        wave *= first
        even = a[k - 1] * wave.real + b[k - 1] * wave.imag
        odd = b[k - 1] * wave.real - a[k - 1] * wave.imag
        potential -= odd / (2.0 * np.pi * k)
        value += even
        slope += 2.0 * np.pi * k * odd
    return potential, value, slope
