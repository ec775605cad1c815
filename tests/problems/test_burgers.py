import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from mlft.grids import Grid, prolong, refine, relative_error, restrict
from mlft.problems import Burgers
from mlft.seeds import generator as stream
from mlft.solvers.burgers import CFL, exact, march
from orders import observed_order

SMOOTH = (np.array([[0.0, 0.012]]), np.array([[0.16, 0.0]]))  # a_k and b_k of a state that breaks at about t = 1


def series(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    waves = 2 * np.pi * np.arange(1, len(a) + 1) * x[..., None]
    return np.sum(a * np.cos(waves) + b * np.sin(waves), axis=-1)


def averages(function, cells: int) -> np.ndarray:
    """Cell averages by Gauss quadrature with 8 points."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    x = (np.arange(cells)[:, None] + 0.5 + 0.5 * nodes) / cells
    return function(x) @ weights / 2


def by_characteristics(a: np.ndarray, b: np.ndarray, cells: int, time: float) -> np.ndarray:
    """Cell averages before shocks: u(x, t) = u0(y) with y + t u0(y) = x, by bisection."""

    def state(x: np.ndarray) -> np.ndarray:
        low, high = x - 10 * time, x + 10 * time
        for _ in range(70):
            middle = 0.5 * (low + high)
            before = middle + time * series(a, b, middle) < x
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        return series(a, b, 0.5 * (low + high))

    return averages(state, cells)


def rough(n: int, cells: int, name: str) -> np.ndarray:
    """States without any smoothness: noise, steps between few values, sorted noise, and noise of one sign."""
    u = 2 * torch.rand(n, cells, generator=stream(0, "rough", name), dtype=torch.float64).numpy() - 1
    u[1::4] = np.round(2 * u[1::4]) / 2
    u[2::4] = np.sort(u[2::4], axis=1)
    u[3::4] = np.abs(u[3::4])
    return u


def variation(u: np.ndarray) -> np.ndarray:
    return np.abs(u - np.roll(u, 1, axis=1)).sum(axis=1)


def slow_step(u: np.ndarray, ratio: float) -> np.ndarray:
    """One step of the scheme from its definition, cell by cell, with branches."""

    def half_slope(a: float, b: float) -> float:
        if a * b <= 0:
            return 0.0
        return float(np.sign(a)) * min(abs(a), abs(b), abs(a + b) / 4)

    def flux(l: float, r: float) -> float:  # noqa: E741
        if l > r:  # a shock
            return l**2 / 2 if l + r > 0 else r**2 / 2
        return 0.0 if l <= 0 <= r else min(l**2, r**2) / 2  # a rarefaction

    n = len(u)
    slope = [half_slope(u[i] - u[i - 1], u[(i + 1) % n] - u[i]) for i in range(n)]
    right = [u[i] + slope[i] * (1 - ratio * u[i] if u[i] > 0 else 1) for i in range(n)]
    left = [u[i] - slope[i] * (1 + ratio * u[i] if u[i] < 0 else 1) for i in range(n)]
    inflow = [flux(right[i - 1], left[i]) for i in range(n)]
    return np.array([u[i] - ratio * (inflow[(i + 1) % n] - inflow[i]) for i in range(n)])


# The scheme


def test_the_scheme_is_of_order_two_in_l1_on_smooth_data() -> None:
    cells, time = [150, 300, 600, 1200], 0.5
    errors = []
    for n in cells:
        initial = averages(lambda x: series(SMOOTH[0][0], SMOOTH[1][0], x), n)
        state, _, done = march(initial[None], width=1 / n, time=time)
        errors.append(np.abs(state[0] - by_characteristics(SMOOTH[0][0], SMOOTH[1][0], n, time)).mean())
        assert done.all()
    assert observed_order([1 / n for n in cells], errors) == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < 3e-7


def test_the_scheme_is_of_order_one_in_l1_with_shocks() -> None:
    problem = Burgers(cells=1040, levels=5)
    draws = problem.draw(30, stream(0, "shocks"))
    errors = []
    for grid in problem.hierarchy[1:]:
        state = problem.solve(problem.evaluate(draws, grid), grid).solutions
        errors.append(
            np.abs(state - dataclasses.replace(problem, cells=grid.cells[0], levels=1).reference(draws)).mean()
        )
    assert 0.9 < observed_order([grid.spacing[0] for grid in problem.hierarchy[1:]], errors) < 1.5
    assert errors[-1] < 2e-4


def test_two_steps_from_a_shock_and_a_fan_are_the_hand_computed_fractions() -> None:
    initial = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0.0])
    state, steps, done = march(initial[None], width=1 / 11, time=2 / 11, cfl=1.0)
    # first step: the fan's cell and the shock's are both at 1/2; second step: slopes of 1/4, fluxes 25/128 and 9/128
    expected = [0, 0, 0, 0, 39 / 128, 89 / 128, 1, 1, 1, 119 / 128, 9 / 128]
    np.testing.assert_allclose(state[0], expected, atol=1e-15)
    assert steps[0] == 2
    assert done[0]


@pytest.mark.parametrize("offset", [-2.0, 0.0, 0.3])
def test_the_scheme_is_its_definition_computed_cell_by_cell(offset: float) -> None:
    u = rough(24, 13, "slow") + offset
    expected, width, step = u.copy(), 1 / 13, CFL / 13 / np.abs(u).max(axis=1)
    for row in range(len(u)):
        state = slow_step(u[row], step[row] / width)
        second = CFL * width / np.abs(state).max()
        expected[row] = slow_step(state, second / width)
        single = march(u[row : row + 1], width=width, time=step[row] + second)[0][0]
        np.testing.assert_allclose(single, expected[row], atol=1e-12)


def test_a_stationary_shock_and_constant_states_do_not_change() -> None:
    shock = np.where(np.arange(46) < 23, 1.0, -1.0)
    state, steps, _ = march(shock[None], width=1 / 46, time=4.9 * CFL / 46)
    assert steps[0] == 5
    assert (state[0, 11:35] == shock[11:35]).all()
    constant = np.array([[0.7], [-0.3], [0.0]]) * np.ones(9)
    assert (march(constant, width=1 / 9, time=3.0)[0] == constant).all()


def test_mass_is_kept_to_round_off() -> None:
    u = rough(24, 130, "mass") + np.linspace(-1, 1, 24)[:, None]
    state, _, _ = march(u, width=1 / 130, time=2.0)
    assert np.abs(state.sum(axis=1) - u.sum(axis=1)).max() < 1e-13 * np.abs(u).sum(axis=1).min()


@pytest.mark.parametrize("cells", [3, 7, 12])
def test_neither_the_range_nor_the_total_variation_grows_in_any_step(cells: int) -> None:
    u = rough(4000, cells, "range")
    for _ in range(4):
        state, _, _ = march(u, width=1 / cells, time=9.0, step_limit=1)
        assert (state.max(axis=1) <= u.max(axis=1) + 1e-14).all()
        assert (state.min(axis=1) >= u.min(axis=1) - 1e-14).all()
        assert (variation(state) <= variation(u) * (1 + 1e-14)).all()
        u = state


def test_energy_does_not_grow() -> None:
    u = rough(60, 37, "energy")
    state, _, _ = march(u, width=1 / 37, time=9.0, step_limit=3)
    assert ((state**2).sum(axis=1) <= (u**2).sum(axis=1)).all()


def test_mirrored_and_shifted_states_give_mirrored_and_shifted_solutions_bit_for_bit() -> None:
    u = rough(24, 53, "mirror")
    state, _, _ = march(u, width=1 / 53, time=0.4)
    assert (march(-u[:, ::-1], width=1 / 53, time=0.4)[0] == -state[:, ::-1]).all()
    assert (march(np.roll(u, 17, axis=1), width=1 / 53, time=0.4)[0] == np.roll(state, 17, axis=1)).all()


def test_a_sample_does_not_depend_on_its_batch_in_the_solver_nor_in_the_exact_solution() -> None:
    u = rough(13, 37, "batch")
    whole = march(u, width=1 / 37, time=0.4)[0]
    a, b = u[:, :6], u[:, 6:12]
    solution = exact(a, b, cells=41, time=0.3)
    for row in range(len(u)):
        assert (march(u[row : row + 1], width=1 / 37, time=0.4)[0][0] == whole[row]).all()
        assert (exact(a[row : row + 1], b[row : row + 1], cells=41, time=0.3)[0] == solution[row]).all()


def test_a_fifth_of_the_steps_is_too_few_and_says_so() -> None:
    u = rough(3, 50, "limit")
    _, steps, done = march(u, width=1 / 50, time=1.0)
    _, fewer, short = march(u, width=1 / 50, time=1.0, step_limit=int(steps.min()) // 5)
    assert done.all()
    assert not short.any()
    assert (fewer == int(steps.min()) // 5).all()


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf, 1e308])
def test_a_value_that_is_not_finite_or_overflows_ends_in_nan_without_a_loop(value: float) -> None:
    u = rough(3, 17, "nan")
    u[1, 5] = value
    state, steps, _ = march(u, width=1 / 17, time=1e-308 if value == 1e308 else 0.2)
    assert np.isnan(state[1]).all()
    assert np.isfinite(state[[0, 2]]).all()
    assert steps[1] <= 2


def test_a_single_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 cells, got 1"):
        march(np.ones((3, 1)), width=1.0, time=1.0)


# The exact solution


def test_the_exact_solution_is_that_of_characteristics_before_shocks() -> None:
    problem = Burgers(cells=90, levels=2, time=0.02)
    draws = problem.draw(5, stream(0, "characteristics"))
    expected = np.array([by_characteristics(d[:8], d[8:], 90, 0.02) for d in draws])
    np.testing.assert_allclose(problem.reference(draws)[:, 0], expected, atol=1e-10)


@pytest.mark.parametrize("time", [0.4, 3.0, 40.0])
def test_the_exact_solution_of_a_sine_has_a_shock_at_rest_in_the_middle(time: float) -> None:
    peak = np.arccos(-1 / (2 * np.pi * time)) / (2 * np.pi)  # where y + t sin(2πy) turns back

    def potential(x: float) -> float:
        y = brentq(lambda y: y + time * np.sin(2 * np.pi * y) - x, 0.0, peak, xtol=1e-15)
        return -np.cos(2 * np.pi * y) / (2 * np.pi) + (x - y) ** 2 / (2 * time)

    expected = np.diff([potential(x) for x in np.linspace(0, 0.5, 24)]) * 46
    solution = exact(np.array([[0.0]]), np.array([[1.0]]), cells=46, time=time)[0]
    np.testing.assert_allclose(solution, [*expected, *-expected[::-1]], atol=1e-11)


def test_the_exact_solution_does_not_depend_on_its_table_nor_on_its_grid(generator: torch.Generator) -> None:
    problem = Burgers()
    draws = problem.draw(12, generator)
    a, b = draws[:, :8], draws[:, 8:]
    solution = exact(a, b, cells=90, time=0.25)
    np.testing.assert_allclose(exact(a, b, cells=90, time=0.25, points=30001), solution, atol=1e-12)
    np.testing.assert_allclose(exact(a, b, cells=360, time=0.25).reshape(12, 90, 4).mean(2), solution, atol=1e-12)
    assert np.abs(solution.sum(axis=1)).max() < 1e-12


def test_the_exact_solution_is_exact_where_a_shock_all_but_sits_on_a_face() -> None:
    for place in np.arange(23) / 45 + 1e-7:  # of the shock; the table alone cannot tell which side of it a face is on
        phase = 2 * np.pi * (place - 0.5)
        a, b = np.array([[-np.sin(phase)]]), np.array([[np.cos(phase)]])
        coarse, fine = (exact(a, b, cells=45, time=0.4, points=points) for points in (500, 40_000))
        np.testing.assert_allclose(coarse, fine, atol=1e-11)


def test_the_exact_solution_rises_no_faster_than_a_fan(generator: torch.Generator) -> None:
    problem = Burgers(cells=330, levels=1)
    u = problem.reference(problem.draw(20, generator))[:, 0]
    rise = (np.roll(u, -1, axis=1) - u) * 330
    assert rise.max() <= 1 / problem.time  # Oleinik's entropy condition
    assert rise.min() < -20 / problem.time  # and there are shocks


# The problem


def test_inputs_are_cell_averages_of_the_series(generator: torch.Generator) -> None:
    problem = Burgers(cells=96, levels=3, modes=5)
    draws = problem.draw(7, generator)
    for grid in (problem.hierarchy[0], Grid((35,))):
        expected = [averages(lambda x, d=d: series(d[:5], d[5:], x), grid.cells[0]) for d in draws]
        np.testing.assert_allclose(problem.evaluate(draws, grid)[:, 0], expected, atol=1e-9)
    fine = problem.evaluate(draws, refine(problem.hierarchy[-1], 4))
    for grid in problem.hierarchy:
        np.testing.assert_allclose(restrict(fine, to=grid), problem.evaluate(draws, grid), atol=1e-13)


def test_amplitudes_decay_as_stated_and_states_have_variance_one(generator: torch.Generator) -> None:
    problem = Burgers(modes=6, decay=1.2)
    draws = problem.draw(20_000, generator)
    sizes = draws.std(axis=0)
    # the standard deviation of n normals is off by 1/√(2n) = 0.5%: 4% is eight times that
    np.testing.assert_allclose(sizes[:6] / sizes[0], np.arange(1, 7.0) ** -1.2, rtol=0.04)
    np.testing.assert_allclose(sizes[6:], sizes[:6], rtol=0.04)
    assert np.sum(sizes[:6] ** 2) == pytest.approx(1.0, rel=0.04)


def test_nearly_all_draws_have_shocks_by_the_default_time() -> None:
    problem = Burgers()
    a, b = np.split(problem.draw(400, stream(0, "fraction")), 2, axis=1)
    k = 2 * np.pi * np.arange(1, 9)
    slopes = np.array([series(k * b[i], -k * a[i], np.arange(512) / 512) for i in range(400)])
    assert np.mean(-slopes.min(axis=1) * problem.time > 1.2) > 0.99


def test_the_bias_falls_to_half_a_percent_at_256_cells() -> None:
    problem = Burgers(cells=256, levels=4)
    draws = problem.draw(40, stream(0, "bias"))
    reference = problem.reference(draws)
    bias = []
    for grid in problem.hierarchy:
        fine = prolong(problem.solve(problem.evaluate(draws, grid), grid).solutions, to=problem.finest)
        bias.append(relative_error(fine, reference, problem.finest).mean())
    assert bias[0] < 0.22
    assert bias[-1] < 0.008
    assert bias == sorted(bias, reverse=True)


def test_a_state_too_fast_for_the_step_limit_is_not_converged(generator: torch.Generator) -> None:
    problem = Burgers(cells=48, levels=3)
    inputs = problem.evaluate(problem.draw(3, generator), problem.finest) + np.array([0, 1e3, 0])[:, None, None]
    solved = problem.solve(inputs, problem.finest)
    assert solved.status == ("ok", "not-converged", "ok")
    assert solved.scalars["steps"][1] == 4800


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": 0}, "cells .* integer of at least 4, got 0"),
        ({"levels": -1}, "levels .* integer of at least 1, got -1"),
        ({"modes": 0}, "modes .* integer of at least 1, got 0"),
        ({"time": 0.0}, "time .* finite and above 0, got 0.0"),
        ({"time": float("nan")}, "time .* finite and above 0, got nan"),
        ({"decay": -1.0}, "decay .* got -1.0"),
        ({"cells": 32, "levels": 5}, "allows 4 levels.*got 5"),
        ({"cells": 100, "levels": 4}, "allows 3 levels.*got 4"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Burgers(**options)


def test_grids_draws_and_inputs_of_another_kind_are_refused(generator: torch.Generator) -> None:
    problem = Burgers(cells=48, levels=3)
    draws = problem.draw(2, generator)
    for grid in (Grid((48,), centring="nodal"), Grid((48,), lengths=(2.0,)), Grid((48,), periodic=False)):
        with pytest.raises(ValueError, match="burgers lives on periodic cell grids of the box"):
            problem.evaluate(draws, grid)
    with pytest.raises(ValueError, match=r"draws of burgers have shape \(n, 16\), got \(2, 15\)"):
        problem.evaluate(draws[:, 1:], problem.finest)
    with pytest.raises(ValueError, match=r"shape \(n, 1, 48\), got \(2, 1, 24\)"):
        problem.solve(problem.evaluate(draws, Grid((24,))), problem.finest)
    with pytest.raises(ValueError, match="draws of burgers must be finite"):
        problem.reference(draws * np.nan)


def test_the_cost_exponent_is_that_of_cells_times_steps_less_what_longer_lines_gain() -> None:
    assert Burgers().cost_exponent == pytest.approx(1.9, abs=1e-12)
    assert Burgers(viscosity=1e3).cost_exponent == pytest.approx(2.9, abs=1e-3)
    cells, nu = 256, 0.01  # a step: 1 / (2 cells + 4 nu cells²)
    work = [n * (2 * n + 4 * nu * n**2) for n in (cells // 4, cells)]
    found = Burgers(cells=cells, viscosity=nu).cost_exponent
    assert found == pytest.approx(np.log(work[1] / work[0]) / np.log(4) - 0.1, abs=1e-12)
