import numpy as np
import pytest
import torch
from scipy.integrate import solve_bvp
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from mlft.grids import Grid, relative_error
from mlft.problems import Helmholtz
from mlft.solvers.helmholtz import helmholtz_1d, helmholtz_2d
from orders import observed_order
from refusals import refuses


def bounded(*cells: int) -> Grid:
    return Grid(cells, centring="nodal", periodic=False)


def image(u: np.ndarray, index: np.ndarray, kh: float) -> np.ndarray:
    """The left-hand side of the scheme, from its definition, edge by edge; 1D fields have one column."""
    rows, columns = u.shape
    out = np.zeros_like(u)
    for i in range(rows):
        for j in range(columns):
            half = [0.5 if n > 1 and p in (0, n - 1) else 1.0 for n, p in ((rows, i), (columns, j))]
            ends = [float(n > 1 and p in (0, n - 1)) for n, p in ((rows, i), (columns, j))]
            out[i, j] -= kh**2 * half[0] * half[1] * index[i, j] * u[i, j]
            out[i, j] -= 1j * kh * (ends[0] * half[1] + ends[1] * half[0]) * u[i, j]
            for axis, (k, m) in ((1, (i + 1, j)), (1, (i - 1, j)), (0, (i, j + 1)), (0, (i, j - 1))):
                if 0 <= k < rows and 0 <= m < columns:
                    out[i, j] += half[axis] * (u[i, j] - u[k, m])
    return out


def noise(generator: torch.Generator, *shape: int) -> np.ndarray:
    return torch.randn(*shape, generator=generator, dtype=torch.complex128).numpy()


# The schemes


@pytest.mark.parametrize("kh", [0.01, 0.7, 1.9])
def test_a_wave_that_solves_the_scheme_in_1d_is_found_again(kh: float, generator: torch.Generator) -> None:
    u, index = noise(generator, 30), 1 + 0.9 * torch.rand(30, generator=generator, dtype=torch.float64).numpy()
    right = image(u[:, None], index[:, None], kh)[:, 0]
    found = helmholtz_1d(np.stack([index, index + 0.1, index]), right, wave_number=kh * 5, spacing=0.2)
    np.testing.assert_allclose(found[[0, 2]], [u, u], atol=1e-12 * np.abs(u).max() / kh)
    assert np.abs(found[1] - u).max() > 1e-3 * kh**2


@pytest.mark.parametrize("shape", [(3, 4), (11, 17)])
def test_a_wave_that_solves_the_scheme_in_2d_is_found_again(shape: tuple[int, int], generator: torch.Generator) -> None:
    u, index = noise(generator, *shape), 1 + torch.rand(*shape, generator=generator, dtype=torch.float64).numpy()
    right = image(u, index, 0.7)
    found = helmholtz_2d(np.stack([index, index]), right, wave_number=1.4, spacing=0.5)
    np.testing.assert_allclose(found, np.stack([u, u]), atol=1e-12 * np.abs(u).max())


def test_the_incident_wave_in_vacuum_is_the_sum_of_the_two_waves_of_the_scheme() -> None:
    problem = Helmholtz(cells=90, levels=1, wave_number=33.0, contrast=0.0)
    u = problem.solve(np.ones((1, 1, 91)), problem.finest).solutions[0]
    kh = 33.0 / 90
    theta = 2 * np.arcsin(kh / 2)  # the scheme's waves e^(±iθj): 2 − 2cos θ = (kh)²
    left, right = np.exp(1j * theta * np.arange(91)), np.exp(-1j * theta * np.arange(91))
    ends = np.array([[image(wave[:, None], np.ones((91, 1)), kh)[end, 0] for wave in (left, right)] for end in (0, -1)])
    weights = np.linalg.solve(ends, problem.incident(problem.finest)[[0, -1]])
    np.testing.assert_allclose(u[0] + 1j * u[1], weights[0] * left + weights[1] * right, atol=1e-12)


