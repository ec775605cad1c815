"""Errors of each channel of a field in several norms, each relative to the reference's own size."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from mlft.grids.grid import Grid
from mlft.grids.norms import norm

Array = np.ndarray
Field = Float[Array, "n c *grid"]
Size = Callable[[Field, Grid], Float[Array, "n c"]]


def channel_errors(field: Field, reference: Field, grid: Grid) -> dict[str, Float[Array, "n c"]]:
    """Return relative errors of each channel of each sample, by the name of the norm.

    With d = field − reference, u = reference, integrals by the grid's weights, ū the mean of u over the box:

    * "relative_l2": (∫ d²)^½ / (∫ u²)^½;
    * "relative_l1": ∫ |d| / ∫ |u|;
    * "relative_maximum": max |d| / max |u|, over the points;
    * "relative_h1": (∫ |∇d|²)^½ / (∫ |∇u|²)^½, the seminorm, by differences of neighbouring points;
    * "mean_defect": |∫ d| / ∫ |u|, what is lost or made of a conserved quantity;
    * "vrmse": (∫ d²)^½ / (∫ (u − ū)²)^½.

    All are dimensionless. Where the reference has no size there is no such number: infinity, or 0 where the difference
    has none either.

    Source: for the last, Ohana et al. (2024), The Well, NeurIPS 37, https://arxiv.org/abs/2412.00568.
    """
    off = field - reference
    sizes: dict[str, tuple[Size, Size]] = {
        "relative_l2": (_l2, _l2),
        "relative_l1": (_l1, _l1),
        "relative_maximum": (_maximum, _maximum),
        "relative_h1": (_h1, _h1),
        "mean_defect": (_mean, _l1),
        "vrmse": (_l2, _spread),
    }
    return {name: _ratio(above, below, off, reference, grid) for name, (above, below) in sizes.items()}


def _ratio(above: Size, below: Size, off: Field, reference: Field, grid: Grid) -> Float[Array, "n c"]:
    """Return the ratio of two sizes; fields of 1e-200 or 1e200 are scaled by powers of 2 before they are squared."""
    (small, less), (large, more) = _scaled(off), _scaled(reference)
    distance, scale = above(small, grid), below(large, grid)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.ldexp(distance / scale, less - more)
    return np.where((distance == 0) & (scale == 0), 0.0, ratio)


def _scaled(field: Field) -> tuple[Field, Array]:
    """Return channels with values up to 1, and the powers of 2 that were taken from them."""
    axes = tuple(range(2, field.ndim))
    _, exponents = np.frexp(np.abs(field).max(axis=axes, keepdims=True))
    return np.ldexp(field, -exponents), exponents.reshape(field.shape[:2])


def _l2(field: Field, grid: Grid) -> Float[Array, "n c"]:
    return np.stack([norm(field[:, [c]], grid) for c in range(field.shape[1])], axis=1)


def _l1(field: Field, grid: Grid) -> Float[Array, "n c"]:
    return _integral(np.abs(field), grid)


def _maximum(field: Field, grid: Grid) -> Float[Array, "n c"]:
    return np.asarray(np.abs(field).max(axis=tuple(range(2, field.ndim))))


def _mean(field: Field, grid: Grid) -> Float[Array, "n c"]:
    return np.abs(_integral(field, grid))


def _spread(field: Field, grid: Grid) -> Float[Array, "n c"]:
    mean = _integral(field, grid) / np.prod(grid.lengths)
    return _l2(field - mean.reshape(*mean.shape, *[1] * grid.dimension), grid)


def _h1(field: Field, grid: Grid) -> Float[Array, "n c"]:
    """Return (Σ_axes Σ_pairs (Δu / h)² h w)^½, w the weights across the axis; pairs go round a periodic one."""
    squares = np.zeros(field.shape[:2])
    for axis, (h, length) in enumerate(zip(grid.spacing, grid.lengths, strict=True)):
        place = 2 + axis
        steps = np.roll(field, -1, place) - field if grid.wraps[axis] else np.diff(field, axis=place)
        across = grid.weights.sum(axis=axis, keepdims=True) / length
        squares += (steps**2 * across / h).sum(axis=tuple(range(2, field.ndim)))
    return np.sqrt(squares)


def _integral(field: Field, grid: Grid) -> Float[Array, "n c"]:
    return np.asarray((field * grid.weights).sum(axis=tuple(range(2, field.ndim))))
