import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp

from mlft.grids import Grid, refine
from mlft.problems import Advection, Burgers
from mlft.solvers.advection import advect, cole_hopf, march_viscous
from mlft.solvers.burgers import exact
from orders import observed_order
from refusals import refuses


def waves(cells: int, shift: float = 0.0) -> np.ndarray:
    """Cell averages of 0.3 cos 2πx + 0.1 sin 4πx, moved to the right."""
    x = (np.arange(cells) + 0.5) / cells - shift
    first, second = np.sinc(1 / cells) * np.cos(2 * np.pi * x), np.sinc(2 / cells) * np.sin(4 * np.pi * x)
    return 0.3 * first + 0.1 * second


def noise(generator: torch.Generator, *shape: int) -> np.ndarray:
    return torch.randn(*shape, generator=generator, dtype=torch.float64).numpy()


def variation(u: np.ndarray) -> np.ndarray:
    return np.abs(u - np.roll(u, 1, axis=1)).sum(axis=1)


# Advection


@pytest.mark.parametrize("shift", [5.0, -3.0, 24.0])
def test_at_courant_number_one_cells_are_moved_exactly(shift: float, generator: torch.Generator) -> None:
    u = noise(generator, 4, 17)
    np.testing.assert_allclose(advect(u, shift=shift, cfl=1.0), np.roll(u, int(shift), axis=1), atol=1e-13)


def test_advection_is_of_order_two_in_l1_on_smooth_data() -> None:
    cells, errors = [200, 400, 800, 1600], []
    for n in cells:
        moved = advect(waves(n)[None], shift=3.37 * n)[0]
        errors.append(np.abs(moved - waves(n, 3.37)).mean())
    assert observed_order([1 / n for n in cells], errors) == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < 4e-6


def test_two_steps_of_a_box_are_the_hand_computed_fractions() -> None:
    u = np.array([[0, 0, 1.0, 1.0, 1.0, 0, 0, 0]])
    # ν = ½: slopes of a jump are 0, so that the first step is the upwind average
    first = advect(u, shift=0.5, cfl=0.5)
    np.testing.assert_allclose(first[0], [0, 0, 0.5, 1, 1, 0.5, 0, 0], atol=1e-15)
    # second step: half slopes of 1/4 (both differences ½) in the cells at ½, times 1 − ν = ½: faces at ½ + 1/8
    second = advect(u, shift=1.0, cfl=0.5)
    np.testing.assert_allclose(second[0], np.array([0, 0, 3, 13, 16, 13, 3, 0]) / 16, atol=1e-15)


def test_advection_keeps_mass_makes_no_extrema_and_is_mirrored(generator: torch.Generator) -> None:
    u = noise(generator, 6, 37)
    moved = advect(u, shift=11.3)
    np.testing.assert_allclose(moved.sum(axis=1), u.sum(axis=1), atol=1e-12)
    assert (variation(moved) <= variation(u) + 1e-12).all()
    assert moved.max() <= u.max() + 1e-14
    assert moved.min() >= u.min() - 1e-14
    assert (advect(u[:, ::-1], shift=-11.3) == moved[:, ::-1]).all()


def test_the_input_is_the_stated_boxes_and_the_reference_the_moved_ones() -> None:
    problem = Advection(cells=40, levels=1, time=0.3, boxes=2)
    draws = np.array([[2.0, -1.0, 0.1, 0.925, 0.25, 0.2]])  # the second one wraps around
    (x,) = refine(problem.finest, 50).points
    for time, fields in ((0.0, problem.evaluate(draws, problem.finest)), (0.3, problem.reference(draws))):
        fine = 2.0 * ((x - 0.1 - time) % 1 < 0.25) - 1.0 * ((x - 0.925 - time) % 1 < 0.2)
        np.testing.assert_allclose(fields[0, 0], fine.reshape(40, 50).mean(axis=1), atol=1e-12)


def test_errors_at_jumps_fall_like_two_thirds_in_l1() -> None:
    problem, errors = Advection(cells=1600, levels=4), []
    draws = problem.draw(10, torch.Generator().manual_seed(2))
    for grid in problem.hierarchy:
        solved = problem.solve(problem.evaluate(draws, grid), grid).solutions
        errors.append(np.abs(solved - Advection(cells=grid.cells[0], levels=1).reference(draws)).mean())
    assert observed_order([grid.spacing[0] for grid in problem.hierarchy], errors) == pytest.approx(0.68, abs=0.1)
    assert errors[-1] < 2e-2


