"""The certificate of a lift: the error of its labels on draws that it did not see, beside that of the raw labels."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy import stats

from mlft.grids import Grid, relative_error

Array = np.ndarray

USEFUL = 0.9
"""Share of the mean predictor's error that labels may have."""


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
        mean: of the mean of the other draws' solutions: what is known without solving on the level.
        draws: how many coupled draws they were measured on.
    """

    raw: Middle
    lifted: Middle
    mean: Middle
    draws: int

    @property
    def useful(self) -> bool:
        """Whether the lifted labels say a tenth more than the mean does; those of an aliased level may not."""
        return not self.lifted.value > USEFUL * self.mean.value


def label_error(
    raw: Float[Array, "n k *grid"], lifted: Float[Array, "n k *grid"], fine: Float[Array, "n k *grid"], grid: Grid
) -> LabelError:
    """Return the certificate of lifted labels, on draws whose fine solutions are known."""
    n = len(fine)
    others = (fine.sum(axis=0) - fine) / (n - 1) if n > 1 else np.full_like(fine, np.nan)
    before, after, mean = (middle(relative_error(field, fine, grid)) for field in (raw, lifted, others))
    return LabelError(before, after, mean, n)


def middle(values: Float[Array, " n"]) -> Middle:
    """Return the mean and its 95% interval, t_{0.975, n−1} standard errors to either side.

    >>> found = middle(np.array([1.0, 3.0]))
    >>> found.value, round(found.upper, 3)
    (2.0, 14.706)
    """
    n, mean = len(values), float(np.mean(values)) if len(values) else math.nan
    if n < 2:
        return Middle(mean, math.nan, math.nan)
    half = float(stats.t.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Middle(mean, mean - half, mean + half)
