"""Ground states of −Δu + V u + β u³ = E u, ∫u² = 1, in one or two dimensions: conjugate gradients on the sphere.

Fields are point values on nodal grids of the unit interval or square, `(samples, *grid)`: periodic, or bounded with u =
0 at the ends. The Laplacian is diagonal under a fast Fourier or sine transform, be it spectral or of differences. A
sample is solved alone, by one fixed order of operations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit
from scipy import fft

from mlft.solvers.sums import dot

Array = np.ndarray
Transform = Callable[[Array, Array], Array]

kernel = njit(cache=True, nogil=True)


@final
@dataclass(frozen=True)
class Condensates:
    """Ground states of a batch.

    Attributes:
        states: with h^d Σ u² = 1 and Σ u > 0; NaN where the potential is not finite.
        energies: E = ⟨u, −Δu + Vu + βu³⟩.
        residuals: ‖−Δu + Vu + βu³ − Eu‖ / (E − min V + 1), of the state returned, in L2.
        iterations: gradients computed.
        converged: the residual met the tolerance, and u is nowhere negative by more than it: so it is no excited state.
    """

    states: Float[Array, "n *grid"]
    energies: Float[Array, " n"]
    residuals: Float[Array, " n"]
    iterations: Int[Array, " n"]
    converged: Bool[Array, " n"]


def condensates(
    potentials: Float[Array, "n *grid"],
    *,
    cubic: float = 0.0,
    periodic: bool = True,
    spectral: bool = False,
    tolerance: float = 1e-9,
    limit: int = 500,
) -> Condensates:
    """Return the ground states for potentials on a nodal grid of the unit interval or square.

    The energy ½⟨u, −Δu + Vu⟩ + ¼β ∫u⁴ is minimised on the sphere ∫u² = 1 by the conjugate gradients of Polak and
    Ribière: the gradient is preconditioned by (−Δ + σ)⁻¹, σ = E − min V + 1, and along u cos θ + d sin θ the energy is
    a polynomial in cos θ and sin θ, whose least value is found exactly. Two transforms an iteration; 15 to 40
    iterations, hardly depending on the grid. For β ≥ 0 a positive solution is the only one, and the ground state.

    With differences order 2; spectral, exact for band-limited states, and faster than any order for smooth ones.
    Wells that hardly feel each other converge slowly: such a sample is given up after `limit` iterations.

    Raises:
        ValueError: fewer than 3 cells on an axis, a negative β, or a tolerance or limit that is not positive.

    Source: Danaila, Protas, SIAM J. Sci. Comput. 39 (2017); Antoine, Levitt, Tang, J. Comput. Phys. 343 (2017).
    """
    cells = [points - (0 if periodic else 1) for points in potentials.shape[1:]]
    if min(cells) < 3 or not (0 < tolerance < np.inf and limit >= 1 and 0 <= cubic < np.inf):
        raise ValueError(
            f"a condensate needs at least 3 cells on each axis, and tolerance, limit > 0, cubic >= 0; "
            f"got {cells=}, {tolerance=}, {limit=}, {cubic=}"
        )
    symbol, transform = _laplacian(cells, periodic, spectral)
    inside = (slice(None),) * len(cells) if periodic else (slice(1, -1),) * len(cells)
    states, numbers = np.zeros(potentials.shape), np.zeros((len(potentials), 4))
    weight = float(np.prod([1 / n for n in cells]))
    for i, potential in enumerate(potentials):
        if not np.isfinite(potential).all():
            states[i], numbers[i, :2] = np.nan, np.nan
            continue
        v = np.ascontiguousarray(potential[inside], dtype=np.float64)
        u, *numbers[i] = _minimise(v, symbol, transform, (weight, float(cubic), tolerance, limit))
        states[i][inside] = u
    energies, residuals, iterations, converged = numbers.T
    return Condensates(states, energies, residuals, iterations.astype(np.int64), converged > 0)


def _laplacian(cells: list[int], periodic: bool, spectral: bool) -> tuple[Array, Transform]:
    """Return the eigenvalues of −Δ, and the function that multiplies the transform of a field by a symbol."""
    values: list[Array] = []
    for axis, n in enumerate(cells):
        last = axis == len(cells) - 1
        number = fft.rfftfreq(n, 1 / n) if last else fft.fftfreq(n, 1 / n)
        waves = 2 * np.pi * number if periodic else np.pi * np.arange(1, n)
        values.append(waves**2 if spectral else (2 * n * np.sin(waves / (2 * n))) ** 2)
    symbol = values[0] if len(cells) == 1 else values[0][:, None] + values[1]
    return symbol, _periodic if periodic else _bounded


def _periodic(field: Array, symbol: Array) -> Array:
    modes = fft.rfftn(field)
    modes *= symbol
    return np.asarray(fft.irfftn(modes, s=field.shape, overwrite_x=True))


def _bounded(field: Array, symbol: Array) -> Array:
    modes = fft.dstn(field, type=1)
    modes *= symbol
    return np.asarray(fft.idstn(modes, type=1, overwrite_x=True))


def _minimise(
    v: Array, symbol: Array, transform: Transform, settings: tuple[float, float, float, int]
) -> tuple[Array, float, float, float, float]:
    """Return u, E, the residual, the iterations and whether it converged."""
    weight, cubic, tolerance, limit = settings
    lowest = float(v.min())
    u = transform(1 / (1 + (v - lowest) / (float(v.mean()) - lowest + 1)), 1 / (1 + symbol))
    u *= 1 / np.sqrt(weight * dot(u, u))
    path = np.zeros((4, u.size))  # u, −Δu, the direction d and −Δd
    path[0], path[1] = u.reshape(-1), transform(u, symbol).reshape(-1)
    r, old = np.empty(u.shape), np.zeros(u.shape)
    steps, size, before, reach = 0, np.inf, 1.0, 0.0
    while steps < limit:
        energy = _residual(path[0], path[1], v, weight, cubic, r)
        size, shift = np.sqrt(weight * dot(r, r)), energy - lowest + 1
        steps += 1
        if not size > tolerance * shift:
            break
        z = transform(r, 1 / (symbol + shift))
        now = weight * dot(r, z)
        beta = max(0.0, (now - weight * dot(old, z)) / before)
        before, old = now, r.copy()
        angle, reach = _search(path, v, z, r, (weight, cubic, shift, beta * reach))
        _turn(path, angle)
    u = path[0].reshape(v.shape).copy()
    u *= np.sign(u.sum()) / np.sqrt(weight * dot(u, u))
    lu = transform(u, symbol)
    energy = _residual(u, lu, v, weight, cubic, r)
    size = np.sqrt(weight * dot(r, r)) / (energy - lowest + 1)
    done = size <= 2 * tolerance and u.min() >= -tolerance * u.max()
    return u, energy, float(size), float(steps), float(done)


@kernel
@no_type_check
def _residual(state, image, potential, weight, cubic, residual):
    """Set r = −Δu + Vu + βu³ − Eu, and return E = ⟨u, −Δu + Vu + βu³⟩, for ⟨u, u⟩ = 1."""
    u, lu, v, r = state.reshape(-1), image.reshape(-1), potential.reshape(-1), residual.reshape(-1)
    for k in range(len(u)):
        r[k] = lu[k] + (v[k] + cubic * u[k] * u[k]) * u[k]
    energy = weight * dot(u, r)
    for k in range(len(u)):
        r[k] -= energy * u[k]
    return energy


@kernel
@no_type_check
def _search(path, potential, gradient, residual, numbers):
    """Set the unit tangent d = −z + βd and −Δd, and return the angle of least energy and the length d had."""
    u, lu, d, ld = path[0], path[1], path[2], path[3]
    v, z, r = potential.reshape(-1), gradient.reshape(-1), residual.reshape(-1)
    weight, cubic, shift, beta = numbers
    for k in range(len(u)):
        d[k] = beta * d[k] - z[k]
        ld[k] = beta * ld[k] - (r[k] - shift * z[k])  # −Δz = r − σz
    along = weight * dot(u, d)
    for k in range(len(u)):
        d[k] -= along * u[k]
        ld[k] -= along * lu[k]
    scale = 1.0 / np.sqrt(weight * dot(d, d))
    quadratic, quartic = np.zeros(3), np.zeros(5)
    for k in range(len(u)):
        d[k] *= scale
        ld[k] *= scale
        a, b = u[k], d[k]
        quadratic[0] += a * (lu[k] + v[k] * a)
        quadratic[1] += b * (lu[k] + v[k] * a)
        quadratic[2] += b * (ld[k] + v[k] * b)
        quartic[0] += a * a * a * a
        quartic[1] += a * a * a * b
        quartic[2] += a * a * b * b
        quartic[3] += a * b * b * b
        quartic[4] += b * b * b * b
    return _least(0.5 * weight * quadratic, 0.25 * cubic * weight * quartic), 1.0 / scale


@kernel
@no_type_check
def _least(q, p):
    """Return the angle of the least energy: the best of 64, then Newton's method on the derivative."""
    best, least = 0.0, np.inf
    for i in range(64):
        angle = np.pi * (i / 64.0 - 0.5)
        energy, _, _ = _energy(q, p, angle)
        if energy < least:
            best, least = angle, energy
    if abs(best) <= np.pi / 64.0:
        best = 0.0
    for _ in range(8):
        _, slope, curvature = _energy(q, p, best)
        if not curvature > 0.0:
            break
        best -= slope / curvature
    return best


