"""The samples of a data set: what is there already is looked up, and nothing is solved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float

from mlft.datasets.problem import DataProblem
from mlft.grids import Hierarchy
from mlft.problems import Problem, Solved
from mlft.sources.base import Source, identity
from mlft.sources.drawn import Drawn
from mlft.status import OK

Array = np.ndarray


@final
@dataclass(frozen=True)
class Rows(Source):
    """The samples of a stream of a data set.

    Attributes:
        problem: the data set.
        stream: names the draws; see `DataProblem.draws_of`.
    """

    problem: DataProblem
    stream: str

    @property
    def hierarchy(self) -> Hierarchy:
        """The data set's."""
        return self.problem.hierarchy

    @property
    def identity(self) -> dict[str, Any]:
        """The name and the digest of the rows, how they are split, and the seed of that."""
        return {**identity(self.problem), "seed": self.problem.seed}

    @property
    def measured(self) -> bool:
        """Yes: they are learned from, and tested on."""
        return True

    @property
    def most(self) -> int:
        """How many draws the stream has."""
        return len(self.problem.draws_of(self.stream))

    def draws(self, indices: Sequence[int]) -> Float[Array, "n k"]:
        """Return the numbers of the draws of some samples."""
        return self._draws(indices)[:, None].astype(np.float64)

    def first(self, level: int, n: int) -> Sequence[int]:
        """Return the indices of the first n samples that the level has."""
        there = self.problem.rows(level, self.problem.draws_of(self.stream)) >= 0
        return [int(i) for i in np.flatnonzero(there)[:n]]

    def inputs(self, level: int, indices: Sequence[int]) -> Float[Array, "n c *grid"]:
        """Return the inputs on the finest grid; zeros for a coarser one, whose solutions are there, not solved for."""
        if level == len(self.hierarchy) - 1:
            return self.problem.inputs_of(self._draws(indices))
        return np.zeros((len(indices), self.problem.data.channels[0], *self.hierarchy[level].shape))

    def solve(self, inputs: Float[Array, "n c *grid"], level: int, indices: Sequence[int]) -> Solved:
        """Return the solutions that the level has."""
        return Solved(self.problem.solutions_of(level, self._draws(indices)), (OK,) * len(indices))

    def _draws(self, indices: Sequence[int]) -> Array:
        return self.problem.draws_of(self.stream)[list(indices)]


def sampled(problem: Problem, seed: int, stream: str) -> Drawn | Rows:
    """Return the source of the samples of a stream: drawn from a problem's law, or the rows of a data set."""
    return Rows(problem, stream) if isinstance(problem, DataProblem) else Drawn(problem, seed, stream)
