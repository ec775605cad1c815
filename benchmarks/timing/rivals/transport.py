"""Rivals for what moves: advection, Burgers' equation, gas dynamics, flow."""

from typing import Any

import numpy as np
from scipy import fft
from scipy.integrate import solve_ivp

from mlft.grids import Grid

Array = np.ndarray
Problem = Any

CFL = 0.8


def burgers_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme, vectorised over samples and cells, in the best of a few batch sizes."""
    return in_batches(inputs[:, 0], problem.time, 16)[:, None]


def march_numpy(initial: np.ndarray, width: float, end: float) -> np.ndarray:
    """Return the states at the end time: the scheme of `march`, vectorised over samples and cells."""
    u, remaining = initial.copy(), np.full((len(initial), 1), end)
    while (remaining > 0).any():
        step = np.minimum(remaining, CFL * width / np.abs(u).max(axis=1, keepdims=True))
        ratio = step / width
        difference = u - np.roll(u, 1, axis=1)
        after = np.roll(difference, -1, axis=1)
        size = np.minimum(np.minimum(np.abs(difference), np.abs(after)), np.abs(difference + after) / 4)
        slope = np.where(difference * after > 0, np.copysign(size, difference), 0.0)
        right = u + slope - slope * ratio * np.maximum(u, 0)
        left = u - slope - slope * ratio * np.minimum(u, 0)
        fastest = np.maximum(np.maximum(right, -np.roll(left, -1, axis=1)), 0)
        flux = 0.5 * fastest * fastest
        u = u - ratio * (flux - np.roll(flux, 1, axis=1))
        remaining = remaining - step
    return u


def in_batches(initial: np.ndarray, end: float, batch: int) -> np.ndarray:
    """Return `march_numpy` of a few samples at a time: small batches fit the cache and wait less for the slowest."""
    width = 1 / initial.shape[1]
    return np.concatenate([march_numpy(initial[i : i + batch], width, end) for i in range(0, len(initial), batch)])


def advection_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme, vectorised over samples and cells."""
    u, shift = inputs[:, 0].copy(), problem.time / grid.spacing[0]
    steps = max(1, int(np.ceil(abs(shift) / 0.8 - 1e-12)))
    courant = shift / steps
    for _ in range(steps):
        flux = u + (1 - courant) * _half_slopes(u)
        u -= courant * (flux - np.roll(flux, 1, axis=-1))
    return u[:, None]


def viscous_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme, vectorised over samples and cells; finished samples wait."""
    h, nu = grid.spacing[0], problem.viscosity
    u, remaining = inputs[:, 0].copy(), np.full((len(inputs), 1), float(problem.time))

    def slope(u: Array) -> Array:
        half = _half_slopes(u)
        before = np.roll(u, 1, axis=1)
        m = np.maximum(np.maximum(before + np.roll(half, 1, axis=1), half - u), 0)
        flux = 0.5 * m * m - nu / h * (u - before)
        return (flux - np.roll(flux, -1, axis=1)) / h

    while (remaining > 0).any():
        step = np.minimum(remaining, 1 / (2 * np.abs(u).max(axis=1, keepdims=True) / h + 4 * nu / h**2))
        middle = u + step * slope(u)
        u = 0.5 * (u + middle + step * slope(middle))
        remaining = remaining - step
    return u[:, None]


def viscous_ivp(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The method of lines with central differences and SciPy's RK45 at its default tolerances."""
    h, nu, out = grid.spacing[0], problem.viscosity, np.empty_like(inputs)

    def slope(_: float, u: Array) -> Array:
        right, left = np.roll(u, -1), np.roll(u, 1)
        return (left * left - right * right) / (4 * h) + nu * (right - 2 * u + left) / h**2

    for i, (u,) in enumerate(inputs):
        out[i, 0] = solve_ivp(slope, (0, problem.time), u, method="RK45").y[:, -1]
    return out