@kernel
@no_type_check
def _energy(q, p, angle):
    """Return the energy at an angle, and its first two derivatives."""
    c, s = np.cos(angle), np.sin(angle)
    value = q[0] * c * c + 2.0 * q[1] * c * s + q[2] * s * s
    slope = 2.0 * (q[2] - q[0]) * c * s + 2.0 * q[1] * (c * c - s * s)
    curvature = 2.0 * (q[2] - q[0]) * (c * c - s * s) - 8.0 * q[1] * c * s
    weights = (1.0, 4.0, 6.0, 4.0, 1.0)
    for j in range(5):  # c^m s^j, m = 4 − j
        m, power = 4 - j, weights[j] * p[j]
        value += power * c**m * s**j
        rise = j * c ** (m + 1) * s ** max(j - 1, 0)
        fall = m * c ** max(m - 1, 0) * s ** (j + 1)
        slope += power * (rise - fall)
        curvature += power * (
            j * (j - 1) * c ** (m + 2) * s ** max(j - 2, 0)
            - (j * (m + 1) + m * (j + 1)) * c**m * s**j
            + m * (m - 1) * c ** max(m - 2, 0) * s ** (j + 2)
        )
    return value, slope, curvature


@kernel
@no_type_check
def _turn(path, angle):
    """Move u along the great circle by an angle, and d with it."""
    u, lu, d, ld = path[0], path[1], path[2], path[3]
    c, s = np.cos(angle), np.sin(angle)
    for k in range(len(u)):
        u[k], d[k] = c * u[k] + s * d[k], c * d[k] - s * u[k]
        lu[k], ld[k] = c * lu[k] + s * ld[k], c * ld[k] - s * lu[k]
