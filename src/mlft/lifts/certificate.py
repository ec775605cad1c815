"""The certificate of a lift: the error of its labels on draws that it did not see, beside that of the raw labels."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy import stats

from mlft.grids import Grid, relative_error

Array = np.ndarray


@final
@dataclass(frozen=True)
class Middle:
    """A mean and its 95% interval (Student's t over draws); the ends are NaN for a single draw."""

    value: float
    lower: float
    upper: float


@final
@dataclass(frozen=True)
class LabelError:
    """Mean relative L2 distance of a level's labels from the finest level's solutions, before and after the lift.

    Attributes:
        raw: of the prolonged solutions.
        lifted: of the lifted ones, each by correctors that did not see its draw.
        draws: how many coupled draws both were measured on.
    """

    raw: Middle
    lifted: Middle
    draws: int


def label_error(
    raw: Float[Array, "n k *grid"], lifted: Float[Array, "n k *grid"], fine: Float[Array, "n k *grid"], grid: Grid
) -> LabelError:
    """Return the certificate of lifted labels."""
    return LabelError(middle(relative_error(raw, fine, grid)), middle(relative_error(lifted, fine, grid)), len(fine))


def middle(values: Float[Array, " n"]) -> Middle:
    """Return the mean and its 95% interval, t_{0.975, n−1} standard errors to either side.

    >>> middle(np.array([1.0, 3.0]))
    Middle(value=2.0, lower=-10.706204736174705, upper=14.706204736174705)
    """
    n, mean = len(values), float(np.mean(values)) if len(values) else math.nan
    if n < 2:
        return Middle(mean, math.nan, math.nan)
    half = float(stats.t.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Middle(mean, mean - half, mean + half)
