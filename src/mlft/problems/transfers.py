"""The one way to a problem's own transfers, checked; and a problem without them, to compare with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float

from mlft.errors import ConfigError
from mlft.grids import Grid
from mlft.problems.base import Problem
from mlft.problems.families import Family
from mlft.problems.solved import Solved

Array = np.ndarray
Transfer = Callable[[Array, Grid], Array]
"""(fields, grid) → the fields (n, channels, *grid) on another grid."""

_ATTRIBUTES = (
    *("name", "equation", "hierarchy", "order", "cost_exponent", "overhead_cells"),
    *("has_reference", "symmetries", "input_channels", "solution_channels"),
)


def prolonged(problem: Problem, solutions: Float[Array, "n c *coarse"], grid: Grid) -> Float[Array, "n c *grid"]:
    """Return a problem's finite solutions of a level on a finer grid of its hierarchy, by its own `prolong`.

    Raises:
        ConfigError: if it returns something else than finite fields on that grid.
    """
    if solutions.shape[2:] == grid.shape:
        return solutions
    made = problem.prolong(solutions, grid)
    wrong, advice = unfit(made, (*solutions.shape[:2], *grid.shape))
    if wrong:
        points = "x".join(map(str, solutions.shape[2:]))
        raise ConfigError(
            f"prolong of problem {problem.name}, asked for solutions of {points} points on {grid} cells, returned "
            f"{wrong}; {advice}, and run the same again: what is solved is kept"
        )
    return np.asarray(made, dtype=np.float64)


def transfer_names(**given: Transfer | None) -> dict[str, str]:
    """Return the names of functions, or of their classes; of those that are given."""
    return {
        way: str(getattr(function, "__qualname__", type(function).__qualname__))
        for way, function in given.items()
        if function is not None
    }


def unfit(made: object, shape: tuple[int, ...]) -> tuple[str, str]:
    """Return why what a transfer returned is no finite field of a shape, and what to do; two empty texts if it is."""
    if not isinstance(made, np.ndarray):
        return f"a {type(made).__name__}", f"return an array of shape {shape}"
    if made.shape != shape:
        return f"an array of shape {made.shape}", f"return one of shape {shape}"
    if np.ma.is_masked(made):
        return "a masked array", "return numbers everywhere"
    if not np.issubdtype(made.dtype, np.floating):
        return f"an array of {made.dtype}", "return float64"
    bad = int((~np.isfinite(made.reshape(len(made), -1)).all(axis=1)).sum())
    told = f"values that are not finite for {bad} of {len(made)} samples"
    return (told, "return finite numbers for finite solutions") if bad else ("", "")


@final
@dataclass(frozen=True)
class Plain(Problem):
    """A problem with the grids' plain transfers in place of its own: what it is worth that a problem knows better.

    Everything else is the problem's, its name and its options too; `transfers` is empty, which tells the two apart.
    """

    of: Problem

    def __post_init__(self) -> None:
        for attribute in _ATTRIBUTES:
            object.__setattr__(self, attribute, getattr(self.of, attribute))

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return the problem's draws."""
        return self.of.draw(n, generator)

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return the problem's inputs."""
        return self.of.evaluate(draws, grid)

    def solve(self, inputs: Float[Array, "n c *grid"], grid: Grid) -> Solved:
        """Return the problem's solutions."""
        return self.of.solve(inputs, grid)

    @property
    def told_level(self) -> bool:
        """The problem's."""
        return self.of.told_level

    def solve_level(self, inputs: Float[Array, "n c *grid"], level: int) -> Solved:
        """Return the problem's solutions."""
        return self.of.solve_level(inputs, level)

    @property
    def transfers(self) -> dict[str, str]:
        """None."""
        return {}

    @property
    def costs(self) -> tuple[float, ...]:
        """The problem's."""
        return self.of.costs

    @property
    def options(self) -> dict[str, Any]:
        """The problem's."""
        return self.of.options

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n c *grid"]:
        """Return the problem's references."""
        return self.of.reference(draws)

    def families(self) -> dict[str, Family]:
        """Return the problem's laws of inputs."""
        return self.of.families()

    def amplified(self, draws: Float[Array, "n k"], amplitude: float) -> Float[Array, "n c *grid"]:
        """Return the problem's inputs at another amplitude."""
        return self.of.amplified(draws, amplitude)
