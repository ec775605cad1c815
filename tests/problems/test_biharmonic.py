import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_bvp

from mlft.grids import relative_error
from mlft.problems import Biharmonic
from mlft.problems.spaces import antiderivatives
from mlft.solvers.poisson import biharmonic_1d
from orders import observed_order
from refusals import refuses


def matrix(n: int, clamped: bool) -> np.ndarray:
    fourth = (
        6 * np.eye(n - 1) - 4 * (np.eye(n - 1, k=1) + np.eye(n - 1, k=-1)) + np.eye(n - 1, k=2) + np.eye(n - 1, k=-2)
    )
    fourth[0, 0] = fourth[-1, -1] = 7 if clamped else 5
    return fourth * n**4


@pytest.mark.parametrize("clamped", [True, False])
def test_the_scheme_gives_what_a_dense_solve_gives(clamped: bool, generator: torch.Generator) -> None:
    loads = torch.randn(18, 24, generator=generator, dtype=torch.float64).numpy()
    solved = biharmonic_1d(loads, spacing=1 / 23, clamped=clamped)
    expected = np.linalg.solve(matrix(23, clamped), loads[:, 1:-1].T).T
    np.testing.assert_allclose(solved[:, 1:-1], expected, atol=1e-12 * np.abs(expected).max())
    assert (solved[:, [0, -1]] == 0).all()


def test_sines_are_eigenvectors_of_the_supported_scheme() -> None:
    n, x = 29, np.arange(30) / 29
    for k in (1, 5, 28):
        value = (4 * n**2 * np.sin(k * np.pi / (2 * n)) ** 2) ** 2
        solved = biharmonic_1d(np.sin(k * np.pi * x)[None], spacing=1 / n, clamped=False)[0]
        np.testing.assert_allclose(solved, np.sin(k * np.pi * x) / value, atol=1e-12 / value)


@pytest.mark.parametrize("n", [21, 640])
def test_a_constant_load_bends_the_clamped_beam_into_the_exact_quartic_of_the_scheme(n: int) -> None:
    x = np.arange(n + 1) / n
    # fourth differences of x²(1 − x)²/24 are 1; the ghost value u_{−1} = u_1 leaves c x(1 − x) with c = h²/12
    exact = (x * (1 - x)) ** 2 / 24 + x * (1 - x) / (12 * n**2)
    solved = biharmonic_1d(np.ones((1, n + 1)), spacing=1 / n, clamped=True)[0]
    np.testing.assert_allclose(solved, exact, atol=1e-12 * exact.max())


@pytest.mark.parametrize("clamped", [True, False])
def test_the_greens_function_of_the_scheme_is_positive_and_symmetric(clamped: bool) -> None:
    green = biharmonic_1d(np.eye(24), spacing=1 / 23, clamped=clamped)
    assert (green[1:-1, 1:-1] > 0).all()
    np.testing.assert_allclose(green[1:-1], green.T[1:-1], atol=1e-14 * green.max())


@pytest.mark.parametrize("ends", ["clamped", "supported"])
@pytest.mark.parametrize("space", ["sin", "cos", "poly", "fem"])
def test_the_scheme_is_of_order_two(ends: str, space: str) -> None:
    problem = Biharmonic(cells=384, ends=ends, space=space, degree=3, stiffness=0.6)
    draws = np.cos(np.arange(problem.width))[None]
    errors = []
    for grid in problem.hierarchy:
        solved = problem.solve(problem.evaluate(draws, grid), grid).solutions
        errors.append(float(relative_error(solved, problem.exact(draws, grid), grid)[0]))
    assert observed_order([grid.spacing[0] for grid in problem.hierarchy], errors) == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < 3e-4


@pytest.mark.parametrize("space", ["sin", "cos", "poly", "fem"])
def test_exact_solutions_are_integrals_of_the_clamped_greens_function(space: str) -> None:
    problem = Biharmonic(cells=24, levels=1, space=space, degree=4, stiffness=2.5)
    draws = np.array([[0.3, -1.1, 0.8, 0.5, -0.4][: problem.width]])

    def integrand(s: float, x: float) -> float:
        low, high = min(x, s), max(x, s)
        green = low**2 * (1 - high) ** 2 * (3 * high - low * (1 + 2 * high)) / (6 * 2.5)
        return green * float(draws[0] @ antiderivatives(space, 4, np.array([s]), 0)[:, 0])

    exact = problem.exact(draws, problem.finest)[0, 0]
    for i in (1, 7, 12, 23):
        kinks = sorted({0.0, 0.25, 0.5, 0.75, i / 24, 1.0})
        parts = [quad(integrand, a, b, args=(i / 24,), epsabs=1e-14)[0] for a, b in zip(kinks, kinks[1:], strict=False)]
        assert exact[i] == pytest.approx(sum(parts), abs=1e-14)


@pytest.mark.parametrize("ends", ["clamped", "supported"])
def test_exact_solutions_are_those_of_scipys_boundary_value_solver(ends: str) -> None:
    problem = Biharmonic(cells=24, levels=1, ends=ends, degree=3)
    draws, which = np.array([[1.0, -0.7, 0.4]]), 1 if ends == "clamped" else 2

    def slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.array([y[1], y[2], y[3], draws[0] @ antiderivatives("sin", 3, x, 0)])

    def held(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.array([left[0], right[0], left[which], right[which]])

    (x,) = problem.finest.points
    found = solve_bvp(slopes, held, x, np.zeros((4, 25)), tol=1e-9)
    exact = problem.exact(draws, problem.finest)[0, 0]
    np.testing.assert_allclose(exact, found.sol(x)[0], atol=1e-8 * np.abs(exact).max())


def test_values_at_the_ends_that_are_not_finite_are_told() -> None:
    problem = Biharmonic(cells=16, levels=1)
    inputs = np.ones((2, 1, 17))
    inputs[1, 0, 16] = np.inf
    assert problem.solve(inputs, problem.finest).status == ("ok", "not-finite")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ends": "free"}, "ends of biharmonic is one of clamped, supported; got 'free'"),
        ({"space": "tan"}, "got 'tan'"),
        ({"degree": -1}, "degree .* got -1"),
        ({"space": "poly", "degree": 13}, "at most 12, got 13"),
        ({"stiffness": -2.0}, "stiffness .* got -2.0"),
        ({"cells": 16}, "allows 3 levels.*got 4"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    refuses(Biharmonic, options, message)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5 points on each axis, got 4"):
        biharmonic_1d(np.ones((1, 4)), spacing=1.0, clamped=True)
