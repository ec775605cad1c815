"""The discrete equations of every problem, assembled anew and solved directly: what an `ok` solution has to be.

Each takes the problem, some draws, what `grid` is given for them, and the grid, and returns the scheme's solutions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import eigh, solve_banded, solveh_banded

from benchmarks.timing.rivals import elliptic, transport
from benchmarks.truths import exact
from mlft.grids import Grid

Array = np.ndarray
Scheme = Callable[[Any, Array, Array, Grid], Array]


def advection(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """Van Leer's scheme in NumPy; mirrored, where time runs backwards."""
    if problem.time >= 0:
        return transport.advection_numpy(problem, inputs, grid)
    forward = exact.changed(problem, time=-problem.time)
    return transport.advection_numpy(forward, inputs[..., ::-1], grid)[..., ::-1]


def biharmonic(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """Banded Cholesky, refined with residuals in extended precision: the matrix has a condition of (2/h)⁴."""
    n, clamped = grid.cells[0], problem.ends == "clamped"
    bands = np.array([[1.0], [-4.0], [6.0]]).repeat(n - 1, axis=1)
    bands[2, [0, -1]], sign = (7.0, 1.0) if clamped else (5.0, -1.0)
    loads = inputs[:, 0, 1:-1].astype(np.longdouble) / np.longdouble(problem.stiffness) / np.longdouble(n) ** 4
    fields = np.zeros((len(inputs), n + 3), dtype=np.longdouble)  # with a point beyond either end
    for _step in range(6):
        fields[:, [0, -1]] = sign * fields[:, [2, -3]]
        residuals = loads - np.diff(fields, n=4, axis=1)
        scale = np.abs(residuals).max()
        if scale > 0:
            fields[:, 2:-2] += scale * solveh_banded(bands, (residuals / scale).astype(np.float64).T).T
    return fields[:, None, 1:-1].astype(np.float64)


def burgers(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """The same steps in NumPy."""
    march = transport.viscous_numpy if problem.viscosity > 0 else transport.burgers_numpy
    return march(problem, inputs, grid)


def darcy(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """SuperLU."""
    return problem.source * elliptic.darcy_spsolve(problem, inputs, grid)


def elliptic1d(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """Banded Cholesky."""
    return elliptic.elliptic_banded(problem, inputs, grid)


def euler(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """The same steps in NumPy."""
    return transport.euler_numpy(problem, inputs, grid)


def helmholtz(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """Banded elimination with pivots; SuperLU in two dimensions."""
    solve = elliptic.helmholtz_banded if problem.dimension == 1 else elliptic.helmholtz_spsolve
    return solve(problem, inputs, grid)


def kohn_sham(problem: Any, draws: Array, inputs: Array, grid: Grid) -> Array:
    """The full matrix's eigenvectors: those filled that lie most in the exact equation's occupied space."""
    n, length, out = grid.cells[0], grid.lengths[0], np.empty_like(inputs)
    kinetic = 0.5 * exact.laplacian(n, length, spectral=problem.scheme == "spectral")
    for i, ((v,), occupied) in enumerate(zip(inputs, exact.occupied(problem, draws), strict=True)):
        vectors = eigh(kinetic + np.diag(v))[1]
        basis, _ = np.linalg.qr(occupied[:: len(occupied) // n])
        shares = ((basis.T @ vectors) ** 2).sum(axis=0)
        filled = vectors[:, np.argsort(-shares)[: problem.electrons]]
        out[i, 0] = (filled**2).sum(axis=1) * n / length
    return out


def navier_stokes(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """The same steps in NumPy, with the full transforms of velocity and gradient."""
    return transport.vorticity_numpy(problem, inputs, grid)


def poisson(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """Banded elimination; SuperLU in two dimensions."""
    solve = elliptic.poisson_one_by_one if problem.dimension == 1 else elliptic.poisson_splu
    return solve(problem, inputs, grid) / problem.conductivity


def radiative_transfer(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """Second differences of SciPy's E₃ and NumPy's solver; in as many digits as cancel, where cells are thin."""
    return exact.slab(problem, inputs, grid)


def schrodinger(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """The full matrix's lowest eigenvector; with repulsion, continued from it by Newton's method."""
    periodic, n = problem.boundary == "periodic", grid.cells[0]
    line = exact.laplacian(n, 1.0, spectral=problem.scheme == "spectral", periodic=periodic)
    matrix = line if problem.dimension == 1 else np.kron(line, np.eye(len(line))) + np.kron(np.eye(len(line)), line)
    inside = (slice(None),) * problem.dimension if periodic else (slice(1, -1),) * problem.dimension
    out = np.zeros_like(inputs)
    for i, (v,) in enumerate(inputs):
        field = v[inside]
        out[i, 0][inside] = exact.ground(matrix, field.ravel(), n**-problem.dimension, problem.cubic).reshape(
            field.shape
        )
    return out


def wkb(problem: Any, _: Array, inputs: Array, grid: Grid) -> Array:
    """Numerov's method as one banded system; the formula of second order in NumPy on mesh-free levels."""
    a, h, epsilon = inputs[:, 0], grid.spacing[0], problem.epsilon
    free = problem.mesh_free > 0 and grid.cells[0] <= problem.hierarchy[problem.mesh_free - 1].cells[0]
    if free:
        root = a**-0.25
        bend = np.pad(np.diff(root, n=2, axis=1), ((0, 0), (1, 1))) / h**2
        bend[:, 0], bend[:, -1] = 2 * bend[:, 1] - bend[:, 2], 2 * bend[:, -2] - bend[:, -3]
        shift = 0.5 * epsilon**2 * root * bend
        speed = np.sqrt(a) + shift
        waves = root[:, :1] * np.sqrt(speed[:, :1] / speed) * np.exp(1j * _integral(shift, h) / epsilon)
    else:
        waves = np.array([_numerov(row, h / epsilon) for row in a]) * np.exp(-1j * _integral(np.sqrt(a), h) / epsilon)
    return np.stack([waves.real, waves.imag], axis=1)


def _numerov(a: Array, ratio: float) -> Array:
    """Solve for all points at once: bands (2, 1) of the recurrence, the start formula and the value at 0."""
    s = ratio**2 * a
    bands, right = np.zeros((4, len(a))), np.zeros(len(a), dtype=np.complex128)
    t, middle = 1 + s / 12, -(2 - 10 * s / 12)
    bands[1, 0], right[0] = 1.0, a[0] ** -0.25  # bands[1 + i − j, j] is entry (i, j)
    bands[2, 0], bands[1, 1], bands[0, 2] = 7 * s[0] / 24 - 1, 1 + 6 * s[1] / 24, -s[2] / 24
    right[1] = 1j * ratio * a[0] ** 0.25
    bands[3, :-2], bands[2, 1:-1], bands[1, 2:] = t[:-2], middle[1:-1], t[2:]
    return np.asarray(solve_banded((2, 1), bands, right))


def _integral(values: Array, h: float) -> Array:
    """Integrate the cubic through the four nearest points over each cell."""
    cells = np.empty((len(values), values.shape[1] - 1))
    cells[:, 1:-1] = (13 * (values[:, 1:-2] + values[:, 2:-1]) - values[:, :-3] - values[:, 3:]) / 24
    cells[:, 0] = values[:, :4] @ [9 / 24, 19 / 24, -5 / 24, 1 / 24]
    cells[:, -1] = values[:, -4:] @ [1 / 24, -5 / 24, 19 / 24, 9 / 24]
    return np.pad(np.cumsum(h * cells, axis=1), ((0, 0), (1, 0)))


SCHEMES: dict[str, Scheme] = {
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
