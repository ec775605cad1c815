"""Sources whose inputs are drawn from a problem's law, each sample from a random stream of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float

from mlft.grids import Hierarchy
from mlft.problems import Problem, Solved
from mlft.problems.solved import real
from mlft.seeds import generator
from mlft.sources.base import Derived, Source, identity
from mlft.status import OK

Array = np.ndarray


@final
@dataclass(frozen=True)
class Drawn(Source):
    """The samples of a named stream of a problem's draws.

    Attributes:
        problem: draws, evaluates and solves.
        seed: the root seed of the run.
        stream: names the draws: sample i is drawn from the random stream (seed, stream, i).
    """

    problem: Problem
    seed: int
    stream: str

    @property
    def hierarchy(self) -> Hierarchy:
        """The problem's."""
        return self.problem.hierarchy

    @property
    def identity(self) -> dict[str, Any]:
        """The problem, its options, its own transfers, and the seed."""
        return {**identity(self.problem), "seed": self.seed}

    @property
    def measured(self) -> bool:
        """Yes: they are learned from, and tested on."""
        return True

    def draws(self, indices: Sequence[int]) -> Float[Array, "n k"]:
        """Return some draws, as grid-free coefficients."""
        return np.concatenate([self.problem.draw(1, generator(self.seed, self.stream, i)) for i in indices])

    def inputs(self, level: int, indices: Sequence[int]) -> Float[Array, "n c *grid"]:
        """Return the input functions of some draws on the finest level, and what a coarser level is given for them."""
        problem, finest = self.problem, level == len(self.hierarchy) - 1
        made = (problem.evaluate if finest else problem.coarse_inputs)(self.draws(indices), self.hierarchy[level])
        return real(made, "inputs")

    def solve(self, inputs: Float[Array, "n c *grid"], level: int, indices: Sequence[int]) -> Solved:
        """Return the problem's solutions."""
        return self.problem.solve_level(inputs.copy(), level)


@final
@dataclass(frozen=True)
class Reference(Derived):
    """The reference solutions of another source's draws, on the finest grid; see `Problem.reference`."""

    of: Drawn

    def solve(self, inputs: Float[Array, "n c *grid"], level: int, indices: Sequence[int]) -> Solved:
        """Return the problem's reference.

        Raises:
            ValueError: if it cannot be had, or for a level other than the finest.
        """
        if level != len(self.hierarchy) - 1:
            raise ValueError(f"a reference lives on the finest level, {len(self.hierarchy) - 1}, got {level}")
        return Solved(self.of.problem.reference(self.of.draws(indices)), (OK,) * len(inputs))
