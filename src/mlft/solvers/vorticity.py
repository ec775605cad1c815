"""Two-dimensional incompressible flow, ω_t + u·∇ω = ν Δω + f on the periodic unit square: pseudo-spectral.

Fields are point values of the vorticity ω, `(samples, rows, columns)`. A sample is marched alone.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from scipy import fft

Array = np.ndarray

CFL = 1.0


def march_vorticity(
    initial: Float[Array, "n points points"],
    *,
    forcing: Float[Array, "points points"],
    viscosity: float,
    time: float,
    step_limit: int = 100_000,
) -> tuple[Float[Array, "n points points"], Int[Array, " n"], Bool[Array, " n"]]:
    """Return the vorticities at `time`, the steps taken, and whether each sample got there.

    The velocity is (ψ_y, −ψ_x) with −Δψ = ω. Waves of more than a third of the points are cut off, so that products
    have no aliases and, without viscosity and forcing, the energy ∫|u|² and the enstrophy ∫ω² change by the error in
    time alone. The method of Runge and Kutta of order 4 with the viscosity in an integrating factor, exact for a
    decaying vortex, in steps of h / max(|u| + |v|, 1/10): order 4 in time, no finite order in space.

    Raises:
        ValueError: fewer than 4 points on an axis, or a viscosity that is negative.

    Source: Canuto, Hussaini, Quarteroni, Zang, Spectral Methods (2007), sections 3.3 and D.
    """
    points = initial.shape[1]
    if points < 4 or not 0 <= viscosity < np.inf:
        raise ValueError(f"a flow needs at least 4 points on each axis and a viscosity >= 0, got {points}, {viscosity}")
    source = fft.rfft2(forcing)
    out, done = np.full(initial.shape, np.nan), np.zeros(len(initial), dtype=np.bool_)
    steps = np.zeros(len(initial), dtype=np.int64)
    for i, field in enumerate(initial):
        if np.isfinite(field).all():
            out[i], steps[i], done[i] = _march(field, source, viscosity, time, step_limit)
    return out, steps, done


def transport(modes: Complex[Array, "points half"]) -> tuple[Complex[Array, "points half"], float]:
    """Return the transform of −u·∇ω for that of ω, without aliases, and max(|u| + |v|)."""
    points = len(modes)
    x, y, squares, kept = _waves(points)
    stream = np.where(squares > 0, modes / np.where(squares > 0, squares, 1.0), 0.0)
    u, v = fft.irfft2(y * stream, s=(points, points)), fft.irfft2(-x * stream, s=(points, points))
    slopes = [fft.irfft2(wave * modes, s=(points, points)) for wave in (x, y)]
    return kept * fft.rfft2(-(u * slopes[0] + v * slopes[1])), float((np.abs(u) + np.abs(v)).max())


def _waves(points: int) -> tuple[Array, Array, Array, Array]:
    """Return 2πik along both axes, |2πk|², and the waves that are kept."""
    rows, columns = fft.fftfreq(points, 1 / points)[:, None], fft.rfftfreq(points, 1 / points)
    kept = (np.abs(rows) < points / 3) & (columns < points / 3)
    x, y = 2j * np.pi * rows, 2j * np.pi * columns
    return x, y, -(x**2 + y**2).real, kept


def _march(field: Array, source: Array, viscosity: float, time: float, step_limit: int) -> tuple[Array, int, bool]:
    points = len(field)
    _, _, squares, kept = _waves(points)
    modes, source = kept * fft.rfft2(field), kept * source
    remaining, steps = time, 0
    while remaining > 0 and steps < step_limit:
        first, speed = transport(modes)
        if not speed < np.inf:
            break
        step = min(remaining, CFL / (points * max(speed, 0.1)))
        half = np.exp(-0.5 * step * viscosity * squares)
        modes = _step(modes, first + source, lambda w: transport(w)[0] + source, step, half)
        remaining = remaining - step if step < remaining else 0.0
        steps += 1
    return fft.irfft2(modes, s=(points, points)), steps, remaining <= 0


def _step(modes: Array, a: Array, slope: Callable[[Array], Array], step: float, half: Array) -> Array:
    """One step of order 4; `half` is the decay in half of it."""
    b = slope(half * (modes + 0.5 * step * a))
    c = slope(half * modes + 0.5 * step * b)
    d = slope(half * half * modes + step * half * c)
    return half * half * modes + step / 6 * (half * half * a + 2 * half * (b + c) + d)
