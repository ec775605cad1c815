"""Lower bounds of the gap above a positive ground state, from the state alone: Hardy's inequality.

With ψ = f u the form of H − E, of second differences on a grid, is Σ_e (f_i − f_j)² u_i u_j / h² over the edges e
(Jacobi). On a tree of edges, with f = 0 at its root, Cauchy's inequality bounds Σ u² f² by it, and so

    gap ≥ 1 / Σ_e M_e h² / (u_i u_j),    M_e = Σ u² beyond the edge e, as seen from the root.

The tree here is a comb: columns, and the row of the root, which is where u is greatest; rings are cut where u is least.
Of two wells on a line it is the gap to a factor of 2 to 4; it is the smaller, the more columns there are.

Source: Miclo, Séminaire de Probabilités 33 (1999); for trees Evans, Harris, Pick, J. London Math. Soc. 52 (1995).
"""

from typing import no_type_check

import numpy as np
from numba import njit

_kernel = njit(cache=True, nogil=True, error_model="numpy")


@_kernel
@no_type_check
def resistance(state, excess, cut, root):
    """Return Σ_e M_e / (u_i u_j) over a ring without its edge from `cut` on; the mass of a point is its excess · u².

    A line is a ring that is cut at its last point. M_e is carried in units of u_i², so that nothing underflows.
    """
    n, total = len(state), 0.0
    for side in (1, -1):
        i, beyond = (cut + 1) % n if side > 0 else cut, 0.0
        while i != root:
            j = (i + side) % n
            ratio = state[i] / state[j]
            beyond += excess[i]
            total += beyond * ratio
            beyond *= ratio * ratio
            i = j
    return total


@_kernel
@no_type_check
def least_gap(state, periodic, floor):
    """Return the bound for a field of two axes on the unit square; an axis of one point is none.

    A point counts as floor · max u at the least, so that u is known to be small only where it is known to be: then a
    state that is wrong by that much, as one that misses a well, has no large bound.
    """
    rows, columns = state.shape
    top = state.argmax()
    row, column = top // columns, top % columns
    if not state.min() > 0.0:
        return 0.0
    across, along = (rows, columns) if periodic else (rows + 1, columns + 1)
    excess = np.maximum(1.0, floor * state[row, column] / state) ** 2
    total, sums = 0.0, np.empty(columns)
    for j in range(columns):
        cut = state[:, j].argmin() if periodic else rows - 1
        total += resistance(state[:, j], excess[:, j], cut, row) / across**2
        sums[j] = (excess[:, j] * state[:, j] ** 2).sum() / state[row, j] ** 2
    cut = state[row].argmin() if periodic else columns - 1
    return 1.0 / (total + resistance(state[row], sums, cut, column) / along**2)
