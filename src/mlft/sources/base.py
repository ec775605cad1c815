"""What a source is: the inputs of a stream on every level, and their solutions."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float

from mlft.grids import Hierarchy
from mlft.problems import Problem, Solved
from mlft.status import OK

Array = np.ndarray


def identity(problem: Problem) -> dict[str, Any]:
    """Return plain values that tell the samples of one problem from those of another: name, options, own transfers."""
    return {"problem": problem.name, "options": problem.options, "transfers": problem.transfers}


def fingerprint(problem: Problem) -> str:
    """Return a short text that tells a problem from others: its name, and a digest of its `identity`."""
    told = json.dumps(identity(problem), sort_keys=True, default=str)
    return f"{problem.name}/{hashlib.sha256(told.encode()).hexdigest()[:16]}"


class Source(ABC):
    """The samples of one stream: sample i has one input function, what each level is given of it, and its solutions.

    A source is all that a worker is sent. Both methods are deterministic, and a sample never depends on its batch.
    """

    @property
    @abstractmethod
    def hierarchy(self) -> Hierarchy:
        """The grids of the levels, coarsest first."""

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Plain values that tell one source from another; a store of another identity is refused."""

    @property
    def measured(self) -> bool:
        """Whether errors will be relative to the solutions: then one that is zero everywhere is a failure."""
        return False

    @property
    def most(self) -> int | None:
        """How many draws there are; None where there are always more."""
        return None

    def first(self, level: int, n: int) -> Sequence[int]:  # noqa: ARG002 (most sources have every draw on every level)
        """Return the indices of the first n samples of a level, as far as there are so many: 0, …, n − 1.

        Others where not every draw is on every level.
        """
        return range(n if self.most is None else min(n, self.most))

    @abstractmethod
    def inputs(self, level: int, indices: Sequence[int]) -> Float[Array, "n c *grid"]:
        """Return the inputs of some samples on a level."""

    @abstractmethod
    def solve(self, inputs: Float[Array, "n c *grid"], level: int, indices: Sequence[int]) -> Solved:
        """Return the solutions of some samples on a level.

        Args:
            inputs: what `inputs` returned for them.
            level: the level.
            indices: which samples they are, for a source that has the solutions already.

        Raises:
            ValueError: for inputs that the equation does not allow.
        """


@dataclass(frozen=True)
class Derived(Source):
    """A source with the inputs of another, and solutions of its own."""

    of: Source

    @property
    def hierarchy(self) -> Hierarchy:
        """The other source's."""
        return self.of.hierarchy

    @property
    def identity(self) -> dict[str, Any]:
        """The other source's."""
        return self.of.identity

    @property
    def most(self) -> int | None:
        """The other source's."""
        return self.of.most

    def inputs(self, level: int, indices: Sequence[int]) -> Float[Array, "n c *grid"]:
        """Return the other source's inputs."""
        return self.of.inputs(level, indices)


@final
@dataclass(frozen=True)
class Inputs(Derived):
    """The inputs of another source, kept once a draw: its "solutions" are that source's inputs."""

    def solve(self, inputs: Float[Array, "n c *grid"], level: int, indices: Sequence[int]) -> Solved:
        """Return the inputs."""
        return Solved(inputs, (OK,) * len(inputs))
