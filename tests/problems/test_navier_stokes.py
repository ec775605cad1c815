import dataclasses

import numpy as np
import pytest
from scipy import fft
from scipy.integrate import solve_ivp

from mlft.grids import Grid
from mlft.problems import NavierStokes, distances
from mlft.seeds import generator as stream
from mlft.solvers import vorticity
from mlft.solvers.vorticity import march_vorticity, transport
from orders import observed_order
from refusals import refuses


def initial(points: int, size: float) -> np.ndarray:
    problem = NavierStokes(cells=points, levels=1, modes=2)
    draws = problem.draw(1, stream(0, "flow"))
    return size * problem.evaluate(draws / np.abs(draws).sum(), problem.finest)[0, 0]


def test_a_decaying_vortex_is_exact() -> None:
    x = np.arange(18) / 18
    vortex = np.sin(4 * np.pi * x)[:, None] * np.sin(4 * np.pi * x)  # u·∇ω = 0
    flows = np.stack([vortex, 3 * vortex])
    state, _, done = march_vorticity(flows, forcing=np.zeros((18, 18)), viscosity=0.01, time=2.0)
    assert done.all()
    decay = np.exp(-32 * np.pi**2 * 0.01 * 2)
    np.testing.assert_allclose(state, np.stack([decay * vortex, 3 * decay * vortex]), atol=1e-12)


@pytest.mark.parametrize("viscosity", [0.0, 1e-5, 0.1, 10.0])
def test_a_forced_wave_is_exact_at_any_viscosity(viscosity: float) -> None:
    """Where one step is longer than the wave takes to decay, too."""
    turns = 2 * np.pi * (np.arange(16)[:, None] + np.arange(16)) / 16
    wave = np.sin(turns) + np.cos(turns)
    states, _, done = march_vorticity(np.stack([0 * wave, 0.5 * wave]), forcing=wave, viscosity=viscosity, time=0.8)
    assert done.all()
    rate = 8 * np.pi**2 * viscosity
    grown = -np.expm1(-0.8 * rate) / rate if rate > 0 else 0.8
    expected = np.stack([grown * wave, (np.exp(-0.8 * rate) * 0.5 + grown) * wave])
    np.testing.assert_allclose(states, expected, atol=1e-12)


