"""The span of training inputs, and how long gradient descent takes in it."""

import math

import numpy as np
from jaxtyping import Float

Array = np.ndarray


def span(fields: Float[Array, "n c *grid"], *, tolerance: float = 1e-11) -> Float[Array, "q r"]:
    """Return an orthonormal basis of the span of fields, a column a direction, strongest first.

    Directions below `tolerance` times the strongest do not count.

    Raises:
        ValueError: for fields that are all zero or not finite.
    """
    rows = fields.reshape(len(fields), -1)
    if not np.isfinite(rows).all() or not rows.any():
        raise ValueError("a span needs finite fields that are not all zero")
    _, values, right = np.linalg.svd(rows, full_matrices=False)
    return right[: int(np.sum(values > tolerance * values[0]))].T


def descent_steps(values: Float[Array, " r"], *, reduction: float = 1e-10) -> float:
    """Return the gradient-descent steps that shrink every error on the span by a factor, at the rate 1/λ_max.

    log(reduction) / log(1 − λ_min/λ_max), with λ the squares of the singular values of the inputs: about the condition
    number times log(1/reduction).

    Raises:
        ValueError: for a reduction outside (0, 1).
    """
    if not 0 < reduction < 1:
        raise ValueError(f"the reduction lies between 0 and 1, got {reduction!r}")
    ratio = float((values.min() / values.max()) ** 2)
    return 1.0 if ratio >= 1 else math.log(reduction) / math.log1p(-ratio)
