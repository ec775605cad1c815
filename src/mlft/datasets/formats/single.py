"""Numbers in single precision, for formats that are of it, and grids of one size."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from mlft.datasets.part import Part
from mlft.errors import DataError
from mlft.grids import restrict

Array = np.ndarray


def single(values: Float[Array, "..."], what: str) -> Float[Array, "..."]:
    """Return values in float32: 7 digits, magnitudes from 1e-38 to 3e38.

    Raises:
        DataError: for values that are beyond that, which would become infinite or zero.
    """
    with np.errstate(over="ignore", under="ignore"):
        found = values.astype(np.float32)
    large, small = np.abs(values).max(initial=0.0), np.abs(found).max(initial=0.0)
    if not np.isfinite(small) or (large > 0 and small < np.finfo(np.float32).tiny):
        raise DataError(
            f"{what} reach {large:.3g}, and this format has single precision, 1e-38 to 3e38: write npz or xarray, "
            "which have double, or scale the problem's units"
        )
    return found


def on_own_grid(part: Part) -> Part:
    """Return a part with its inputs restricted to the grid of its solutions: formats of one grid have no place for two.

    Raises:
        DataError: if they cannot be.
    """
    if part.inputs.shape[2:] == part.grid.shape:
        return part
    try:
        return replace(part, inputs=restrict(part.inputs, to=part.grid))
    except ValueError as error:
        raise DataError(f"the inputs cannot be restricted to the grid of {part.grid} cells: {error}") from None
