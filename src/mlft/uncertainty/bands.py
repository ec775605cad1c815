"""Bands about the predictions of a surrogate, at stated levels, from its residuals on fresh draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.uncertainty.quantiles import conformal_quantile, pooled_quantile

Array = np.ndarray

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Levels that bands are calibrated at, where the draws support them."""

PRIOR = 3
"""Draws that the mean over the grid counts for in the scale at a point: a few draws give its root to some 14% alone."""


@final
@dataclass(frozen=True)
class Banded:
    """A prediction and how sure it is, in the solver's own units. Probabilities are over the law that was trained on.

    Attributes:
        value: the prediction.
        half_width: in the mean over draws, a share `level` of the points of the solution is within it of the value.
        band: with probability `level` the whole solution is within it of the value, at every point.
        error: with probability `level` the relative L2 error of a prediction is at most this.
        level: the share, the probability.
        solved: samples whose value a solver made (`unfamiliar="solve"`): what is said of predictions is not of them.
    """

    value: Float[Array, "n k *grid"]
    half_width: Float[Array, " k *grid"]
    band: Float[Array, " k *grid"]
    error: float
    level: float
    solved: tuple[int, ...] = ()

    def __repr__(self) -> str:
        """Return the shapes, the level and the error."""
        return f"Banded(value {self.value.shape}, level {self.level}: relative L2 error at most {self.error:.3g})"


@final
@dataclass(frozen=True)
class Bands:
    """Half-widths q · s(x) at several levels, one s for all of them, and a bound of the relative L2 error.

    Attributes:
        levels: that the draws support.
        scale: s, a typical residual at each point, in the solver's own units.
        points: q of a share of the points, one a level.
        fields: q of the whole field.
        errors: bound of the relative L2 error.
        scaled: draws that s is from.
        calibrated: draws that the quantiles are from.
    """

    levels: Float[Array, " levels"]
    scale: Float[Array, " k *grid"]
    points: Float[Array, " levels"]
    fields: Float[Array, " levels"]
    errors: Float[Array, " levels"]
    scaled: int
    calibrated: int

    def __repr__(self) -> str:
        """Return the shape, the levels and the draws."""
        levels = ", ".join(f"{one:g}" for one in self.levels)
        return f"Bands({self.scale.shape}, levels {levels}; {self.scaled} draws scaled, {self.calibrated} calibrated)"

    @property
    def highest(self) -> float:
        """The highest level that the draws would support."""
        return highest_level(self.calibrated)

    def about(self, value: Float[Array, "n k *grid"], level: float) -> Banded:
        """Return a prediction with its bands at a level.

        Raises:
            ValueError: for a level that they are not calibrated at, naming those that they are.
        """
        (found,) = np.nonzero(np.isclose(self.levels, level, rtol=0, atol=1e-9))
        if not len(found):
            known = ", ".join(f"{one:g}" for one in self.levels)
            raise ValueError(
                f"the bands are known at the levels {known}, got {level}; {self.calibrated} draws support "
                f"{self.highest:.4g} at most"
            )
        i = int(found[0])
        half_width, band = float(self.points[i]) * self.scale, float(self.fields[i]) * self.scale
        return Banded(value, half_width, band, float(self.errors[i]), float(self.levels[i]))


def highest_level(draws: int) -> float:
    """Return the highest level that a number of draws support, n / (n + 1)."""
    return draws / (draws + 1)


def calibrate(
    residuals: Float[Array, "n k *grid"], errors: Float[Array, " n"], *, levels: Sequence[float] = LEVELS
) -> Bands:
    """Return the bands of a surrogate, from its residuals on draws that neither training nor any choice has seen.

    A quarter of the draws gives the scale s(x), the others the quantiles of their scores: |residual| / s by point, its
    largest value of a draw, and the relative L2 error. Were they the same draws, their scores would be smaller than
    those of a fresh one.

    Args:
        residuals: solution − prediction, of n draws.
        errors: relative L2 errors of the same draws.
        levels: wanted; those that n does not support are left out.

    Raises:
        ValueError: for fewer than 2 draws, or levels of which none is supported.

    Source: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman 2018, JASA 113, 1094, section 5.2 (the scale from other draws),
    and, for the whole field, Diquigiovanni, Fontana, Vantini 2022, Journal of Multivariate Analysis 189, 104879.
    """
    n = len(residuals)
    scaled = max(1, n // 4)
    supported = tuple(level for level in levels if n > 1 and level <= highest_level(n - scaled) + 1e-12)
    if not supported:
        raise ValueError(f"{n} draws support none of the levels {', '.join(map(str, levels))}; give more draws")
    scale = scale_of(residuals[:scaled])
    scores, others = scores_of(residuals[scaled:], scale), errors[scaled:]
    largest = scores.max(axis=1)
    return Bands(
        levels=np.array(supported),
        scale=scale,
        points=np.array([pooled_quantile(scores, level) for level in supported]),
        fields=np.array([conformal_quantile(largest, level) for level in supported]),
        errors=np.array([conformal_quantile(others, level) for level in supported]),
        scaled=scaled,
        calibrated=n - scaled,
    )


def scale_of(residuals: Float[Array, "n k *grid"]) -> Float[Array, " k *grid"]:
    """Return a typical residual at each point, positive everywhere: s² = (Σ_i r_i² + m ⟨r²⟩) / (n + m), m = `PRIOR`.

    ⟨r²⟩ is the mean over draws and points of a channel, so that a point where few draws happen to err little is not
    believed, and the ends of a grid where a solution is known have a scale too. A channel without any residual has 1.
    Draws with a residual that is no number are left out.
    """
    finite = np.isfinite(residuals.reshape(len(residuals), -1)).all(axis=1)
    known = residuals[finite]
    if not len(known):
        return np.ones(residuals.shape[1:])
    squares = known**2
    mean = squares.mean(axis=(0, *range(2, squares.ndim)), keepdims=True)[0]
    scale = np.sqrt((squares.sum(axis=0) + PRIOR * mean) / (len(known) + PRIOR))
    return np.where(scale > 0, scale, 1.0)


def scores_of(residuals: Float[Array, "n k *grid"], scale: Float[Array, " k *grid"]) -> Float[Array, "n p"]:
    """Return |residual| / s at every point of every draw; infinite where it is no number."""
    scores = np.abs(residuals / scale).reshape(len(residuals), -1)
    return np.where(np.isnan(scores), np.inf, scores)
