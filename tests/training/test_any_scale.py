"""Solutions of any size, on any constant, and channels of unlike sizes are learned as they would be in good units."""

import numpy as np
import pytest
import torch

from mlft.experiment.measure import free_baselines
from mlft.grids import Grid, channel_errors
from mlft.learners import FineTune
from mlft.store import Samples
from mlft.surrogates import build
from mlft.training import Course, Training

GRID = Grid((22,))
(X,) = GRID.points
RANDOM = np.random.default_rng(7)
INPUTS = np.einsum("nk,kx->nx", RANDOM.normal(size=(60, 3)), np.sin(2 * np.pi * np.outer([1, 2, 3], X)))[:, None]
SOLUTIONS = np.concatenate([np.tanh(INPUTS) + 0.5, INPUTS**2 - 0.7], axis=1)


def samples(inputs: np.ndarray, solutions: np.ndarray, rows: slice) -> Samples:
    return Samples(0, tuple(range(*rows.indices(60))), inputs[rows], solutions[rows], {})


def spread_errors(inputs: np.ndarray, solutions: np.ndarray, network: str = "fno") -> np.ndarray:
    """Return the mean VRMSE of each channel after a short training."""
    options = {"modes": [8], "width": 12, "depth": 2} if network == "fno" else {}
    random = torch.Generator().manual_seed(1)
    surrogate = build(network, (1, solutions.shape[1]), GRID, generator=random, options=options)
    learned, asked = samples(inputs, solutions, slice(0, 40)), samples(inputs, solutions, slice(40, 60))
    fitted = FineTune().fit(surrogate, [learned], Course(Training(steps=150, batch=8, rate=1e-2), seed=0))
    found = channel_errors(fitted.surrogate.predict(asked.inputs), asked.solutions, GRID)
    return found["vrmse"].mean(axis=0)


@pytest.fixture(scope="module")
def known() -> np.ndarray:
    errors = spread_errors(INPUTS, SOLUTIONS)
    assert (errors < 0.1).all()
    return errors


@pytest.mark.parametrize("size", [1e-25, 1e20])
def test_the_size_of_inputs_and_solutions_does_not_matter(known: np.ndarray, size: float) -> None:
    assert spread_errors(size * INPUTS, size * SOLUTIONS) == pytest.approx(known, rel=0.2)


def test_the_constant_that_they_stand_on_does_not_matter(known: np.ndarray) -> None:
    assert spread_errors(INPUTS - 1e6, SOLUTIONS + 1e6) == pytest.approx(known, rel=0.3)


def test_channels_of_unlike_sizes_are_learned_alike(known: np.ndarray) -> None:
    assert spread_errors(INPUTS, SOLUTIONS * np.array([1e3, 1e-4])[:, None]) == pytest.approx(known, rel=0.2)


def test_a_regression_does_not_feel_units_either() -> None:
    known = spread_errors(INPUTS, SOLUTIONS, "kernel")
    found = spread_errors(1e6 + 1e-3 * INPUTS, SOLUTIONS * np.array([1e5, 1e-3])[:, None], "kernel")
    assert found == pytest.approx(known, rel=1e-3) and (known < 0.2).all()
    assert (spread_errors(INPUTS, 1e6 + SOLUTIONS, "kernel") < 0.2).all()  # another norm, perhaps another kernel


def test_the_free_rivals_do_not_feel_units() -> None:
    def found(inputs: np.ndarray, solutions: np.ndarray) -> dict[str, float]:
        train, test = samples(inputs, solutions, slice(0, 40)), samples(inputs, solutions, slice(40, 60))
        errors = free_baselines([train], test, GRID)
        spread = test.solutions - test.solutions.mean(axis=2, keepdims=True)
        return {name: error * np.abs(test.solutions).mean() / np.abs(spread).mean() for name, error in errors.items()}

    one = SOLUTIONS[:, :1]
    known, moved = found(INPUTS, one - one.mean() + 1e3), found(1e6 + 1e-3 * INPUTS, one - one.mean() + 1e6)
    assert moved == pytest.approx(known, rel=1e-2)
