import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.linalg import solve_banded
from scipy.sparse import diags_array, eye_array, kron
from scipy.sparse.linalg import spsolve

from mlft.grids import Grid, refine, relative_error
from mlft.problems import Poisson
from mlft.problems.spaces import antiderivatives, sine_coefficients
from mlft.solvers.poisson import poisson_1d, poisson_2d
from orders import observed_order
from refusals import refuses

SPACES = ("sin", "cos", "poly", "fem")


def bounded(*cells: int) -> Grid:
    return Grid(cells, centring="nodal", periodic=False)


def second_difference(n: int):
    return diags_array([-1.0, 2.0, -1.0], offsets=(-1, 0, 1), shape=(n - 1, n - 1)) * n**2


# The schemes


def test_the_scheme_gives_what_a_banded_solve_gives(generator: torch.Generator) -> None:
    sources = torch.randn(19, 38, generator=generator, dtype=torch.float64).numpy()  # a full and a short block of lanes
    bands = np.array([[-1.0], [2.0], [-1.0]]).repeat(36, axis=1) / 0.3**2
    solutions = poisson_1d(sources, spacing=0.3)
    np.testing.assert_allclose(solutions[:, 1:-1], solve_banded((1, 1), bands, sources[:, 1:-1].T).T, atol=1e-12)
    assert (solutions[:, [0, -1]] == 0).all()


def test_a_constant_force_gives_the_parabola_on_every_number_of_points() -> None:
    for n in range(2, 100):
        x = np.arange(n + 1) / n
        found = poisson_1d(np.ones((n % 19 + 1, n + 1)), spacing=1 / n)
        np.testing.assert_allclose(found, np.tile(x * (1 - x) / 2, (n % 19 + 1, 1)), atol=1e-13)


def test_sines_are_eigenvectors_of_the_scheme() -> None:
    n, x = 27, np.arange(28) / 27
    for k in (1, 4, 26):
        value = 4 * n**2 * np.sin(k * np.pi / (2 * n)) ** 2
        wave = np.sin(k * np.pi * x)
        np.testing.assert_allclose(poisson_1d(wave[None], spacing=1 / n)[0], wave / value, atol=1e-12 / value)


def test_products_of_sines_are_eigenvectors_of_the_scheme_in_2d() -> None:
    n, m = 20, 33
    x, y = np.arange(n + 1) / n, np.arange(m + 1) / m * 1.7
    for k, l in ((1, 1), (5, 2), (19, 32)):  # noqa: E741
        value = 4 * n**2 * np.sin(k * np.pi / (2 * n)) ** 2 + 4 * (m / 1.7) ** 2 * np.sin(l * np.pi / (2 * m)) ** 2
        wave = np.outer(np.sin(k * np.pi * x), np.sin(l * np.pi * y / 1.7))
        solved = poisson_2d(wave[None], spacing=(1 / n, 1.7 / m))[0]
        np.testing.assert_allclose(solved, wave / value, atol=1e-12 / value)


def test_the_scheme_in_2d_gives_what_a_sparse_solve_gives(generator: torch.Generator) -> None:
    rows, columns = 14, 23
    sources = torch.randn(3, rows + 1, columns + 1, generator=generator, dtype=torch.float64).numpy()
    operator = kron(second_difference(rows), eye_array(columns - 1)) + kron(
        eye_array(rows - 1), second_difference(columns)
    )
    solutions = poisson_2d(sources, spacing=(1 / rows, 1 / columns))
    for source, solution in zip(sources, solutions, strict=True):
        expected = spsolve(operator.tocsc(), source[1:-1, 1:-1].ravel())
        np.testing.assert_allclose(solution[1:-1, 1:-1].ravel(), expected, atol=1e-12)
    assert (solutions[:, [0, -1]] == 0).all()
    assert (solutions[:, :, [0, -1]] == 0).all()


def test_the_inverse_is_positive_symmetric_and_linear() -> None:
    green = poisson_1d(np.eye(24), spacing=1 / 23)
    assert (green[1:-1, 1:-1] > 0).all()
    np.testing.assert_allclose(green, green.T, atol=1e-16)
    x = np.arange(24) / 23  # the scheme's Green's function is h times that of the equation, at the points
    exact = np.minimum.outer(x, x) * (1 - np.maximum.outer(x, x)) / 23
    np.testing.assert_allclose(green[1:-1], exact[1:-1], atol=1e-15)


