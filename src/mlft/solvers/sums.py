"""Sums in one fixed order: the same to the last bit, whatever else is in the batch."""

from typing import no_type_check

from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def dot(left, right):
    """Return Σ left · right over all entries: four partial sums, which share a vector register."""
    x, y = left.reshape(-1), right.reshape(-1)
    a = b = c = d = 0.0
    for k in range(0, len(x) - 3, 4):
        a += x[k] * y[k]
        b += x[k + 1] * y[k + 1]
        c += x[k + 2] * y[k + 2]
        d += x[k + 3] * y[k + 3]
    for k in range(len(x) // 4 * 4, len(x)):
        a += x[k] * y[k]
    return (a + b) + (c + d)
