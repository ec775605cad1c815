"""ε²φ″ + a(x) φ = 0 with a > 0, oscillating: Numerov's method, and the formula of Wentzel, Kramers and Brillouin.

Fields are point values on bounded nodal grids, `(samples, points)`, both ends stored.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Complex, Float
from numba import njit

Array = np.ndarray


def numerov(coefficients: Float[Array, "n points"], *, epsilon: float, spacing: float) -> Complex[Array, "n points"]:
    """Return φ from φ(0) = a(0)^(−¼), εφ′(0) = i a(0)^¼, by Numerov's method.

    With s = h²a/ε² and t = 1 + s/12,   t_{i+1} φ_{i+1} − (2 − 10 s_i/12) φ_i + t_{i−1} φ_{i−1} = 0;   φ_1 follows from

        φ_1 = φ_0 + h φ′_0 − (7 s_0 φ_0 + 6 s_1 φ_1 − s_2 φ_2) / 24

    and the first step. Order 4: the phase of a wave is off by (kh)⁴/480 of itself, k = √a/ε. Im conj(tφ)_i (tφ)_{i+1}
    is the same for all i (the current). Stable for s < 6.

    Raises:
        ValueError: fewer than 3 points.

    Source: Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I (1993), section III.10.
    """
    if coefficients.shape[1] < 3:
        raise ValueError(f"Numerov's method needs at least 3 points, got {coefficients.shape[1]}")
    out = np.empty(coefficients.shape, dtype=np.complex128)
    _march(np.ascontiguousarray(coefficients, dtype=np.float64), spacing / epsilon, out)
    return out


def envelopes(
    coefficients: Float[Array, "n points"], *, epsilon: float, spacing: float
) -> tuple[Complex[Array, "n points"], Float[Array, "n points"]]:
    """Return the second-order WKB approximation of φ(x) exp(−(i/ε) ∫₀ˣ √a), which does not oscillate, and θ′/√a − 1.

        φ ≈ √(θ′(0)/θ′) a(0)^(−¼) e^(iθ/ε),   θ′ = √a + ½ ε² a^(−¼) (a^(−¼))″,   θ(0) = 0.

    Off by O(ε²), whatever the grid: the grid has only to resolve a. The second derivative is a central difference.
    Where θ′/√a − 1 is no longer small, as for waves as long as what they cross, the formula means nothing.

    Raises:
        ValueError: fewer than 4 points.

    Source: Arnold, Ben Abdallah, Negulescu, SIAM J. Numer. Anal. 49 (2011), equation (2.6).
    """
    root = coefficients**-0.25
    second = np.empty_like(root)
    second[:, 1:-1] = (root[:, 2:] - 2 * root[:, 1:-1] + root[:, :-2]) / spacing**2
    second[:, [0, -1]] = 2 * second[:, [1, -2]] - second[:, [2, -3]]
    shift = 0.5 * epsilon**2 * root * second
    speed = np.abs(root**-2 + shift)
    waves = root[:, :1] * np.sqrt(speed[:, :1] / speed) * np.exp(1j / epsilon * integral(shift, spacing=spacing))
    return waves, shift * root**2


def integral(values: Float[Array, "n points"], *, spacing: float) -> Float[Array, "n points"]:
    """Return the integrals from the first point on: h (−f_{i−1} + 13 f_i + 13 f_{i+1} − f_{i+2}) / 24 a cell.

    One-sided in the first and the last cell. Order 4, exact for cubics.

    Raises:
        ValueError: fewer than 4 points.
    """
    f = np.ascontiguousarray(values)
    if f.shape[1] < 4:
        raise ValueError(f"the integral needs at least 4 points, got {f.shape[1]}")
    cells = np.zeros(f.shape)
    cells[:, 2:-1] = 13 * (f[:, 1:-2] + f[:, 2:-1]) - f[:, :-3] - f[:, 3:]
    cells[:, 1] = 9 * f[:, 0] + 19 * f[:, 1] - 5 * f[:, 2] + f[:, 3]
    cells[:, -1] = 9 * f[:, -1] + 19 * f[:, -2] - 5 * f[:, -3] + f[:, -4]
    return np.cumsum(cells, axis=1) * (spacing / 24)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _march(coefficients, ratio, out):
    """March w = tφ, real and imaginary parts apart: w_{i+1} = 2 w_i − w_{i−1} − s_i w_i / t_i."""
    samples, points = coefficients.shape
    for n in range(samples):
        s, last, here = ratio * ratio * coefficients[n], 0j, 0j
        size = coefficients[n, 0] ** 0.25
        slope = 1j * ratio * size
        out[n, 0] = 1.0 / size
        # t_2 φ_2 = (2 − 10 s_1/12) φ_1 − t_0 φ_0 put into the formula for φ_1
        weight = s[2] / (24.0 * (1.0 + s[2] / 12.0))
        known = out[n, 0] * (1.0 - 7.0 * s[0] / 24.0 - weight * (1.0 + s[0] / 12.0)) + slope
        out[n, 1] = known / (1.0 + 0.25 * s[1] - weight * (2.0 - 10.0 * s[1] / 12.0))
        last, here = out[n, 0] * (1.0 + s[0] / 12.0), out[n, 1] * (1.0 + s[1] / 12.0)
        for i in range(1, points - 1):
            last, here = here, 2.0 * here - last - s[i] * out[n, i]
            out[n, i + 1] = here / (1.0 + s[i + 1] / 12.0)
