import dataclasses
import re

import numpy as np
import pytest
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import spsolve

from mlft.grids import Grid, relative_error
from mlft.problems import Darcy
from mlft.seeds import generator as stream
from mlft.solvers import multigrid
from mlft.solvers.multigrid import solve_elliptic
from orders import observed_order

SHAPES = [(12, 20), (7, 13), (1, 5), (16, 3), (37, 48)]
BOX = (1.0, 1.5)


def assembled(coefficient, spacing):
    """The workspace of a coefficient, its finest level, and an empty image."""
    store, table = multigrid._workspace(*coefficient.shape)
    multigrid._assemble(multigrid._float(coefficient), spacing[1] / spacing[0], store, table)
    return store, table, multigrid._level(store, table[0]), np.empty(coefficient.shape)


def apply_operator(coefficient, field, *, spacing):
    """Au, the fluxes out of each cell of area h₀h₁ (so h₀h₁ f where u is the solution)."""
    _, _, level, image = assembled(coefficient, spacing)
    multigrid._load(multigrid._float(field), 1.0, level[multigrid._FIELD])
    multigrid._multiply(level, level[multigrid._FIELD], level[multigrid._SOURCE])
    multigrid._unload(level[multigrid._SOURCE], image)
    return image


def apply_preconditioner(coefficient, field, *, spacing):
    """One multigrid cycle from zero for Au = field: a symmetric, positive approximation of A⁻¹ field."""
    store, table, level, image = assembled(coefficient, spacing)
    multigrid._load(multigrid._float(field), 1.0, level[multigrid._SOURCE])
    multigrid._cycle(store, table)
    multigrid._unload(level[multigrid._FIELD], image)
    return image


def widths(shape: tuple[int, int]) -> tuple[float, float]:
    return BOX[0] / shape[0], BOX[1] / shape[1]


def normal(shape: tuple[int, ...], purpose: str = "fields") -> np.ndarray:
    return torch.randn(shape, generator=stream(0, purpose, shape[-1]), dtype=torch.float64).numpy()


def rough(shape: tuple[int, ...], contrast: float = 1e4) -> np.ndarray:
    """Log-uniform from cell to cell."""
    return contrast ** (torch.rand(shape, generator=stream(1, "rough"), dtype=torch.float64).numpy() - 0.5)


def two_phase(cells: int, contrast: float, seed: int = 0) -> np.ndarray:
    problem = Darcy(cells=cells, levels=1, modes=16, contrast=contrast)
    return problem.evaluate(problem.draw(1, stream(seed, "phases")), problem.finest)[:, 0]


def conductances(a: np.ndarray, h: float, area: float) -> np.ndarray:
    """Of the faces along a line of cells, walls included: half cells in series."""
    half = h / 2 / a
    return area / np.concatenate([half[:1], half[1:] + half[:-1], half[-1:]])


def matrix(a: np.ndarray, spacing: tuple[float, float]) -> sparse.csc_matrix:
    """Σ over axes of Gᵀ diag(conductance) G, with the differences G across every face."""
    (m, n), (h, k) = a.shape, spacing
    differences = [sparse.diags([1.0, -1.0], [0, -1], shape=(size + 1, size)) for size in (m, n)]
    down, across = sparse.kron(differences[0], sparse.eye(n)), sparse.kron(sparse.eye(m), differences[1])
    vertical, horizontal = conductances(a, h, k).ravel(), conductances(a.T, k, h).T.ravel()
    return (down.T @ sparse.diags(vertical) @ down + across.T @ sparse.diags(horizontal) @ across).tocsc()


