"""A problem that is a data set: it has samples, and no solver."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float, Int

from mlft.datasets.dataset import Dataset
from mlft.datasets.split import Rule, Split, split
from mlft.errors import DataError, plain
from mlft.grids import Grid, Hierarchy
from mlft.problems import Problem, Solved
from mlft.status import NO_SOLVER

Array = np.ndarray

ROWS_AT_ONCE = 64
"""Rows that are copied at once."""


@final
@dataclass(frozen=True)
class DataProblem(Problem):
    """A data set as a problem: a draw is a number of it, an input is looked up, and no given input can be solved.

    Attributes:
        data: the rows.
        rule: how they are split.
        seed: of the split.
        prices: of one row of each level, in those of the finest; as dear each, without.
        order: order of accuracy of the solver that the rows are of, which a lift may use.
    """

    data: Dataset
    rule: Rule
    seed: int
    prices: tuple[float, ...] = ()
    order: float = 2.0
    equation: str = "(a data set)"
    cost_exponent: float = 1.0
    has_reference: ClassVar[bool] = False
    has_solver: ClassVar[bool] = False

    @property
    def name(self) -> str:  # type: ignore[override]  # the data set's
        """The data set's."""
        return self.data.name

    @property
    def hierarchy(self) -> Hierarchy:  # type: ignore[override]  # the data set's
        """The data set's."""
        return self.data.hierarchy

    @property
    def input_channels(self) -> tuple[str, ...]:  # type: ignore[override]  # the data set's
        """The data set's."""
        return self.data.input_channels

    @property
    def solution_channels(self) -> tuple[str, ...]:  # type: ignore[override]  # the data set's
        """The data set's."""
        return self.data.solution_channels

    def __repr__(self) -> str:
        """Return its name and its grids."""
        return plain(f"DataProblem({self.data!r})")

    @functools.cached_property
    def split(self) -> Split:
        """Which draws are tested on, and which are learned from."""
        return split(self.data, self.rule, self.seed)

    @property
    def costs(self) -> tuple[float, ...]:
        """The price of one row of each level, in those of the finest."""
        return self.prices or (1.0,) * len(self.hierarchy)

    @functools.cached_property
    def options(self) -> dict[str, Any]:
        """The digest of the rows, their grids, and how they are split: of other rows, or sides, a store is refused."""
        told = hashlib.sha256()
        for level in self.data.levels:
            for values in (level.inputs, level.solutions, level.draws):
                for start in range(0, len(values), ROWS_AT_ONCE):
                    told.update(np.ascontiguousarray(values[start : start + ROWS_AT_ONCE]).data)
        grids = [str(grid) for grid in self.hierarchy]
        rule = {"test": self.rule.test, "held_out": self.rule.held_out, "guards": self.rule.guards}
        return {"rows": told.hexdigest()[:16], "grids": grids, "costs": list(self.costs), **rule}

    def draws_of(self, stream: str) -> Int[Array, " n"]:
        """Return the draws of the samples of a stream, in their order.

        "test" has those that are tested on. "familiar", which an alarm is calibrated on, has their second half, and
        every other stream those that are learned from.
        """
        found = self.split
        if stream == "familiar":
            return found.test[len(found.test) // 2 :]
        return found.test if stream == "test" else found.train

    def rows(self, level: int, draws: Sequence[int] | Array) -> Int[Array, " n"]:
        """Return the row of each draw on a level, −1 where it is not there."""
        found = self._places[level]
        return found[np.asarray(draws, dtype=np.int64)]

    def counts(self, stream: str) -> tuple[int, ...]:
        """Return how many draws of a stream are on each level."""
        draws = self.draws_of(stream)
        return tuple(int((self.rows(level, draws) >= 0).sum()) for level in range(len(self.hierarchy)))

    def inputs_of(self, draws: Sequence[int] | Array) -> Float[Array, "n c *grid"]:
        """Return the inputs of draws on the finest grid; of those that are only coarser, the prolonged ones."""
        wanted, finest = np.asarray(draws, dtype=np.int64), self.finest
        found = np.empty((len(wanted), self.data.channels[0], *finest.shape))
        missing = np.ones(len(wanted), dtype=bool)
        for level in reversed(range(len(self.hierarchy))):
            rows = self.rows(level, wanted)
            here = missing & (rows >= 0)
            if here.any():
                fields = self.data.levels[level].inputs[rows[here]]
                found[here] = fields if fields.shape[2:] == finest.shape else self.data.prolonged(fields, finest)
                missing &= ~here
        return found

    def solutions_of(self, level: int, draws: Sequence[int] | Array) -> Float[Array, "n k *grid"]:
        """Return the solutions of draws on a level.

        Raises:
            DataError: for a draw that the level has not.
        """
        rows = self.rows(level, draws)
        if (rows < 0).any():
            raise DataError(f"draw {np.asarray(draws)[rows < 0][0]} is not on level {level} of {self.data!r}")
        return self.data.levels[level].solutions[rows]

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n draws that are learned from, by their numbers, with replacement."""
        train = self.split.train
        chosen = torch.randint(len(train), (n,), generator=generator).numpy()
        return train[chosen, None].astype(np.float64)

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return the inputs of draws on the finest grid, or restricted to a coarser one."""
        return self.coarsen(self.inputs_of(draws[:, 0].astype(np.int64)), grid)

    def solve(self, inputs: Float[Array, "n c *grid"], grid: Grid) -> Solved:
        """Return no solutions: every sample fails as "no-solver"."""
        blank = np.full((len(inputs), self.data.channels[1], *grid.shape), np.nan)
        return Solved(blank, (NO_SOLVER,) * len(inputs))

    def prolong(self, solutions: Float[Array, "n k *coarse"], grid: Grid) -> Float[Array, "n k *grid"]:
        """Return solutions of a level on a finer grid, by the data set's `prolong_function` where it has one.

        Raises:
            DataError: if that returns something else than fields on the grid.
            ValueError: without one, if the grid is not theirs refined by a power of two.
        """
        return self.data.prolonged(solutions, grid)

    def coarsen(self, inputs: Float[Array, "n c *finest"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return inputs of the finest grid on a coarser one, by the data set's `coarsen_function` where it has one.

        Raises:
            DataError: if that returns something else than fields on the grid.
            ValueError: without one, if the finest grid is not the coarser one refined by a power of two.
        """
        return self.data.coarsened(inputs, grid)

    @property
    def transfers(self) -> dict[str, str]:
        """The names of the data set's own."""
        return self.data.transfers

    @functools.cached_property
    def _places(self) -> tuple[Array, ...]:
        count = 1 + max(int(level.draws.max()) for level in self.data.levels)
        found = []
        for level in self.data.levels:
            place = np.full(count, -1, dtype=np.int64)
            place[level.draws] = np.arange(len(level))
            found.append(place)
        return tuple(found)
