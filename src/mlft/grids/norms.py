"""The weighted L2 norm of fields, and the error that everything here is measured in."""

import numpy as np
from jaxtyping import Float

from mlft.grids.grid import Grid

Array = np.ndarray
Field = Float[Array, "n c *grid"]


def norm(field: Field, grid: Grid) -> Float[Array, " n"]:
    """Return the L2 norm of each sample, (Σ_c ∫ u_c²)^½, by the grid's weights."""
    _check_shape(field, grid)
    axes = tuple(range(1, field.ndim))
    return np.asarray(np.sqrt(np.sum(field**2 * grid.weights, axis=axes)))


def relative_error(field: Field, reference: Field, grid: Grid) -> Float[Array, " n"]:
    """Return ‖field − reference‖ / ‖reference‖ for each sample; the L2 norm of the field where the reference is 0."""
    scale = norm(reference, grid)
    return np.asarray(norm(field - reference, grid) / np.where(scale > 0, scale, 1.0))


def _check_shape(field: Array, grid: Grid) -> None:
    if field.shape[2:] != grid.shape:
        raise ValueError(f"a field on {grid} has shape (samples, channels, *{grid.shape}), got {field.shape}")