@pytest.mark.parametrize(("dimension", "space"), [(1, s) for s in SPACES] + [(2, s) for s in SPACES[:3]])
def test_the_scheme_is_of_order_two(dimension: int, space: str) -> None:
    degree = {"sin": 3, "cos": 3, "poly": 4, "fem": 3}[space]
    problem = Poisson(cells=192, dimension=dimension, space=space, degree=degree, conductivity=0.7)
    draws = np.cos(np.arange(problem.width))[None]
    errors = []
    for grid in problem.hierarchy:
        exact = problem.exact(draws, grid)
        solved = problem.solve(problem.evaluate(draws, grid), grid).solutions
        errors.append(float(relative_error(solved, exact, grid)[0]))
    assert observed_order([grid.spacing[0] for grid in problem.hierarchy], errors) == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < 3e-4


# The exact pairs


@pytest.mark.parametrize("space", SPACES)
def test_antiderivatives_are_the_basis_when_differentiated(space: str) -> None:
    x, step = np.linspace(0.03, 0.97, 41), 1e-4
    for times in (1, 2, 3, 4):
        left, right = (antiderivatives(space, 5, x + shift, times) for shift in (-step, step))
        np.testing.assert_allclose((right - left) / (2 * step), antiderivatives(space, 5, x, times - 1), atol=2e-3)


def test_the_spaces_are_the_stated_functions() -> None:
    x = np.linspace(0, 1, 31)
    np.testing.assert_allclose(antiderivatives("sin", 3, x, 0)[2], np.sin(3 * np.pi * x), atol=1e-14)
    np.testing.assert_allclose(antiderivatives("cos", 3, x, 0)[1], np.cos(2 * np.pi * x), atol=1e-14)
    np.testing.assert_allclose(antiderivatives("poly", 3, x, 0), [x**0, x, x**2, x**3], atol=1e-14)
    hats = antiderivatives("fem", 4, x, 0)
    np.testing.assert_allclose(hats, [np.interp(x, np.arange(5) / 4, row) for row in np.eye(5)], atol=1e-13)


@pytest.mark.parametrize("space", SPACES)
def test_exact_solutions_are_integrals_of_the_greens_function(space: str) -> None:
    problem = Poisson(cells=24, levels=2, space=space, degree=4, conductivity=2.5)
    draws = np.array([[0.3, -1.1, 0.8, 0.5, -0.4][: problem.width]])

    def source(s: float) -> float:
        return float(draws[0] @ antiderivatives(space, 4, np.array([s]), 0)[:, 0])

    exact = problem.exact(draws, problem.finest)[0, 0]
    for i in (1, 7, 12, 23):
        x = i / 24
        kinks = sorted({0.0, 0.25, 0.5, 0.75, x, 1.0})
        value = sum(
            quad(lambda s: source(s) * min(x, s) * (1 - max(x, s)) / 2.5, a, b, epsabs=1e-14)[0]  # noqa: B023
            for a, b in zip(kinks, kinks[1:], strict=False)
        )
        assert exact[i] == pytest.approx(value, abs=1e-13)


def test_sine_coefficients_are_integrals() -> None:
    numbers = np.array([1.0, 2.0, 3.0, 8.0, 13.0])
    for space in ("sin", "cos", "poly"):
        expected = [
            [
                2
                * quad(
                    lambda x: antiderivatives(space, 3, np.array([x]), 0)[row, 0] * np.sin(np.pi * m * x),  # noqa: B023
                    0,
                    1,
                    limit=200,
                )[0]
                for m in numbers
            ]
            for row in range(4 if space == "poly" else 3)
        ]
        np.testing.assert_allclose(sine_coefficients(space, 3, numbers), expected, atol=1e-12)


