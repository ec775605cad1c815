"""The solutions of the equations themselves, on the finest grid of a problem, without its solver and its reference.

Each takes the problem and some draws.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import eigh
from scipy.optimize import brentq

from benchmarks.timing.rivals import dense, elliptic, transport
from mlft.grids import Grid, refine, restrict

Array = np.ndarray
Truth = Callable[[Any, Array], Array]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


def changed(problem: Any, **options: Any) -> Any:
    """Return the problem with other options."""
    return dataclasses.replace(problem, **options)


def advection(problem: Any, draws: Array) -> Array:
    """Return the part of each cell that each box, moved, covers."""
    n = problem.cells
    faces = np.arange(n + 1) / n
    heights, starts, widths = np.split(draws, 3, axis=1)
    lefts = (starts + np.fmod(problem.time, 1.0))[:, :, None]
    rights = lefts + widths[:, :, None]
    covered = sum(
        np.maximum(np.minimum(faces[1:], rights + turn) - np.maximum(faces[:-1], lefts + turn), 0.0)
        for turn in range(-4, 5)
    )
    return np.einsum("nb,nbx->nx", heights, covered)[:, None] * n


def basis(space: str, degree: int, x: Array) -> Array:
    """Return the functions of a space, a row each."""
    if space == "fem":
        return np.maximum(1 - np.abs(degree * x - np.arange(degree + 1)[:, None]), 0)
    if space == "poly":
        return x ** np.arange(degree + 1)[:, None]
    return (np.sin if space == "sin" else np.cos)(np.pi * np.arange(1, degree + 1)[:, None] * x)


def _green(problem: Any, draws: Array, green: Callable[[Array, Array], Array]) -> Array:
    """Return ∫ G(x, s) f(s) ds, by Gauss between all kinks of both; G is given for x ≤ s, and symmetric."""
    points = problem.finest.points[0]
    kinks = np.union1d(points, np.arange(problem.degree + 1) / problem.degree)
    middles, halves = 0.5 * (kinks[1:] + kinks[:-1]), 0.5 * np.diff(kinks)
    s = (middles[:, None] + halves[:, None] * NODES).ravel()
    values = draws @ basis(problem.space, problem.degree, s) * (halves[:, None] * WEIGHTS).ravel()
    low, high = np.minimum(points[:, None], s), np.maximum(points[:, None], s)
    return (values @ green(low, high).T)[:, None]


def poisson(problem: Any, draws: Array) -> Array:
    """Return the integral over Green's function; in two dimensions SuperLU on two finer grids, extrapolated."""
    if problem.dimension == 1:
        return _green(problem, draws, lambda x, s: x * (1 - s)) / problem.conductivity
    return refined(problem, draws, elliptic.poisson_splu) / problem.conductivity


def biharmonic(problem: Any, draws: Array) -> Array:
    """Return the integral over the beam's influence function."""

    def clamped(x: Array, s: Array) -> Array:
        return x**2 * (1 - s) ** 2 * (3 * s - x - 2 * s * x) / 6

    def supported(x: Array, s: Array) -> Array:
        return x * (1 - s) * (2 * s - s**2 - x**2) / 6

    return _green(problem, draws, clamped if problem.ends == "clamped" else supported) / problem.stiffness


