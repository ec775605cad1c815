"""Functions of one variable whose derivatives and antiderivatives of every order are known in closed form."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float
from numpy.polynomial import Legendre

Array = np.ndarray


@final
@dataclass(frozen=True)
class Mode:
    """One function on the unit interval.

    Attributes:
        kind: "power", x^j; "legendre", P_j(2x − 1); "sin", sin jπx; "cos", cos jπx; or "hat", the piecewise linear
            function that is 1 at node j of `nodes` equally spaced ones and 0 at the others.
        number: j.
        nodes: of the hats only.

    Raises:
        ValueError: a number or nodes that name no such function.
    """

    kind: Literal["power", "legendre", "sin", "cos", "hat"]
    number: int
    nodes: int = 0

    def __post_init__(self) -> None:
        least = 1 if self.kind in ("sin", "cos") else 0
        if self.number < least or (self.kind == "hat" and not (self.nodes >= 2 and self.number < self.nodes)):
            raise ValueError(
                f"there is no such function: {self}; sines and cosines count from 1, powers and hats from 0 "
                "(hats of at least 2 nodes, up to nodes − 1)"
            )

    def derivative(self, x: Float[Array, " points"], order: int = 0) -> Float[Array, " points"]:
        """Return the derivative of an order at points; of order −m, one of its m-fold antiderivatives.

        Antiderivatives differ by a polynomial of degree m − 1; those of one mode fit together: the derivative of order
        i of the one of order j is the one of order i + j.

        Raises:
            ValueError: for the second derivative of a hat, which is no function.
        """
        return _KINDS[self.kind](self, np.asarray(x, dtype=np.float64), order)


def _power(mode: Mode, x: Array, order: int) -> Array:
    j = mode.number
    if order > j:
        return np.zeros_like(x)
    return math.factorial(j) / math.factorial(j - order) * x ** (j - order)


def _legendre(mode: Mode, x: Array, order: int) -> Array:
    series = Legendre.basis(mode.number, domain=[0.0, 1.0])
    series = series.deriv(order) if order > 0 else series.integ(-order) if order < 0 else series
    return np.asarray(series(x))


def _wave(mode: Mode, x: Array, order: int) -> Array:
    """Return (jπ)^order · sin(jπx + order·π/2), a quarter turn further for a cosine, without rounding the phase."""
    frequency = mode.number * np.pi
    quarter = (order + (mode.kind == "cos")) % 4
    wave = np.sin(frequency * x) if quarter % 2 == 0 else np.cos(frequency * x)
    return (-1.0 if quarter >= 2 else 1.0) * frequency ** float(order) * wave


def _hat(mode: Mode, x: Array, order: int) -> Array:
    """Return ((x − s₋)₊ − 2 (x − s)₊ + (x − s₊)₊) / h with the truncated powers raised by −order."""
    if order > 1:
        raise ValueError(f"a hat has no derivative of order {order} that is a function; it has those up to order 1")
    power, intervals = 1 - order, mode.nodes - 1
    total = np.zeros_like(x)
    for weight, node in ((1.0, mode.number - 1), (-2.0, mode.number), (1.0, mode.number + 1)):
        right = x - node / intervals
        total += weight * np.where(right > 0, right, 0.0) ** power if power else weight * (right > 0)
    return intervals * total / math.factorial(power)


_KINDS: dict[str, Callable[[Mode, Array, int], Array]] = {
    "power": _power,
    "legendre": _legendre,
    "sin": _wave,
    "cos": _wave,
    "hat": _hat,
}
