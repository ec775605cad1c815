import dataclasses
import inspect
import re

import numpy as np
import pytest
import torch

from mlft.grids import Grid, prolong, refine, relative_error
from mlft.problems import Darcy
from mlft.seeds import generator as stream


def test_draws_are_normal_numbers_times_the_stated_sizes_whatever_their_number() -> None:
    problem = Darcy(modes=6, correlation_length=0.25, smoothness=1.5)
    draws = problem.draw(3, stream(5, "draw"))
    same = stream(5, "draw")
    numbers = np.stack([torch.randn(35, generator=same, dtype=torch.float64).numpy() for _ in range(3)])
    k = np.stack(np.meshgrid(np.arange(6), np.arange(6), indexing="ij")).reshape(2, -1)[:, 1:]
    sizes = (np.pi**2 * (k**2).sum(axis=0) + 16) ** -1.5
    np.testing.assert_allclose(draws, numbers * sizes / np.sqrt((sizes**2).sum()), rtol=1e-13)
    assert (problem.draw(2, stream(5, "draw")) == draws[:2]).all()


def test_a_single_mode_is_a_cosine_with_unit_variance() -> None:
    problem = Darcy(cells=20, levels=2, modes=5, field="lognormal", contrast=50)
    x = problem.finest.points[0]
    draws = np.zeros((3, 24))
    draws[0, 0 * 5 + 2 - 1], draws[1, 3 * 5 + 0 - 1], draws[2, 1 * 5 + 4 - 1] = 1.0, 1.0, -1.0
    a = problem.evaluate(draws, problem.finest)[:, 0]
    cosine = [np.cos(k * np.pi * x) for k in range(5)]
    ones = np.ones(20)
    expected = np.stack([np.outer(ones, cosine[2]), np.outer(cosine[3], ones), -np.outer(cosine[1], cosine[4])])
    expected *= np.sqrt([2, 2, 4])[:, None, None]
    np.testing.assert_allclose(np.log(a), np.log(50) / 3.919927969 * expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.mean(np.square(expected), axis=(1, 2)), 1, rtol=1e-13)


def test_the_contrast_of_a_lognormal_field_is_the_ratio_of_its_outer_quantiles() -> None:
    """Where g has variance 1; a standard normal variable is above 1.96 with probability 2.5%."""
    problem = Darcy(cells=4, levels=1, modes=2, field="lognormal", contrast=80)
    draws = np.zeros((2, 3))
    draws[:, 0] = np.array([1, -1]) * 1.959964 / (np.sqrt(2) * np.cos(np.pi / 8))
    low, high = problem.evaluate(draws, problem.finest)[[1, 0], 0, 0, 0]
    assert high / low == pytest.approx(80, rel=1e-6)
    assert high * low == pytest.approx(1)


def test_a_two_phase_field_has_two_values_of_the_stated_contrast() -> None:
    problem = Darcy(cells=48, levels=3, modes=12, contrast=25)
    logs = dataclasses.replace(problem, field="lognormal")
    draws = problem.draw(5, stream(0, "phases"))
    a = problem.evaluate(draws, problem.finest)
    np.testing.assert_allclose(np.unique(a), [0.2, 5.0], rtol=1e-14)
    assert ((a > 1) == (logs.evaluate(draws, logs.finest) >= 1)).all()
    coarse = problem.evaluate(draws, problem.hierarchy[0])
    assert ((coarse > 0.3) & (coarse < 4)).any()


def test_a_finer_grid_sees_the_same_cells() -> None:
    problem = Darcy(cells=12, levels=2, modes=6)
    draws = problem.draw(2, stream(0, "cells"))
    finer = problem.evaluate(draws, refine(problem.finest, 4))
    assert (finer == np.kron(problem.evaluate(draws, problem.finest), np.ones((4, 4)))).all()


def test_the_source_scales_the_pressure() -> None:
    problem = Darcy(cells=16, levels=2, modes=4)
    inputs = problem.evaluate(problem.draw(2, stream(0, "source")), problem.finest)
    twice = dataclasses.replace(problem, source=2.0).solve(inputs, problem.finest)
    assert (twice.solutions == 2 * problem.solve(inputs, problem.finest).solutions).all()


# Means over 24 draws of the relative L2 error against the reference; the bands are ±20% around the values measured.
@pytest.mark.parametrize(
    ("field", "measured"),
    [("two-phase", [0.117, 0.064, 0.024, 0.0112]), ("lognormal", [0.067, 0.017, 0.0045, 0.0013])],
)
def test_the_bias_of_the_levels_is_as_stated(field: str, measured: list[float]) -> None:
    problem = Darcy(cells=64, field=field)
    draws = np.concatenate([problem.draw(1, stream(0, "bias", i)) for i in range(24)])
    reference = problem.reference(draws)
    for grid, bias in zip(problem.hierarchy, measured, strict=True):
        solutions = problem.solve(problem.evaluate(draws, grid), grid).solutions
        error = relative_error(prolong(solutions, to=problem.finest), reference, problem.finest).mean()
        assert 0.8 * bias < error < 1.2 * bias


