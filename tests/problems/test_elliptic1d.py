import dataclasses
import tracemalloc

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


def by_fourier(problem: Elliptic1d) -> np.ndarray:
    """Cell averages for ā = 1: 1/(1 + r cos θ) = (1 + 2 Σ_n (−ρ)^n cos nθ) / √(1 − r²), integrated term by term."""
    root = np.sqrt((1 - problem.ripple) * (1 + problem.ripple))
    rho = problem.ripple / (1 + root)
    n = np.arange(1.0, np.ceil(np.log(1e-17) / np.log(rho)))
    x = np.arange(problem.cells + 1) / problem.cells
    angles = 2 * np.pi * np.multiply.outer((x / problem.epsilon + 0.37) % 1, n)
    sizes, waves = 2 * (-rho) ** n, 2 * np.pi * n / problem.epsilon
    once = (x + np.sin(angles) @ (sizes / waves)) / root
    twice = (x**2 / 2 - np.cos(angles) @ (sizes / waves**2)) / root
    thrice = (x**3 / 6 - np.sin(angles) @ (sizes / waves**3)) / root
    moment = x * once - twice
    flux = (moment[-1] - moment[0]) / (once[-1] - once[0])
    return np.diff(flux * (twice - once[0] * x) - (x * twice - 2 * thrice - moment[0] * x)) * problem.cells


def by_quad(problem: Elliptic1d) -> np.ndarray:
    """Cell averages from scipy's quadrature on pieces that halve towards the minima of a."""
    period, h = problem.epsilon, 1 / problem.cells
    minima = period * (np.arange(-1, np.ceil(1 / period) + 2) + 0.5 - 0.37)
    steps = period * np.append(0.0, 2.0 ** -np.arange(1, 25))
    places = np.unique(np.concatenate([(minima[:, None] + s * steps).ravel() for s in (-1, 1)]))
    slow, ripple, out = dataclasses.replace(problem, ripple=0.0), problem.ripple, np.zeros((problem.cells, 3))
    for i in range(problem.cells):
        left, right = i * h, (i + 1) * h
        cuts = [left, *places[(places > left) & (places < right)], right]
        for low, high in zip(cuts, cuts[1:], strict=False):
            least = minima[np.argmin(np.abs(minima - (low + high) / 2))]

            def moment(s: float, k: int, least: float = least, left: float = left) -> float:
                fast = (1 - ripple) + 2 * ripple * np.sin(np.pi * s / period) ** 2
                return float((least + s - left) ** k / fast / coefficient(slow, np.array(least + s)))

            bounds = (low - least, high - least)
            out[i] += [quad(moment, *bounds, args=(k,), epsabs=0, epsrel=1e-11)[0] for k in range(3)]
    zeroth, first, second = out.T
    left = np.arange(problem.cells) * h
    flux = left - (left * zeroth + first).sum() / zeroth.sum()
    start = np.append(0.0, -np.cumsum(flux * zeroth + first)[:-1])
    return start - (flux * (h * zeroth - first) + h * first - second) / h


@pytest.mark.parametrize("epsilon", [0.02, 0.5, 3.0])
@pytest.mark.parametrize("ripple", [0.3, 0.9999, 0.999999])
def test_the_reference_without_a_slow_part_is_its_fourier_series(ripple: float, epsilon: float) -> None:
    problem = Elliptic1d(cells=20, levels=1, epsilon=epsilon, ripple=ripple, contrast=0.0)
    expected = by_fourier(problem)  # its angles are off by about 6e-12, of the 26,000th wave
    np.testing.assert_allclose(problem.reference(DRAWS)[0, 0], expected, rtol=0, atol=3e-11 * expected.max())


