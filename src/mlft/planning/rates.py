"""Rates of a hierarchy: how fast the bias falls, how fast the corrections fall, how fast the cost grows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class Rate:
    """A rate with its fit: values ∝ (points per side)^(±rate).

    Attributes:
        value: the fitted rate; NaN for values on fewer than two grids.
        residual: root mean square of the fit's residuals in natural logarithms; 0 for two values.
        values: what was fitted, coarsest level first; NaN where nothing was measured.
    """

    value: float
    residual: float
    values: tuple[float, ...]


@final
@dataclass(frozen=True)
class Rates:
    """The three rates that decide whether levels pay, in h = 1 / points per side.

    Attributes:
        bias_rate: α, with bias_l ∝ h_l^α, of the levels below the finest.
        variance_rate: β, with E‖u_l − u_(l−1)‖² ∝ h_l^β.
        cost_rate: γ, with cost_l ∝ h_l^(−γ).
    """

    bias_rate: Rate
    variance_rate: Rate
    cost_rate: Rate

    def __str__(self) -> str:
        """Return the three rates in one line."""
        rows = (("bias", "α", self.bias_rate), ("variance", "β", self.variance_rate), ("cost", "γ", self.cost_rate))
        return ", ".join(f"{name} {symbol} = {rate.value:.2g}" for name, symbol, rate in rows)


def rates(
    points: Sequence[int], *, bias: Sequence[float], corrections: Sequence[float], costs: Sequence[float]
) -> Rates:
    """Return α, β and γ by least squares in logarithms.

    Args:
        points: points per side of each level.
        bias: relative distance of each level from the finest; the finest's own 0 is left out.
        corrections: relative size √V_l of u_l − u_(l−1); the coarsest level's own entry is left out.
        costs: price of one sample on each level.

    Source: Giles 2008, Oper. Res. 56, theorem 3.1, for the meaning of the three.

    >>> found = rates([8, 16, 32], bias=[0.16, 0.04, 0], corrections=[1, 0.12, 0.03], costs=[1, 2, 4])
    >>> print(found)
    bias α = 2, variance β = 4, cost γ = 1
    """
    return Rates(
        _fit(points[:-1], bias[:-1], sign=-1.0),
        _fit(points[1:], [v**2 for v in corrections[1:]], sign=-1.0),
        _fit(points, costs, sign=1.0),
    )


def _fit(points: Sequence[int], values: Sequence[float], *, sign: float) -> Rate:
    known = [(math.log(n), math.log(v)) for n, v in zip(points, values, strict=True) if v > 0 and math.isfinite(v)]
    if len({x for x, _ in known}) < 2:
        return Rate(math.nan, math.nan, tuple(values))
    x, y = np.array(known).T
    slope, offset = np.polyfit(x, y, 1)
    residual = float(np.sqrt(np.mean((y - slope * x - offset) ** 2)))
    return Rate(sign * float(slope), residual, tuple(values))
