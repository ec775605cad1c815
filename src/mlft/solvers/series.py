"""Sums of trigonometric series at the points of a uniform periodic grid."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

Array = np.ndarray


def trigonometric(
    cosines: Float[Array, "n waves"], sines: Float[Array, "n waves"], *, waves: tuple[int, ...], points: int
) -> Float[Array, "n points"]:
    """Return Σ_j a_j cos 2π k_j x_i + b_j sin 2π k_j x_i at x_i = i / points, for k = waves.

    The waves may be shorter than the grid resolves: the values are those of the function, so that a grid gives what a
    finer one gives at the points they share. Sums run in the order of the waves, a sample at a time, so that a sample
    does not depend on its batch.

    Raises:
        ValueError: coefficients that are not one for each wave.
    """
    if cosines.shape[1] != len(waves) or sines.shape != cosines.shape:
        raise ValueError(f"{len(waves)} waves need as many a and b, got {cosines.shape} and {sines.shape}")
    turns = (np.multiply.outer(np.array(waves, dtype=np.int64), np.arange(points)) % points) / points
    even, odd = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    out = np.zeros((len(cosines), points))
    _add(np.ascontiguousarray(cosines), np.ascontiguousarray(sines), even, odd, out)
    return out


@njit(cache=True, nogil=True)
@no_type_check
def _add(cosines, sines, even, odd, out):
    for n in range(out.shape[0]):
        for j in range(even.shape[0]):
            for i in range(out.shape[1]):
                out[n, i] += cosines[n, j] * even[j, i] + sines[n, j] * odd[j, i]