@pytest.mark.parametrize("space", ["cos", "poly"])
def test_exact_solutions_in_2d_are_those_of_a_double_sine_series(space: str) -> None:
    problem = Poisson(cells=24, levels=1, dimension=2, space=space, degree=2)
    draws = np.arange(1.0, problem.width + 1)[None]
    numbers = np.arange(1.0, 1600)
    waves = np.sin(np.pi * np.outer(np.arange(25) / 24, numbers))
    strength = sine_coefficients(space, 2, numbers)
    source = strength.T @ draws.reshape(len(strength), -1) @ strength
    series = waves @ (source / (np.pi**2 * np.add.outer(numbers**2, numbers**2))) @ waves.T
    exact = problem.exact(draws, problem.finest)[0, 0]
    np.testing.assert_allclose(exact, series, atol=1e-7 * np.abs(series).max())  # the series falls like m⁻³


@pytest.mark.parametrize("space", ["sin", "cos", "poly"])
def test_exact_solutions_in_2d_satisfy_the_equation(space: str) -> None:
    problem = Poisson(cells=64, levels=1, dimension=2, space=space, degree=3, conductivity=1.3)
    draws = np.arange(1.0, problem.width + 1)[None]
    fine = refine(problem.finest, 4)
    u, f = problem.exact(draws, fine)[0, 0], problem.evaluate(draws, fine)[0, 0]
    inside = slice(40, 217)  # away from the corners, where u has singular derivatives
    left = 0.0
    for axis in (0, 1):  # differences of order 6
        for shift, weight in ((0, -490), (1, 270), (2, -27), (3, 2)):
            moved = np.roll(u, shift, axis) + np.roll(u, -shift, axis) * (shift > 0)
            left = left - 1.3 * weight / 180 * 256**2 * moved
    np.testing.assert_allclose(left[inside, inside], f[inside, inside], atol=2e-7 * np.abs(f).max())
    assert np.abs(u[[0, -1]]).max() == 0
    assert np.abs(u[:, [0, -1]]).max() == 0


# The problem


def test_values_on_the_boundary_that_are_not_finite_are_told() -> None:
    for problem in (Poisson(cells=16, levels=1), Poisson(cells=16, levels=1, dimension=2)):
        inputs = np.ones((2, 1, *problem.finest.shape))
        inputs.reshape(2, -1)[1, 0] = np.nan
        assert problem.solve(inputs, problem.finest).status == ("ok", "not-finite")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimension": 3}, "dimension of poisson is one of 1, 2; got 3"),
        ({"space": "tan"}, "space of poisson is one of sin, cos, poly, fem; got 'tan'"),
        ({"space": "fem", "dimension": 2}, "one of sin, cos, poly; got 'fem'"),
        ({"degree": 0}, "degree of poisson must be an integer of at least 1, got 0"),
        ({"space": "poly", "degree": 13}, "at most 12, got 13"),
        ({"conductivity": 0.0}, "conductivity of poisson must be finite and above 0, got 0.0"),
        ({"conductivity": float("nan")}, "conductivity .* got nan"),
        ({"cells": 100}, "100 cells allows 3 levels.*got 4"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    refuses(Poisson, options, message)


def test_grids_draws_and_fields_of_another_kind_are_refused() -> None:
    problem = Poisson(cells=16, levels=2)
    draws = np.ones((3, 8))
    for grid in (Grid((16,)), Grid((16,), centring="nodal"), bounded(16, 16), Grid((16,), (2.0,), "nodal", False)):
        with pytest.raises(ValueError, match="poisson lives on bounded nodal grids of the box"):
            problem.evaluate(draws, grid)
    with pytest.raises(ValueError, match="with cells as 16x16"):
        Poisson(cells=16, levels=1, dimension=2).evaluate(np.ones((1, 64)), bounded(16, 32))
    with pytest.raises(ValueError, match=r"shape \(n, 8\), got \(3, 7\)"):
        problem.evaluate(draws[:, 1:], problem.finest)
    with pytest.raises(ValueError, match="must be finite"):
        problem.reference(draws * np.inf)
    with pytest.raises(ValueError, match=r"shape \(n, 1, 17\), got \(3, 1, 16\)"):
        problem.solve(np.ones((3, 1, 16)), problem.finest)
    with pytest.raises(ValueError, match="at least 3 points on each axis, got 2"):
        poisson_1d(np.ones((1, 2)), spacing=1.0)
    with pytest.raises(ValueError, match="at least 3 points on each axis, got 2"):
        poisson_2d(np.ones((1, 2, 5)), spacing=(1.0, 1.0))
