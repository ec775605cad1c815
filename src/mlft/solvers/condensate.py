"""Ground states of −Δu + V u + β u³ = E u, ∫u² = 1, in one or two dimensions: conjugate gradients on the sphere.

Fields are point values on nodal grids of the unit interval or square, `(samples, *grid)`: periodic, or bounded with u =
0 at the ends. The Laplacian is diagonal under a fast Fourier or sine transform, be it spectral or of differences. A
sample is solved alone, by one fixed order of operations.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import fft

from mlft.solvers.hardy import least_gap
from mlft.solvers.sphere import Energy, begin, descend, turn
from mlft.solvers.sums import dot

Array = np.ndarray
Transform = Callable[[Array, Array], Array]

ANGLE = 1e-5  # a state is determined that its residual can be off by no more
FLOOR = 1e-6  # of a state that is as good as nothing
SEARCH = 200  # gradients for the next state
GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)


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
        determined: the residual is under 1e-5 of the gap to the next state, so that u is wrong by 1e-5 at most, in
            relative L2. That of others is mixed with the next, and may be negative.
    """

    states: Float[Array, " n *grid"]
    energies: Float[Array, " n"]
    residuals: Float[Array, " n"]
    iterations: Int[Array, " n"]
    converged: Bool[Array, " n"]
    determined: Bool[Array, " n"]


@final
@dataclass(frozen=True)
class _Found:
    """A state, its E, the size of its residual, whether that is small, and whether the state is positive."""

    state: Array
    value: float
    size: float
    small: bool
    positive: bool


