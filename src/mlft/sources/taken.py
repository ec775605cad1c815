"""The samples of another source, taken by a symmetry first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.grids import Map
from mlft.problems import Solved
from mlft.sources.base import Derived

Array = np.ndarray


@final
@dataclass(frozen=True)
class Taken(Derived):
    """The inputs of another source, each taken by a symmetry, and what its solver makes of them.

    Attributes:
        of: the other source.
        by: the symmetry; its signs of solutions are not asked.
    """

    by: Map

    @property
    def name(self) -> str:
        """The symmetry in lower-case letters and digits, for the name of a stream."""
        return self.by.slug

    def inputs(self, level: int, indices: Sequence[int]) -> Float[Array, "n c *grid"]:
        """Return the other source's inputs, taken by the symmetry."""
        return self.by.of_inputs(self.of.inputs(level, indices))

    def solve(self, inputs: Float[Array, "n c *grid"], level: int, indices: Sequence[int]) -> Solved:
        """Return the other source's solutions of these."""
        return self.of.solve(inputs, level, indices)
