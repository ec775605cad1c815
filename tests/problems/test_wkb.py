import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.special import airy

from mlft.grids import Grid, relative_error
from mlft.problems import Wkb
from mlft.seeds import generator as stream
from mlft.solvers.wkb import envelopes, integral, numerov
from orders import observed_order
from refusals import refuses


def by_airy(x: np.ndarray, epsilon: float) -> np.ndarray:
    """φ for a = 1 + x: combinations of Ai and Bi of −(1 + x)/ε^(2/3)."""
    scale = epsilon ** (-2 / 3)
    values, slopes = [0, 2], [1, 3]
    start = np.array(airy(-scale))
    matrix = np.array([start[values], -scale * epsilon * start[slopes]])
    weights = np.linalg.solve(matrix.astype(complex), [1.0, 1j])
    return weights @ np.array(airy(-scale * (1 + x)))[values]


# The schemes


def test_numerovs_method_is_of_order_four_beside_airy_functions() -> None:
    cells, errors = [60, 120, 240, 480], []
    for n in cells:
        x = np.arange(n + 1) / n
        exact = by_airy(x, 0.05)
        found = numerov(1 + x[None], epsilon=0.05, spacing=1 / n)[0]
        errors.append(np.abs(found - exact).max())
    assert observed_order([1 / n for n in cells], errors) == pytest.approx(4.0, abs=0.1)
    assert errors[-1] < 1e-5


def test_in_a_constant_medium_numerovs_waves_have_the_phase_of_the_scheme() -> None:
    epsilon, h, a, n = 0.03, 0.02, 1.7, 41
    found = numerov(np.full((1, n), a), epsilon=epsilon, spacing=h)[0]
    s = h**2 * a / epsilon**2
    theta = np.arccos((1 - 5 * s / 12) / (1 + s / 12))
    i = np.arange(n)
    expected = found[0] * np.cos(theta * i) + (found[1] - found[0] * np.cos(theta)) * np.sin(theta * i) / np.sin(theta)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[0] == pytest.approx(a**-0.25, abs=1e-15)
    first = found[0] - (7 * s * found[0] + 6 * s * found[1] - s * found[2]) / 24 + 1j * h / epsilon * a**0.25
    assert found[1] == pytest.approx(first, abs=1e-14)  # the starting formula holds


def test_the_current_of_the_scheme_is_the_same_everywhere(generator: torch.Generator) -> None:
    a = 1 + torch.rand(5, 53, generator=generator, dtype=torch.float64).numpy()
    w = numerov(a, epsilon=0.05, spacing=0.02) * (1 + (0.02 / 0.05) ** 2 * a / 12)
    currents = (np.conj(w[:, :-1]) * w[:, 1:]).imag
    np.testing.assert_allclose(currents, np.repeat(currents[:, :1], 52, axis=1), rtol=1e-12)
    assert currents.min() > 0.1


def test_the_solution_is_that_of_scipys_integrator() -> None:
    problem = Wkb(cells=600, levels=1, mesh_free=0, epsilon=0.02, contrast=0.5)
    draws = np.array([[0.8, -0.9, 0.5, -0.3]])
    sizes = np.arange(1.0, 5) ** -1.0
    sizes *= 0.5 / sizes.sum()

    def slopes(x: float, y: np.ndarray) -> list:
        a = 1 + sum(draws[0, k] * sizes[k] * np.cos((k + 1) * np.pi * x) for k in range(4))
        return [y[1] / 0.02, -a * y[0] / 0.02, np.sqrt(a)]

    start = 1 + draws[0] @ sizes
    (x,) = problem.finest.points
    found = solve_ivp(
        slopes, (0, 1), [start**-0.25 + 0j, 1j * start**0.25, 0j], "DOP853", x[::20], rtol=1e-11, atol=1e-12
    ).y
    expected = found[0] * np.exp(-1j * found[2] / 0.02)
    solved = problem.solve(problem.evaluate(draws, problem.finest), problem.finest).solutions[0, :, ::20]
    np.testing.assert_allclose(solved[0] + 1j * solved[1], expected, atol=2e-4)


def test_the_formula_is_off_by_the_square_of_epsilon_on_a_grid_without_a_single_point_a_wave() -> None:
    x, errors, epsilons = np.arange(17) / 16, [], [0.08, 0.04, 0.02, 0.01]
    for epsilon in epsilons:
        phases = ((1 + x) ** 1.5 - 1) * 2 / 3 / epsilon
        speed = 1 + 5 / 32 * epsilon**2  # θ′ at 0, where a^(−¼)(a^(−¼))″ is 5/16
        assert envelopes(1 + x[None], epsilon=epsilon, spacing=1 / 16)[0][0, 0] == pytest.approx(1.0)
        start = by_airy(x, epsilon)  # a′(0) is not 0, so that the wave sent is not the purely outgoing one
        other = _outgoing(x, epsilon, speed)
        errors.append(np.abs(envelopes(1 + x[None], epsilon=epsilon, spacing=1 / 16)[0][0] - other).max())
        assert np.abs(start * np.exp(-1j * phases) - other).max() < epsilon
    slope = np.polyfit(np.log(epsilons), np.log(errors), 1)[0]
    assert slope > 1.9
    assert errors[-1] < 2e-5


