import dataclasses

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_bvp
from scipy.linalg import solve_banded

from mlft.grids import Grid, relative_error
from mlft.problems import Elliptic1d
from mlft.solvers.layered import solve_layered
from orders import observed_order
from refusals import refuses

DRAWS = np.array([[0.8, -0.9, 0.5, -0.3, 0.37]])


def coefficient(problem: Elliptic1d, x: np.ndarray) -> np.ndarray:
    sizes = 1 / np.arange(1.0, 5)
    sizes *= problem.contrast / sizes.sum()
    slow = 1 + sum(DRAWS[0, k] * sizes[k] * np.cos((k + 1) * np.pi * x) for k in range(4))
    return slow * (1 + problem.ripple * np.cos(2 * np.pi * (x / problem.epsilon + 0.37)))


def test_the_scheme_gives_what_a_banded_solve_of_its_matrix_gives(generator: torch.Generator) -> None:
    a = torch.rand(5, 23, generator=generator, dtype=torch.float64).numpy() + 0.01
    found = solve_layered(a, 1.7, width=1 / 23)
    for row, field in zip(a, found, strict=True):
        faces = np.concatenate([[2 * row[0]], 2 * row[1:] * row[:-1] / (row[1:] + row[:-1]), [2 * row[-1]]]) * 23
        bands = np.array([np.append(0, -faces[1:-1]), faces[1:] + faces[:-1], np.append(-faces[1:-1], 0)])
        np.testing.assert_allclose(field, solve_banded((1, 1), bands, np.full(23, 1.7 / 23)), rtol=1e-11)


def test_a_constant_coefficient_has_the_parabola_of_the_scheme() -> None:
    x, h = (np.arange(31) + 0.5) / 31, 1 / 31
    exact = 2.5 * (x * (1 - x) + h**2 / 4) / (2 * 0.3)  # zero half a cell outside, at −h/2 a ghost of −u
    np.testing.assert_allclose(solve_layered(np.full((1, 31), 0.3), 2.5, width=h)[0], exact, atol=1e-12)


def test_solutions_are_positive_mirrored_and_scale_with_the_source(generator: torch.Generator) -> None:
    a = torch.rand(5, 23, generator=generator, dtype=torch.float64).numpy() + 0.01
    u = solve_layered(a, 1.0, width=1 / 23)
    assert (u > 0).all()
    np.testing.assert_allclose(solve_layered(a[:, ::-1], 1.0, width=1 / 23), u[:, ::-1], rtol=1e-11)
    np.testing.assert_allclose(solve_layered(3 * a, -6.0, width=1 / 23), -2 * u, rtol=1e-13)


def test_the_scheme_is_of_order_two_once_the_period_is_resolved() -> None:
    problem, errors = Elliptic1d(cells=1600, levels=4, epsilon=0.1, ripple=0.6), []
    for grid in problem.hierarchy:
        exact = dataclasses.replace(problem, cells=grid.cells[0], levels=1).reference(DRAWS)
        solved = problem.solve(problem.evaluate(DRAWS, grid), grid).solutions
        errors.append(float(relative_error(solved, exact, grid)[0]))
    assert observed_order([grid.spacing[0] for grid in problem.hierarchy], errors) == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < 1e-3


def test_inputs_are_exact_averages() -> None:
    problem = Elliptic1d(cells=12, levels=1, epsilon=0.07)
    found = problem.evaluate(DRAWS, problem.finest)[0, 0]
    expected = [
        12 * quad(lambda x: coefficient(problem, np.array(x)), i / 12, (i + 1) / 12, limit=200, epsabs=1e-14)[0]
        for i in range(12)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_reference_is_that_of_scipys_boundary_value_solver() -> None:
    problem = Elliptic1d(cells=20, levels=1, epsilon=0.1, source=2.0)

    def slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:  # u and the flux −a u′, and ∫u
        return np.array([-y[1] / coefficient(problem, x), np.full_like(x, 2.0), y[0]])

    x = np.linspace(0, 1, 401)
    found = solve_bvp(
        slopes, lambda left, right: np.array([left[0], right[0], left[2]]), x, np.ones((3, 401)), tol=1e-9,
        max_nodes=100_000,
    )  # fmt: skip
    averages = 20 * np.diff(found.sol(np.arange(21) / 20)[2])
    np.testing.assert_allclose(problem.reference(DRAWS)[0, 0], averages, rtol=1e-7)


def test_the_solution_tends_to_the_homogenised_one_like_epsilon() -> None:
    epsilons, errors = [1 / 10, 1 / 20, 1 / 40, 1 / 80], []
    for epsilon in epsilons:
        problem = Elliptic1d(cells=64, levels=1, epsilon=epsilon)
        errors.append(float(relative_error(problem.homogenised(DRAWS), problem.reference(DRAWS), problem.finest)[0]))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02
    assert errors[0] / errors[-1] > 4


def test_a_grid_that_does_not_resolve_the_period_gives_the_arithmetic_mean() -> None:
    problem = Elliptic1d(cells=64, levels=1, epsilon=1 / 64, ripple=0.8)
    solved = problem.solve(problem.evaluate(DRAWS, problem.finest), problem.finest).solutions
    expected = problem.homogenised(DRAWS) * np.sqrt(1 - 0.8**2)
    assert relative_error(solved, expected, problem.finest)[0] < 0.01
    assert relative_error(solved, problem.reference(DRAWS), problem.finest)[0] > 0.35


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0.0}, "epsilon .* got 0.0"),
        ({"ripple": 1.0}, "ripple of elliptic1d must be at least 0 and below 1, got 1.0"),
        ({"contrast": -0.2}, "contrast .* got -0.2"),
        ({"source": float("nan")}, "source .* got nan"),
        ({"modes": 0}, "modes .* got 0"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    refuses(Elliptic1d, options, message)


def test_coefficients_that_are_not_positive_are_refused() -> None:
    problem, inputs = Elliptic1d(cells=32, levels=1), np.ones((2, 1, 32))
    inputs[1, 0, 4] = -0.5
    with pytest.raises(ValueError, match="the coefficient of elliptic1d must be above 0 everywhere, got -0.5"):
        problem.solve(inputs, problem.finest)
    with pytest.raises(ValueError, match="minimum of -0.5"):
        solve_layered(inputs[:, 0], 1.0, width=1.0)
    with pytest.raises(ValueError, match="elliptic1d lives on bounded cell grids"):
        problem.solve(np.ones((1, 1, 32)), Grid((32,)))
