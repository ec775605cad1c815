import dataclasses
import functools

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from ground import by_lapack, spectral
from mlft.grids import Grid, prolong, refine, relative_error, restrict
from mlft.problems import Schrodinger
from mlft.problems import schrodinger as problem_module
from mlft.problems.base import refined
from mlft.seeds import generator as stream
from mlft.solvers.eigen import ground_states


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with threadpool_limits(1):  # on a busy machine many small dense solves wait for each other's threads
        yield


def test_inputs_are_the_same_function_on_every_grid(generator: torch.Generator) -> None:
    problem = Schrodinger(cells=96, levels=4)
    draws = problem.draw(7, generator)
    fine = problem.evaluate(draws, refine(problem.finest, 4))
    for grid in problem.hierarchy:
        np.testing.assert_allclose(restrict(fine, to=grid), problem.evaluate(draws, grid), rtol=0, atol=1e-12)
        single = [problem.evaluate(draws[row : row + 1], grid)[0] for row in range(7)]
        assert (problem.evaluate(draws, grid) == single).all()


def test_wells_and_ripple_have_the_stated_waves_and_deviations(generator: torch.Generator) -> None:
    problem = Schrodinger(cells=96, levels=1, wells=2, depth=3.0, first=7, last=9, ripple=5.0)
    fields = problem.evaluate(problem.draw(20_000, generator), problem.finest)[:, 0]
    power = (np.abs(np.fft.rfft(fields, axis=1) / 96) ** 2).mean(axis=0)
    expected = np.zeros(49)
    expected[1:3], expected[7:10] = 3.0**2 / 2 / 2, 5.0**2 / 3 / 2
    # a mean over 20,000 squares of two normals is off by 1/√20,000 = 0.7%: 5% is seven times that
    np.testing.assert_allclose(power, expected, rtol=0.05, atol=1e-20)
    assert fields.std() == pytest.approx(np.sqrt(3.0**2 + 5.0**2), rel=0.02)


def test_the_reference_is_the_spectral_solution_to_a_millionth() -> None:
    problem = Schrodinger()
    draws = problem.draw(3, stream(0, "reference"))
    waves = problem.waves
    exact = [spectral(row[: len(waves)], row[len(waves) :], waves, 512, 100)[1] for row in draws]
    assert relative_error(problem.reference(draws), np.array(exact)[:, None], problem.finest).max() < 1e-6


def test_the_coarsest_grid_is_informative_and_the_finest_accurate() -> None:
    problem = Schrodinger()
    draws = problem.draw(150, stream(0, "bias"))
    reference, bias = problem.reference(draws), []
    for grid in problem.hierarchy:
        solved = problem.solve(problem.evaluate(draws, grid), grid)
        assert set(solved.status) == {"ok"}
        assert solved.scalars["residual"].max() < 1e-13
        bias.append(relative_error(prolong(solved.solutions, to=problem.finest), reference, problem.finest).mean())
    assert 0.05 < bias[0] < 0.3
    assert bias[-1] < 4e-4
    assert bias == sorted(bias, reverse=True)
    assert relative_error(np.ones_like(reference), reference, problem.finest).mean() > 0.7  # far from constant


