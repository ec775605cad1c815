"""Rivals for what rests: Poisson, biharmonic, layered and porous media, waves of one frequency."""

from typing import Any

import numpy as np
import pyamg
import skfem
from scipy.linalg import solve_banded, solveh_banded
from scipy.sparse import csc_array, diags_array, eye_array, kron
from scipy.sparse.linalg import splu, spsolve
from skfem.helpers import dot, grad

from mlft.grids import Grid

Array = np.ndarray
Problem = Any


def poisson_one_by_one(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Banded elimination, a sample at a time."""
    n = grid.cells[0]
    bands = np.array([[-1.0], [2.0], [-1.0]]).repeat(n - 1, axis=1) * n**2
    solutions = [solve_banded((1, 1), bands, field[0, 1:-1], check_finite=False) for field in inputs]
    return np.pad(np.array(solutions), ((0, 0), (1, 1)))[:, None]


def poisson_banded(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """One banded Cholesky factorization for all samples."""
    n = grid.cells[0]
    bands = np.array([[-1.0], [2.0]]).repeat(n - 1, axis=1) * n**2
    return np.pad(solveh_banded(bands, inputs[:, 0, 1:-1].T).T, ((0, 0), (1, 1)))[:, None]


def biharmonic_banded(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """One banded Cholesky factorization for all samples."""
    n = grid.cells[0]
    bands = np.array([[1.0], [-4.0], [6.0]]).repeat(n - 1, axis=1) * float(n) ** 4
    bands[2, [0, -1]] = 7.0 * float(n) ** 4
    return np.pad(solveh_banded(bands, inputs[:, 0, 1:-1].T).T, ((0, 0), (1, 1)))[:, None]


def _five_point(n: int) -> csc_array:
    line = diags_array([-1.0, 2.0, -1.0], offsets=(-1, 0, 1), shape=(n - 1, n - 1)) * n**2
    return csc_array(kron(line, eye_array(n - 1)) + kron(eye_array(n - 1), line))


def _embedded(solutions: list[Array], n: int) -> Array:
    return np.pad(np.reshape(solutions, (-1, 1, n - 1, n - 1)), ((0, 0), (0, 0), (1, 1), (1, 1)))


def poisson_splu(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SuperLU, one factorization for all samples."""
    n = grid.cells[0]
    factor = splu(_five_point(n), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return _embedded([factor.solve(field[0, 1:-1, 1:-1].ravel()) for field in inputs], n)


def poisson_pyamg(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Conjugate gradients with Ruge–Stüben, one set-up for all samples, to 1e-10."""
    n = grid.cells[0]
    solver = pyamg.ruge_stuben_solver(_five_point(n).tocsr())
    return _embedded([solver.solve(field[0, 1:-1, 1:-1].ravel(), tol=1e-10, accel="cg") for field in inputs], n)


def poisson_skfem(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Bilinear elements: assembled and factorized once."""
    basis, places = _elements(grid)
    stiffness = skfem.BilinearForm(lambda u, v, w: dot(grad(u), grad(v))).assemble(basis)
    mass = skfem.BilinearForm(lambda u, v, w: u * v).assemble(basis)
    inside = basis.complement_dofs(basis.get_dofs())
    factor = splu(csc_array(stiffness[inside][:, inside]), permc_spec="MMD_AT_PLUS_A")
    out = np.zeros((len(inputs), basis.N))
    for i, field in enumerate(inputs):
        load = np.empty(basis.N)
        load[places] = field.ravel()
        out[i, inside] = factor.solve((mass @ load)[inside])
    return out[:, places].reshape(inputs.shape)


def _elements(grid: Grid) -> tuple[Any, Array]:
    """Return the basis, and the number of the node at each grid point."""
    x, y = (np.linspace(0, 1, n + 1) for n in grid.cells)
    basis = skfem.Basis(skfem.MeshQuad.init_tensor(x, y), skfem.ElementQuad1())
    key = np.rint(basis.doflocs * np.array(grid.cells)[:, None]).astype(int)
    places = np.empty(len(x) * len(y), dtype=int)
    places[key[0] * len(y) + key[1]] = np.arange(basis.N)
    return basis, places


def poisson_pde(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """py-pde, on as many cells (it has no nodes on the boundary); the solutions are averaged to the inner nodes."""
    import pde

    square, centres = pde.CartesianGrid([(0, 1), (0, 1)], grid.cells), 0.25
    fields = centres * (inputs[:, 0, 1:, 1:] + inputs[:, 0, :-1, 1:] + inputs[:, 0, 1:, :-1] + inputs[:, 0, :-1, :-1])
    out = np.zeros_like(inputs)
    for i, field in enumerate(fields):
        found = pde.solve_poisson_equation(pde.ScalarField(square, -field), bc={"value": 0}).data
        out[i, 0, 1:-1, 1:-1] = centres * (found[1:, 1:] + found[:-1, 1:] + found[1:, :-1] + found[:-1, :-1])
    return out


def elliptic_banded(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Banded Cholesky of the finite-volume matrix, a sample at a time."""
    n, out = grid.cells[0], np.empty_like(inputs)
    for i, (a,) in enumerate(inputs):
        faces = n * np.concatenate([[2 * a[0]], 2 * a[1:] * a[:-1] / (a[1:] + a[:-1]), [2 * a[-1]]])
        bands = np.array([-faces[:-1], faces[1:] + faces[:-1]])
        out[i, 0] = solveh_banded(bands, np.full(n, problem.source / n), overwrite_ab=True, check_finite=False)
    return out


def darcy_matrix(a: Array) -> csc_array:
    """Return the matrix of the scheme, as Gᵀ diag(conductance) G with the differences G across faces."""
    n = len(a)
    difference = diags_array([1.0, -1.0], offsets=(0, -1), shape=(n + 1, n))
    total = csc_array((n * n, n * n))
    for values, gradient in ((a, kron(difference, eye_array(n))), (a.T, kron(eye_array(n), difference))):
        resistance = np.concatenate([0.5 / values[:1], 0.5 / values[1:] + 0.5 / values[:-1], 0.5 / values[-1:]])
        conductance = (1 / resistance) if values is a else (1 / resistance).T
        total = total + gradient.T @ diags_array(conductance.ravel()) @ gradient
    return csc_array(total)


def darcy_spsolve(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SuperLU with its defaults."""
    return np.array([spsolve(darcy_matrix(a), np.full(a.size, 1 / a.size)).reshape(a.shape) for (a,) in inputs])[
        :, None
    ]


def darcy_pyamg(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Conjugate gradients with Ruge–Stüben, set up for each sample, to 1e-10."""
    out = np.empty_like(inputs)
    for i, (a,) in enumerate(inputs):
        solver = pyamg.ruge_stuben_solver(darcy_matrix(a).tocsr())
        out[i, 0] = solver.solve(np.full(a.size, 1 / a.size), tol=1e-10, accel="cg").reshape(a.shape)
    return out


def helmholtz_banded(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Banded elimination with pivots, a sample at a time."""
    kh, right, out = problem.wave_number * grid.spacing[0], problem.incident(grid), []
    weights = np.ones(len(right))
    weights[[0, -1]] = 0.5
    for (index,) in inputs:
        bands = np.full((3, len(index)), -1.0 + 0j)
        bands[1] = 2 * weights - kh**2 * weights * index
        bands[1, [0, -1]] -= 1j * kh
        wave = solve_banded((1, 1), bands, right, overwrite_ab=True, check_finite=False)
        out.append([wave.real, wave.imag])
    return np.array(out)


def helmholtz_spsolve(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SuperLU with its defaults."""
    return _helmholtz(problem, inputs, grid, lambda matrix, right: spsolve(matrix, right))


def helmholtz_symmetric(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """SuperLU with the order of elimination for symmetric matrices."""
    options: dict[str, Any] = {"permc_spec": "MMD_AT_PLUS_A", "options": {"SymmetricMode": True}}
    return _helmholtz(problem, inputs, grid, lambda m, right: splu(m, diag_pivot_thresh=0.01, **options).solve(right))


def _helmholtz(problem: Problem, inputs: Array, grid: Grid, solver: Any) -> Array:
    """The same five-point equations, assembled with SciPy."""
    kh, n, out = problem.wave_number * grid.spacing[0], grid.shape[0], []
    weights, ends = np.ones(n), np.zeros(n)
    weights[[0, -1]], ends[[0, -1]] = 0.5, 1.0
    line = diags_array([-np.ones(n - 1), 2 * weights, -np.ones(n - 1)], offsets=(-1, 0, 1))
    laplacian = kron(line, diags_array(weights)) + kron(diags_array(weights), line)
    boundary = np.outer(ends, weights) + np.outer(weights, ends)
    right = problem.incident(grid).ravel()
    for (index,) in inputs:
        diagonal = -(kh**2) * np.outer(weights, weights) * index - 1j * kh * boundary
        wave = solver(csc_array(laplacian + diags_array(diagonal.ravel())), right).reshape(grid.shape)
        out.append([wave.real, wave.imag])
    return np.array(out)


def helmholtz_skfem(problem: Problem, inputs: Array, grid: Grid) -> Array:
    """Bilinear elements, the medium assembled for each sample, SuperLU with the symmetric order."""
    k = problem.wave_number
    basis, places = _elements(grid)
    edge = skfem.FacetBasis(basis.mesh, basis.elem)
    stiffness = skfem.BilinearForm(lambda u, v, w: dot(grad(u), grad(v))).assemble(basis)
    border = skfem.BilinearForm(lambda u, v, w: u * v).assemble(edge)

    def light(v: Any, w: Any) -> Array:
        wave = np.exp(1j * k * w.x[0])
        return (1j * k * w.n[0] * wave - 1j * k * wave) * v

    right = skfem.LinearForm(light, dtype=np.complex128).assemble(edge)
    medium, out = skfem.BilinearForm(lambda u, v, w: w["index"] * u * v), []
    for (index,) in inputs:
        values = np.empty(basis.N)
        values[places] = index.ravel()
        mass = medium.assemble(basis, index=basis.interpolate(values))
        matrix = csc_array(stiffness - k**2 * mass - 1j * k * border)
        wave = splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(right)[places].reshape(grid.shape)
        out.append([wave.real, wave.imag])
    return np.array(out)