def test_transport_is_the_convolution_of_its_waves() -> None:
    points = 15
    modes = vorticity._to_waves(initial(points, 1.0)[None])
    full, k = fft.fft2(fft.irfft2(modes[0], s=(points, points))) / points**2, fft.fftfreq(points, 1 / points)
    kept = [(i, j) for i in range(points) for j in range(points) if max(abs(k[i]), abs(k[j])) < points / 3]
    expected = np.zeros((points, points), dtype=complex)
    for i, j in kept:
        for m, n in kept:
            square = k[i] ** 2 + k[j] ** 2
            target = (int(k[i] + k[m]), int(k[j] + k[n]))
            if square > 0 and max(abs(target[0]), abs(target[1])) < points / 3:
                # u = ψ_y, v = −ψ_x, ψ = ω / |2πk|²; (2πi)² / (2π)² = −1
                cross = -(k[j] * k[m] - k[i] * k[n]) / square
                expected[target] -= cross * full[i, j] * full[m, n]
    found, _ = transport(modes)
    np.testing.assert_allclose(found[0], points**2 * expected[:, : points // 3], atol=1e-12 * np.abs(found).max())


def test_transport_keeps_energy_enstrophy_and_mean() -> None:
    points = 24
    modes = vorticity._to_waves(initial(points, 1.0)[None])
    rate, flow = (fft.irfft2(field[0], s=(points, points)) for field in (transport(modes)[0], modes))
    k = 2 * np.pi * fft.fftfreq(points, 1 / points)
    squares = k[:, None] ** 2 + k**2
    psi = fft.ifft2(np.where(squares > 0, fft.fft2(flow) / np.where(squares > 0, squares, 1), 0)).real
    scale = np.abs(rate).max()
    assert scale > 0.01
    assert abs((rate * flow).mean()) < 1e-14 * scale * np.abs(flow).max() * 10
    assert abs((rate * psi).mean()) < 1e-14 * scale
    assert abs(rate.mean()) < 1e-14 * scale


def test_the_method_is_of_order_four_in_time() -> None:
    """Equal steps: the last one of `march_vorticity` is shorter, which would blur the order."""
    start, source = vorticity._to_waves(initial(16, 25.0)[None]), vorticity._to_waves(initial(16, 20.0).T)
    fields, counts = [], [12, 24, 48, 96, 240]
    for count in counts:
        modes, step = start, np.full(1, 0.4 / count)
        for _ in range(count):
            modes = vorticity._step(modes, transport(modes)[0], source, step, 0.005)[0]
        fields.append(fft.irfft2(modes[0], s=(16, 16)))
    errors = [float(np.abs(field - fields[-1]).max()) for field in fields[:-1]]
    assert observed_order([1 / count for count in counts[:-1]], errors) == pytest.approx(4.0, abs=0.1)
    assert errors[-1] < 1e-6


def test_errors_in_space_fall_faster_than_any_order() -> None:
    fields, cells = {}, (12, 24, 48)
    for points in (*cells, 96):
        flow = initial(points, 10.0)
        state, _, _ = march_vorticity(flow[None], forcing=np.zeros((points, points)), viscosity=0.02, time=0.5)
        fields[points] = state[0][:: points // 12, :: points // 12]
    errors = [np.abs(fields[points] - fields[96]).max() for points in cells]
    assert errors[1] < errors[0] / 100
    assert errors[2] < 1e-5


@pytest.mark.parametrize(("forcing", "time", "size"), [(0.3, 2.0, 20.0), (100.0, 0.5, 1.0), (1e4, 0.05, 1.0)])
def test_the_flow_is_that_of_scipys_integrator(forcing: float, time: float, size: float) -> None:
    """Also where a strong force acts on a slow flow."""
    problem = NavierStokes(cells=16, levels=1, time=time, viscosity=5e-3, forcing=forcing, modes=2)
    inputs = size * problem.evaluate(problem.draw(1, stream(0, "scipy")), problem.finest)
    x, n = np.arange(16) / 16, 16
    k = 2j * np.pi * fft.fftfreq(n, 1 / n)
    kept = (np.abs(k[:, None]) < 2 * np.pi * n / 3) & (np.abs(k) < 2 * np.pi * n / 3)
    squares = -(k[:, None] ** 2 + k**2).real
    turns = 2 * np.pi * (x[:, None] + x)
    source = fft.fft2(forcing * (np.sin(turns) + np.cos(turns)))

    def slopes(_: float, y: np.ndarray) -> np.ndarray:
        w = kept * fft.fft2(y.reshape(n, n))
        psi = w / np.where(squares > 0, squares, 1.0)
        u, v, w_x, w_y = (fft.ifft2(f).real for f in (k * psi, -k[:, None] * psi, k[:, None] * w, k * w))
        rate = kept * (fft.fft2(-(u * w_x + v * w_y)) + source) - 5e-3 * squares * w
        return fft.ifft2(rate).real.reshape(-1)

    start = fft.ifft2(kept * fft.fft2(inputs[0, 0])).real
    found = solve_ivp(slopes, (0, time), start.reshape(-1), rtol=1e-9, atol=1e-10).y[:, -1].reshape(n, n)
    solved = problem.solve(inputs, problem.finest)
    assert solved.status == ("ok",)
    np.testing.assert_allclose(solved.solutions[0, 0], found, atol=2e-4 * np.abs(found).max())
    assert np.abs(solved.solutions - inputs).max() > 0.5


def test_a_step_in_which_the_flow_becomes_too_fast_is_tried_again_at_half_the_length(monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(vorticity, "transport", lambda modes: calls.append(len(modes)) or transport(modes))
    options = {"forcing": initial(16, 400.0), "viscosity": 1e-3, "time": 0.4}
    still, held = np.zeros((1, 16, 16)), []
    for limit in range(1, 12):
        state, steps, done = march_vorticity(still, **options, step_limit=limit)
        assert steps[0] == limit and not done[0]
        held.append(np.abs(state).max())
    first = next(i for i, top in enumerate(held) if top > 0)
    assert first >= 2  # as often it is tried in vain: nothing moves
    once, _, done = march_vorticity(still, **options | {"time": 0.4 / 2**first})
    assert done[0] and np.abs(once).max() == pytest.approx(held[first], rel=1e-12)
    calls.clear()
    _, steps, _ = march_vorticity(still, **options)
    assert sum(calls) == 4 * steps[0]


@pytest.mark.parametrize(("force", "lengths"), [(2.0, 5), (2000.0, 3)])
def test_flows_side_by_side_see_nothing_of_each_other(force: float, lengths: int) -> None:
    """Fast ones take more steps, and the slow ones leave first; under a strong force some try again and some do not."""
    flows = np.stack([size * initial(14, 1.0) for size in (3.0, 40.0, 0.5, 25.0, 8.0)])
    options = {"forcing": initial(14, force), "viscosity": 1e-3, "time": 0.7}
    states, steps, done = march_vorticity(flows, **options)
    assert done.all()
    assert len(set(steps.tolist())) == lengths
    for flow, state, count in zip(flows, states, steps, strict=True):
        alone = march_vorticity(flow[None], **options)
        np.testing.assert_array_equal(state, alone[0][0])
        assert count == alone[1][0]


def test_a_moved_flow_stays_moved_and_unforced_flow_loses_enstrophy() -> None:
    flow = initial(20, 9.0)
    state, other = march_vorticity(
        np.stack([flow, np.roll(flow, (3, 7), (0, 1))]), forcing=np.zeros((20, 20)), viscosity=1e-3, time=1.0
    )[0]
    np.testing.assert_allclose(other, np.roll(state, (3, 7), (0, 1)), atol=1e-11)
    assert 0.1 * (flow**2).sum() < (state**2).sum() < (flow**2).sum()
    assert state.mean() == pytest.approx(flow.mean(), abs=1e-14)


def test_the_input_is_the_stated_series() -> None:
    problem = NavierStokes(cells=10, levels=1, modes=2)
    assert len(problem.waves) == 12
    assert not any((-wave == problem.waves).all(axis=1).any() for wave in problem.waves)
    draws = problem.draw(3000, stream(0, "law"))
    sizes = 2 * 343 * (4 * np.pi**2 * (problem.waves**2).sum(axis=1) + 49) ** -2.5
    # a variance over 3,000 normals has a relative standard deviation of 2.6%; 24 of them: 12% is 4.6 of those
    np.testing.assert_allclose(draws.var(axis=0), np.tile(sizes, 2), rtol=0.12)
    x, row = np.arange(10) / 10, draws[0]
    expected = np.zeros((10, 10))
    for j, (k, m) in enumerate(problem.waves):
        turns = 2 * np.pi * (k * x[:, None] + m * x)
        expected += row[j] * np.cos(turns) + row[12 + j] * np.sin(turns)
    np.testing.assert_allclose(problem.evaluate(draws[:1], problem.finest)[0, 0], expected, atol=1e-13)


def test_by_default_neither_the_mean_nor_decay_nor_one_wave_tells_the_solution() -> None:
    problem = NavierStokes()
    found = distances(problem, draws=4)
    assert found.mean > 0.8
    assert 0.5 > found.own[0] > 0.1 > found.own[1] > 0.02 > found.own[2]
    inputs = problem.evaluate(problem.draw(4, stream(0, "hard")), problem.finest)
    flows = problem.solve(inputs, problem.finest).solutions
    waves, k = fft.fft2(flows), fft.fftfreq(64, 1 / 64)
    enstrophy = np.abs(waves) ** 2
    assert (enstrophy[..., 1, 1] + enstrophy[..., -1, -1]).sum() < 0.2 * enstrophy.sum()
    decay = np.exp(-4 * np.pi**2 * (k[:, None] ** 2 + k**2) * problem.viscosity * problem.time)
    assert np.abs(decay * fft.fft2(inputs) - waves).std() > 0.4 * np.abs(waves).std()


def test_too_few_steps_are_not_converged_and_overflows_not_finite() -> None:
    flow = np.stack([initial(12, 30.0), np.full((12, 12), np.inf), initial(12, 1e200)])
    for limit, done in ((2, False), (200, True)):
        with np.errstate(all="ignore"):
            state, steps, ended = march_vorticity(
                flow, forcing=np.zeros((12, 12)), viscosity=1e-2, time=1.0, step_limit=limit
            )
        assert ended.tolist() == [done, False, False]
        assert np.isnan(state[[1, 2]]).all()
        assert steps[0] <= limit
        assert steps[2] <= 1
    fast = NavierStokes(cells=8, levels=1, time=1e6, viscosity=1e-2)
    assert fast.solve(flow[:1, None, :8, :8], fast.finest).status == ("not-converged",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": 0.0}, "time .* got 0.0"),
        ({"viscosity": -1e-3}, "viscosity .* got -0.001"),
        ({"forcing": float("inf")}, "forcing .* got inf"),
        ({"modes": 0}, "modes .* got 0"),
        ({"cells": 16}, "allows 3 levels.*got 4"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    refuses(NavierStokes, options, message)


def test_what_the_solver_cannot_do_is_refused() -> None:
    for points, viscosity in ((3, 0.1), (8, -0.1)):
        with pytest.raises(ValueError, match=f"got {points}, {viscosity}"):
            march_vorticity(
                np.ones((1, points, points)), forcing=np.ones((points, points)), viscosity=viscosity, time=1.0
            )
    problem = dataclasses.replace(NavierStokes(), cells=32)
    with pytest.raises(ValueError, match="navier-stokes lives on periodic nodal grids"):
        problem.solve(np.ones((1, 1, 32, 32)), Grid((32, 32)))