def condensates(
    potentials: Float[Array, " n *grid"],
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

    A small residual is not enough: where two wells hardly differ, a mixture of the two states has one too. The angle to
    the ground state is at most residual / gap (Davis and Kahan; for β > 0, to first order, with the least curvature of
    the energy beside u for the gap). Mostly the bound of the gap by `mlft.solvers.hardy` says enough; else the next
    state is sought, orthogonal to u, and if need be both are made exact to round-off and parted on their circle. A gap
    of about 1e-7 (E − min V) is the least that tells.

    Raises:
        ValueError: fewer than 3 cells on an axis, a negative β, or a tolerance or limit that is not positive.

    Source: Danaila, Protas, SIAM J. Sci. Comput. 39 (2017); Antoine, Levitt, Tang, J. Comput. Phys. 343 (2017); Davis,
    Kahan, SIAM J. Numer. Anal. 7 (1970), for the angle.
    """
    cells = [points - (0 if periodic else 1) for points in potentials.shape[1:]]
    if min(cells) < 3 or not (0 < tolerance < np.inf and limit >= 1 and 0 <= cubic < np.inf):
        raise ValueError(
            f"a condensate needs at least 3 cells on each axis, and tolerance, limit > 0, cubic >= 0; "
            f"got {cells=}, {tolerance=}, {limit=}, {cubic=}"
        )
    symbol, transform = _laplacian(cells, periodic, spectral)
    inside = (slice(None),) * len(cells) if periodic else (slice(1, -1),) * len(cells)
    states, numbers = np.zeros(potentials.shape), np.zeros((len(potentials), 5))
    weight = float(np.prod([1 / n for n in cells]))
    for i, potential in enumerate(potentials):
        if not np.isfinite(potential).all():
            states[i], numbers[i, :2] = np.nan, np.nan
            continue
        v = np.ascontiguousarray(potential[inside], dtype=np.float64)
        energy = Energy(v, float(cubic), symbol, transform, weight, float(v.min()))
        found, steps, known = _minimise(energy, periodic, tolerance=tolerance, limit=limit)
        states[i][inside] = found.state
        done = found.small and (found.positive or not known)
        numbers[i] = found.value, found.size / (found.value - energy.lowest + 1), steps, done, known
    energies, residuals, iterations, converged, determined = numbers.T
    return Condensates(states, energies, residuals, iterations.astype(np.int64), converged > 0, determined > 0)


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


def _minimise(energy: Energy, periodic: bool, *, tolerance: float, limit: int) -> tuple[_Found, int, bool]:
    """Return what is found, the iterations, and whether it is determined: by Hardy's bound, else by the next state."""
    v, lowest = energy.potential, energy.lowest
    start = energy.transform(1 / (1 + (v - lowest) / (float(v.mean()) - lowest + 1)), 1 / (1 + energy.symbol))
    path = begin(energy, start)
    steps = descend(energy, path, limit=limit, enough=_within(tolerance, lowest))
    path = begin(energy, path[0].reshape(v.shape))  # −Δu anew: along the way its errors add up
    found = _judge(energy, path, tolerance)
    fine = found.small and found.positive
    known = fine and found.size <= ANGLE * least_gap(np.atleast_2d(found.state), periodic, FLOOR)
    if known or (not fine and steps == limit):
        return found, steps, True  # or not converged, whatever the gap
    other = begin(energy, _apart(start, path[0], energy.weight))
    gap = _gap(energy, path, other, found)
    if not fine or found.size > ANGLE * gap:
        path = _refine(energy, path, other, tolerance)
        found = _judge(energy, path, tolerance)
        gap = _gap(energy, path, other, found)
    return found, steps, found.size <= ANGLE * gap


def _judge(energy: Energy, path: Array, tolerance: float) -> _Found:
    """Return the state of a path, positive on the whole."""
    value, size = energy.gradient(path, np.empty(energy.potential.shape))
    u = path[0].reshape(energy.potential.shape) * np.sign(path[0].sum())
    small = size <= 2 * tolerance * (value - energy.lowest + 1)
    return _Found(u, value, size, small, bool(u.min() >= -tolerance * u.max()))


def _within(tolerance: float, lowest: float) -> Callable[[float, float], bool]:
    """Return whether a residual is small, beside the energy above the lowest potential."""
    return lambda value, size: not size > tolerance * (value - lowest + 1)


def _apart(start: Array, state: Array, weight: float) -> Array:
    """Return a first guess of the next state: the start weighed by a ramp, and made orthogonal to the state."""
    ramps = [GOLDEN**axis * np.linspace(-1.0, 1.0, n) for axis, n in enumerate(start.shape)]
    field = start * (ramps[0] if start.ndim == 1 else ramps[0][:, None] + ramps[1])
    return np.asarray(field - weight * dot(field, state) * state.reshape(start.shape))


def _gap(energy: Energy, path: Array, other: Array, found: _Found) -> float:
    """Return the least curvature of the energy beside u, less its own uncertainty: λ₂ − λ₁ where β = 0.

    The curvature along x is ⟨x, (−Δ + V + 3βu² − E) x⟩, for x orthogonal to u. It is found to a part in 30, or till it
    is too small for u to be determined.
    """
    last = [0.0, 0.0]

    def enough(value: float, uncertain: float) -> bool:
        last[:] = value - found.value, uncertain
        return not (uncertain > last[0] / 30 and ANGLE * last[0] > found.size)

    descend(_curved(energy, path), other, limit=SEARCH, enough=enough, beside=path)
    return last[0] - last[1]


def _curved(energy: Energy, path: Array) -> Energy:
    """Return the quadratic energy whose curvature along x is that of the energy at u, but for −E."""
    if energy.cubic == 0:
        return energy
    u = path[0].reshape(energy.potential.shape)
    return replace(energy, potential=energy.potential + 3 * energy.cubic * u**2, cubic=0.0)


def _refine(energy: Energy, path: Array, other: Array, tolerance: float) -> Array:
    """Return the path of u to round-off, from that of u and of the next state: neither can be told from a mixture.

    Both are made as exact as round-off allows, and then they are parted on their circle, where no other state disturbs.
    """
    enough = _within(1e-3 * tolerance, energy.lowest)
    for _ in range(2):
        descend(_curved(energy, path), other, limit=SEARCH, enough=enough, beside=path)
        turn(energy, path, other)
        descend(energy, path, limit=SEARCH, enough=enough)
        path = begin(energy, path[0].reshape(energy.potential.shape))
    return path