@pytest.mark.parametrize(
    "options",
    [
        {"cells": 16, "modes": 17}, {"modes": 1}, {"field": "three-phase"}, {"contrast": 1.0}, {"contrast": np.nan},
        {"correlation_length": 0.0}, {"smoothness": -1.0}, {"source": np.inf}, {"iteration_limit": 0},
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused_saying_what_was_got(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=re.escape(str(list(options.values())[-1]))):
        inspect.unwrap(Darcy.__init__)(object.__new__(Darcy), **options)  # before the type checker of the tests


def test_draws_and_grids_that_do_not_fit_are_refused() -> None:
    problem = Darcy(cells=12, levels=2, modes=3)
    draws = problem.draw(2, stream(0, "fit"))
    with pytest.raises(ValueError, match=re.escape("(n, 8), got (2, 7)")):
        problem.evaluate(draws[:, 1:], problem.finest)
    with pytest.raises(ValueError, match="finite"):
        problem.evaluate(draws * np.nan, problem.finest)
    with pytest.raises(ValueError, match="10 cells"):
        problem.evaluate(draws, Grid((10, 10), periodic=False))
    for grid in (Grid((12, 12)), Grid((12,), periodic=False), Grid((12, 24), periodic=False)):
        with pytest.raises(ValueError, match="darcy lives on bounded cell grids"):
            problem.evaluate(draws, grid)
    with pytest.raises(ValueError, match="darcy lives on bounded cell grids"):
        problem.solve(np.ones((2, 1, 12, 24)), Grid((12, 24), periodic=False))


def test_a_matern_field_has_the_exponential_covariance_away_from_the_sides() -> None:
    problem = Darcy(cells=64, levels=1, modes=64, field="matern", contrast=np.exp(2 * 1.959963984540054),
                    correlation_length=0.1)  # fmt: skip
    draws = np.concatenate([problem.draw(1, stream(0, "matern", i)) for i in range(1500)])
    logs = np.log(problem.evaluate(draws, problem.finest)[:, 0])  # g itself: σ = 1
    variance = (logs[:, 32, 32] ** 2).mean()
    for steps in (2, 4, 8):
        measured = (logs[:, 32, 32 - steps // 2] * logs[:, 32, 32 + steps // 2]).mean() / variance
        # a correlation from 1,500 draws has a standard deviation of 0.026 at most; the modes cut off cost 0.02
        assert measured == pytest.approx(np.exp(-steps / 64 / 0.1), abs=0.1)
    smooth = dataclasses.replace(problem, field="lognormal", smoothness=2.0)
    rough = np.abs(np.diff(logs, axis=2)).mean() / logs.std()
    others = np.log(smooth.evaluate(smooth.draw(20, stream(0, "smooth")), smooth.finest)[:, 0])
    assert rough > 3 * np.abs(np.diff(others, axis=2)).mean() / others.std()


def test_channels_are_the_stated_bands_and_carry_the_flow() -> None:
    problem = Darcy(cells=60, levels=1, field="channels", contrast=1e4, channels=3)
    draws = problem.draw(200, stream(0, "channels"))
    c, a, f, phase, w = draws.reshape(200, 5, 3).transpose(1, 0, 2)
    assert ((c * 3).astype(int) == [0, 1, 2]).all()
    for values, low, high in ((a, 0.02, 0.12), (f, 0.5, 1.5), (phase, 0.0, 1.0), (w, 0.02, 0.05)):
        assert low < values.min() < low + 0.05 * (high - low) < high - 0.05 * (high - low) < values.max() < high
    fields = problem.evaluate(draws[:2], problem.finest)[:, 0]
    for i, j in ((0, 7), (31, 20), (59, 55)):
        x, y = (i + 0.5) / 60, (j + 0.5) / 60
        near = np.abs(y - c[0] - a[0] * np.sin(2 * np.pi * (f[0] * x + phase[0]))) < w[0]
        assert fields[0, i, j] == (1e2 if near.any() else 1e-2)
    assert sorted(set(fields.ravel())) == [1e-2, 1e2]
    solved = problem.solve(fields[:, None], problem.finest)
    assert solved.status == ("ok", "ok")
    assert solved.scalars["iterations"].max() < 40
