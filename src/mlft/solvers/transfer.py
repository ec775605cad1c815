"""Radiative transfer in a slab as an integral equation for the mean intensity: Galerkin's method, a dense solve.

Fields are cell averages on an interval, `(samples, cells)`. The coefficients are constant in a cell, and all integrals
over the kernel ½E₁ of the optical depth are then exact: none is left to quadrature.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit
from scipy.linalg import cho_factor, cho_solve
from scipy.special import exp1

Array = np.ndarray

kernel = njit(cache=True, nogil=True)


def mean_intensity(scattering: Float[Array, "n cells"], *, absorption: float, width: float) -> Float[Array, "n cells"]:
    """Return φ = K (μ_s φ + 1), the mean intensity in a slab with a unit isotropic source and no light from outside.

        (Kq)(x) = ∫ ½E₁(|τ(x) − τ(y)|) q(y) dy,   τ(x) = ∫₀ˣ μ_t,   μ_t = μ_s + μ_a.

    With E₁ = E₃″ the averages of K over pairs of cells are second differences of E₃ between faces,

        K_ij = (E₃(near) + E₃(far) − E₃(left) − E₃(right) + 2 μ_i h δ_ij) / (2 μ_i μ_j h),

    symmetric; 1 − μ_s^½ K μ_s^½ is positive definite, and its Cholesky factorization takes (cells)³/3 operations. Order
    2 in the cell averages. Light is kept: what is absorbed or leaves is what is emitted, to round-off. A sample that is
    not finite comes back as NaN.

    Raises:
        ValueError: a scattering coefficient that is negative, or an absorption that is not positive.

    Source: Fan, Lin, Ying, Zepeda-Núñez (2019), arXiv 1808.02376, section 4.3; Case, Zweifel, Linear Transport Theory
    (1967), for the equation.
    """
    if (scattering < 0).any() or not 0 < absorption < np.inf:
        least = np.nanmin(scattering) if scattering.size else np.nan
        raise ValueError(
            f"scattering must be 0 or more and absorption positive, got a minimum of {least:.6g} and {absorption:.6g}"
        )
    out = np.full(scattering.shape, np.nan)
    for i, row in enumerate(scattering):
        if not np.isfinite(row).all():
            continue
        matrix = transport_matrix(row, absorption=absorption, width=width)
        root = np.sqrt(row)
        emitted = matrix.sum(axis=1)
        system = np.eye(len(row)) - root[:, None] * matrix * root
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        out[i] = matrix @ (root * cho_solve(factor, root * emitted, check_finite=False)) + emitted
    return out


def transport_matrix(
    scattering: Float[Array, " cells"], *, absorption: float, width: float
) -> Float[Array, "cells cells"]:
    """Return K_ij, the averages over cells of the kernel of radiative transfer: what cell j sends to cell i."""
    total = scattering + absorption
    depths = np.concatenate([[0.0], np.cumsum(total * width)])
    first, second = np.triu_indices(len(depths), 1)
    gaps = depths[second] - depths[first]
    values = 0.5 * (np.exp(-gaps) * (1 - gaps) + gaps * gaps * exp1(gaps))
    out = np.empty((len(total), len(total)))
    _second_differences(values, total, float(width), out)
    return out


@kernel
@no_type_check
def _second_differences(values, total, width, out):
    """`values` holds E₃ for the faces p < q, row by row."""
    n = len(total)
    for i in range(n):
        upper = i * (n + 1) - i * (i + 1) // 2 - i - 1  # values[upper + q] is E₃ between the faces i and q > i
        lower = upper + n - i - 1  # and values[lower + q] that between i + 1 and q
        diagonal = 2.0 * values[upper + i + 1] - 1.0 + 2.0 * total[i] * width
        out[i, i] = diagonal / (2.0 * total[i] * total[i] * width)
        for j in range(i + 1, n):
            near = values[lower + j] if j > i + 1 else 0.5
            difference = near + values[upper + j + 1] - values[upper + j] - values[lower + j + 1]
            out[i, j] = out[j, i] = difference / (2.0 * total[i] * total[j] * width)
