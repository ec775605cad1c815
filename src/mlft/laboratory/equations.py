"""Linear equations with exact solutions: data without discretization error.

On a line, −k u″ = f with u = 0 at both ends, and k u⁗ = f, clamped (u = u′ = 0) or simply supported (u = u″ = 0): the
m-fold antiderivative of f, corrected by the polynomial of degree m − 1 that keeps the boundary conditions. On the unit
square, −k Δu = f with u = 0 on the boundary, by a Legendre–Galerkin method.

Source: Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199, for the equations; there the biharmonic one is written
−k u⁗ = f, here with the sign that makes its Green's function positive. Shen 1994 (SIAM J. Sci. Comput. 15) for the
Legendre–Galerkin method.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import legendre

from mlft.grids import Grid
from mlft.laboratory.modes import Mode
from mlft.laboratory.spaces import Space, check_grid

Array = np.ndarray


class Equation(ABC):
    """A linear equation whose solutions for the functions of a space are known.

    Attributes:
        name: such as "poisson".
    """

    name: str

    @abstractmethod
    def solutions(self, space: Space, grid: Grid) -> Float[Array, "r 1 *grid"]:
        """Return the exact solution for each function of a space, at the points of a grid.

        Raises:
            ValueError: for a grid on which the equation does not live.
        """


@final
@dataclass(frozen=True)
class LineEquation(Equation):
    """sign · k · (derivative of u of an order) = f on the unit interval.

    Attributes:
        name: such as "poisson".
        order: of the derivative.
        sign: 1 or −1.
        conditions: (end point, order of the derivative of u that vanishes there), as many as `order`.
        k: the coefficient.
    """

    name: str
    order: int
    sign: int
    conditions: tuple[tuple[float, int], ...]
    k: float = 1.0

    def solutions(self, space: Space, grid: Grid) -> Float[Array, "r 1 nodes"]:
        """Return u = sign·f^(−order)/k + Σ_i c_i x^i, with c from the boundary conditions; exact."""
        check_grid(grid, 1)
        powers = [Mode("power", i) for i in range(self.order)]
        matrix = np.array([[_at(power, x, d) for power in powers] for x, d in self.conditions])
        (x,) = grid.points
        rows = []
        for (mode,) in space.modes:
            ends = [_at(mode, end, d - self.order) for end, d in self.conditions]
            corrector = np.linalg.solve(matrix, ends)
            rows.append(mode.derivative(x, -self.order) - sum(c * x**i for i, c in enumerate(corrector)))
        return space.mixed(self.sign * np.stack(rows)[:, None] / self.k)


@final
@dataclass(frozen=True)
class PlanePoisson(Equation):
    """−k Δu = f on the unit square, u = 0 on its boundary.

    u is sought among polynomials of degree `degree` on each axis. Exact for sines of moderate number; where f does not
    vanish at a corner, u has a singularity r² log r there and the error falls like a power of the degree: below 1e-8 of
    the largest value for a constant f at degree 64.

    Attributes:
        k: the coefficient.
        degree: of the polynomials on each axis.
        name: "poisson-2d".
    """

    k: float = 1.0
    degree: int = 64
    name: str = "poisson-2d"

    def solutions(self, space: Space, grid: Grid) -> Float[Array, "r 1 rows columns"]:
        """Return the Galerkin solutions at the points of a grid."""
        check_grid(grid, 2)
        values, vectors = _galerkin(self.degree)
        at = [_values(2 * x - 1, self.degree).T @ vectors for x in grid.points]
        t, weights = legendre.leggauss(2 * self.degree)
        tested = (_values(t, self.degree) * weights).T
        rows = []
        for modes in space.modes:
            x, y = (vectors.T @ (tested.T @ mode.derivative((t + 1) / 2)) for mode in modes)
            rows.append(at[0] @ (np.outer(x, y) / (values[:, None] + values)) @ at[1].T)
        return space.mixed(np.stack(rows)[:, None] / (4 * self.k))


@final
@dataclass(frozen=True)
class Pairs:
    """Input and output fields that belong together.

    Attributes:
        inputs: (n, channels, *grid).
        outputs: (n, channels, *grid).
    """

    inputs: Float[Array, "n c *grid"]
    outputs: Float[Array, "n d *grid"]

    def __len__(self) -> int:
        return len(self.inputs)


def exact_pairs(
    space: Space, equation: Equation, grid: Grid, n: int, *, generator: torch.Generator, noise: float = 0.0
) -> Pairs:
    """Return n draws of a space with their exact solutions.

    Args:
        space: the law of the inputs.
        equation: gives the outputs.
        grid: nodal and bounded.
        n: draws.
        generator: the stream of the coefficients, and of the noise after them.
        noise: standard deviation of independent normal noise on every value of the outputs.

    Raises:
        ValueError: for fewer than 1 draw, noise that is negative, or a grid that does not fit.
    """
    if n < 1 or not noise >= 0:
        raise ValueError(f"at least 1 draw and a noise of 0 or more are needed, got {n=} and {noise=}")
    coefficients = space.coefficients(n, generator)
    inputs = np.tensordot(coefficients, space.basis(grid), axes=1)
    outputs = np.tensordot(coefficients, equation.solutions(space, grid), axes=1)
    if noise:
        outputs += noise * torch.randn(outputs.shape, generator=generator, dtype=torch.float64).numpy()
    return Pairs(inputs, outputs)


POISSON = LineEquation("poisson", 2, -1, ((0.0, 0), (1.0, 0)))
CLAMPED = LineEquation("biharmonic-clamped", 4, 1, ((0.0, 0), (0.0, 1), (1.0, 0), (1.0, 1)))
SUPPORTED = LineEquation("biharmonic-supported", 4, 1, ((0.0, 0), (0.0, 2), (1.0, 0), (1.0, 2)))

EQUATIONS: dict[str, Equation] = {e.name: e for e in (POISSON, CLAMPED, SUPPORTED, PlanePoisson())}


def _at(mode: Mode, x: float, order: int) -> float:
    return float(mode.derivative(np.array([x]), order)[0])


def _values(t: Array, degree: int) -> Array:
    """Return (L_j − L_{j+2}) / √(4j + 6) at points of [−1, 1], a row a function: their stiffness matrix is I."""
    polynomials = legendre.legvander(t, degree).T
    return (polynomials[:-2] - polynomials[2:]) / np.sqrt(4 * np.arange(degree - 1)[:, None] + 6)


@cache
def _galerkin(degree: int) -> tuple[Array, Array]:
    """Return the eigenvalues and orthonormal eigenvectors of the mass matrix."""
    t, weights = legendre.leggauss(degree + 1)
    functions = _values(t, degree)
    values, vectors = np.linalg.eigh((functions * weights) @ functions.T)
    return values, vectors
