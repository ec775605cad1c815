"""References by extrapolation: exact where errors are powers of h, and near to the truth where they are not."""

import inspect

import numpy as np
import pytest

from broken import LINE, Toy, evaluate
from mlft.grids import relative_error
from mlft.problems import Darcy, Helmholtz, Problem, RadiativeTransfer, Wkb
from mlft.problems.base import refined
from mlft.problems.references import extrapolated
from mlft.seeds import generator as stream


def repeated(draws, grid):
    """The same step function on every grid, so that restriction adds no error of its own."""
    return np.repeat(evaluate(draws, LINE[-1]), grid.cells[0] // 48, axis=-1)


def with_errors(*rates: float):
    """A problem with u = f + Σ_i h^rate_i g_i(f), and the grids that it was solved on."""
    solved = []

    def solve(inputs, grid):
        solved.append(grid.cells[0] // 48)
        errors = [np.sin((i + 1) * inputs) * (48 * grid.spacing[0]) ** rate for i, rate in enumerate(rates)]
        return inputs + 0.1 * sum(errors)

    return Toy(valued=repeated, solving=solve, order=1.7), solved


def rows(problem: Problem, n: int) -> np.ndarray:
    return np.concatenate([problem.draw(1, stream(0, "reference", i)) for i in range(n)])


@pytest.mark.parametrize(
    ("rates", "ratios", "least", "asked"),
    [
        ((1.7,), (2, 4), 0.0, [2, 4]),
        ((1.1,), (1, 2, 4), 0.0, [1, 2, 4]),
        ((1.1,), (1, 2, 4, 8), 1.0, [1, 2, 4]),
        ((0.9,), (1, 2, 4, 8), 1.0, [1, 2, 4, 8]),
        ((1.4, 0.6), (1, 2, 4, 8), 1.2, [1, 2, 4, 8]),
    ],
)
def test_errors_that_are_powers_of_h_are_taken_out(rates, ratios, least, asked) -> None:
    problem, solved = with_errors(*rates)
    draws = rows(problem, 1)
    found = extrapolated(problem, draws, ratios=ratios, least=least)
    assert solved == asked
    np.testing.assert_allclose(found, evaluate(draws, LINE[-1]), atol=1e-10)
    assert np.abs(refined(problem, draws, 8) - found).max() > 1e-3


def test_each_sample_is_extrapolated_at_its_own_rate_and_asks_for_its_own_grids() -> None:
    problem, solved = with_errors()
    draws = rows(problem, 3)
    draws[:, 0] = [2.0, 0.5, 2.0]

    def solve(inputs, grid):
        solved.append((len(inputs), grid.cells[0] // 48))
        rates = np.where(np.abs(inputs).max(axis=-1, keepdims=True) > bar, 1.5, 0.5)
        return inputs + 0.1 * np.sin(inputs) * (48 * grid.spacing[0]) ** rates

    largest = np.abs(evaluate(draws, LINE[-1])).max(axis=(1, 2))
    bar = float(np.sort(largest)[:2].mean())
    problem.solving = solve
    found = extrapolated(problem, draws, ratios=(1, 2, 4, 8), least=1.0)
    np.testing.assert_allclose(found, evaluate(draws, LINE[-1]), atol=1e-10)
    assert solved.count((1, 8)) == (largest < bar).sum() == 1
    assert (extrapolated(problem, draws[[1]], ratios=(1, 2, 4, 8), least=1.0)[0] == found[1]).all()


@pytest.mark.parametrize(
    ("problem", "ratios", "least"),
    [
        (Darcy(cells=256), (1, 2, 4, 8), 1.2),
        (Darcy(cells=64, field="channels"), (1, 2, 4, 8), np.inf),
        (Darcy(cells=512), (1, 2, 4), 1.2),
        (RadiativeTransfer(cells=400), (1, 2, 4, 8), 1.7),
        (RadiativeTransfer(cells=720), (1, 2, 4), 1.7),
        (RadiativeTransfer(cells=1440), (1, 2), 1.7),
        (Helmholtz(dimension=2), (1, 2), 1.7),
        (Helmholtz(dimension=2, wave_number=70.0), (1, 2, 4), 1.7),
    ],
)
def test_a_reference_asks_for_no_grid_beyond_its_means(problem, ratios, least, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        f"{type(problem).__module__}.extrapolated",
        lambda of, draws, ratios, least: asked.append((ratios, least)) or draws,
    )
    inspect.unwrap(type(problem).reference)(problem, rows(problem, 1))
    assert asked == [(ratios, least)]


@pytest.mark.parametrize("rate", [0.0, 0.1, -1.0])
def test_a_correction_larger_than_all_the_steps_is_not_believed(rate: float) -> None:
    problem, _ = with_errors(rate)
    draws = rows(problem, 2)
    assert (extrapolated(problem, draws, ratios=(1, 2, 4)) == refined(problem, draws, 4)).all()


# Grids where refining once, the reference of before, is 6% to 40% short; the truth is a grid 16 to 64 times as fine.
@pytest.mark.parametrize(
    ("problem", "fine", "within"),
    [
        (Darcy(cells=32), 16, 0.03),
        (Darcy(cells=32, field="lognormal"), 16, 0.02),
        (Darcy(cells=32, field="matern"), 16, 0.03),
        (Darcy(cells=32, field="channels"), 16, 0.06),
        (RadiativeTransfer(cells=40), 32, 0.02),
        (RadiativeTransfer(cells=40, strength=50.0), 32, 0.02),
        (Helmholtz(), 64, 0.01),
        (Helmholtz(cells=64, wave_number=60.0), 64, 0.02),
        (Helmholtz(cells=24, levels=3, wave_number=8.0, dimension=2), 8, 0.03),
        (Wkb(), 32, 0.01),
        (Wkb(cells=32, levels=2), 32, 0.01),
        (Wkb(mesh_free=4, epsilon=0.0035, contrast=0.3), 512, 0.01),
    ],
    ids=lambda value: f"{value.name}-{value.cells}" if isinstance(value, Problem) else "",
)
def test_the_bias_of_the_finest_grid_against_the_reference_is_the_true_one(problem, fine, within) -> None:
    draws = rows(problem, 2)
    finest = problem.solve(problem.evaluate(draws, problem.finest), problem.finest).solutions
    measured = relative_error(finest, problem.reference(draws), problem.finest)
    true = relative_error(finest, refined(problem, draws, fine), problem.finest)
    np.testing.assert_allclose(measured, true, rtol=within)
    once = relative_error(finest, refined(problem, draws, 2), problem.finest)
    assert (np.abs(once / true - 1) > 0.05).all()