@pytest.mark.parametrize(("dimension", "cells"), [(1, 384), (2, 80)])
def test_the_scheme_is_of_order_two_beside_the_plane_wave(dimension: int, cells: int) -> None:
    problem, errors = Helmholtz(cells=cells, dimension=dimension, wave_number=5.0, contrast=0.0), []
    for grid in problem.hierarchy:
        wave = np.exp(5j * grid.points[0])
        wave = wave if dimension == 1 else np.repeat(wave[:, None], len(wave), axis=1)
        inputs = np.ones((1, 1, *grid.shape))
        solved = problem.solve(inputs, grid)
        assert solved.status == ("ok",)
        errors.append(float(relative_error(solved.solutions, np.stack([wave.real, wave.imag])[None], grid)[0]))
    assert observed_order([grid.spacing[0] for grid in problem.hierarchy], errors) == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < (1e-4 if dimension == 1 else 2e-3)


def test_the_solution_is_that_of_scipys_boundary_value_solver() -> None:
    problem = Helmholtz(cells=1200, levels=1, wave_number=12.0, contrast=0.6)
    draws = problem.draw(2, torch.Generator().manual_seed(1))
    (x,) = problem.finest.points

    def slopes(s: np.ndarray, y: np.ndarray) -> np.ndarray:
        sizes = np.arange(1.0, 5) ** -0.5
        index = 1 + 0.6 * sum(
            draws[0, i] * sizes[i] / sizes.sum() * np.sin((i + 1) * np.pi * s) for i in range(problem.modes)
        )
        return np.array([y[2], y[3], -144.0 * index * y[0], -144.0 * index * y[1]])

    def ends(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """u′ + iku = 2ik at 0 and u′ − iku = 0 at 1."""
        return np.array(
            [left[2] - 12 * left[1], left[3] + 12 * left[0] - 24, right[2] + 12 * right[1], right[3] - 12 * right[0]]
        )

    guess = np.stack([np.cos(12 * x), np.sin(12 * x), -12 * np.sin(12 * x), 12 * np.cos(12 * x)])
    found = solve_bvp(slopes, ends, x, guess, tol=1e-8, max_nodes=20_000).sol(x)[:2]
    solved = problem.solve(problem.evaluate(draws, problem.finest), problem.finest).solutions
    assert relative_error(solved[:1], found[None], problem.finest)[0] < 2e-4


def test_the_scheme_in_2d_is_that_of_a_sparse_solve_in_scipys_own_order(generator: torch.Generator) -> None:
    problem = Helmholtz(cells=20, levels=1, dimension=2, wave_number=9.0)
    inputs = problem.evaluate(problem.draw(1, generator), problem.finest)
    units = np.eye(441).reshape(441, 21, 21).astype(complex)
    matrix = np.array([image(unit, inputs[0, 0], 9 / 20).ravel() for unit in units]).T
    expected = spsolve(coo_array(matrix).tocsc(), problem.incident(problem.finest).ravel()).reshape(21, 21)
    u = problem.solve(inputs, problem.finest).solutions[0]
    np.testing.assert_allclose(u[0] + 1j * u[1], expected, atol=1e-12)


def test_the_energy_that_comes_in_goes_out(generator: torch.Generator) -> None:
    problem = Helmholtz(cells=150, levels=1, wave_number=40.0, contrast=0.8)
    inputs = problem.evaluate(problem.draw(7, generator), problem.finest)
    u = problem.solve(inputs, problem.finest).solutions
    waves = u[:, 0] + 1j * u[:, 1]
    reflected, transmitted = np.abs(waves[:, 0] - 1) ** 2, np.abs(waves[:, -1]) ** 2
    np.testing.assert_allclose(reflected + transmitted, 1.0, atol=1e-12)
    assert reflected.max() > 1e-4


def test_at_equal_points_a_wave_the_error_grows_with_the_wave_number() -> None:
    def error(k: float, cells: int) -> float:
        problem = Helmholtz(cells=cells, levels=1, wave_number=k, contrast=0.0)
        (x,) = problem.finest.points
        exact = np.stack([np.cos(k * x), np.sin(k * x)])[None]
        solved = problem.solve(np.ones((1, 1, cells + 1)), problem.finest)
        return float(relative_error(solved.solutions, exact, problem.finest)[0])

    numbers = [20.0, 40.0, 80.0, 160.0]
    same_points = [error(k, int(5 * k)) for k in numbers]  # kh = 0.2: 31 points a wave
    assert np.polyfit(np.log(numbers), np.log(same_points), 1)[0] == pytest.approx(1.0, abs=0.1)
    same_phase = [error(k, round(k**1.5)) for k in numbers]  # k³h² = 1
    assert max(same_phase) / min(same_phase) < 1.25
    # the phase at x is off by x k (kh)²/24, which is 1/√3 · k (kh)²/24 in the L2 norm, and the ends add little
    assert same_points[-1] == pytest.approx(160 * 0.2**2 / 24 / 3**0.5, rel=0.05)


# The problem


def test_a_grid_without_waves_is_told_by_its_status_and_points() -> None:
    problem = Helmholtz(cells=64, levels=3, wave_number=40.0, contrast=0.0)
    found = [problem.solve(np.ones((2, 1, *grid.shape)), grid) for grid in problem.hierarchy]
    assert [solved.status[0] for solved in found] == ["unresolved", "ok", "ok"]
    points = [solved.scalars["points_per_wavelength"][0] for solved in found]
    np.testing.assert_allclose(points, [2 * np.pi * n / 40 for n in (16, 32, 64)])
    inputs = np.ones((3, 1, 33))
    inputs[1, 0, 7], inputs[2, 0, 3] = 1.7, np.nan  # kh √1.7 = 1.63, and 1.25 elsewhere
    assert problem.solve(inputs, problem.hierarchy[1]).status == ("ok", "ok", "not-finite")
    inputs[1, 0, 7] = 2.6
    assert problem.solve(inputs, problem.hierarchy[1]).status == ("ok", "unresolved", "not-finite")


@pytest.mark.parametrize("dimension", [1, 2])
def test_the_index_is_one_on_the_boundary_and_within_its_contrast(dimension: int, generator: torch.Generator) -> None:
    problem = Helmholtz(cells=32, levels=1, dimension=dimension, contrast=0.3, modes=3)
    draws = problem.draw(50, generator)
    draws[0] = 1.0
    fields = problem.evaluate(draws, problem.finest)[:, 0]
    assert np.abs(fields - 1).max() < 0.3
    assert np.abs(fields - 1).std() > 0.01
    np.testing.assert_allclose(np.moveaxis(fields, -1, 0)[[0, -1]], 1, atol=1e-14)
    sizes = np.arange(1.0, 4) ** -0.5 / (np.arange(1.0, 4) ** -0.5).sum()
    wave = np.sin(np.pi * np.outer(np.arange(33) / 32, [1, 2, 3])) @ sizes
    expected = 1 + 0.3 * (wave if dimension == 1 else np.outer(wave, wave))
    np.testing.assert_allclose(fields[0], expected, atol=1e-13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimension": 3}, "one of 1, 2; got 3"),
        ({"wave_number": 0.0}, "wave_number .* got 0.0"),
        ({"wave_number": 500.0}, "at wave_number 500 have 2.88 points a wavelength on 256 cells"),
        ({"contrast": 1.0}, "contrast .* got 1.0"),
        ({"modes": 0}, "modes .* got 0"),
        ({"decay": -1.0}, "decay .* got -1.0"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    refuses(Helmholtz, options, message)


def test_an_index_that_is_not_positive_and_too_few_points_are_refused() -> None:
    problem = Helmholtz(cells=32, levels=1)
    inputs = np.ones((2, 1, 33))
    inputs[1, 0, 4] = -0.5
    with pytest.raises(ValueError, match="squared refractive index of helmholtz must be above 0 everywhere, got -0.5"):
        problem.solve(inputs, problem.finest)
    with pytest.raises(ValueError, match="lives on bounded nodal grids"):
        problem.solve(np.ones((2, 1, 32)), Grid((32,)))
    with pytest.raises(ValueError, match="at least 3 points, got 2"):
        helmholtz_1d(np.ones((1, 2)), np.ones(2, dtype=complex), wave_number=1.0, spacing=1.0)
    with pytest.raises(ValueError, match="at least 3 points on each axis, got 2 and 5"):
        helmholtz_2d(np.ones((1, 2, 5)), np.ones((2, 5), dtype=complex), wave_number=1.0, spacing=1.0)
