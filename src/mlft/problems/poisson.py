"""Poisson's equation on the unit interval or square, with exact pairs of source and solution."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid
from mlft.problems import checks, spaces
from mlft.problems.base import Problem, settle
from mlft.problems.solved import Solved, blanked, judged
from mlft.solvers.poisson import poisson_1d, poisson_2d

Array = np.ndarray


@final
@dataclass(frozen=True)
class Poisson(Problem):
    """−k Δu = f on the unit interval or square with u = 0 on the boundary, from f to u.

    The source lies in one of the function spaces of `mlft.problems.spaces`, of p = `degree`,

        f(x) = Σ_i c_i b_i(x)   or   f(x, y) = Σ_ij c_ij b_i(x) b_j(y),   c ~ N(0, 1), independent,

    and for each of them the solution is known without any discretization error: `reference` returns it. In one
    dimension it is an antiderivative of f and a straight line. In two it is known in closed form for sines, and else

        u = Σ_ij c_ij [ b_j(y) w_i(x) + Σ_m s_im sin mπx (v_jm(y) − b_j(y) / (mπ)²) ],
        −w_i″ = b_i,   −v_jm″ + (mπ)² v_jm = b_j,   all of them 0 at 0 and 1,

    with s the sine coefficients of b_i; the terms in brackets fall like m⁻⁵ away from the boundary.

    Fields are point values, both ends stored. The solver is of order 2: `mlft.solvers.poisson`. What makes it hard:
    nothing. It is the yardstick: linear, with a known Green's function, so that whatever a surrogate gets wrong is the
    surrogate's doing. A sample that is not finite ends as "not-finite".

    Attributes:
        cells: cells a side of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        dimension: 1 or 2.
        space: where the source lies; fem, piecewise linear, in one dimension only.
        degree: p, the size of the space; polynomials of a degree over 12 are nearly dependent, and refused.
        conductivity: k.

    Raises:
        ValueError: an option out of range.

    Source: Queiruga, Gutman-Solo, Jiang (2025), arXiv 2506.15199, for the spaces; LeVeque, Finite Difference Methods
    (2007), sections 2.4 and 3.2, for the schemes.
    """

    cells: int = 256
    levels: int = 4
    dimension: Literal[1, 2] = 1
    space: Literal["sin", "cos", "poly", "fem"] = "sin"
    degree: int = 8
    conductivity: float = 1.0

    name = "poisson"
    equation = "−k Δu = f on the unit interval or square, u = 0 on its boundary; f → u"
    input_channels, solution_channels = ("source",), ("solution",)
    order = 2.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=2, levels=1, degree=1)
        checks.numbers(self, conductivity=0)
        checks.choices(self, dimension=(1, 2))
        checks.choices(self, space=spaces.SPACES if self.dimension == 1 else spaces.SPACES[:-1])
        if self.space == "poly" and self.degree > 12:
            raise ValueError(f"degree of poisson with polynomials must be at most 12, got {self.degree}")
        finest = Grid((self.cells,) * self.dimension, centring="nodal", periodic=False)
        exponent, overhead = (1.0, 32.0) if self.dimension == 1 else (2.2, 40.0)
        settle(self, finest, self.levels, cost_exponent=exponent, overhead_cells=overhead)

    @property
    def width(self) -> int:
        """Coefficients of a draw."""
        return spaces.size(self.space, self.degree) ** self.dimension

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows c_i, or c_ij in the order of (i, j)."""
        return torch.randn(n, self.width, generator=generator, dtype=torch.float64).numpy()

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 *grid"]:
        """Return the values of f at the points of a grid.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, self.width, grid)
        basis = spaces.antiderivatives(self.space, self.degree, grid.points[0], 0)
        return self._combine(draws, basis)[:, None]

    def solve(self, inputs: Float[Array, "n 1 *grid"], grid: Grid) -> Solved:
        """Return the solutions of the scheme.

        Raises:
            ValueError: inputs that are not on the grid, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        sources, h = blanked(inputs)[:, 0] / self.conductivity, grid.spacing[0]
        fields = poisson_1d(sources, spacing=h) if self.dimension == 1 else poisson_2d(sources, spacing=(h, h))
        return judged(fields[:, None])

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 *grid"]:
        """Return the exact solutions on the finest grid.

        Raises:
            ValueError: draws of another width or not finite.
        """
        return self.exact(draws, self.finest)

    def exact(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 *grid"]:
        """Return the exact solutions, to about 1e-14 of their size, on any grid of the problem.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, self.width, grid)
        x = grid.points[0]
        if self.dimension == 1:
            return self._combine(draws, _integrals(self.space, self.degree, x))[:, None] / self.conductivity
        out = np.zeros((len(draws), *grid.shape))
        for column, field in enumerate(_exact_products(self.space, self.degree, grid.cells[0])):
            out += draws[:, column, None, None] * field
        return out[:, None] / self.conductivity

    def _combine(self, draws: Array, basis: Array) -> Array:
        if self.dimension == 1:
            return spaces.combine(draws, basis)
        return spaces.combine_products(draws.reshape(len(draws), len(basis), len(basis)), basis)


def _integrals(space: str, degree: int, x: Array) -> Array:
    """Return the w_i with −w_i″ = b_i and w_i = 0 at 0 and 1."""
    twice = -spaces.antiderivatives(space, degree, x, 2)
    start, end = -spaces.antiderivatives(space, degree, np.array([0.0, 1.0]), 2).T[:, :, None]
    return twice - start * (1 - x) - end * x


@lru_cache(maxsize=4)
def _exact_products(space: str, degree: int, cells: int) -> Array:
    """Return the exact solutions for b_i(x) b_j(y), in the order of (i, j), with k = 1."""
    x = np.arange(cells + 1) / cells
    basis = spaces.antiderivatives(space, degree, x, 0)
    if space == "sin":
        squares = (np.pi * np.arange(1, degree + 1)) ** 2
        products = [
            np.outer(basis[i], basis[j]) / (squares[i] + squares[j]) for i in range(degree) for j in range(degree)
        ]
        out = np.array(products)
        out[:, [0, -1]] = out[:, :, [0, -1]] = 0.0
        return out
    numbers = np.arange(1.0, max(2048, 12 * cells) + 1)  # layers of e^(−mπy) are gone before the first point
    waves = np.sin(np.pi * np.outer(x, numbers))
    strength = spaces.sine_coefficients(space, degree, numbers)
    straight = _integrals(space, degree, x)
    rests = [_rest(space, j, x, numbers) for j in range(len(basis))]
    fields = [
        np.outer(straight[i], basis[j]) + (waves * strength[i]) @ rests[j]
        for i in range(len(basis))
        for j in range(len(basis))
    ]
    out = np.array(fields)
    out[:, [0, -1]] = out[:, :, [0, -1]] = 0.0
    return out


def _rest(space: str, row: int, y: Array, numbers: Array) -> Array:
    """Return v_m − b / (mπ)² for −v_m″ + (mπ)² v_m = b, v_m = 0 at 0 and 1; a row for each m."""
    squares = (np.pi * numbers[:, None]) ** 2
    if space == "cos":
        wave = (np.pi * (row + 1)) ** 2
        particular = np.cos(np.pi * (row + 1) * y) / (squares + wave)
        rest = -np.cos(np.pi * (row + 1) * y) * wave / (squares * (squares + wave))
    else:
        rest = np.zeros((len(numbers), len(y)))
        for k in range(1, row // 2 + 1):
            rest = rest + math.perm(row, 2 * k) * y ** (row - 2 * k) / squares ** (k + 1)
        particular = rest + y**row / squares
    m = np.pi * numbers[:, None]
    # sinh m(1 − y) / sinh m and sinh my / sinh m, without overflow
    left = np.exp(-m * y) * -np.expm1(-2 * m * (1 - y)) / -np.expm1(-2 * m)
    right = np.exp(-m * (1 - y)) * -np.expm1(-2 * m * y) / -np.expm1(-2 * m)
    return rest - particular[:, :1] * left - particular[:, -1:] * right
