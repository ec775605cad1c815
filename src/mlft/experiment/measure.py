"""Measured errors: the surrogate on fresh draws, the grids against a reference, and baselines that cost nothing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from mlft.experiment.outcome import ChannelErrors, Summary
from mlft.grids import Grid, channel_errors, relative_error
from mlft.store import Samples
from mlft.surrogates import Normaliser

Array = np.ndarray


def summary(errors: Float[Array, " n"]) -> Summary:
    """Return mean, median and 90% quantile of the errors, and the 95% interval of the mean (normal).

    >>> summary(np.array([0.1, 0.2, 0.3])).median
    0.2
    """
    half = 1.96 * float(np.std(errors, ddof=1)) / len(errors) ** 0.5 if len(errors) > 1 else float("nan")
    mean = float(np.mean(errors))
    return Summary(mean, float(np.median(errors)), float(np.quantile(errors, 0.9)), mean - half, mean + half)


def by_channel(
    predictions: Float[Array, "n k *grid"], solutions: Float[Array, "n k *grid"], grid: Grid
) -> tuple[ChannelErrors, ...]:
    """Return the errors of each channel over the draws in several norms."""
    found = channel_errors(predictions, solutions, grid)
    with np.errstate(invalid="ignore"):  # an error that is infinite has no mean, and is told so
        return tuple(
            ChannelErrors(c, **{name: summary(errors[:, c]) for name, errors in found.items()})
            for c in range(solutions.shape[1])
        )


def free_baselines(train: Sequence[Samples], test: Samples, grid: Grid) -> dict[str, float]:
    """Return mean relative L2 errors of predictors that need no training, from the same samples.

    * "mean solution": the mean of the finest level's labels;
    * "nearest neighbour": the finest-level label of the nearest training input;
    * "kernel ridge": regression with the kernel exp(−‖a − b‖²/(2 s²)), s the median distance, ridge 1e-6, on the
      coarsest level's labels less their mean, and then on the residual of each finer one: multi-level regression
      without a network.

    Inputs are near each other after each channel's mean is taken off and its standard deviation is its unit.
    """
    normaliser = Normaliser(test.inputs.shape[1])
    normaliser.fit(train[0].inputs)

    def encoded(inputs: Array) -> Array:
        return normaliser.encode(torch.from_numpy(inputs)).numpy()

    train, finest = [replace(samples, inputs=encoded(samples.inputs)) for samples in train], train[-1].solutions
    asked = encoded(test.inputs)
    guesses = {
        "mean solution": np.broadcast_to(finest.mean(axis=0), test.solutions.shape),
        "nearest neighbour": finest[_distances(asked, train[-1].inputs).argmin(axis=1)],
        "kernel ridge": _multilevel_ridge(train, asked),
    }
    return {name: float(relative_error(guess, test.solutions, grid).mean()) for name, guess in guesses.items()}


def _multilevel_ridge(train: Sequence[Samples], inputs: Array, *, most: int = 2000) -> Array:
    """Return the mean plus Σ_l of the regressions of u_l − (sum so far) on the first `most` samples of each level."""
    fits: list[tuple[Array, Array]] = []
    scale = float(np.median(_distances(train[0].inputs[:200], train[0].inputs[:200]))) or 1.0
    mean = train[0].solutions[:most].mean(axis=0).ravel()

    def total(x: Array) -> Array:
        return mean + sum((_kernel(x, known, scale) @ weights for known, weights in fits), np.zeros((len(x), 1)))

    for samples in train:
        x, y = samples.inputs[:most], samples.solutions[:most].reshape(len(samples.inputs[:most]), -1)
        matrix = _kernel(x, x, scale)
        fits.append((x, np.linalg.solve(matrix + 1e-6 * np.eye(len(x)), y - total(x))))
    return total(inputs).reshape(len(inputs), *train[-1].solutions.shape[1:])


def _kernel(a: Array, b: Array, scale: float) -> Array:
    return np.asarray(np.exp(-(_distances(a, b) ** 2) / (2 * scale**2)))


def _distances(a: Array, b: Array) -> Array:
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))
