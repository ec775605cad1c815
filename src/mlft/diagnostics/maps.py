"""Maps from input fields to output fields: what is asked how far it can be trusted."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Map = Callable[[Array], Array]
"""What a learner makes: input fields (n, c, *grid) to output fields (n, d, *grid); a surrogate's `predict` is one."""


def predictions(fitted: Map, inputs: Float[Array, "_n _c *_grid"], shape: tuple[int, ...]) -> Array:
    """Return what a map makes of inputs.

    Args:
        fitted: the map.
        inputs: the input fields.
        shape: that its answer must have, (n, d, *grid).

    Raises:
        ValueError: for an answer that is no array, or of another shape.
    """
    found = fitted(inputs)
    if not isinstance(found, np.ndarray) or found.shape != shape:
        got = f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
        raise ValueError(
            f"a map takes fields (n, channels, *grid) and returns an array of the shape of the solutions; for inputs "
            f"of shape {inputs.shape} that is {shape}, it returned {got}"
        )
    return found
