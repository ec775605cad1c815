"""What is known of a law of inputs, and in which ways an input can differ from its draws."""

import functools
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from mlft.familiarity.waves import Waves, bands_of
from mlft.grids import Grid

Array = np.ndarray

INDICATORS = (
    "off the trained span, share of its norm",
    "within the trained span, distance in deviations",
    "within the trained span, geometric mean of coefficients in deviations",
    "amplitude, norm about the mean",
    "amplitude, largest value in deviations at its point",
    "spectrum, deviations of a band of waves",
    "boundary values",
)
"""Ways in which an input can differ from the draws of a law, and their units."""

MOST_COMPONENTS = 64
"""Of the trained span, the strongest: fields of 256² points take 16 MiB of them in float32."""

NOTHING = 1e-3
"""A share of the norm, or of a typical size, that is not worth an alarm."""

EMPTY = 0.05
"""Of a deviation: a coefficient below counts as none."""

_AT_ONCE = 2**22


@final
@dataclass(frozen=True)
class Law:
    """Moments of a law of inputs, and the directions of the inputs that were trained on.

    With x = (u − mean) / scale, an input is compared by the coefficients z = U x, by x at each point, and by the shares
    of ‖x‖² in bands of waves.

    Attributes:
        grid: that inputs live on.
        mean: of the law at each point.
        scale: root mean square of u − mean, a channel each; 1 where that is 0.
        spread: standard deviation of x at each point, at least `NOTHING`.
        components: U, orthonormal rows: principal components about the mean, of the inputs that were trained on.
        deviations: root mean square of each z over the law.
        waves: mean of the logarithm of the share of each band.
        wave_deviations: its standard deviation.
    """

    grid: Grid
    mean: Float[Array, " c *grid"]
    scale: Float[Array, " c"]
    spread: Float[Array, " c *grid"]
    components: Float[Array, "r p"]
    deviations: Float[Array, " r"]
    waves: Float[Array, "c bands"]
    wave_deviations: Float[Array, "c bands"]

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels and points of an input."""
        return self.mean.shape

    @functools.cached_property
    def bands(self) -> Waves:
        """The bands of waves of the grid."""
        return bands_of(self.grid)

    def measure(self, inputs: Float[Array, "n _c *_grid"]) -> Float[Array, "n indicators"]:
        """Return each of `INDICATORS` for each input, as log₁₀(value + `NOTHING`); infinite where it is not finite.

        * off the span: ‖x − Uᵀ z‖ / ‖x‖;
        * within it: √(mean_k (z_k / deviation_k)²), the Mahalanobis distance over √r; and the geometric mean of
          |z_k| / deviation_k + `EMPTY`, which tells inputs that lack directions, as a single wave does;
        * amplitude: root mean square of x, and its largest |x| / spread;
        * spectrum: the largest |log share − mean| / deviation of a band of waves, 1, 2 to 3, 4 to 7, …;
        * boundary: of bounded axes the largest |x| / spread at their ends; of periodic ones the jump across the seam
          over the jump between neighbours elsewhere, root mean squares; the largest of the axes.

        Raises:
            ValueError: for inputs of another shape.
        """
        if inputs.shape[1:] != self.shape:
            wanted = ", ".join(map(str, self.shape))
            raise ValueError(f"familiarity is for inputs of shape (samples, {wanted}), got {inputs.shape}")
        found = np.full((len(inputs), len(INDICATORS)), np.inf)
        rows = max(1, _AT_ONCE // self.mean.size)
        for start in range(0, len(inputs), rows):
            part = inputs[start : start + rows]
            good = finite(part)
            if good.any():
                found[start : start + rows][good] = self._measure(part if good.all() else part[good])
        return found

    def _measure(self, inputs: Array) -> Array:
        with np.errstate(all="ignore"):  # an input at the mean, or one as large as numbers are
            moved = (inputs - self.mean) / _column(self.scale, self.mean)
            flat = moved.reshape(len(moved), -1)
            total = np.einsum("np,np->n", flat, flat)
            values = (
                *self._by_span(flat, total),
                np.sqrt(total / flat.shape[1]),
                np.abs(flat / self.spread.reshape(-1)).max(axis=1),
                self._by_waves(moved),
                self._by_boundary(moved),
            )
            found = np.log10(np.stack(values, axis=1) + NOTHING)
        return np.where(np.isnan(found), np.inf, found)

    def _by_span(self, flat: Array, total: Array) -> tuple[Array, Array, Array]:
        inside = flat @ self.components.T
        off = np.sqrt(np.maximum(total - np.einsum("nr,nr->n", inside, inside), 0) / total)
        ratios = inside / self.deviations
        rank = max(1, ratios.shape[1])
        distance = np.sqrt(np.einsum("nr,nr->n", ratios, ratios) / rank)
        return off, distance, np.exp(np.log(np.abs(ratios) + EMPTY).sum(axis=1) / rank)

    def _by_waves(self, moved: Array) -> Array:
        found: Array = np.abs((self.bands.shares(moved) - self.waves) / self.wave_deviations).max(axis=(1, 2))
        return found

    def _by_boundary(self, moved: Array) -> Array:
        found = [
            _seam(moved, axis) if wraps else _ends(moved / self.spread, axis)
            for axis, wraps in enumerate(self.grid.wraps, 2)
        ]
        return np.max(found, axis=0)


def fit_law(trained: Float[Array, "m c *grid"], drawn: Float[Array, "n c *grid"], grid: Grid) -> Law:
    """Return what is known of a law of inputs.

    Args:
        trained: inputs that were trained on: their principal components are the trained span.
        drawn: other draws of the law, for the moments.
        grid: that they live on.

    Source: Jolliffe, Principal Component Analysis, 2002, section 10.1, for the two distances, in the span and off it.
    """
    mean = _mean(drawn)
    axes = (0, *range(2, drawn.ndim))
    scale = np.sqrt(((drawn - mean) ** 2).mean(axis=axes))
    scale = np.where(scale > 1e-12 * np.abs(mean).max(), scale, 1.0)
    moved = (drawn - mean) / _column(scale, mean)
    components = _components((trained - mean) / _column(scale, mean))
    inside = np.sqrt(np.mean((moved.reshape(len(moved), -1) @ components.T) ** 2, axis=0))
    shares = bands_of(grid).shares(moved)
    return Law(
        grid=grid,
        mean=mean,
        scale=scale,
        spread=np.maximum(moved.std(axis=0), NOTHING),
        components=components,
        deviations=np.maximum(inside, NOTHING * inside.max(initial=0.0) or 1.0),
        waves=shares.mean(axis=0),
        wave_deviations=np.maximum(shares.std(axis=0), 0.05),
    )


def _mean(drawn: Array) -> Array:
    """Return the mean of draws; 0 where it is not larger than chance would make one: three times its own variance."""
    mean = drawn.mean(axis=0)
    chance = drawn.var(axis=0).sum() / len(drawn)
    return np.asarray(mean if (mean**2).sum() > 3 * chance else 0 * mean)


def finite(inputs: Float[Array, "n _c *_grid"]) -> Bool[Array, " n"]:
    """Return which inputs have numbers everywhere."""
    found: Array = np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1)
    return found


def _components(moved: Array) -> Array:
    """Return the principal components, strongest first, by the Gram matrix: fewer inputs than points need no more."""
    flat = moved.reshape(len(moved), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    kept = np.flatnonzero(values > 1e-10 * max(values[-1], 0.0))[::-1][:MOST_COMPONENTS]
    return np.asarray((vectors[:, kept].T @ flat) / np.sqrt(values[kept])[:, None])


def _column(scale: Array, field: Array) -> Array:
    return scale.reshape(-1, *[1] * (field.ndim - 1))


def _ends(field: Array, axis: int) -> Array:
    """Return the largest value at both ends of an axis."""
    lines = np.moveaxis(field, axis, 1)
    return np.asarray(np.abs(lines[:, [0, -1]]).reshape(len(field), -1).max(axis=1))


def _seam(field: Array, axis: int) -> Array:
    """Return the jump from the last point of an axis to its first, over that between neighbours."""
    lines = np.moveaxis(field, axis, 1)
    inner = (lines[:, 1:] - lines[:, :-1]).reshape(len(field), -1)
    seam = (lines[:, 0] - lines[:, -1]).reshape(len(field), -1)
    usual = np.einsum("np,np->n", inner, inner) / inner.shape[1]
    jumps = np.einsum("np,np->n", seam, seam) / seam.shape[1]
    return np.asarray(np.sqrt(jumps / np.where(usual > 0, usual, 1.0)))
