"""The weighted L2 norm of fields, and the error that everything here is measured in."""

import numpy as np
from jaxtyping import Float

from mlft.grids.grid import Grid

Array = np.ndarray
Field = Float[Array, "n c *grid"]


def norm(field: Field, grid: Grid) -> Float[Array, " n"]:
    """Return the L2 norm of each sample, (Σ_c ∫ u_c²)^½, by the grid's weights.

    A sample is scaled by a power of 2 before it is squared, so that fields of 1e-200 or 1e200 keep their norm.
    """
    _check_shape(field, grid)
    axes = tuple(range(1, field.ndim))
    _, exponents = np.frexp(np.abs(field).max(axis=axes, keepdims=True))
    squares = np.ldexp(field, -exponents) ** 2
    return np.ldexp(np.sqrt(np.sum(squares * grid.weights, axis=axes)), exponents.reshape(-1))


def relative_error(field: Field, reference: Field, grid: Grid) -> Float[Array, " n"]:
    """Return ‖field − reference‖ / ‖reference‖ for each sample.

    Where the reference is zero there is no such number: infinity, or 0 where the field is zero too.
    """
    distance, scale = norm(field - reference, grid), norm(reference, grid)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((distance == 0) & (scale == 0), 0.0, distance / scale)


def _check_shape(field: Array, grid: Grid) -> None:
    if field.shape[2:] != grid.shape:
        raise ValueError(f"a field on {grid} has shape (samples, channels, *{grid.shape}), got {field.shape}")