@pytest.mark.parametrize(("ripple", "contrast"), [(0.9999, 0.5), (0.999999, 0.99)])
def test_the_reference_of_a_large_ripple_is_that_of_quadrature_in_pieces(ripple: float, contrast: float) -> None:
    problem = Elliptic1d(cells=5, levels=1, epsilon=0.3, ripple=ripple, contrast=contrast)
    np.testing.assert_allclose(problem.reference(DRAWS)[0, 0], by_quad(problem), rtol=1e-10)


def test_many_modes_on_few_cells_and_periods_far_longer_than_the_interval_are_exact() -> None:
    rows = np.resize(DRAWS[:, :4], (1, 65))
    rows[0, -1] = 0.37
    fine = Elliptic1d(cells=512, levels=1, modes=64, epsilon=1.0, contrast=0.9).reference(rows)
    found = Elliptic1d(cells=4, levels=1, modes=64, epsilon=1.0, contrast=0.9).reference(rows)
    np.testing.assert_allclose(found[0, 0], fine.reshape(4, 128).mean(axis=1), rtol=1e-12)
    shifted = np.array([*DRAWS[0, :4], DRAWS[0, 4] - 3.0])  # whole turns change nothing
    problem = Elliptic1d(cells=12, levels=1)
    np.testing.assert_allclose(problem.reference(shifted[None]), problem.reference(DRAWS), rtol=1e-12)
    flat, long = (Elliptic1d(cells=12, levels=1, ripple=r, epsilon=1e9) for r in (0.0, 0.6))
    np.testing.assert_allclose(long.reference(DRAWS) * (1 + 0.6 * np.cos(2 * np.pi * 0.37)), flat.reference(DRAWS),
                               rtol=1e-7)  # fmt: skip


def test_the_reference_of_many_periods_takes_no_memory_and_is_near_the_homogenised_one() -> None:
    problem = Elliptic1d(cells=16, levels=1, epsilon=1e-4)
    problem.reference(DRAWS)
    tracemalloc.start()
    found = problem.reference(DRAWS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e5
    np.testing.assert_allclose(found, problem.homogenised(DRAWS), rtol=1e-3)


def test_solutions_of_mirrored_coefficients_are_mirrored_at_a_ripple_next_to_one() -> None:
    problem = Elliptic1d(cells=5, levels=1, epsilon=0.5, ripple=1 - 2.0**-46)
    rows = np.array([[0.8, -0.9, 0.5, -0.3, 0.34], [-0.8, -0.9, -0.5, -0.3, 0.66]])  # cos kπ(1 − x) = (−1)^k cos kπx
    first, second = problem.reference(rows)[:, 0]
    np.testing.assert_allclose(first[::-1], second, rtol=0, atol=1e-13 * second.max())


def test_too_many_periods_and_draws_without_a_solution_are_refused() -> None:
    problem = Elliptic1d(cells=16, levels=1, epsilon=9e-6)
    with pytest.raises(ValueError, match="an epsilon of at least 1e-05, got 9e-06: ask for a larger one, or compare"):
        problem.reference(DRAWS)
    assert problem.homogenised(DRAWS).shape == (1, 1, 16)
    dataclasses.replace(problem, ripple=0.0).reference(DRAWS)
    for worst in (-2.0, -5.0):
        rows = np.array([DRAWS[0], [worst, worst, worst, worst, 0.1]])
        with pytest.raises(ValueError, match="must have a slow part above 1e-11 everywhere"):
            Elliptic1d(cells=16, levels=1).reference(rows)


def test_the_homogenised_solution_knows_no_period_and_keeps_its_digits_at_a_ripple_near_one() -> None:
    problem = Elliptic1d(cells=16, levels=1, ripple=0.0)
    plain, steep = (dataclasses.replace(problem, ripple=r).homogenised(DRAWS) for r in (0.0, 1 - 2.0**-27))
    assert (dataclasses.replace(problem, epsilon=0.3).homogenised(DRAWS) == plain).all()
    np.testing.assert_allclose(steep * 2.0**-13 * np.sqrt(1 - 2.0**-28), plain, rtol=1e-12)


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
