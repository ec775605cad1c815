"""Means and shares with their 95% intervals, over seeds or over draws."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from scipy.special import betaincinv, stdtrit  # not scipy.stats, whose import takes as long as torch's


@final
@dataclass(frozen=True)
class Middle:
    """A mean with its 95% interval; NaN where there is nothing to say."""

    value: float
    lower: float
    upper: float


def arithmetic(values: Sequence[float]) -> Middle:
    """Return the mean of n values and its 95% interval, mean ± t(0.975; n − 1) s / √n; no interval for one value.

    Source: Student (1908), Biometrika 6, 1.
    """
    n = len(values)
    if not n:
        return Middle(math.nan, math.nan, math.nan)
    mean = math.fsum(values) / n
    if n == 1:
        return Middle(mean, math.nan, math.nan)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    half = float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)
    return Middle(mean, mean - half, mean + half)


def proportion(hits: int, n: int) -> Middle:
    """Return the share of n trials that hit, and its exact 95% interval; NaN for no trial.

    Source: Clopper, Pearson (1934), Biometrika 26, 404.
    """
    if not n:
        return Middle(math.nan, math.nan, math.nan)
    lower = float(betaincinv(hits, n - hits + 1, 0.025)) if hits else 0.0
    upper = float(betaincinv(hits + 1, n - hits, 0.975)) if hits < n else 1.0
    return Middle(hits / n, lower, upper)


def geometric(values: Sequence[float]) -> Middle:
    """Return the geometric mean of positive values and its 95% interval: `arithmetic` of the logarithms, exponentiated.

    A value that is not positive has no logarithm and is left out.
    """
    logs = arithmetic([math.log(v) for v in values if v > 0])
    return Middle(math.exp(logs.value), math.exp(logs.lower), math.exp(logs.upper))