def _outgoing(x: np.ndarray, epsilon: float, speed: float) -> np.ndarray:
    """The envelope of the outgoing wave Ai − iBi of a = 1 + x, scaled to 1 at 0."""
    scale = epsilon ** (-2 / 3)
    ai, _, bi, _ = airy(-scale * (1 + x))
    phases = ((1 + x) ** 1.5 - 1) * 2 / 3 / epsilon
    wave = (bi + 1j * ai) / (bi[0] + 1j * ai[0])
    return wave * np.exp(-1j * phases)


def test_the_integral_is_of_order_four_and_exact_for_cubics() -> None:
    x = np.arange(12) / 11
    np.testing.assert_allclose(integral((4 * x**3 - x)[None], spacing=1 / 11)[0], x**4 - x**2 / 2, atol=1e-14)
    cells, errors = [48, 96, 192, 384], []
    for n in cells:
        x = np.arange(n + 1) / n
        errors.append(np.abs(integral(np.cos(3 * x)[None], spacing=1 / n)[0] - np.sin(3 * x) / 3).max())
    assert observed_order([1 / n for n in cells], errors) == pytest.approx(4.0, abs=0.1)
    assert errors[-1] < 1e-9


# The problem


def test_the_mesh_free_coarsest_level_beats_the_scheme_on_its_grid() -> None:
    problem, plain = Wkb(), Wkb(mesh_free=0)
    draws = problem.draw(40, torch.Generator().manual_seed(3))
    coarse, exact = problem.hierarchy[0], problem.reference(draws)[..., ::8]
    inputs = problem.evaluate(draws, coarse)
    errors = [float(relative_error(p.solve(inputs, coarse).solutions, exact, coarse).mean()) for p in (problem, plain)]
    assert errors[0] < 0.003
    assert errors[1] > 0.008
    fine = problem.hierarchy[1]
    again = [p.solve(problem.evaluate(draws, fine), fine).solutions for p in (problem, plain)]
    assert (again[0] == again[1]).all()


def test_a_grid_without_waves_is_told_unless_the_level_is_mesh_free() -> None:
    inputs = np.ones((2, 1, 17))
    inputs[1, 0, 3] = 9.0
    for mesh_free, status in ((0, "unresolved"), (1, "ok")):
        problem = Wkb(cells=64, levels=3, epsilon=0.03, mesh_free=mesh_free)
        solved = problem.solve(inputs, problem.hierarchy[0])
        assert solved.status == (status, status)  # 2π · 0.03 · 16 = 3.016 points a wave
        np.testing.assert_allclose(solved.scalars["points_per_wavelength"], [0.96 * np.pi, 0.32 * np.pi])
    assert problem.solve(np.ones((1, 1, 33)), problem.hierarchy[1]).status == ("ok",)


@pytest.mark.parametrize(("epsilon", "least", "most"), [(0.04, 40, 40), (0.5, 5, 20), (1e3, 0, 0)])
def test_the_formula_is_ok_only_for_waves_shorter_than_what_they_cross(epsilon: float, least: int, most: int) -> None:
    problem = Wkb(epsilon=epsilon)
    rows, grid = problem.draw(40, stream(0, "long waves")), problem.hierarchy[0]
    solved = problem.solve(problem.evaluate(rows, grid), grid)  # at 0.5 before: errors up to 1, and roots of θ′ < 0
    ok = np.array(solved.status) == "ok"
    assert least <= ok.sum() <= most
    assert set(solved.status) <= {"ok", "unresolved"}
    exact = problem.solve(problem.evaluate(rows, problem.finest), problem.finest).solutions[..., ::8]
    assert relative_error(solved.solutions[ok], exact[ok], grid).max(initial=0) < 0.4


def test_the_coefficient_is_the_stated_series(generator: torch.Generator) -> None:
    problem = Wkb(cells=40, levels=1, contrast=0.3, modes=3, decay=2.0)
    (x,), sizes = problem.finest.points, np.array([1, 1 / 4, 1 / 9])
    draws = problem.draw(30, generator)
    expected = 1 + 0.3 * (draws * sizes / sizes.sum()) @ np.cos(np.pi * np.outer([1, 2, 3], x))
    np.testing.assert_allclose(problem.evaluate(draws, problem.finest)[:, 0], expected, atol=1e-13)
    assert 0.5 < np.abs(draws).max() < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0.0}, "epsilon .* got 0.0"),
        ({"epsilon": 0.001}, "at epsilon 0.001 have 1.20 points a wavelength on 256 cells"),
        ({"contrast": -0.1}, "contrast .* got -0.1"),
        ({"mesh_free": 5}, "mesh_free .* got 5"),
        ({"modes": 0}, "modes .* got 0"),
        ({"cells": 56, "levels": 5}, "allows 4 levels.*got 5"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    refuses(Wkb, options, message)


def test_a_coefficient_that_is_not_positive_and_too_few_points_are_refused() -> None:
    problem, inputs = Wkb(cells=32, levels=1), np.ones((2, 1, 33))
    inputs[1, 0, 4] = 0.0
    with pytest.raises(ValueError, match="the coefficient of wkb must be above 0 everywhere, got 0"):
        problem.solve(inputs, problem.finest)
    with pytest.raises(ValueError, match="lives on bounded nodal grids"):
        problem.solve(np.ones((2, 1, 32)), Grid((32,)))
    with pytest.raises(ValueError, match="at least 3 points, got 2"):
        numerov(np.ones((1, 2)), epsilon=1.0, spacing=1.0)
    with pytest.raises(ValueError, match="at least 4 points, got 3"):
        integral(np.ones((1, 3)), spacing=1.0)
