import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from mlft.grids import Grid, restrict
from mlft.problems import Euler
from mlft.seeds import generator as stream
from mlft.solvers import euler
from mlft.solvers.euler import march_gas, riemann_averages
from orders import observed_order
from refusals import refuses

SOD = ((1.0, 0.0, 1.0), (0.125, 0.0, 0.1))


def conserved(rho: np.ndarray, u: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.array([rho, rho * u, p / 0.4 + rho * u**2 / 2])


def flux(state: np.ndarray) -> np.ndarray:
    rho, u = state[0], state[1] / state[0]
    p = 0.4 * (state[2] - rho * u**2 / 2)
    return np.array([rho * u, rho * u**2 + p, u * (state[2] + p)])


def jump(left: tuple, right: tuple, cells: int) -> np.ndarray:
    x = np.arange(cells)
    return conserved(*(np.where(x < cells // 2, a, b) for a, b in zip(left, right, strict=True)))


def slow_step(u: np.ndarray, ratio: float) -> np.ndarray:
    """One step of the scheme from its definition, cell by cell."""
    state = np.concatenate([u[:, :1], u[:, :1], u, u[:, -1:], u[:, -1:]], axis=1)
    w = np.array([state[0], state[1] / state[0], 0.4 * (state[2] - state[1] ** 2 / state[0] / 2)])
    n, slope = w.shape[1], np.zeros_like(w)
    for part in range(3):
        for i in range(1, n - 1):
            a, b = w[part, i] - w[part, i - 1], w[part, i + 1] - w[part, i]
            slope[part, i] = np.sign(a) * min(abs(a), abs(b), abs(a + b) / 4) if a * b > 0 else 0.0
    low, high = w - slope, w + slope
    for i in range(n):
        rho, v, p = w[:, i]
        matrix = np.array([[v, rho, 0], [0, v, 1 / rho], [0, 1.4 * p, v]])
        change = ratio / 2 * matrix @ (high[:, i] - low[:, i])
        low[:, i] -= change
        high[:, i] -= change
    fluxes = np.array([hllc(high[:, i], low[:, i + 1]) for i in range(1, n - 2)])
    return u - ratio * np.diff(fluxes, axis=0).T


def hllc(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Batten et al. (1997): the flux from the star states of Toro (10.39)."""
    a, b = conserved(*left), conserved(*right)
    roots = np.sqrt([left[0], right[0]])
    u = roots @ [left[1], right[1]] / roots.sum()
    enthalpy = roots @ [(a[2] + left[2]) / left[0], (b[2] + right[2]) / right[0]] / roots.sum()
    c = np.sqrt(0.4 * (enthalpy - u**2 / 2))
    first = min(left[1] - np.sqrt(1.4 * left[2] / left[0]), u - c)
    last = max(right[1] + np.sqrt(1.4 * right[2] / right[0]), u + c)
    mass, mass2 = left[0] * (first - left[1]), right[0] * (last - right[1])
    contact = (right[2] - left[2] + left[1] * mass - right[1] * mass2) / (mass - mass2)
    if first >= 0:
        return flux(a)
    if last <= 0:
        return flux(b)
    side, state, speed = (a, left, first) if contact >= 0 else (b, right, last)
    rho, v, p = state
    star = rho * (speed - v) / (speed - contact)
    energy = side[2] / rho + (contact - v) * (contact + p / (rho * (speed - v)))
    return flux(side) + speed * (star * np.array([1, contact, energy]) - side)


# The scheme


@pytest.mark.parametrize("drift", [-3.0, -0.2, 0.0, 0.4, 3.0])
def test_the_scheme_is_its_definition_computed_cell_by_cell(drift: float, generator: torch.Generator) -> None:
    noise = torch.rand(3, 17, generator=generator, dtype=torch.float64).numpy()
    u = conserved(0.5 + noise[0], drift + noise[1], 0.5 + noise[2])
    w = np.abs(u[1] / u[0]) + np.sqrt(1.4 * 0.4 * (u[2] - u[1] ** 2 / u[0] / 2) / u[0])
    step = 0.8 * 0.1 / w.max()
    state, steps, _ = march_gas(u[None], width=0.1, time=step)
    assert steps[0] == 1
    np.testing.assert_allclose(state[0], slow_step(u, step / 0.1), atol=1e-12)


def test_the_scheme_is_of_order_two_in_l1_on_a_smooth_front_of_density() -> None:
    def density(x: np.ndarray) -> np.ndarray:  # steps of cfl near ½ would have no error of order 2
        return 1 + 0.3 * np.tanh(10 * (x - 1.0))

    nodes, weights = np.polynomial.legendre.leggauss(6)
    cells, errors = [100, 200, 400, 800], []
    for n in cells:
        x = (np.arange(n)[:, None] + 0.5 + 0.5 * nodes) * 3 / n
        start, end = (density(shifted) @ weights / 2 for shifted in (x, x - 1.0))
        state, _, _ = march_gas(conserved(start, np.ones(n), np.ones(n))[None], width=3 / n, time=1.0, cfl=0.25)
        errors.append(np.abs(state[0, 0] - end).mean())
    assert observed_order([1 / n for n in cells], errors) == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < 3e-5


def test_a_contact_at_rest_stays_exactly_and_a_moving_one_keeps_pressure_and_velocity() -> None:
    u = jump((1.0, 0.0, 0.7), (0.3, 0.0, 0.7), 22)
    state, _, _ = march_gas(u[None], width=1 / 22, time=0.3)
    np.testing.assert_allclose(state[0], u, atol=1e-14)
    rho, momentum, energy = march_gas(jump((1.0, 0.4, 0.7), (0.3, 0.4, 0.7), 22)[None], width=1 / 22, time=0.3)[0][0]
    np.testing.assert_allclose(momentum / rho, 0.4, atol=1e-13)
    np.testing.assert_allclose(energy - momentum**2 / rho / 2, 0.7 / 0.4, atol=1e-13)


def test_mass_momentum_and_energy_change_by_what_flows_through_the_ends() -> None:
    problem = Euler(cells=96, levels=1)
    inputs = problem.evaluate(problem.draw(5, stream(0, "balance")), problem.finest)
    states = problem.solve(inputs, problem.finest).solutions
    for before, after in zip(inputs, states, strict=True):
        inflow = 0.12 * (flux(before[:, 0]) - flux(before[:, -1]))
        np.testing.assert_allclose(after.mean(axis=1), before.mean(axis=1) + inflow, rtol=0, atol=1e-13)


def test_a_mirrored_state_has_the_mirrored_solution(generator: torch.Generator) -> None:
    noise = torch.rand(3, 19, generator=generator, dtype=torch.float64).numpy()
    u = conserved(0.5 + noise[0], noise[1] - 0.5, 0.5 + noise[2])
    mirror = np.array([1.0, -1.0, 1.0])[:, None]
    state, other = march_gas(np.stack([u, mirror * u[:, ::-1]]), width=0.1, time=0.2)[0]
    np.testing.assert_allclose(other, mirror * state[:, ::-1], atol=1e-13)


@pytest.mark.parametrize("thin", [(1e-3, 0.0, 1e-3), (1e-5, 0.0, 1e-5), (1e-4, 0.0, 1e-6)])
def test_gas_that_becomes_faster_within_a_step_is_followed_in_shorter_ones(thin: tuple[float, float, float]) -> None:
    """Dense gas flows into thin gas at up to 5 times its speed of sound."""
    left, faces, time = (1.0, 0.0, 1.0), np.arange(201) / 200 - 0.5, 0.08 / 1.4**0.5
    exact, start = riemann_averages(left, thin, faces, time=time), jump(left, thin, 200)
    state, _, done = march_gas(start[None], width=1 / 200, time=time)
    assert done[0]
    assert (np.abs(state[0] - exact).sum(axis=1) < 0.03 * np.abs(exact - start).sum(axis=1)).all()


def test_a_step_that_is_tried_again_moves_nothing_and_counts() -> None:
    start, step = jump((1.0, 0.0, 1.0), (1e-3, 0.0, 1e-3), 26), 0.8 / 26 / 1.4**0.5
    state, steps, done = march_gas(start[None], width=1 / 26, time=step, step_limit=1)
    assert (steps[0], done[0]) == (1, False)
    np.testing.assert_array_equal(state[0], start)
    half, _, _ = march_gas(start[None], width=1 / 26, time=step, step_limit=2)
    np.testing.assert_allclose(half[0], slow_step(start, step / 2 * 26), atol=1e-13)


# The exact solution


@pytest.mark.parametrize(
    ("left", "right", "pressure", "velocity"),
    [  # Toro (2009), table 4.3, for the data of table 4.1
        (*SOD, 0.30313, 0.92745),
        ((1.0, -2.0, 0.4), (1.0, 2.0, 0.4), 0.00189, 0.0),
        ((1.0, 0.0, 1000.0), (1.0, 0.0, 0.01), 460.894, 19.5975),
        ((1.0, 0.0, 0.01), (1.0, 0.0, 100.0), 46.0950, -6.19633),
        ((5.99924, 19.5975, 460.894), (5.99242, -6.19633, 46.0950), 1691.64, 8.68975),
    ],
)
def test_the_states_between_the_waves_are_those_of_toros_tables(
    left: tuple, right: tuple, pressure: float, velocity: float
) -> None:
    near = 1e-9 * (1 if velocity >= 0 else -1) + velocity  # a thin cell in the middle region, left of the contact
    found = riemann_averages(left, right, np.array([near - 2e-6, near - 1e-6]), time=1.0)
    rho, u = found[0, 0], found[1, 0] / found[0, 0]
    assert u == pytest.approx(velocity, abs=2e-5 * max(1, abs(velocity)))
    assert 0.4 * (found[2, 0] - rho * u**2 / 2) == pytest.approx(pressure, rel=3e-3 if pressure < 0.01 else 2e-5)


def test_exact_averages_are_averages_of_averages_and_move_with_the_frame() -> None:
    faces = np.linspace(-0.7, 0.9, 161)
    fine, coarse = (riemann_averages(*SOD, faces[::k], time=0.25) for k in (1, 4))
    np.testing.assert_allclose(fine.reshape(3, 40, 4).mean(axis=2), coarse, atol=1e-13)
    left, right = ((rho, u - 0.4, p) for rho, u, p in SOD)
    moved = riemann_averages(left, right, faces - 0.4 * 0.25, time=0.25)
    np.testing.assert_allclose(moved[0], fine[0], atol=1e-12)
    np.testing.assert_allclose(moved[1], fine[1] - 0.4 * fine[0], atol=1e-12)
    mirrored = riemann_averages(SOD[1], SOD[0], -faces[::-1], time=0.25)
    np.testing.assert_allclose(mirrored[:, ::-1] * [[1], [-1], [1]], fine, atol=1e-12)


def test_the_fan_is_the_solution_of_its_ordinary_differential_equation() -> None:
    """In a fan to the left u − c = ξ and du/dρ = −c/ρ, by SciPy's integrator."""
    found = solve_ivp(lambda rho, y: [-np.sqrt(1.4 * y[1] / rho) / rho, 1.4 * y[1] / rho], (1.0, 0.6),
                      [0.0, 1.0], rtol=1e-11, atol=1e-13, dense_output=True)  # fmt: skip
    for rho in (0.95, 0.8, 0.65):
        u, p = found.sol(rho)
        speed = u - np.sqrt(1.4 * p / rho)
        cell = riemann_averages(*SOD, np.array([speed - 5e-6, speed + 5e-6]), time=1.0)[:, 0]
        np.testing.assert_allclose(cell, conserved(rho, u, p), atol=1e-8)


def test_the_scheme_tends_to_the_exact_solution_with_shocks() -> None:
    problem = Euler(cells=800, levels=4)
    draws, errors = problem.draw(8, stream(0, "tubes")), []
    exact = problem.reference(draws)
    for grid in problem.hierarchy:
        solved = problem.solve(problem.evaluate(draws, grid), grid)
        errors.append(np.abs(solved.solutions - restrict(exact, to=grid)).mean())
    assert 0.75 < observed_order([grid.spacing[0] for grid in problem.hierarchy], errors) < 1.1
    assert errors[-1] < 2e-3
    assert np.abs(exact - problem.evaluate(draws, problem.finest)).mean() > 0.1


# The problem


def test_too_few_steps_are_not_converged_and_a_vacuum_is_not_finite() -> None:
    tubes = np.array([jump(*SOD, 24), jump((1.0, -20.0, 0.1), (1.0, 20.0, 0.1), 24), jump(*SOD, 24)])
    for limit, done in ((3, False), (500, True)):
        state, _, ended = march_gas(tubes, width=1 / 24, time=0.2, step_limit=limit)
        assert ended[[0, 2]].tolist() == [done, done]
        assert np.isfinite(state[[0, 2]]).all()
        assert (state[[0, 2], 0] > 0).all()
    assert np.isnan(state[1]).all()
    assert not ended[1]
    problem = Euler(cells=24, levels=2)
    assert problem.solve(tubes, problem.finest).status == ("ok", "not-finite", "ok")
    problem = Euler(cells=24, levels=2, time=500.0)
    assert set(problem.solve(tubes[:1], problem.finest).status) == {"not-converged"}


def test_states_without_density_or_pressure_are_refused() -> None:
    problem = Euler(cells=24, levels=2)
    for part, value, message in ((0, -0.5, "density of euler must be positive everywhere, got -0.5"),
                                 (2, 0.0, "pressure of euler must be positive everywhere, got 0")):  # fmt: skip
        inputs = np.array([jump(*SOD, 24)] * 2)
        inputs[1, part, 5] = value
        with pytest.raises(ValueError, match=message):
            problem.solve(inputs, problem.finest)
    with pytest.raises(ValueError, match="leave a vacuum"):
        riemann_averages((1.0, -20.0, 0.1), (1.0, 20.0, 0.1), np.linspace(0, 1, 4), time=1.0)
    with pytest.raises(ValueError, match="at least 2 cells, got 1"):
        march_gas(np.ones((1, 3, 1)), width=1.0, time=1.0)
    with pytest.raises(ValueError, match="euler lives on bounded cell grids"):
        problem.solve(inputs, Grid((24,)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": 0.0}, "time .* got 0.0"),
        ({"gamma": 1.0}, "gamma .* above 1, got 1.0"),
        ({"cells": 40}, "allows 4 levels"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    refuses(Euler, options, message)


@pytest.mark.parametrize(
    "bad", [(-1.0, 0.0, -2.0), (-1.0, 0.0, 2.0), (1.0, 0.0, -2.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (1.0, 0.0, np.inf)]
)
def test_a_bad_state_anywhere_is_seen(bad: tuple[float, float, float]) -> None:
    """Density and energy that are both negative have a speed of sound, and are no gas."""
    strip, cells = np.empty(12 * euler.ROW), 75
    for place in (0, 63, 64, 74):
        u = np.tile(np.array([[1.0], [0.3], [2.0]]), cells)
        assert euler._primitive(u, 1.4, strip, np.ones((3, cells + 60))) == pytest.approx(0.3 + (1.4 * 0.782) ** 0.5)
        u[:, place] = bad
        assert np.isnan(euler._primitive(u, 1.4, strip, np.ones((3, cells + 60))))