def test_a_solve_ends_in_a_status_and_scalars_per_sample(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Schrodinger(cells=96, levels=2)
    inputs = problem.evaluate(problem.draw(4, generator), problem.finest)
    energy = problem.solve(inputs, problem.finest).scalars["energy"]
    np.testing.assert_allclose(energy, [by_lapack(row[0])[0][0] for row in inputs], rtol=1e-11)
    inputs[1] = 5.0
    inputs[2, 0, 3] = np.nan
    monkeypatch.setattr(problem_module, "ground_states", functools.partial(ground_states, limit=4))
    solved = problem.solve(inputs, problem.finest)
    assert solved.status == ("not-converged", "ok", "not-finite", "not-converged")
    assert solved.scalars["energy"][1] == 5.0
    assert solved.scalars["iterations"].tolist() == [4, 2, 0, 4]
    with pytest.raises(ValueError, match="reference solve of schrodinger on 192 failed: .'not-converged'"):
        problem.reference(problem.draw(2, generator))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": 0}, "cells .* integer of at least 4, got 0"),
        ({"levels": -1}, "levels .* integer of at least 1, got -1"),
        ({"wells": 0}, "wells .* integer of at least 1, got 0"),
        ({"wells": 8}, "wells < first <= last; got self.wells=8"),
        ({"first": 21}, "self.first=21, self.last=20"),
        ({"depth": -1.0}, "depth .* got -1.0"),
        ({"ripple": float("inf")}, "ripple .* got inf"),
        ({"cells": 32, "levels": 5}, "allows 4 levels.*got 5"),
        ({"cells": 100, "levels": 4}, "allows 3 levels.*got 4"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schrodinger(**options)


def test_grids_draws_and_inputs_of_another_kind_are_refused(generator: torch.Generator) -> None:
    problem = Schrodinger(cells=48, levels=3)
    draws = problem.draw(2, generator)
    for grid in (Grid((48,)), Grid((48,), lengths=(2.0,), centring="nodal"), Grid((48,), (1.0,), "nodal", False)):
        with pytest.raises(ValueError, match="schrodinger lives on periodic nodal grids"):
            problem.evaluate(draws, grid)
        with pytest.raises(ValueError, match="schrodinger lives on periodic nodal grids"):
            problem.solve(np.ones((1, 1, *grid.shape)), grid)
    with pytest.raises(ValueError, match=r"draws of schrodinger have shape \(n, 32\), got \(2, 31\)"):
        problem.evaluate(draws[:, 1:], problem.finest)
    with pytest.raises(ValueError, match=r"shape \(n, 1, 48\), got \(2, 1, 24\)"):
        problem.solve(problem.evaluate(draws, problem.hierarchy[1]), problem.finest)


def test_two_equal_wells_of_a_ring_that_hardly_feel_each_other_are_degenerate_by_name() -> None:
    problem = Schrodinger(cells=48, levels=1)
    wells = np.cos(4 * np.pi * np.arange(48) / 48)
    v = np.stack([depth * np.roll(wells, 5)[None] for depth in (300.0, 1e3, 1e4, 1e5)])
    v[:, 0, 30] *= 1 + 1e-15  # they differ by their last bit
    solved = problem.solve(v, problem.finest)
    assert solved.status == ("ok", "ok", "degenerate", "degenerate")
    np.testing.assert_allclose(solved.solutions[:2], np.roll(solved.solutions[:2], 24, axis=2), rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"boundary": "dirichlet"}, {"boundary": "dirichlet", "scheme": "spectral"}])
def test_the_bias_measured_with_the_reference_is_the_true_one_to_a_percent(options: dict) -> None:
    problem = Schrodinger(cells=64, levels=1, **options)
    draws = problem.draw(4, stream(0, "estimated"))
    exact = refined(dataclasses.replace(problem, scheme="spectral"), draws, 16)
    solved = problem.solve(problem.evaluate(draws, problem.finest), problem.finest).solutions
    true, estimated = (relative_error(solved, field, problem.finest) for field in (exact, problem.reference(draws)))
    np.testing.assert_allclose(estimated, true, rtol=0.01)


@pytest.mark.parametrize(
    ("options", "price"),
    [
        ({}, (1.1, 40.0)),
        ({"cubic": 1.0}, (1.0, 900.0)),
        ({"boundary": "dirichlet"}, (1.0, 900.0)),
        ({"scheme": "spectral"}, (1.0, 900.0)),
        ({"dimension": 2, "law": "wells"}, (2.1, 40.0)),
    ],
)
def test_the_price_is_that_of_the_solver_that_is_used(options: dict, price: tuple[float, float]) -> None:
    problem = Schrodinger(cells=32, levels=2, **options)
    assert (problem.cost_exponent, problem.overhead_cells) == price
    inputs = problem.evaluate(problem.draw(1, stream(0, "solver")), problem.finest)
    assert ("bracket" in problem.solve(inputs, problem.finest).scalars) == (price[0] == 1.1)