def burgers(problem: Any, draws: Array) -> Array:
    """Return slopes of the potential of Lax and Oleinik, or of Cole and Hopf, over a table of starting points."""
    n, modes, t, nu = problem.cells, problem.modes, problem.time, problem.viscosity
    count = 1024 * max(8, -(-modes // 4))
    waves, out = 2 * np.pi * np.arange(1, modes + 1), np.empty((len(draws), 1, n))
    table, faces = np.arange(count) / count, np.arange(n) / n
    for i, row in enumerate(draws):
        a, b = row[:modes] / waves, row[modes:] / waves
        start = np.sin(np.outer(table, waves)) @ a - np.cos(np.outer(table, waves)) @ b
        reach = np.sqrt(2 * t * np.ptp(start)) + 12 * np.sqrt(2 * nu * t)
        turns = int(np.ceil(reach)) + 1
        y = np.concatenate([table + turn for turn in range(-turns, turns + 1)])
        height, potential = np.tile(start, 2 * turns + 1), np.empty(n)
        for k, x in enumerate(faces):
            first, last = np.searchsorted(y, (x - reach - 2 / count, x + reach + 2 / count))
            heights = height[first:last] + (x - y[first:last]) ** 2 / (2 * t)
            least = heights.min()
            potential[k] = least if nu == 0 else least - 2 * nu * np.log(np.exp((least - heights) / (2 * nu)).mean())
            if nu > 0:
                potential[k] -= 2 * nu * np.log(last - first)
        out[i, 0] = (np.roll(potential, -1) - potential) * n
    return out


def refined(problem: Any, draws: Array, solve: Callable[[Any, Array, Grid], Array], *, order: int = 2) -> Array:
    """Return solutions of an independent solver on the grid refined by 2, and extrapolated with those refined by 1."""
    fields = []
    for ratio in (1, 2):
        grid = refine(problem.finest, ratio)
        fields.append(restrict(solve(problem, problem.evaluate(draws, grid), grid), to=problem.finest))
    return fields[1] + (fields[1] - fields[0]) / (2**order - 1)


def darcy(problem: Any, draws: Array) -> Array:
    """Return SuperLU's solution on the grid refined by 2, not extrapolated: corners have rates of their own."""
    grid = refine(problem.finest, 2)
    found = elliptic.darcy_spsolve(problem, problem.evaluate(draws, grid), grid)
    return problem.source * restrict(found, to=problem.finest)


def elliptic1d(problem: Any, draws: Array) -> Array:
    """Return cell averages of ∫ (q − s f)/a by Gauss on short pieces."""
    n, out = problem.cells, np.empty((len(draws), 1, problem.cells))
    reach = min(1.0, np.sqrt(1 - problem.ripple)) * problem.epsilon  # of the poles, about
    pieces = int(np.ceil(2 / (reach * n))) if problem.ripple > 0 else 1
    edges = np.arange(n * pieces) / (n * pieces)
    s = (edges[:, None] + (0.5 + 0.5 * NODES) / (n * pieces)).ravel()
    weights = np.tile(WEIGHTS, n * pieces) / (2 * n * pieces)
    k = np.arange(1, problem.modes + 1)
    sizes = problem.contrast / k / (1 / k).sum()
    waves = np.cos(np.pi * np.outer(k, s))
    for i, row in enumerate(draws):
        fast = 1 + problem.ripple * np.cos(2 * np.pi * (s / problem.epsilon + row[-1]))
        resistance = weights / ((1 + (sizes * row[:-1]) @ waves) * fast)
        flux = (resistance @ s) / resistance.sum()
        rises = (resistance * (flux - s)).reshape(n, -1)
        left = np.concatenate([[0.0], np.cumsum(rises.sum(axis=1))[:-1]])
        ends = (np.arange(n) + 1)[:, None] / n
        out[i, 0] = left + (rises * (ends - s.reshape(n, -1))).sum(axis=1) * n
    return problem.source * out


def euler(problem: Any, draws: Array) -> Array:
    """Return averages over 64 points a cell of the exact solution, the pressure in the middle by bisection."""
    n, g, points = problem.cells, problem.gamma, 64
    x, out = (np.arange(n * points) + 0.5) / (n * points), np.empty((len(draws), 3, n))
    for i, (*states, place) in enumerate(draws.tolist()):
        rho, u, p = _fan(states[:3], states[3:], (x - place) / problem.time, g)
        fields = np.stack([rho, rho * u, p / (g - 1) + 0.5 * rho * u**2])
        out[i] = fields.reshape(3, n, points).mean(axis=2)
    return out


def _jump(p: float, state: list[float], g: float) -> float:
    """Return the change of velocity through a wave to the pressure p."""
    rho, _, before = state
    if p > before:
        return float((p - before) * np.sqrt(2 / (rho * ((g + 1) * p + (g - 1) * before))))
    return float(2 * np.sqrt(g * before / rho) / (g - 1) * ((p / before) ** ((g - 1) / (2 * g)) - 1))


def _fan(left: list[float], right: list[float], speeds: Array, g: float) -> tuple[Array, Array, Array]:
    """Return ρ, u, p of the Riemann problem at x/t = speeds."""
    p = brentq(lambda q: _jump(q, left, g) + _jump(q, right, g) + right[1] - left[1], 1e-12, 1e6, xtol=1e-15)
    middle = left[1] - _jump(p, left, g)
    sides = []
    for sign, (rho, u, q) in ((1, left), (-1, right)):  # the right side is the left one, mirrored
        xi, v, c = sign * speeds, sign * u, np.sqrt(g * q / rho)
        end = sign * middle
        if p > q:
            front = v - c * np.sqrt((g + 1) / (2 * g) * p / q + (g - 1) / (2 * g))
            dense_ = rho * (p / q + (g - 1) / (g + 1)) / ((g - 1) / (g + 1) * p / q + 1)
            found = [np.where(xi < front, a, b) for a, b in ((rho, dense_), (v, end), (q, p))]
        else:
            tail = end - c * (p / q) ** ((g - 1) / (2 * g))
            xi = np.clip(xi, v - c, tail)
            sound = 2 / (g + 1) * c + (g - 1) / (g + 1) * (v - xi)
            found = [rho * (sound / c) ** (2 / (g - 1)), xi + sound, q * (sound / c) ** (2 * g / (g - 1))]
        sides.append((found[0], sign * found[1], found[2]))
    return tuple(np.where(speeds < middle, a, b) for a, b in zip(*sides, strict=True))


def helmholtz(problem: Any, draws: Array) -> Array:
    """Return the wave integrated from the dark end by DOP853 to 1e-11; in two dimensions SuperLU, extrapolated."""
    if problem.dimension == 2:
        return refined(problem, draws, elliptic.helmholtz_spsolve)
    k, modes, x = problem.wave_number, np.arange(1, problem.modes + 1), problem.finest.points[0]
    sizes = modes**-problem.decay
    weights = problem.contrast * draws * sizes / sizes.sum()
    start = np.repeat([1.0, 1j * k], len(draws))

    def slope(t: float, y: Array) -> Array:
        u, v = y.reshape(2, -1)
        return np.concatenate([v, -(k**2) * (1 + weights @ np.sin(np.pi * modes * t)) * u])

    found = solve_ivp(slope, (1, 0), start, method="DOP853", t_eval=x[::-1], rtol=1e-11, atol=1e-11 * (1 + k))
    u, v = found.y.reshape(2, len(draws), -1)[:, :, ::-1]
    waves = u * (2j * k / (v[:, :1] + 1j * k * u[:, :1]))  # −u′ − iku = −2ik at 0
    return np.stack([waves.real, waves.imag], axis=1)


def laplacian(n: int, length: float, *, spectral: bool, periodic: bool = True) -> Array:
    """Return the full matrix of −d²/dx², on the n points of a circle or the n − 1 inside an interval."""
    h = length / n
    if not spectral:
        matrix = 2 * np.eye(n) - np.roll(np.eye(n), 1, 0) - np.roll(np.eye(n), -1, 0)
        return (matrix if periodic else matrix[1:, 1:]) / h**2
    if periodic:
        waves = 2 * np.pi * np.fft.fftfreq(n, h)
        return np.fft.ifft(waves[:, None] ** 2 * np.fft.fft(np.eye(n), axis=0), axis=0).real
    k = np.arange(1, n)
    sines = np.sqrt(2 / n) * np.sin(np.pi * np.outer(k, k) / n)
    return sines @ np.diag((np.pi * k / length) ** 2) @ sines


def ground(matrix: Array, potential: Array, weight: float, cubic: float) -> Array:
    """Return the ground state of matrix + V + β u²: the lowest eigenvector, or for β > 0 a self-consistent one.

    The energy is convex in the density u²: its mixtures with that of the lowest orbital in its own field, mixed where
    the energy is least, tend to the ground state. From them Newton's method is tried till it finds a state that is the
    lowest in its own field, which the ground state alone is.

    Raises:
        RuntimeError: where it finds none.

    Source: Cancès, Le Bris, Int. J. Quantum Chem. 79 (2000), for the mixing.
    """
    linear = matrix + np.diag(potential)
    u = eigh(linear, subset_by_index=(0, 0))[1][:, 0] / np.sqrt(weight)
    density, energy = u**2, weight * u @ linear @ u
    for turn in range(2000 if cubic > 0 else 0):
        u = eigh(linear + cubic * np.diag(density), subset_by_index=(0, 0))[1][:, 0] / np.sqrt(weight)
        other, change = weight * u @ linear @ u, u**2 - density
        slope, bend = other - energy + cubic * weight * density @ change, cubic * weight * change @ change
        part = min(1.0, max(0.0, -slope / bend)) if bend > 0 else 0.0
        density, energy = density + part * change, energy + part * (other - energy)
        if turn % 5 == 0:
            found = _newton(linear, weight, cubic, np.sqrt(np.maximum(density, 0.0)))
            if found is not None:
                return found
    if cubic > 0:
        raise RuntimeError(f"no ground state was found for a repulsion of {cubic:g}")
    return np.asarray(u * np.sign(u.sum()))


def _newton(linear: Array, weight: float, cubic: float, u: Array) -> Array | None:
    """Return the state that Newton's method finds from u, if it is the lowest in its own field; else None.

    Its absolute value: in wells that feel nothing of each other, signs are round-off.
    """
    value, scale = weight * u @ (linear @ u + cubic * u**3), np.ptp(np.diag(linear)) + cubic
    for _ in range(30):
        residual = linear @ u + (cubic * u**2 - value) * u
        field = linear + np.diag(3 * cubic * u**2 - value)
        system = np.block([[field, -u[:, None]], [u[None], 0.0]])
        change = np.linalg.solve(system, np.append(-residual, 0.5 * (1 / weight - u @ u)))
        u, value = u + change[:-1], value + change[-1]
        if np.linalg.norm(change[:-1]) <= 1e-8 * np.linalg.norm(u):
            lowest = eigh(linear + cubic * np.diag(u**2), subset_by_index=(0, 0), eigvals_only=True)[0]
            return np.abs(u) if lowest > value - 1e-9 * scale else None
    return None


def occupied(problem: Any, draws: Array) -> list[Array]:
    """Return the exact orbitals that are filled, on a grid of 4 points a width or more."""
    grid = problem.finest
    while grid.spacing[0] > problem.width / 4:
        grid = refine(grid, 2)
    matrix = 0.5 * laplacian(grid.cells[0], grid.lengths[0], spectral=True)
    top = (0, problem.electrons - 1)
    return [eigh(matrix + np.diag(v), subset_by_index=top)[1] for (v,) in problem.evaluate(draws, grid)]


def kohn_sham(problem: Any, draws: Array) -> Array:
    """Return the density of the exact orbitals."""
    n, length = problem.cells, problem.finest.lengths[0]
    orbitals = [psi[:: len(psi) // n] * np.sqrt(len(psi) / length) for psi in occupied(problem, draws)]
    return np.array([(psi**2).sum(axis=1) for psi in orbitals])[:, None]


def navier_stokes(problem: Any, draws: Array) -> Array:
    """Return the flow on twice as many points, in NumPy."""
    grid = refine(problem.finest, 2)
    return restrict(transport.vorticity_numpy(problem, problem.evaluate(draws, grid), grid), to=problem.finest)


def radiative_transfer(problem: Any, draws: Array) -> Array:
    """Return the solutions on the grids refined by 1 and 2, extrapolated."""
    return refined(problem, draws, slab)


def slab(problem: Any, inputs: Array, grid: Grid) -> Array:
    """Return Galerkin's solutions from second differences of E₃: in float64, or where that cancels in more digits."""
    thinnest = (inputs.min() + problem.absorption) * grid.spacing[0]
    if thinnest > 1e-4 and inputs.max() < 1e4:
        return dense.radiative_scipy(problem, inputs, grid)
    with mpmath.workdps(40 - 2 * min(0, math.floor(math.log10(thinnest)))):
        return np.array([[_slab(problem, row, mpmath.mpf(grid.spacing[0]))] for (row,) in inputs])


def _slab(problem: Any, scattering: Array, h: Any) -> list[float]:
    rows, n = [mpmath.mpf(value) for value in scattering], len(scattering)
    total = [value + mpmath.mpf(problem.absorption) for value in rows]
    depths = [mpmath.fsum(total[:i]) * h for i in range(n + 1)]

    def third(x: Any) -> Any:
        return (mpmath.exp(-x) * (1 - x) + x**2 * (mpmath.e1(x) if x > 0 else 0)) / 2

    table = [[third(abs(a - b)) for b in depths] for a in depths]
    kernel = mpmath.matrix(n, n)
    for i in range(n):
        for j in range(n):
            sums = table[i + 1][j] + table[i][j + 1] - table[i][j] - table[i + 1][j + 1] + (i == j) * 2 * total[i] * h
            kernel[i, j] = sums / (2 * total[i] * total[j] * h)
    system = mpmath.eye(n) - kernel * mpmath.diag(rows)
    return [float(value) for value in mpmath.lu_solve(system, kernel * mpmath.ones(n, 1))]


def schrodinger(problem: Any, draws: Array) -> Array:
    """Return the ground state of the full spectral matrix, on a grid that resolves the wells."""
    grid, periodic = problem.finest, problem.boundary == "periodic"
    while grid.cells[0] < (256 if problem.dimension == 1 else 16):
        grid = refine(grid, 2)
    n, ratio = grid.cells[0], grid.cells[0] // problem.cells
    line = laplacian(n, 1.0, spectral=True, periodic=periodic)
    matrix = line if problem.dimension == 1 else np.kron(line, np.eye(len(line))) + np.kron(np.eye(len(line)), line)
    inside = (slice(None),) * problem.dimension if periodic else (slice(1, -1),) * problem.dimension
    out = np.zeros((len(draws), 1, *problem.finest.shape))
    for i, (v,) in enumerate(problem.evaluate(draws, grid)):
        state = np.zeros(grid.shape)
        state[inside] = ground(matrix, v[inside].ravel(), n**-problem.dimension, problem.cubic).reshape(v[inside].shape)
        out[i, 0] = state[(slice(None, None, ratio),) * problem.dimension]
    return out


def wkb(problem: Any, draws: Array) -> Array:
    """Return the wave and its phase integrated by DOP853 to 1e-11."""
    epsilon, modes, x = problem.epsilon, np.arange(1, problem.modes + 1), problem.finest.points[0]
    sizes = modes**-problem.decay
    weights = problem.contrast * draws * sizes / sizes.sum()
    first = 1 + weights.sum(axis=1)
    start = np.concatenate([first**-0.25, 1j * first**0.25 / epsilon, np.zeros(len(draws))])

    def slope(t: float, y: Array) -> Array:
        a = 1 + weights @ np.cos(np.pi * modes * t)
        u, v, _ = y.reshape(3, -1)
        return np.concatenate([v, -a / epsilon**2 * u, np.sqrt(a) / epsilon])

    found = solve_ivp(slope, (0, 1), start, method="DOP853", t_eval=x, rtol=1e-11, atol=1e-11)
    wave, _, phase = found.y.reshape(3, len(draws), -1)
    wave = wave * np.exp(-1j * phase.real)
    return np.stack([wave.real, wave.imag], axis=1)


TRUTHS: dict[str, Truth] = {
    "advection": advection,
    "biharmonic": biharmonic,
    "burgers": burgers,
    "darcy": darcy,
    "elliptic1d": elliptic1d,
    "euler": euler,
    "helmholtz": helmholtz,
    "kohn-sham": kohn_sham,
    "navier-stokes": navier_stokes,
    "poisson": poisson,
    "radiative-transfer": radiative_transfer,
    "schrodinger": schrodinger,
    "wkb": wkb,
}
