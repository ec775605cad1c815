"""−(a u′)′ = f on an interval with u = 0 at both ends, a piecewise constant: finite volumes, solved by summation."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

Array = np.ndarray


def solve_layered(coefficients: Float[Array, "n cells"], source: float, *, width: float) -> Float[Array, "n cells"]:
    """Return the finite-volume solutions for a = coefficients, constant in each cell, and a constant f.

    With the resistances r_0 = h/2a_0, r_i = h/2a_{i−1} + h/2a_i, r_n = h/2a_{n−1} of the faces, the flux through face i
    is q_i = q_0 + ihf, and q_0 follows from Σ_i r_i q_i = 0; then u_i = −Σ_{j ≤ i} r_j q_j. Order 2 in the cell widths
    where a is smooth; exact at the cell centres for a constant in each cell, but for f h²/8a_i.

    Raises:
        ValueError: a coefficient that is not positive.
    """
    if (coefficients <= 0).any():
        raise ValueError(f"the coefficient must be positive everywhere, got a minimum of {np.nanmin(coefficients):.6g}")
    out = np.empty(coefficients.shape)
    _sum(np.ascontiguousarray(coefficients, dtype=np.float64), float(source), float(width), out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _sum(coefficients, source, width, out):
    samples, cells = coefficients.shape
    resistances = np.empty(cells + 1)
    for n in range(samples):
        before, total, moment = 0.0, 0.0, 0.0
        for i in range(cells + 1):
            half = 0.5 * width / coefficients[n, i] if i < cells else 0.0
            resistances[i] = before + half
            total += resistances[i]
            moment += resistances[i] * i
            before = half
        u, mean = 0.0, moment / total
        for i in range(cells):
            u -= resistances[i] * (i - mean)
            out[n, i] = u * source * width
