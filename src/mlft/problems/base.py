"""What a problem is: an equation, its hierarchy of grids, and the distribution of its inputs."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, Hierarchy, refine, restrict
from mlft.problems.families import Family, of_coefficients, of_fields
from mlft.status import NOT_CONVERGED, NOT_FINITE, OK

Array = np.ndarray


@final
@dataclass(frozen=True)
class Solved:
    """Solutions of one batch on one grid, and how each solve ended.

    Attributes:
        solutions: the solutions, (n, channels, *grid); rows whose status is not "ok" hold anything.
        status: a name per sample, "ok" or a named failure such as "not-converged".
        scalars: further numbers per sample, such as the energy of a ground state or the iterations it took.
    """

    solutions: Float[Array, "n c *grid"]
    status: tuple[str, ...]
    scalars: dict[str, Float[Array, " n"]] = field(default_factory=dict)


class Problem(ABC):
    """A PDE on a hierarchy of grids, with the distribution of its inputs.

    A subclass sets the attributes below and writes `draw`, `evaluate` and `solve`. All three are deterministic, and a
    sample never depends on its batch, bit for bit: this is what lets a run be resumed and split among workers.

    Attributes:
        name: the name in the registry.
        equation: the equation, its domain and its boundary conditions, in one line.
        hierarchy: the grids, coarsest first.
        order: order of accuracy of the solver in h on smooth data.
        cost_exponent: γ, with the cost of a solve ∝ (points per side)^γ; it states the cost table.
        has_reference: whether `reference` is there, to measure bias with.
    """

    name: str
    equation: str
    hierarchy: Hierarchy
    order: float
    cost_exponent: float
    has_reference: ClassVar[bool] = True

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n draws of the input distribution as grid-free coefficients, a row each."""

    @abstractmethod
    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return the input functions of `draws` on a grid, the same functions on every grid.

        On a level of the hierarchy it equals `restrict(evaluate(draws, finest), to=level)` to 1e-12.
        """

    @abstractmethod
    def solve(self, inputs: Float[Array, "n c *grid"], grid: Grid) -> Solved:
        """Return the solutions for inputs on a grid.

        Raises:
            ValueError: for inputs that the equation does not allow, before any solve.
        """

    @property
    def finest(self) -> Grid:
        """The finest grid of the hierarchy, on which the surrogate lives."""
        return self.hierarchy[-1]

    @property
    def costs(self) -> tuple[float, ...]:
        """The stated price of one sample on each level, in solves of the finest grid: (cells_l / cells_L)^γ."""
        return tuple((grid.cells[0] / self.finest.cells[0]) ** self.cost_exponent for grid in self.hierarchy)

    @property
    def options(self) -> dict[str, Any]:
        """The parameters that tell two problems of one name apart, as plain values."""
        return dataclasses.asdict(self) if dataclasses.is_dataclass(self) else {}

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n c *grid"]:
        """Return solutions on the finest grid that are better than the finest grid's own, to measure bias with.

        Unless a problem knows better: the solution on the grid refined by 2, restricted.

        Raises:
            ValueError: if the solver fails on the refined grid.
        """
        grid = refine(self.finest)
        solved = self.solve(self.evaluate(draws, grid), grid)
        if set(solved.status) - {OK}:
            raise ValueError(f"the reference solve of {self.name} on {grid} failed: {sorted(set(solved.status))}")
        return restrict(solved.solutions, to=self.finest)

    def families(self) -> dict[str, Family]:
        """Return laws of inputs near the one that is drawn, by name: functions of draws to inputs on the finest grid.

        `mlft trust` asks a surrogate for each of them. Unless a problem knows better: its inputs larger and smaller,
        filtered to be smoother and rougher, its coefficients shifted and one at a time. Inputs that the equation does
        not allow are reported as refused, so a family need not suit every problem.
        """

        def evaluate(draws: Array) -> Array:
            return self.evaluate(draws, self.finest)

        return of_fields(evaluate, self.finest) | of_coefficients(evaluate, self.amplified)

    def amplified(self, draws: Float[Array, "n k"], amplitude: float) -> Float[Array, "n c *grid"]:
        """Return the inputs of draws at another amplitude, 1 being the law's own; by default the inputs times it.

        Laws of a coefficient such as 1 + Σ c_k φ_k multiply the fluctuation instead.
        """
        return amplitude * self.evaluate(draws, self.finest)


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
        return np.asarray(self.draw_function(n, generator), dtype=np.float64)

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return `evaluate_function(draws, grid)` as float64."""
        return np.asarray(self.evaluate_function(draws, grid), dtype=np.float64)

    def solve(self, inputs: Float[Array, "n c *grid"], grid: Grid) -> Solved:
        """Return `solve_function(inputs, grid)`, with the status "not-finite" where a value is not finite."""
        solved = self.solve_function(inputs, grid)
        if isinstance(solved, Solved):
            return solved
        solutions = np.asarray(solved, dtype=np.float64)
        return Solved(solutions, statuses(solutions))

    @property
    def costs(self) -> tuple[float, ...]:
        """The stated price of one sample on each level, in solves of the finest grid."""
        return self.cost_table or super().costs

    @property
    def options(self) -> dict[str, Any]:
        """The grids and the prices: functions cannot be compared, their effect on the first samples is."""
        return {"grids": [str(grid) for grid in self.hierarchy], "costs": list(self.costs)}


def statuses(solutions: Float[Array, "n c *grid"], converged: Array | None = None) -> tuple[str, ...]:
    """Return a status per sample: "not-finite", else "not-converged" where `converged` is false, else "ok"."""
    finite = np.isfinite(solutions.reshape(len(solutions), -1)).all(axis=1)
    done = np.ones(len(solutions), dtype=bool) if converged is None else converged
    return tuple(NOT_FINITE if not f else OK if c else NOT_CONVERGED for f, c in zip(finite, done, strict=True))
