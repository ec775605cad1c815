"""What a strategy saves: how many solves another one needs for the same error."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Errors = Mapping[int, float]
"""Error by seed."""

RESAMPLED = 2000
"""Draws of the bootstrap."""

_SAME = 1e-12
"""Of logarithms that are one."""


@final
@dataclass(frozen=True)
class Saving:
    """S = B'/B, with B' the budget at which a rival has the error that a strategy has at B.

    Attributes:
        value: S; NaN where an error is missing.
        lower, upper: its 95% interval over the seeds; NaN of one seed.
        bound: 1 where S is that much at least, the rival not reaching the error at any budget; −1 where it is so much
            at most, the rival doing better at its smallest; 0 where it is known.
    """

    value: float
    lower: float
    upper: float
    bound: int = 0


def saving(budgets: Sequence[float], rival: Sequence[Errors], errors: Errors, budget: float) -> Saving:
    """Return what a strategy saves at a budget, with an interval by bootstrap over the seeds that all have.

    Errors are geometric means over the seeds. Between budgets the rival's error is a power of the budget, and where it
    rises it stays what it was. Beyond its budgets there is a bound alone, and intervals end there.

    Args:
        budgets: of the rival, rising.
        rival: its errors at each.
        errors: of the strategy.
        budget: that it spent.

    Source: for S, Setinek, Paischer, Thuerey, Brandstetter, Koehler 2026; Efron 1979, Annals of Statistics 7, for the
    bootstrap.
    """
    every = [errors, *rival]
    seeds = sorted(
        set.intersection(*({seed for seed, e in one.items() if e > 0 and math.isfinite(e)} for one in every))
    )
    if not seeds:
        return Saving(math.nan, math.nan, math.nan)
    logs = np.log([[one[seed] for seed in seeds] for one in every])
    axis, means = np.log(budgets), logs.mean(axis=1)
    value = _at(means[:, None], axis)[0]
    bound = int(means[0] < means[1:].min() - _SAME) - int(means[0] > means[1] + _SAME)
    ends = np.full(2, math.nan)
    if len(seeds) > 1:
        drawn = np.random.default_rng(0).integers(len(seeds), size=(RESAMPLED, len(seeds)))
        ends = np.quantile(_at(logs[:, drawn].mean(axis=2), axis), [0.025, 0.975])
    found, lower, upper = (math.exp(each - math.log(budget)) for each in (value, *ends))
    return Saving(found, lower, upper, bound)


def _at(logs: Float[Array, "b n"], axis: Float[Array, " m"]) -> Float[Array, " n"]:
    """Return the logarithm of the budget at which the rival, the rows after the first, has the error of the first."""
    gained = -np.minimum.accumulate(logs[1:], axis=0)
    rising = gained + _SAME * np.arange(len(axis))[:, None]  # of budgets that gain nothing the first is taken
    return np.array([np.interp(error, known, axis) for error, known in zip(-logs[0], rising.T, strict=True)])
