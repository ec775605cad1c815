"""Reference operators: Green's functions, and the matrices that map nodal forces to nodal solutions.

Matrices map the values at all nodes of a nodal, bounded grid to the solution at all nodes; rows of boundary nodes are
zero. With G the Green's function at interior nodes, M the mass matrix of hats (boundary columns included) and K their
stiffness matrix, on the unit interval

    A = K⁻¹ M = G M

is exact at the nodes for every piecewise linear force. A/h differs from G on the diagonal, by −h/6 for k = 1.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from mlft.grids import Grid
from mlft.laboratory.spaces import check_grid

Array = np.ndarray
Kernel = Callable[[Array, Array], Array]


def green_poisson(x: Float[Array, "*points"], s: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Return min(x, s) (1 − max(x, s)): of −u″ = f, u = 0 at both ends."""
    return np.minimum(x, s) * (1 - np.maximum(x, s))


def green_clamped(x: Float[Array, "*points"], s: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Return a²(1 − b)² (3b − a(1 + 2b)) / 6, a = min(x, s), b = max(x, s): of u⁗ = f, clamped."""
    a, b = np.minimum(x, s), np.maximum(x, s)
    return a**2 * (1 - b) ** 2 * (3 * b - a * (1 + 2 * b)) / 6


def green_supported(x: Float[Array, "*points"], s: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Return a(1 − b) (b(2 − b) − a²) / 6, a = min(x, s), b = max(x, s): of u⁗ = f, simply supported."""
    a, b = np.minimum(x, s), np.maximum(x, s)
    return a * (1 - b) * (b * (2 - b) - a**2) / 6


GREEN: dict[str, Kernel] = {
    "poisson": green_poisson,
    "biharmonic-clamped": green_clamped,
    "biharmonic-supported": green_supported,
}
"""Green's functions of the equations of `EQUATIONS` on a line, for k = 1."""


def green_matrix(kernel: Kernel, grid: Grid) -> Float[Array, "nodes nodes"]:
    """Return G(x_i, x_j) at the nodes."""
    check_grid(grid, 1)
    (x,) = grid.points
    return np.asarray(kernel(x[:, None] + 0 * x, x + 0 * x[:, None]))


def mass(grid: Grid) -> Float[Array, "nodes nodes"]:
    """Return ∫ ψ_i ψ_j of the hats: h (1, 4, 1)/6 inside, 2h/6 at the ends of the diagonal."""
    check_grid(grid, 1)
    n, h = grid.shape[0], grid.spacing[0]
    matrix = h / 6 * (4 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1))
    matrix[0, 0] = matrix[-1, -1] = h / 3
    return matrix


def stiffness(grid: Grid, k: float = 1.0) -> Float[Array, "nodes nodes"]:
    """Return k ∫ ψ_i′ ψ_j′ of the hats: k (−1, 2, −1)/h inside, k/h at the ends of the diagonal."""
    check_grid(grid, 1)
    n, h = grid.shape[0], grid.spacing[0]
    matrix = k / h * (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1))
    matrix[0, 0] = matrix[-1, -1] = k / h
    return matrix


def hat_operator(grid: Grid, k: float = 1.0) -> Float[Array, "nodes nodes"]:
    """Return A = K⁻¹M of −k u″ = f: nodal forces to nodal solutions, exact for piecewise linear forces."""
    operator = np.zeros((grid.shape[0], grid.shape[0]))
    operator[1:-1] = np.linalg.solve(stiffness(grid, k)[1:-1, 1:-1], mass(grid)[1:-1])
    return operator


def lumped_operator(grid: Grid, k: float = 1.0) -> Float[Array, "nodes nodes"]:
    """Return G·h: the inverse of the three-point difference −k (1, −2, 1)/h²."""
    return green_matrix(green_poisson, grid) * grid.spacing[0] / k


def plane_operator(grid: Grid, k: float = 1.0) -> Float[Array, "nodes nodes"]:
    """Return (K⊗M + M⊗K)⁻¹ (M⊗M) of −k Δu = f with bilinear elements, u = 0 on the boundary; dense.

    Nodes are numbered row by row. The error of a smooth solution is O(h²), unlike on a line.
    """
    check_grid(grid, 2)
    axes = [Grid((cells,), centring="nodal", periodic=False) for cells in grid.cells]
    (m, s), (n, t) = ((mass(axis), stiffness(axis, k)) for axis in axes)
    inside = np.flatnonzero(np.pad(np.ones([c - 1 for c in grid.cells], dtype=bool), 1).ravel())
    matrix = np.kron(s, n) + np.kron(m, t)
    operator = np.zeros_like(matrix)
    operator[inside] = np.linalg.solve(matrix[np.ix_(inside, inside)], np.kron(m, n)[inside])
    return operator
