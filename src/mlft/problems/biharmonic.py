"""The biharmonic equation on the unit interval, with exact pairs of load and deflection: a bending beam."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid
from mlft.problems import checks, spaces
from mlft.problems.base import Problem, settle
from mlft.problems.solved import Solved, blanked, judged
from mlft.solvers.poisson import biharmonic_1d

Array = np.ndarray


@final
@dataclass(frozen=True)
class Biharmonic(Problem):
    """k u⁗ = f on (0, 1) with u = 0 at both ends, and u′ = 0 (clamped) or u″ = 0 (supported): from f to u.

    The load lies in one of the function spaces of `mlft.problems.spaces`, f = Σ_i c_i b_i with c ~ N(0, 1); the exact
    deflection is an antiderivative of order 4 and a cubic, and `reference` returns it.

    Fields are point values, both ends stored. The solver is of order 2: `mlft.solvers.poisson.biharmonic_1d`.
    What makes it hard: the operator smooths by four orders, so that all but the lowest modes of the load are lost in
    the deflection. A sample that is not finite ends as "not-finite".

    Attributes:
        cells: cells of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        ends: how the beam is held.
        space: where the load lies.
        degree: p, the size of the space; polynomials of a degree over 12 are nearly dependent, and refused.
        stiffness: k.

    Raises:
        ValueError: an option out of range.

    Source: Queiruga, Gutman-Solo, Jiang (2025), arXiv 2506.15199, for the spaces and the equation; Timoshenko, Strength
    of Materials (1930), for the ends.
    """

    cells: int = 256
    levels: int = 4
    ends: Literal["clamped", "supported"] = "clamped"
    space: Literal["sin", "cos", "poly", "fem"] = "sin"
    degree: int = 8
    stiffness: float = 1.0

    name = "biharmonic"
    equation = "k u⁗ = f on (0, 1), u = 0 and u′ = 0 (or u″ = 0) at both ends; f → u"
    input_channels, solution_channels = ("load",), ("deflection",)
    order = 2.0
    cost_exponent, overhead_cells = 1.4, 45.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=4, levels=1, degree=1)
        checks.numbers(self, stiffness=0)
        checks.choices(self, ends=("clamped", "supported"), space=spaces.SPACES)
        if self.space == "poly" and self.degree > 12:
            raise ValueError(f"degree of biharmonic with polynomials must be at most 12, got {self.degree}")
        settle(self, Grid((self.cells,), centring="nodal", periodic=False), self.levels)

    @property
    def width(self) -> int:
        """Coefficients of a draw."""
        return spaces.size(self.space, self.degree)

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows c_i."""
        return torch.randn(n, self.width, generator=generator, dtype=torch.float64).numpy()

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 points"]:
        """Return the values of f at the points of a grid.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, self.width, grid)
        return spaces.combine(draws, spaces.antiderivatives(self.space, self.degree, grid.points[0], 0))[:, None]

    def solve(self, inputs: Float[Array, "n 1 points"], grid: Grid) -> Solved:
        """Return the solutions of the scheme.

        Raises:
            ValueError: inputs that are not on the grid, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        loads = blanked(inputs)[:, 0] / self.stiffness
        return judged(biharmonic_1d(loads, spacing=grid.spacing[0], clamped=self.ends == "clamped")[:, None])

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 points"]:
        """Return the exact solutions on the finest grid.

        Raises:
            ValueError: draws of another width or not finite.
        """
        return self.exact(draws, self.finest)

    def exact(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 points"]:
        """Return the exact solutions, to about 1e-14 of their size, on any grid of the problem.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, self.width, grid)
        (x,), ends = grid.points, np.array([0.0, 1.0])
        derivative = 1 if self.ends == "clamped" else 2
        values = spaces.antiderivatives(self.space, self.degree, ends, 4)
        slopes = spaces.antiderivatives(self.space, self.degree, ends, 4 - derivative)
        conditions = np.concatenate([_cubic(ends, 0), _cubic(ends, derivative)])
        cubics = -np.linalg.solve(conditions, np.concatenate([values, slopes], axis=1).T).T
        basis = spaces.antiderivatives(self.space, self.degree, x, 4) + spaces.combine(cubics, _cubic(x, 0).T)
        return spaces.combine(draws, basis)[:, None] / self.stiffness


def _cubic(x: Array, derivative: int) -> Array:
    """Return 1, x, x², x³ at the points, or their derivatives; a row a point."""
    return np.array([np.polynomial.Polynomial.basis(i).deriv(derivative)(x) for i in range(4)]).T
