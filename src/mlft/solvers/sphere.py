"""Conjugate gradients for the least of ½⟨u, −Δu + Vu⟩ + ¼β ∫u⁴ on the sphere ∫u² = 1, or on a great sphere of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final, no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

from mlft.solvers.sums import dot

Array = np.ndarray

kernel = njit(cache=True, nogil=True)


@final
@dataclass(frozen=True)
class Energy:
    """The energy on one grid.

    Attributes:
        potential: V, at the points where u is not 0 by the boundary condition.
        cubic: β.
        symbol: the eigenvalues of −Δ.
        transform: multiplies the transform of a field by a symbol.
        weight: h^d, the volume of a point.
        lowest: from where energies are counted: at most min V.
    """

    potential: Float[Array, "*grid"]
    cubic: float
    symbol: Float[Array, "*modes"]
    transform: Callable[[Array, Array], Array]
    weight: float
    lowest: float

    def gradient(self, path: Float[Array, "4 points"], out: Float[Array, "*grid"]) -> tuple[float, float]:
        """Set `out` to r = −Δu + Vu + βu³ − Eu; return E = ⟨u, −Δu + Vu + βu³⟩ and ‖r‖."""
        energy = float(_residual(path[0], path[1], self.potential, self.weight, self.cubic, out))
        return energy, float(np.sqrt(self.weight * dot(out, out)))


def begin(energy: Energy, state: Float[Array, "*grid"]) -> Float[Array, "4 points"]:
    """Return the path of a state of any size: the state u on the sphere, −Δu, and room for a direction d and −Δd."""
    path = np.zeros((4, state.size))
    path[0] = state.reshape(-1) / np.sqrt(energy.weight * dot(state, state))
    path[1] = energy.transform(path[0].reshape(state.shape), energy.symbol).reshape(-1)
    return path


def descend(
    energy: Energy,
    path: Float[Array, "4 points"],
    *,
    limit: int,
    enough: Callable[[float, float], bool],
    beside: Float[Array, "4 points"] | None = None,
) -> int:
    """Move u to the least energy, until `enough` of E and ‖r‖, and return the gradients computed.

    The conjugate gradients of Polak and Ribière: the gradient is preconditioned by (−Δ + σ)⁻¹, σ = E − min V + 1, and
    along u cos θ + d sin θ the energy is a polynomial in cos θ and sin θ, whose least value is found exactly.

    Args:
        energy: what is made least.
        path: of u, which is moved.
        limit: of gradients.
        enough: whether to stop.
        beside: the path of a state that u is orthogonal to, and stays.
    """
    shape = energy.potential.shape
    r, old, before, reach = np.empty(shape), np.zeros(shape), 1.0, 0.0
    for step in range(1, limit + 1):
        value, size = energy.gradient(path, r)
        if beside is not None:
            size = _project(r, beside[0], energy.weight)
        if enough(value, size):
            return step
        shift = value - energy.lowest + 1
        z = energy.transform(r, 1 / (energy.symbol + shift))
        now = energy.weight * dot(r, z)
        beta = max(0.0, (now - energy.weight * dot(old, z)) / before)
        before, old = now, r.copy()
        if beside is not None:
            _beside(z, r, beside, shift, energy.weight)
        numbers = (energy.weight, energy.cubic, shift, beta * reach)
        angle, reach = _search(path, energy.potential, z, r, numbers)
        _turn(path, angle)
    return limit


def turn(energy: Energy, path: Float[Array, "4 points"], other: Float[Array, "4 points"]) -> None:
    """Move u to the least energy on its circle with another state, and that state with it.

    Of a quadratic energy these are the Ritz vectors of the two.
    """
    path[2:], none = other[:2], np.zeros(energy.potential.shape)
    angle, _ = _search(path, energy.potential, none, none, (energy.weight, energy.cubic, 0.0, 1.0))
    _turn(path, angle)
    other[:2] = path[2:]


@kernel
@no_type_check
def _project(residual, state, weight):
    """Make a residual orthogonal to a state; return its size."""
    r, u = residual.reshape(-1), state.reshape(-1)
    along = weight * dot(u, r)
    for k in range(len(r)):
        r[k] -= along * u[k]
    return np.sqrt(weight * dot(r, r))


@kernel
@no_type_check
def _beside(gradient, residual, beside, shift, weight):
    """Make z orthogonal to u, and change r so that it stays (−Δ + σ) z."""
    z, r, u, lu = gradient.reshape(-1), residual.reshape(-1), beside[0], beside[1]
    along = weight * dot(u, z)
    for k in range(len(r)):
        z[k] -= along * u[k]
        r[k] -= along * (lu[k] + shift * u[k])


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
    """Return the angle of the least energy: in closed form where β = 0, else the best of 64, then Newton's method."""
    if not p[0] > 0.0:
        return 0.5 * np.arctan2(-q[1], 0.5 * (q[2] - q[0]))
    best, least = 0.0, np.inf
    for i in range(64):
        angle = np.pi * (i / 64.0 - 0.5)
        c, s = np.cos(angle), np.sin(angle)
        energy = q[0] * c * c + 2.0 * q[1] * c * s + q[2] * s * s
        energy += p[0] * c**4 + 4.0 * p[1] * c**3 * s + 6.0 * p[2] * (c * s) ** 2 + 4.0 * p[3] * c * s**3 + p[4] * s**4
        if energy < least:
            best, least = angle, energy
    if abs(best) <= np.pi / 64.0:
        best = 0.0
    for _ in range(8):
        slope, curvature = _slopes(q, p, best)
        if not curvature > 0.0:
            break
        best -= slope / curvature
    return best


@kernel
@no_type_check
def _slopes(q, p, angle):
    """Return the first two derivatives of the energy at an angle."""
    c, s = np.cos(angle), np.sin(angle)
    slope = 2.0 * (q[2] - q[0]) * c * s + 2.0 * q[1] * (c * c - s * s)
    curvature = 2.0 * (q[2] - q[0]) * (c * c - s * s) - 8.0 * q[1] * c * s
    weights = (1.0, 4.0, 6.0, 4.0, 1.0)
    for j in range(5):  # c^m s^j, m = 4 − j
        m, power = 4 - j, weights[j] * p[j]
        rise = j * c ** (m + 1) * s ** max(j - 1, 0)
        fall = m * c ** max(m - 1, 0) * s ** (j + 1)
        slope += power * (rise - fall)
        curvature += power * (
            j * (j - 1) * c ** (m + 2) * s ** max(j - 2, 0)
            - (j * (m + 1) + m * (j + 1)) * c**m * s**j
            + m * (m - 1) * c ** max(m - 2, 0) * s ** (j + 2)
        )
    return slope, curvature


@kernel
@no_type_check
def _turn(path, angle):
    """Move u along the great circle by an angle, and d with it."""
    u, lu, d, ld = path[0], path[1], path[2], path[3]
    c, s = np.cos(angle), np.sin(angle)
    for k in range(len(u)):
        u[k], d[k] = c * u[k] + s * d[k], c * d[k] - s * u[k]
        lu[k], ld[k] = c * lu[k] + s * ld[k], c * ld[k] - s * lu[k]
