"""Sources whose inputs are given as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float

from mlft.grids import Hierarchy
from mlft.problems import Problem, Solved
from mlft.sources.base import Source, identity

Array = np.ndarray


@final
@dataclass(frozen=True)
class Stored(Source):
    """Given inputs on the finest grid, and a problem that solves them; row i is sample i.

    Attributes:
        problem: solves; its law of inputs is not asked.
        fields: the inputs.
    """

    problem: Problem
    fields: Float[Array, "n c *grid"]

    @property
    def hierarchy(self) -> Hierarchy:
        """The problem's."""
        return self.problem.hierarchy

    @property
    def identity(self) -> dict[str, Any]:
        """The problem, its options and its own transfers."""
        return identity(self.problem)

    def inputs(self, level: int, indices: Sequence[int]) -> Float[Array, "n c *grid"]:
        """Return some rows on the finest level, and what a coarser level is given for them."""
        rows = self.fields[list(indices)]
        return rows if level == len(self.hierarchy) - 1 else self.problem.coarsen(rows, self.hierarchy[level])

    def solve(self, inputs: Float[Array, "n c *grid"], level: int, indices: Sequence[int]) -> Solved:
        """Return the problem's solutions."""
        return self.problem.solve_level(inputs, level)