def viscous_pde(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """py-pde: the equation as text, compiled once for all samples, Runge–Kutta with adaptive steps."""
    import pde

    line = pde.CartesianGrid([(0, 1)], grid.cells[0], periodic=True)
    equation = pde.PDE({"u": f"-d_dx(u**2) / 2 + {problem.viscosity} * laplace(u)"})
    solver = pde.RungeKuttaSolver(equation, adaptive=True)
    out, states = np.empty_like(inputs), [pde.ScalarField(line, row) for (row,) in inputs]
    step = solver.make_stepper(states[0], dt=1e-4)
    for i, state in enumerate(states):
        step(state, 0.0, float(problem.time))
        out[i, 0] = state.data
    return out


def _half_slopes(u: Array) -> Array:
    before = u - np.roll(u, 1, axis=-1)
    after = np.roll(before, -1, axis=-1)
    size = np.minimum(np.minimum(np.abs(before), np.abs(after)), np.abs(before + after) / 4)
    return np.where(before * after > 0, np.copysign(size, before), 0.0)


def euler_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme (MUSCL–Hancock, HLLC), vectorised over samples and cells; finished samples wait."""
    g, h = problem.gamma, grid.spacing[0]
    u, remaining = np.moveaxis(inputs, 1, 0).copy(), np.full((len(inputs), 1), float(problem.time))
    longest, (w, speed) = np.full_like(remaining, np.inf), _primitive(u, g)
    while (remaining > 0).any():
        step = np.minimum(np.minimum(remaining, longest), 0.8 * h / speed)
        w = np.concatenate([w[..., :1], w[..., :1], w, w[..., -1:], w[..., -1:]], axis=-1)
        half = _half_slopes(w)[..., 1:-1]
        w = w[..., 1:-1]
        (rho, velocity, p), (d, v, q) = w, 2 * half
        change = np.stack([velocity * d + rho * v, velocity * v + q / rho, g * p * v + velocity * q])
        change *= 0.5 * step / h
        flux = _hllc((w + half - change)[..., :-1], (w - half - change)[..., 1:], g)
        after = u - step / h * np.diff(flux, axis=-1)
        held = step * _primitive(after, g)[1] <= 1.25 * 0.8 * h  # else it is tried again at half the length
        u, longest = np.where(held, after, u), np.where(held, np.inf, 0.5 * step)
        remaining, (w, speed) = np.where(held, remaining - step, remaining), _primitive(u, g)
    return np.moveaxis(u, 0, 1)


def _primitive(u: Array, g: float) -> tuple[Array, Array]:
    """Return (ρ, u, p) and the largest |u| + c of each sample."""
    velocity = u[1] / u[0]
    w = np.stack([u[0], velocity, (g - 1) * (u[2] - 0.5 * u[1] * velocity)])
    return w, (np.abs(velocity) + np.sqrt(g * w[2] / w[0])).max(axis=1, keepdims=True)


def _hllc(left: Array, right: Array, g: float) -> Array:
    roots = np.sqrt(left[0]), np.sqrt(right[0])
    share = roots[0] / (roots[0] + roots[1])
    energies = [s[2] / (g - 1) + 0.5 * s[0] * s[1] ** 2 for s in (left, right)]
    enthalpy = share * (energies[0] + left[2]) / left[0] + (1 - share) * (energies[1] + right[2]) / right[0]
    mean = share * left[1] + (1 - share) * right[1]
    sound = np.sqrt((g - 1) * (enthalpy - 0.5 * mean**2))
    first = np.minimum(left[1] - np.sqrt(g * left[2] / left[0]), mean - sound)
    last = np.maximum(right[1] + np.sqrt(g * right[2] / right[0]), mean + sound)
    behind, ahead = left[0] * (first - left[1]), right[0] * (last - right[1])
    contact = (right[2] - left[2] + left[1] * behind - right[1] * ahead) / (behind - ahead)
    sides = []
    for (rho, u, p), energy, speed in ((left, energies[0], first), (right, energies[1], last)):
        flux = np.stack([rho * u, rho * u * u + p, u * (energy + p)])
        factor = rho * (speed - u) / (speed - contact)
        inner = energy / rho + (contact - u) * (contact + p / (rho * (speed - u)))
        star = flux + speed * np.stack([factor - rho, factor * contact - rho * u, factor * inner - energy])
        sides.append(np.where(speed * contact <= 0, star, flux))
    return np.where(contact >= 0, *sides)


def vorticity_numpy(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """The same scheme, vectorised over samples; finished samples wait."""
    n = grid.cells[0]
    kept, squares, source, slope = _flow(problem, grid)
    rates = problem.viscosity * squares
    modes, remaining = kept * np.fft.rfft2(inputs[:, 0]), np.full((len(inputs), 1, 1), float(problem.time))
    longest = np.full_like(remaining, np.inf)
    while (remaining > 0).any():
        a, speed = slope(modes)
        step = np.minimum(np.minimum(remaining, longest), 1 / (n * np.maximum(speed, 0.1)))
        half = np.exp(-0.5 * step * rates)
        push = source * np.where(rates > 0, (1 - half) / np.where(rates > 0, rates, 1), 0.5 * step)
        middle = half * modes + push
        b, early = slope(middle + half * 0.5 * step * a)
        c, late = slope(middle + 0.5 * step * b)
        d, last = slope(half * middle + push + step * half * c)
        after = half * middle + push + step / 6 * (half * half * a + 2 * half * (b + c) + d)
        held = n * step * np.maximum.reduce([speed, early, late, last]) <= 1.2  # else it is tried again, half as long
        modes, longest = np.where(held, after, modes), np.where(held, np.inf, 0.5 * step)
        remaining = np.where(held, remaining - step, remaining)
    return np.fft.irfft2(modes, s=(n, n))[:, None]


def vorticity_crank_nicolson(problem: Problem, inputs: Array, grid: Grid, step: float = 1e-3) -> Array:
    """The loop that made the data sets of operator learners: viscosity by Crank and Nicolson, the rest by Euler."""
    n = grid.cells[0]
    kept, squares, source, slope = _flow(problem, grid)
    modes = kept * np.fft.rfft2(inputs[:, 0])
    decay = 0.5 * step * problem.viscosity * squares
    for _ in range(round(problem.time / step)):
        modes = ((1 - decay) * modes + step * (source + slope(modes)[0])) / (1 + decay)
    return np.fft.irfft2(modes, s=(n, n))[:, None]


def _flow(problem: Problem, grid: Grid) -> tuple[Array, Array, Array, Any]:
    """Return the waves that are kept, |2πk|², those of f, and the function from modes to −u·∇ω and max(|u| + |v|)."""
    n = grid.cells[0]
    rows, columns = fft.fftfreq(n, 1 / n)[:, None], fft.rfftfreq(n, 1 / n)
    kept = (np.abs(rows) < n / 3) & (columns < n / 3)
    x, y = 2j * np.pi * rows, 2j * np.pi * columns
    squares = -(x**2 + y**2).real
    inverse = np.where(squares > 0, 1 / np.where(squares > 0, squares, 1), 0)
    turns = 2 * np.pi * (grid.points[0][:, None] + grid.points[1])
    source = kept * np.fft.rfft2(problem.forcing * (np.sin(turns) + np.cos(turns)))

    def slope(modes: Array) -> tuple[Array, Array]:
        stream = modes * inverse
        u, v, a, b = (np.fft.irfft2(w, s=(n, n)) for w in (y * stream, -x * stream, x * modes, y * modes))
        return kept * np.fft.rfft2(-u * a - v * b), (np.abs(u) + np.abs(v)).max(axis=(1, 2), keepdims=True)

    return kept, squares, source, slope
