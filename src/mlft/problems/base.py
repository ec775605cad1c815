"""What a problem is: an equation, its hierarchy of grids, and the distribution of its inputs."""

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, Hierarchy, Symmetry, hierarchy, prolong, refine, restrict
from mlft.problems.families import Family, of_coefficients, of_fields
from mlft.problems.solved import Solved
from mlft.status import OK

Array = np.ndarray


class Problem(ABC):
    """A PDE on a hierarchy of grids, with the distribution of its inputs.

    A subclass sets the attributes below and writes `draw`, `evaluate` and `solve`. All three are deterministic, and a
    sample never depends on its batch, bit for bit: this is what lets a run be resumed and split among workers.

    A problem knows more of its fields than a grid does: where they jump, that they are sums of waves, which mean of a
    coefficient the solution feels. `prolong` and `coarsen` are where it says so; by default they are the grids' own.

    Attributes:
        name: the name in the registry.
        equation: the equation, its domain and its boundary conditions, in one line.
        hierarchy: the grids, coarsest first.
        order: order of accuracy of the solver in h on smooth data.
        cost_exponent: γ, with the cost of a solve ∝ N^γ + N₀^γ, N the points per side; it states the cost table.
        overhead_cells: N₀, the points per side on which a solve's work is as much as what a sample costs on any grid.
        has_reference: whether `reference` is there, to measure bias with.
        has_solver: whether `solve` solves inputs that are given; a data set has solutions of its own inputs alone.
        symmetries: those of the solver, as far as the problem says so; a run verifies them. None: it looks for them.
        input_channels: what each channel of the inputs is, a name, or a name and its unit as in "velocity [m/s]"; empty
            where the problem does not say.
        solution_channels: the same of the solutions.
    """

    name: str
    equation: str
    hierarchy: Hierarchy
    order: float
    cost_exponent: float
    overhead_cells: float = 0.0
    has_reference: ClassVar[bool] = True
    has_solver: ClassVar[bool] = True
    symmetries: tuple[Symmetry, ...] | None = None
    input_channels: tuple[str, ...] = ()
    solution_channels: tuple[str, ...] = ()

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
    def told_level(self) -> bool:
        """Whether the solver is told the level, so that levels may share a grid and differ in something else.

        Such as the tolerance, the time step, the mesh within or the equations. By default whether a subclass has a
        `solve_level` of its own.
        """
        return type(self).solve_level is not Problem.solve_level

    def solve_level(self, inputs: Float[Array, "n c *grid"], level: int) -> Solved:
        """Return the solutions for inputs on a level: `solve` on its grid, unless a problem knows more.

        Every solve of a run comes through here.

        Raises:
            ValueError: for inputs that the equation does not allow, before any solve.
        """
        return self.solve(inputs, self.hierarchy[level])

    def prolong(self, solutions: Float[Array, "n c *coarse"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return solutions of a level on a finer grid of the hierarchy; their own grid is told by their shape.

        Unless a problem knows better: `mlft.grids.prolong`, which reconstructs by polynomials.

        Raises:
            ValueError: if `grid` is not theirs refined by a power of two.
        """
        return prolong(solutions, to=grid)

    def coarsen(self, inputs: Float[Array, "n c *finest"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return what a coarser level of the hierarchy is given to solve, from inputs on the finest grid.

        Unless a problem knows better: `mlft.grids.restrict`, which averages or takes every other point.

        Raises:
            ValueError: if the inputs are not those of `grid` refined by a power of two.
        """
        return restrict(inputs, to=grid)

    def coarse_inputs(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return what a coarser level is given to solve for draws: `coarsen(evaluate(draws, finest), grid)` to 1e-12.

        By default `evaluate(draws, grid)`: a problem with a `coarsen` of its own writes this too.
        """
        return self.evaluate(draws, grid)

    @property
    def transfers(self) -> dict[str, str]:
        """The names of the transfers that are the problem's own, of "prolong" and "coarsen"; none if all are plain.

        They are a part of what a run is: samples, plans and records of other transfers are refused. By default the
        methods that a subclass has of its own.
        """
        own = {name: getattr(type(self), name) for name in ("prolong", "coarsen")}
        return {name: kept.__qualname__ for name, kept in own.items() if kept is not getattr(Problem, name)}

    @property
    def finest(self) -> Grid:
        """The finest grid of the hierarchy, on which the surrogate lives."""
        return self.hierarchy[-1]

    @property
    def costs(self) -> tuple[float, ...]:
        """The stated price of one sample on each level, in solves of the finest: (N_l^γ + N₀^γ) / (N_L^γ + N₀^γ)."""
        finest, exponent = self.finest.cells[0], self.cost_exponent
        overhead = (self.overhead_cells / finest) ** exponent
        return tuple(((grid.cells[0] / finest) ** exponent + overhead) / (1 + overhead) for grid in self.hierarchy)

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
        return refined(self, draws, 2)

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


def settle(problem: Problem, finest: Grid, levels: int, **derived: float) -> None:
    """Set what follows from a problem's options: its hierarchy of `levels` grids of ratio 2, and other attributes.

    Args:
        problem: one whose options have been checked.
        finest: the finest grid.
        levels: how many grids.
        derived: attributes, such as `order`, by name.

    Raises:
        ValueError: for cells that cannot be halved so often.
    """
    try:
        grids = hierarchy(finest, levels)
    except ValueError as error:
        raise ValueError(f"levels of {problem.name}: {error}") from None
    for attribute, value in {"hierarchy": grids, **derived}.items():
        object.__setattr__(problem, attribute, value)  # a frozen record's own way, at its birth


def refined(problem: Problem, draws: Float[Array, "n k"], ratio: int) -> Float[Array, "n c *grid"]:
    """Return the solutions on the grid `ratio` times as fine as the finest, restricted to the finest.

    Raises:
        ValueError: if the solver fails there.
    """
    grid = refine(problem.finest, ratio)
    solved = problem.solve(problem.evaluate(draws, grid), grid)
    if set(solved.status) - {OK}:
        raise ValueError(f"the reference solve of {problem.name} on {grid} failed: {sorted(set(solved.status))}")
    return restrict(solved.solutions, to=problem.finest)
