"""Function spaces of a forcing on the unit interval, with exact antiderivatives: exact solutions follow from them.

The spaces F(kind, p) of functions f = Σ_i c_i b_i are

    poly:  b_i = x^i, i = 0 … p                 cos:  b_i = cos iπx, i = 1 … p
    sin:   b_i = sin iπx, i = 1 … p             fem:  b_i = hats on p equal elements, i = 0 … p.

Source: Queiruga, Gutman-Solo, Jiang, Interpretability and generalization bounds for learning spatial physics (2025),
arXiv 2506.15199, for the choice of spaces.
"""

import math

import numpy as np
from jaxtyping import Float

Array = np.ndarray

SPACES = ("sin", "cos", "poly", "fem")


def size(space: str, degree: int) -> int:
    """Return the number of basis functions of F(space, degree).

    >>> size("sin", 5), size("poly", 5)
    (5, 6)
    """
    return degree if space in ("sin", "cos") else degree + 1


def antiderivatives(space: str, degree: int, x: Float[Array, " points"], times: int) -> Float[Array, "size points"]:
    """Return functions whose derivative of order `times` are the basis functions, a row each; which of them is free.

    poly: i! x^(i+m) / (i+m)!, sin: (iπ)^(−m) sin(iπx − mπ/2), cos: (iπ)^(−m) cos(iπx − mπ/2), and for hats of width
    H = 1/p the second difference of (x − a)₊^(m+1) / ((m+1)! H), m = times.

    >>> antiderivatives("poly", 2, np.array([0.5]), 0).ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    if space == "poly":
        return np.array([x ** (i + times) / math.perm(i + times, times) for i in range(degree + 1)])
    if space == "fem":
        knots = np.arange(-1, degree + 2) / degree
        powers = np.maximum(x - knots[:, None], 0.0) ** (times + 1) / math.factorial(times + 1)
        return degree * (powers[:-2] - 2 * powers[1:-1] + powers[2:])
    wave = np.sin if space == "sin" else np.cos
    numbers = np.arange(1, degree + 1)[:, None]
    return wave(np.pi * (numbers * x - times / 2)) / (np.pi * numbers) ** times


def sine_coefficients(space: str, degree: int, numbers: Float[Array, " waves"]) -> Float[Array, "size waves"]:
    """Return 2 ∫₀¹ b_i(x) sin mπx dx for m = numbers, in closed form; for sin, cos and poly."""
    signs = np.where(numbers % 2 == 0, 1.0, -1.0)  # cos mπ
    if space == "poly":
        m, rows = np.pi * numbers, [(1 - signs) / (np.pi * numbers)]
        for i in range(1, degree + 1):  # by parts, twice
            before = rows[i - 2] if i > 1 else 0.0
            rows.append(-signs / m - i * (i - 1) / m**2 * before)
        return 2 * np.array(rows)
    orders = np.arange(1, degree + 1)[:, None]
    if space == "sin":
        return (orders == numbers).astype(np.float64)
    gap = np.where(orders == numbers, 1.0, numbers**2 - orders**2)
    odd = 1 - signs * np.where(orders % 2 == 0, 1.0, -1.0)
    return np.where(orders == numbers, 0.0, 2 * numbers * odd / (np.pi * gap))


def combine(coefficients: Float[Array, "n size"], basis: Float[Array, "size points"]) -> Float[Array, "n points"]:
    """Return Σ_i c_i b_i, added up in the order of i, so that no sample sees its batch."""
    out = np.zeros((len(coefficients), basis.shape[1]))
    for i in range(len(basis)):
        out += coefficients[:, i, None] * basis[i]
    return out


def combine_products(
    coefficients: Float[Array, "n size size"], basis: Float[Array, "size points"]
) -> Float[Array, "n points points"]:
    """Return Σ_ij c_ij b_i(x) b_j(y), added up in a fixed order."""
    out = np.zeros((len(coefficients), basis.shape[1], basis.shape[1]))
    for i in range(len(basis)):
        out += basis[i][:, None] * combine(coefficients[:, i], basis)[:, None]
    return out
