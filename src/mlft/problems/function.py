"""A problem made of your own functions: the adapter for a solver that is not of this package."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, Hierarchy
from mlft.problems.base import Problem
from mlft.problems.solved import Solved, statuses

Array = np.ndarray


@final
@dataclass(frozen=True)
class FunctionProblem(Problem):
    """A problem made of your own functions: the adapter for a solver that is not of this package.

    Attributes:
        name: any name; it goes into the run's record.
        hierarchy: the grids, coarsest first, e.g. `mlft.hierarchy(mlft.Grid((256,)), 4)`.
        draw_function: (n, generator) → (n, k) array of coefficients.
        evaluate_function: (draws, grid) → (n, channels, *grid) array, the same functions on every grid.
        solve_function: (inputs, grid) → (n, channels, *grid) array; a sample with a value that is not finite fails
            by name; it may also return a `Solved` with a status per sample.
        cost_exponent: γ of the cost table; give `cost_table` instead to state prices that are no power law.
        order: order of accuracy of the solver.
        equation: one line for the report.
        cost_table: price of one sample on each level, in solves of the finest grid.
    """

    name: str
    hierarchy: Hierarchy
    draw_function: Callable[[int, torch.Generator], Array]
    evaluate_function: Callable[[Array, Grid], Array]
    solve_function: Callable[[Array, Grid], Array | Solved]
    cost_exponent: float
    order: float = 2.0
    equation: str = "(yours)"
    cost_table: tuple[float, ...] = ()
    has_reference: ClassVar[bool] = False

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return `draw_function(n, generator)` as float64."""
        return _real(self.draw_function(n, generator), "draws")

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return `evaluate_function(draws, grid)` as float64.

        Raises:
            TypeError: if they are complex.
        """
        return _real(self.evaluate_function(draws, grid), "inputs")

    def solve(self, inputs: Float[Array, "n c *grid"], grid: Grid) -> Solved:
        """Return `solve_function(inputs, grid)`, with the status "not-finite" where a value is not finite.

        Raises:
            TypeError: if they are complex.
        """
        solved = self.solve_function(inputs, grid)
        if isinstance(solved, Solved):
            return solved
        solutions = _real(solved, "solutions")
        return Solved(solutions, statuses(solutions))

    @property
    def costs(self) -> tuple[float, ...]:
        """The stated price of one sample on each level, in solves of the finest grid."""
        return self.cost_table or super().costs

    @property
    def options(self) -> dict[str, Any]:
        """The grids and the prices: functions cannot be compared, their effect on the first samples is."""
        return {"grids": [str(grid) for grid in self.hierarchy], "costs": list(self.costs)}


def _real(values: Array, what: str) -> Array:
    if np.iscomplexobj(values):
        raise TypeError(f"the {what} are complex: give the real and the imaginary part as two channels")
    return np.asarray(values, dtype=np.float64)