def test_a_time_that_needs_more_than_a_hundred_steps_a_cell_is_not_converged_at_once() -> None:
    inputs = np.stack([waves(40), np.where(np.arange(40) == 7, np.nan, 1.0), waves(40, 0.2)])[:, None]
    for time, status in ((79.9, "ok"), (80.1, "not-converged"), (-1e7, "not-converged"), (1e308, "not-converged")):
        problem = Advection(cells=40, levels=2, time=time)
        assert problem.solve(inputs, problem.finest).status == (status, "not-finite", status)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": float("inf")}, "time of advection must be finite .* got inf"),
        ({"boxes": 0}, "boxes .* got 0"),
        ({"cells": 40, "levels": 5}, "allows 4 levels.*got 5"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    refuses(Advection, options, message)


# Burgers with viscosity


def test_the_viscous_scheme_is_of_order_two_in_l1() -> None:
    a, b = np.array([[0.0, 0.05]]), np.array([[0.4, 0.0]])
    cells, errors = [60, 120, 240, 480], []
    for n in cells:
        problem = Burgers(cells=n, levels=1, modes=2, viscosity=0.01, time=0.6)
        draws = np.concatenate([a, b], axis=1)
        solved = problem.solve(problem.evaluate(draws, problem.finest), problem.finest)
        assert solved.status == ("ok",)
        errors.append(np.abs(solved.solutions - problem.reference(draws)).mean())
    assert observed_order([1 / n for n in cells], errors) == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < 2e-5


def test_a_weak_wave_decays_by_the_symbol_of_the_scheme() -> None:
    n, k, viscosity, time = 45, 4, 0.02, 0.05
    wave = 1e-14 * np.cos(2 * np.pi * k * (np.arange(n) + 0.5) / n)  # u² is nothing beside it
    state, steps, done = march_viscous(wave[None], width=1 / n, time=time, viscosity=viscosity)
    step = 1 / (4 * viscosity * n**2)
    rate = -4 * viscosity * n**2 * np.sin(np.pi * k / n) ** 2
    full = int(time / step)
    lengths = [step] * full + [time - full * step]
    factor = np.prod([1 + dt * rate + (dt * rate) ** 2 / 2 for dt in lengths])
    assert steps[0] == full + 1
    assert done[0]
    np.testing.assert_allclose(state[0], factor * wave, atol=1e-12 * 1e-14)


def test_one_long_step_is_heuns_method_on_godunovs_flux(generator: torch.Generator) -> None:
    u, width, viscosity = noise(generator, 11), 0.3, 0.05

    def minmod(*values: float) -> float:
        return min(values) if min(values) > 0 else max(values) if max(values) < 0 else 0.0

    def rate(u: np.ndarray) -> np.ndarray:
        n, out = len(u), np.zeros(len(u))
        slope = [minmod(*(f * d for f, d in ((2, u[i] - u[i - 1]), (2, u[(i + 1) % n] - u[i]))),
                        (u[(i + 1) % n] - u[i - 1]) / 2) for i in range(n)]  # fmt: skip
        for i in range(n):  # the face between i − 1 and i
            left, right = u[i - 1] + slope[i - 1] / 2, u[i] - slope[i] / 2
            states = np.linspace(left, right, 2001)
            flux = (states**2 / 2).min() if left <= right else max(left**2, right**2) / 2
            flux = 0.0 if left <= 0 <= right else flux
            flux -= viscosity * (u[i] - u[i - 1]) / width
            out[i] += flux / width
            out[i - 1] -= flux / width
        return out

    step = 1 / (2 * np.abs(u).max() / width + 4 * viscosity / width**2)
    middle = u + step * rate(u)
    expected = 0.5 * (u + middle + step * rate(middle))
    state, steps, _ = march_viscous(u[None], width=width, time=step, viscosity=viscosity)
    np.testing.assert_allclose(state[0], expected, atol=1e-13)
    assert steps[0] == 1


def test_viscous_states_keep_their_mass_lose_energy_and_stay_in_range(generator: torch.Generator) -> None:
    u = noise(generator, 6, 37)
    state, _, done = march_viscous(u, width=1 / 37, time=0.1, viscosity=1e-3)
    assert done.all()
    np.testing.assert_allclose(state.sum(axis=1), u.sum(axis=1), atol=1e-12)
    assert ((state**2).sum(axis=1) < (u**2).sum(axis=1)).all()
    assert (np.abs(state).max(axis=1) <= np.abs(u).max(axis=1)).all()


@pytest.mark.parametrize("viscosity", [0.0, 1e-3, 0.03, 1.0])
def test_neither_the_range_nor_the_total_variation_of_a_viscous_state_grows_in_any_step(
    viscosity: float, generator: torch.Generator
) -> None:
    """So that a step by the speed before it is short enough for all speeds within it."""
    u = noise(generator, 3000, 9)
    u[1::3], u[2::3] = np.sign(u[1::3]), np.sort(u[2::3], axis=1)
    time = 0.999 / (4 * viscosity * 81) if viscosity > 0 else 9.0  # a longer one is known to need two steps
    for _ in range(4):
        state, steps, _ = march_viscous(u, width=1 / 9, time=time, viscosity=viscosity, step_limit=1)
        assert (steps == 1).all()
        assert (state.max(axis=1) <= u.max(axis=1) + 1e-14).all()
        assert (state.min(axis=1) >= u.min(axis=1) - 1e-14).all()
        assert (variation(state) <= variation(u) * (1 + 1e-14)).all()
        u = state


def test_a_viscosity_that_asks_for_more_than_the_limit_of_work_is_not_converged_at_once(
    generator: torch.Generator,
) -> None:
    problem = Burgers(cells=64, levels=2, viscosity=100.0)  # 4 νt/h²: 409,600 steps
    solved = problem.solve(problem.evaluate(problem.draw(3, generator), problem.finest), problem.finest)
    assert solved.status == ("not-converged",) * 3
    assert (solved.scalars["steps"] == 0).all()
    still = np.zeros((1, 8))
    for limit, done in ((256, True), (255, False)):  # 4 νt/h² = 256
        _, steps, ended = march_viscous(still, width=0.125, time=1.0, viscosity=1.0, step_limit=limit)
        assert (ended[0], steps[0]) == (done, 256 * done)


def test_the_transformation_of_cole_and_hopf_is_the_integral_and_tends_to_the_shock() -> None:
    a, b, time, viscosity = np.array([[0.1, -0.05]]), np.array([[0.4, 0.1]]), 0.5, 0.02

    def potential(y: float) -> float:
        k = 2 * np.pi * np.array([1, 2])
        return float(np.sum((a[0] * np.sin(k * y) - b[0] * np.cos(k * y)) / k))

    def height(x: float) -> float:
        value = quad(lambda y: np.exp(-(potential(y) + (x - y) ** 2 / (2 * time)) / (2 * viscosity)), x - 3, x + 3,
                     points=[x - 0.5, x, x + 0.5], epsabs=0, epsrel=1e-13, limit=400)[0]  # fmt: skip
        return -2 * viscosity * np.log(value)

    found = cole_hopf(a, b, cells=12, time=time, viscosity=viscosity)[0]
    expected = [12 * (height((i + 1) / 12) - height(i / 12)) for i in range(12)]
    np.testing.assert_allclose(found, expected, atol=1e-11)
    thin = cole_hopf(a, b, cells=48, time=0.8, viscosity=1e-5)
    assert np.abs(thin - exact(a, b, cells=48, time=0.8)).mean() < 1e-3


def test_the_viscous_state_is_that_of_scipys_integrator() -> None:
    problem = Burgers(cells=360, levels=1, modes=3, viscosity=0.01, time=0.2)
    draws, n = problem.draw(1, torch.Generator().manual_seed(5)), 120
    wave = 2j * np.pi * np.fft.fftfreq(n, 1 / n)

    def slopes(_: float, u: np.ndarray) -> np.ndarray:  # spectral, in point values
        return np.fft.ifft(-wave * np.fft.fft(u**2 / 2) + 0.01 * wave**2 * np.fft.fft(u)).real

    x = np.arange(n) / n
    k = 2 * np.pi * np.arange(1, 4)[:, None] * x
    points = solve_ivp(slopes, (0, 0.2), draws[0, :3] @ np.cos(k) + draws[0, 3:] @ np.sin(k), rtol=1e-9, atol=1e-11)
    integral = np.fft.ifft(np.where(wave == 0, 0, np.fft.fft(points.y[:, -1]) / np.where(wave == 0, 1, wave))).real
    expected = (np.roll(integral, -1) - integral) * n  # averages between the points
    np.testing.assert_allclose(problem.reference(draws)[0, 0].reshape(n, 3).mean(axis=1), expected, atol=1e-6)


def test_too_few_steps_are_not_converged_and_infinite_speeds_not_finite() -> None:
    u = np.array([waves(20), np.where(np.arange(20) == 3, np.inf, waves(20)), waves(20)])
    for limit, done in ((3, False), (10_000, True)):
        state, steps, ended = march_viscous(u, width=0.05, time=0.5, viscosity=1e-3, step_limit=limit)
        assert ended.tolist() == [done, False, done]
        assert np.isnan(state[1]).all()
        assert np.isfinite(state[[0, 2]]).all()
    problem = Burgers(cells=16, levels=2, modes=2, viscosity=1e-3, time=0.5)
    inputs = np.full((2, 1, 16), 5000.0)  # crosses the domain 2,500 times
    inputs[1] = 0.1
    assert problem.solve(inputs, problem.finest).status == ("not-converged", "ok")


def test_bad_viscosities_and_too_few_cells_are_refused() -> None:
    refuses(Burgers, {"viscosity": -1e-3}, "viscosity of burgers must be at least 0 and finite, got -0.001")
    with pytest.raises(ValueError, match="at least 2 cells, got 1"):
        march_viscous(np.ones((1, 1)), width=1.0, time=1.0, viscosity=1.0)
    with pytest.raises(ValueError, match="advection lives on periodic cell grids"):
        Advection(cells=32, levels=2).solve(np.ones((1, 1, 32)), Grid((32,), periodic=False))