def solve(a: np.ndarray, f: np.ndarray, **settings: float) -> np.ndarray:
    solved = solve_elliptic(a[None], f[None], spacing=widths(a.shape), **settings)
    assert solved.converged.all()
    return solved.solutions[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_operator_is_that_of_half_cells_in_series(shape: tuple[int, int]) -> None:
    a, u = rough(shape), normal(shape)
    expected = (matrix(a, widths(shape)) @ u.ravel()).reshape(shape)
    np.testing.assert_allclose(apply_operator(a, u, spacing=widths(shape)), expected, rtol=0, atol=1e-11)
    assert np.abs(expected).max() > 10


@pytest.mark.parametrize("shape", SHAPES)
def test_solutions_and_residuals_are_those_of_a_direct_solver(shape: tuple[int, int]) -> None:
    a, f, spacing = rough(shape), normal(shape), widths(shape)
    A, b = matrix(a, spacing), f.ravel() * spacing[0] * spacing[1]
    solved = solve_elliptic(a[None], f[None], spacing=spacing)
    u = solved.solutions[0].ravel()
    direct = spsolve(A, b)
    assert np.abs(u - direct).max() < 1e-9 * np.abs(direct).max()
    residual = np.linalg.norm(b - A @ u) / np.linalg.norm(b)
    assert solved.converged.all()
    assert residual <= 1e-10
    assert solved.residuals[0] == pytest.approx(residual, rel=1e-3, abs=1e-14)


@pytest.mark.parametrize(("k", "m"), [(1, 1), (3, 2), (11, 17)])
def test_sines_are_eigenvectors_to_round_off(k: int, m: int) -> None:
    shape = (12, 20)
    h = widths(shape)
    x, y = (np.arange(shape[0]) + 0.5) / shape[0], (np.arange(shape[1]) + 0.5) / shape[1]
    sine = np.outer(np.sin(k * np.pi * x), np.sin(m * np.pi * y))
    eigenvalue = 4 / h[0] ** 2 * np.sin(k * np.pi / 2 / shape[0]) ** 2
    eigenvalue += 4 / h[1] ** 2 * np.sin(m * np.pi / 2 / shape[1]) ** 2
    image = apply_operator(np.full(shape, 3.0), sine, spacing=h)
    np.testing.assert_allclose(image, 3 * eigenvalue * h[0] * h[1] * sine, rtol=0, atol=1e-13)
    u = solve(np.full(shape, 3.0), sine, tolerance=1e-14)
    np.testing.assert_allclose(3 * eigenvalue * u, sine, rtol=0, atol=1e-12)


def test_layers_reduce_to_one_dimension_exactly() -> None:
    """With a = a_i and f = s_i sin kπy, u = g_i sin kπy; (T + λ diag(a)) g = s, with T of half cells in series."""
    shape, k = (14, 24), 3
    h = widths(shape)
    layers, strength = rough(shape[:1], 1e3), normal(shape[:1])
    sine = np.sin(k * np.pi * (np.arange(shape[1]) + 0.5) / shape[1])
    flux = conductances(layers, h[0], 1 / h[0])
    T = np.diag(flux[1:] + flux[:-1]) - np.diag(flux[1:-1], 1) - np.diag(flux[1:-1], -1)
    eigenvalue = 4 / h[1] ** 2 * np.sin(k * np.pi / 2 / shape[1]) ** 2
    g = np.linalg.solve(T + eigenvalue * np.diag(layers), strength)
    u = solve(np.repeat(layers[:, None], shape[1], axis=1), np.outer(strength, sine), tolerance=1e-14)
    np.testing.assert_allclose(u, np.outer(g, sine), rtol=0, atol=1e-12 * np.abs(g).max())


def manufactured(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """u = sin(πx) sin(2πy/3) (1 + xy²), a = exp(sin(x + 2y)) on the box, and f = −a (Δu + ∇log a · ∇u)."""
    p, q = np.pi / BOX[0], np.pi / BOX[1]
    x, y = np.meshgrid(*[(np.arange(n) + 0.5) * h for n, h in zip(shape, widths(shape), strict=True)], indexing="ij")
    s, c, t, d = np.sin(p * x), np.cos(p * x), np.sin(q * y), np.cos(q * y)
    w = 1 + x * y**2
    u_x, u_y = p * c * t * w + s * t * y**2, q * s * d * w + s * t * 2 * x * y
    laplacian = -(p**2 + q**2) * s * t * w + 2 * p * c * t * y**2 + 2 * q * s * d * 2 * x * y + s * t * 2 * x
    a, slope = np.exp(np.sin(x + 2 * y)), np.cos(x + 2 * y)
    return a, s * t * w, -a * (laplacian + slope * u_x + 2 * slope * u_y)


def test_the_solver_is_of_order_two_on_smooth_fields() -> None:
    spacings, errors = [], []
    for cells in (12, 24, 48, 96):
        shape = (cells, cells + cells // 4)
        a, u, f = manufactured(shape)
        grid = Grid(shape, BOX, periodic=False)
        errors.append(relative_error(solve(a, f)[None, None], u[None, None], grid)[0])
        spacings.append(1 / cells)
    assert abs(observed_order(spacings, errors) - Darcy.order) < 0.1
    assert errors[-1] < 2e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_operator_and_preconditioner_are_symmetric_and_positive(shape: tuple[int, int]) -> None:
    a, x, y = rough(shape), normal(shape, "x"), normal(shape, "y")
    for apply in (apply_operator, apply_preconditioner):
        image, other = apply(a, x, spacing=widths(shape)), apply(a, y, spacing=widths(shape))
        scale = np.linalg.norm(image) * np.linalg.norm(y)
        assert abs(np.sum(image * y) - np.sum(x * other)) < 1e-14 * scale
        assert np.sum(image * x) > 0


@pytest.mark.parametrize(
    ("shape", "contrast", "least"), [((12, 10), 12, 0.4), ((11, 9), 12, 0.4), ((12, 14), 1e4, 0.1)]
)
def test_the_preconditioner_is_nearly_the_inverse(shape: tuple[int, int], contrast: float, least: float) -> None:
    a = rough(shape, contrast)
    unit = np.eye(a.size).reshape(-1, *shape)
    columns = [apply_preconditioner(a, e, spacing=widths(shape)).ravel() for e in unit]
    spectrum = np.linalg.eigvals(np.array(columns) @ matrix(a, widths(shape)).toarray()).real
    assert least < spectrum.min()
    assert spectrum.max() < 1.5


@pytest.mark.parametrize(
    ("field", "contrast", "bound"), [("two-phase", 12, 18), ("two-phase", 1e5, 60), ("lognormal", 1e5, 17)]
)
def test_iterations_stay_bounded_on_finer_grids_and_at_high_contrast(field: str, contrast: float, bound: int) -> None:
    problem = Darcy(cells=192, levels=4, field=field, contrast=contrast)
    draws = problem.draw(2, stream(0, "iterations"))
    for grid in problem.hierarchy:
        solved = problem.solve(problem.evaluate(draws, grid), grid)
        assert solved.status == ("ok", "ok")
        assert solved.scalars["iterations"].max() <= bound
        assert contrast > 12 or solved.scalars["residual"].max() <= 1e-10


def test_odd_sizes_take_no_more_iterations_than_powers_of_two() -> None:
    counts = [
        solve_elliptic(two_phase(n, 12), np.ones((1, n, n)), spacing=(1 / n, 1 / n)).iterations[0] for n in (64, 65, 75)
    ]
    assert max(counts) <= min(counts) + 2


def test_where_no_float64_solution_meets_the_tolerance_the_residual_is_that_of_a_direct_solver() -> None:
    a, n = two_phase(64, 1e5, seed=3), 64
    solved = solve_elliptic(a, np.ones((1, n, n)), spacing=(1 / n, 1 / n), tolerance=1e-15)
    A, b = matrix(a[0], (1 / n, 1 / n)), np.full(n * n, 1 / n**2)
    direct = spsolve(A, b)
    assert solved.converged[0]
    assert 1e-15 < solved.residuals[0] < 5 * np.linalg.norm(b - A @ direct) / np.linalg.norm(b)
    np.testing.assert_allclose(solved.solutions[0].ravel(), direct, rtol=1e-8)


def test_what_is_produced_leaves_through_the_boundary() -> None:
    shape = (18, 25)
    a, f, h = rough(shape), normal(shape) + 1, widths(shape)
    u = solve(a, f)
    flux = 2 * a * u
    out = (flux[0].sum() + flux[-1].sum()) * h[1] / h[0] + (flux[:, 0].sum() + flux[:, -1].sum()) * h[0] / h[1]
    assert out == pytest.approx(f.sum() * h[0] * h[1], rel=1e-9)


def test_pressures_are_positive_and_below_those_of_the_lowest_conductivity() -> None:
    shape = (30, 22)
    a, f = rough(shape), np.ones(shape)
    u, bound = solve(a, f), solve(np.full(shape, a.min()), f)
    assert (u > 0).all()
    assert (u < bound).all()


def test_transposing_the_problem_transposes_the_solution() -> None:
    a, f = rough((19, 26)), normal((19, 26))
    h = widths((19, 26))
    turned = solve_elliptic(a.T[None], f.T[None], spacing=h[::-1]).solutions[0]
    np.testing.assert_allclose(turned.T, solve(a, f), rtol=0, atol=1e-9 * np.abs(turned).max())


def test_scaling_by_powers_of_two_is_exact() -> None:
    a, f = rough((10, 21)), normal((10, 21))
    u = solve(a, f)
    assert (solve(4 * a, f) == u / 4).all()
    assert (solve(a, -8 * f) == -8 * u).all()


def test_a_sample_has_its_own_source_or_the_common_one_and_its_own_bits() -> None:
    shape = (11, 14)
    a, f = rough((4, *shape)), normal((4, *shape))
    own = solve_elliptic(a, f, spacing=widths(shape))
    common = solve_elliptic(a, f[2:3], spacing=widths(shape))
    for i in range(4):
        assert (own.solutions[i] == solve(a[i], f[i])).all()
        assert (common.solutions[i] == solve(a[i], f[2])).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308])
def test_a_sample_that_is_not_finite_leaves_nothing_behind(value: float) -> None:
    shape = (9, 15)
    a, f = rough((3, *shape)), np.ones((1, *shape))
    alone = solve_elliptic(a[[0, 2]], f, spacing=widths(shape))
    a[1, 4, 7] = value
    solved = solve_elliptic(a, f, spacing=widths(shape))
    assert np.isnan(solved.solutions[1]).all()
    assert solved.converged.tolist() == [True, False, True]
    assert (solved.solutions[[0, 2]] == alone.solutions).all()
    assert (solved.residuals[[0, 2]] == alone.residuals).all()


def test_without_a_source_nothing_moves() -> None:
    solved = solve_elliptic(rough((1, 8, 10)), np.zeros((1, 8, 10)), spacing=(0.1, 0.2))
    assert (solved.solutions == 0).all()
    assert solved.residuals[0] == 0
    assert solved.converged[0]


def test_a_starved_solve_is_not_converged_and_says_so() -> None:
    problem = Darcy(cells=24, levels=2, modes=8, iteration_limit=3)
    grid = problem.finest
    inputs = problem.evaluate(problem.draw(3, stream(0, "starved")), grid)
    solved = problem.solve(inputs, grid)
    assert solved.status == ("not-converged",) * 3
    assert (solved.scalars["iterations"] == 3).all()
    assert (solved.scalars["residual"] > 1e-10).all()
    enough = dataclasses.replace(problem, iteration_limit=20).solve(inputs, grid)
    assert enough.status == ("ok",) * 3


@pytest.mark.parametrize("value", [0.0, -1.0, -np.inf])
def test_a_conductivity_that_is_not_positive_is_refused(value: float) -> None:
    problem = Darcy(cells=12, levels=1, modes=4)
    inputs = problem.evaluate(problem.draw(2, stream(0, "positive")), problem.finest)
    inputs[1, 0, 3, 4] = value
    inputs[0, 0, 1, 1] = np.nan
    with pytest.raises(ValueError, match=f"positive everywhere, got a minimum of {value:g}"):
        problem.solve(inputs, problem.finest)


@pytest.mark.parametrize("shape", [(2, 5, 7), (3, 5, 8), (1, 7, 5)])
def test_sources_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(str(shape))):
        solve_elliptic(np.ones((3, 5, 7)), np.ones(shape), spacing=(0.2, 0.1))
