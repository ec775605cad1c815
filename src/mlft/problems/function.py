"""A problem made of your own functions: the adapter for a solver that is not of this package."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float

from mlft.errors import plain
from mlft.grids import Grid, Hierarchy, Symmetry
from mlft.problems.base import Problem
from mlft.problems.solved import Solved, real, statuses
from mlft.problems.transfers import transfer_names

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
            by name; it may also return a `Solved` with a status per sample. With a parameter of the name `level` it is
            given the level too, 0 the coarsest: then levels may share a grid, and differ in tolerance, time step, mesh
            or equations. Any callable: a function, a `CommandSolver`, an `UMBridgeSolver`, an object of yours.
        cost_exponent: γ of the cost table; give `cost_table` instead to state prices that are no power law, as those of
            levels that share a grid, or of solves that take microseconds.
        order: order of accuracy of the solver.
        equation: one line for the report.
        cost_table: price of one sample on each level, in solves of the finest grid.
        prolong_function: (solutions, grid) → the solutions of a level on a finer grid; reconstruction by polynomials
            without.
        coarsen_function: (inputs, grid) → what a coarser level is given to solve, from inputs on the finest grid; their
            averages, or every other point, without.
        symmetries: those that the solver has; a run refuses one that it lacks, and looks for some where None is given.
        input_channels: what each channel of the inputs is, a name, or a name and its unit as in "velocity [m/s]".
        solution_channels: the same of the solutions.
        batched: whether `solve_function` takes many samples; else it is called for one at a time, and takes
            (channels, *grid) to (channels, *grid).
    """

    name: str
    hierarchy: Hierarchy
    draw_function: Callable[[int, torch.Generator], Array]
    evaluate_function: Callable[[Array, Grid], Array]
    solve_function: Callable[..., Array | Solved]
    cost_exponent: float
    order: float = 2.0
    equation: str = "(yours)"
    cost_table: tuple[float, ...] = ()
    prolong_function: Callable[[Array, Grid], Array] | None = None
    coarsen_function: Callable[[Array, Grid], Array] | None = None
    symmetries: tuple[Symmetry, ...] | None = None
    input_channels: tuple[str, ...] = ()
    solution_channels: tuple[str, ...] = ()
    batched: bool = True
    has_reference: ClassVar[bool] = False

    def __repr__(self) -> str:
        """Return its name and its grids."""
        return plain(f"FunctionProblem({self.name!r}, grids {', '.join(map(str, self.hierarchy))})")

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return `draw_function(n, generator)` as float64.

        Raises:
            TypeError: if they are complex, masked or no numbers.
        """
        return real(self.draw_function(n, generator), "draws")

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return `evaluate_function(draws, grid)` as float64.

        Raises:
            TypeError: if they are complex, masked or no numbers.
        """
        return real(self.evaluate_function(draws, grid), "inputs")

    def solve(self, inputs: Float[Array, "n c *grid"], grid: Grid) -> Solved:
        """Return `solve_level` of the finest level that has this grid.

        Raises:
            TypeError: if they are complex, masked or no numbers.
            ValueError: for a grid of no level, where the solver asks for the level.
        """
        levels = [level for level, one in enumerate(self.hierarchy) if one == grid]
        if levels:
            return self.solve_level(inputs, levels[-1])
        if self.told_level:
            raise ValueError(f"the solver of {self.name} asks for the level, and no level has {grid!r}")
        return self._judged(inputs, grid)

    @property
    def told_level(self) -> bool:
        """Whether `solve_function` has a parameter of the name `level`."""
        return _asks_for_level(self.solve_function)

    def solve_level(self, inputs: Float[Array, "n c *grid"], level: int) -> Solved:
        """Return `solve_function(inputs, grid)` on a level, with the status "not-finite" where a value is not finite.

        Raises:
            TypeError: if they are complex, masked or no numbers.
        """
        return self._judged(inputs, self.hierarchy[level], **({"level": level} if self.told_level else {}))

    def _judged(self, inputs: Array, grid: Grid, **level: int) -> Solved:
        if not self.batched:
            fields = [real(self.solve_function(one.copy(), grid, **level), "solutions") for one in inputs]
            shapes = {field.shape for field in fields}
            if len(shapes) > 1:
                raise ValueError(f"samples have solutions of the shapes {sorted(shapes)} on {grid}")
            solutions = np.stack(fields)
            return Solved(solutions, statuses(solutions))
        solved = self.solve_function(inputs, grid, **level)
        if isinstance(solved, Solved):
            return solved
        solutions = real(solved, "solutions")
        return Solved(solutions, statuses(solutions))

    def prolong(self, solutions: Float[Array, "n c *coarse"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return `prolong_function(solutions, grid)` as float64, where there is one and the grid is another.

        Raises:
            TypeError: if they are complex, masked or no numbers.
        """
        if self.prolong_function is None or solutions.shape[2:] == grid.shape:
            return super().prolong(solutions, grid)
        return real(self.prolong_function(solutions, grid), "prolonged solutions")

    def coarsen(self, inputs: Float[Array, "n c *finest"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return `coarsen_function(inputs, grid)` as float64, where there is one and the grid is another.

        Raises:
            TypeError: if they are complex, masked or no numbers.
        """
        if self.coarsen_function is None or inputs.shape[2:] == grid.shape:
            return super().coarsen(inputs, grid)
        return real(self.coarsen_function(inputs, grid), "coarse inputs")

    def coarse_inputs(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return the inputs on the finest grid, coarsened, where there is a `coarsen_function`; else `evaluate`."""
        if self.coarsen_function is None:
            return self.evaluate(draws, grid)
        return self.coarsen(self.evaluate(draws, self.finest), grid)

    @property
    def transfers(self) -> dict[str, str]:
        """The names of the functions that are given."""
        return transfer_names(prolong=self.prolong_function, coarsen=self.coarsen_function)

    @property
    def costs(self) -> tuple[float, ...]:
        """The stated price of one sample on each level, in solves of the finest grid."""
        return self.cost_table or super().costs

    @property
    def options(self) -> dict[str, Any]:
        """The grids and the prices: functions cannot be compared, their effect on the first samples is."""
        return {"grids": [str(grid) for grid in self.hierarchy], "costs": list(self.costs)}


def _asks_for_level(function: Callable[..., Any]) -> bool:
    """Return whether a callable has a parameter of the name `level`; those in C that do not say have none."""
    try:
        return "level" in inspect.signature(function).parameters
    except (ValueError, TypeError):
        return False
