"""Two-dimensional incompressible flow, ω_t + u·∇ω = ν Δω + f on the periodic unit square: pseudo-spectral.

Fields are point values of the vorticity ω, `(samples, rows, columns)`. A few samples of a coarse grid are marched side
by side, each in its own steps; they see nothing of each other.
"""

from functools import lru_cache
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from numba import njit
from scipy import fft

Array = np.ndarray

CFL = 1.0  # cells that the flow may cross in a step, by its speed before the step
CFL_WITHIN = 1.2  # by its largest speed before and within the step
POINTS = 2**14  # of the samples that are marched side by side


def march_vorticity(
    initial: Float[Array, "n points points"],
    *,
    forcing: Float[Array, "points points"],
    viscosity: float,
    time: float,
    step_limit: int = 100_000,
) -> tuple[Float[Array, "n points points"], Int[Array, " n"], Bool[Array, " n"]]:
    """Return the vorticities at `time`, the steps tried, and whether each sample got there.

    The velocity is (ψ_y, −ψ_x) with −Δψ = ω. Waves of more than a third of the points are cut off, so that products
    have no aliases and, without viscosity and forcing, the energy ∫|u|² and the enstrophy ∫ω² change by the error in
    time alone. The method of Runge and Kutta of order 4 for the transport, with viscosity and forcing solved exactly,

        ω(t) = e^(νtΔ) (ω₀ + ∫₀ᵗ e^(−νsΔ) (f − u·∇ω) ds),

    so that a vortex without transport is exact: order 4 in time, no finite order in space. A step is
    h / max(|u| + |v|, 1/10) by the speed before it. One within which the flow would cross more than 1.2 h, as where a
    strong force acts on a slow flow, is tried again at half the length, and counts each time.

    Raises:
        ValueError: fewer than 4 points on an axis, or a viscosity that is negative.

    Source: Canuto, Hussaini, Quarteroni, Zang, Spectral Methods (2007), sections 3.3 and D.
    """
    points = initial.shape[1]
    if points < 4 or not 0 <= viscosity < np.inf:
        raise ValueError(f"a flow needs at least 4 points on each axis and a viscosity >= 0, got {points}, {viscosity}")
    out, done = np.full(initial.shape, np.nan), np.zeros(len(initial), dtype=np.bool_)
    steps, source = np.zeros(len(initial), dtype=np.int64), _to_waves(forcing)
    finite = np.flatnonzero(np.isfinite(initial).all(axis=(1, 2)))
    together = max(1, POINTS // points**2)
    for start in range(0, len(finite), together):
        some = finite[start : start + together]
        out[some], steps[some], done[some] = _march(initial[some], source, viscosity, time, step_limit)
    return out, steps, done


def transport(modes: Complex[Array, "n points kept"]) -> tuple[Complex[Array, "n points kept"], Float[Array, " n"]]:
    """Return the transforms of −u·∇ω for those of ω, without aliases, and max(|u| + |v|) for each.

    `modes` holds the columns of numpy's rfft2 below a third of the points, and 0 in the rows above it. As u has no
    divergence, u·∇ω = (∂_xx − ∂_yy)(uv) + ∂_xy(v² − u²): four transforms.

    Source: Basdevant, J. Comput. Phys. 50 (1983), for the four transforms.
    """
    points = modes.shape[1]
    *velocity, hyperbolic, mixed = _symbols(points)
    fields = fft.ifft(np.stack([symbol * modes for symbol in velocity]), axis=-2, overwrite_x=True)
    fields, speeds = fft.irfft(fields, n=points, axis=-1), np.empty(len(modes))
    _multiply(fields[0], fields[1], speeds)
    first, second = _to_waves(fields)
    return hyperbolic * first + mixed * second, speeds


def _to_waves(fields: Array) -> Array:
    """Return the transforms of fields, without the waves that are cut off."""
    kept = _waves(fields.shape[-1])[3]
    return kept * fft.fft(fft.rfft(fields, axis=-1)[..., : kept.shape[1]], axis=-2)


@njit(cache=True, nogil=True)
@no_type_check
def _multiply(u, v, speeds):
    """Turn u into uv and v into v² − u², and set max(|u| + |v|): not finite if a value or a product is not."""
    for n in range(len(u)):
        top, total = 0.0, 0.0
        a, b = u[n].reshape(-1), v[n].reshape(-1)
        for k in range(len(a)):
            speed = abs(a[k]) + abs(b[k])
            top, total = max(top, speed), total + speed * speed
            a[k], b[k] = a[k] * b[k], (b[k] - a[k]) * (b[k] + a[k])
        speeds[n] = top if total < np.inf else np.nan


@lru_cache(maxsize=16)
def _waves(points: int) -> tuple[Array, Array, Array, Array]:
    """Return 2πik along both axes, |2πk|², and which waves are kept; columns that are cut off are left out."""
    rows, columns = fft.fftfreq(points, 1 / points)[:, None], np.arange(-(-points // 3))
    x, y = 2j * np.pi * rows, 2j * np.pi * columns
    kept = np.broadcast_to(np.abs(rows) < points / 3, (points, len(columns)))
    return x, y, -(x**2 + y**2).real, kept


@lru_cache(maxsize=16)
def _symbols(points: int) -> tuple[Array, Array, Array, Array]:
    """Return the symbols of ω → u, of ω → v, of ∂_yy − ∂_xx and of −∂_xy."""
    x, y, squares, _ = _waves(points)
    inverse = np.where(squares > 0, 1 / np.where(squares > 0, squares, 1.0), 0.0)
    return y * inverse, -x * inverse, (y * y - x * x).real, -(x * y).real


def _march(initial: Array, source: Array, viscosity: float, time: float, limit: int) -> tuple[Array, Array, Array]:
    """March samples side by side; one that has arrived, or is given up, leaves."""
    points, count = initial.shape[1], len(initial)
    out, steps, done = np.full(initial.shape, np.nan), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    modes, active, remaining = _to_waves(initial), np.arange(count), np.full(count, time)
    longest = np.full(count, np.inf)
    while len(active):
        first, speed = transport(modes)
        step = np.minimum(np.minimum(remaining, longest), CFL / (points * np.maximum(speed, 0.1)))
        after, fastest = _step(modes, first, source, step, viscosity)
        held = points * step * np.maximum(speed, fastest) <= CFL_WITHIN
        longest = np.where(held, np.inf, step / 2)
        modes = np.where(held[:, None, None], after, modes)
        remaining = np.where(held, np.where(step < remaining, remaining - step, 0.0), remaining)
        steps[active] += 1
        finite = np.isfinite(speed)
        over = (remaining <= 0) | (steps[active] >= limit) | ~finite
        if over.any():
            out[active[over & finite]] = fft.irfft2(modes[over & finite], s=(points, points))
            done[active[over]] = (remaining <= 0)[over]
            modes, active, remaining, longest = modes[~over], active[~over], remaining[~over], longest[~over]
    return out, steps, done


def _step(modes: Array, a: Array, source: Array, step: Array, viscosity: float) -> tuple[Array, Array]:
    """Return the modes a step of order 4 later, `a` being their transport, and the largest speed within the step."""
    length, rates = step[:, None, None], viscosity * _waves(modes.shape[1])[2]
    lost = -np.expm1(-0.5 * length * rates)
    half, push = 1.0 - lost, source * np.where(rates > 0, lost / np.where(rates > 0, rates, 1.0), 0.5 * length)
    middle = half * modes + push
    b, early = transport(middle + 0.5 * length * half * a)
    c, late = transport(middle + 0.5 * length * b)
    end = half * middle + push
    d, last = transport(end + length * half * c)
    after = end + length / 6 * (half * half * a + 2 * half * (b + c) + d)
    return after, np.maximum(np.maximum(early, late), last)
