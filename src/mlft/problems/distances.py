"""How far the solutions of each level are from those of the finest: what a coarse grid is worth, in a few solves."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from mlft.grids import nested, relative_error
from mlft.problems.base import Problem
from mlft.problems.transfers import Plain, prolonged
from mlft.seeds import generator
from mlft.status import OK

Array = np.ndarray


@final
@dataclass(frozen=True)
class Distances:
    """Mean relative L2 distances to the solutions of the finest grid, seen on it; NaN where no draw is solved.

    Attributes:
        own: of the solutions of each level but the finest, with the problem's own transfers.
        plain: with the grids' plain ones, where they have some.
        mean: of the mean solution: what is predicted without looking at the input. That of the other draws, times
            ((draws − 1) / draws)^½, which is what the error of the mean of n − 1 draws adds to its square.
        draws: solved on every level, of those that were made.
    """

    own: tuple[float, ...]
    plain: tuple[float, ...]
    mean: float
    draws: int

    @property
    def shares(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The distances, own and plain, over that of the mean solution: at 1 a level knows nothing of the input."""
        own, plain = (tuple(off / self.mean for off in kind) for kind in (self.own, self.plain))
        return own, plain

    def __str__(self) -> str:
        """Return the shares, coarse to fine, as in 0.18, 0.12 (own transfers 0.061, 0.026)."""
        own, plain = (", ".join(f"{share:.2g}" for share in kind) for kind in self.shares)
        return plain if own == plain else f"{plain} (own transfers {own})"


def distances(problem: Problem, *, draws: int = 8, seed: int = 0) -> Distances:
    """Return the distance of each level to the finest, from a few draws that are solved on all of them, here and now.

    Args:
        problem: yours, or one that is shipped.
        draws: how many, at least 2.
        seed: the root of their streams.

    Raises:
        ValueError: for fewer than 2 draws.
        ConfigError: for a `prolong` that returns something else than finite fields.
    """
    if draws < 2:
        raise ValueError(f"distances need at least 2 draws, for the mean of the others; got {draws}")
    rows = np.concatenate([problem.draw(1, generator(seed, "distances", i)) for i in range(draws)])
    finest = problem.solve_level(problem.evaluate(rows, problem.finest), len(problem.hierarchy) - 1)
    own, solved = _levels(problem, rows)
    plainly = all(nested(grid, problem.finest) for grid in problem.hierarchy)
    plain, also = _levels(Plain(problem), rows) if problem.transfers and plainly else (own, solved)
    common = solved & also & np.array([name == OK for name in finest.status])
    if common.sum() < 2:
        return Distances((np.nan,) * len(own), (np.nan,) * len(own), np.nan, int(common.sum()))
    truth = finest.solutions[common]
    n = len(truth)
    others = (truth.sum(axis=0) - truth) / (n - 1)
    means = [tuple(_mean(field[common], truth, problem) for field in kind) for kind in (own, plain)]
    return Distances(means[0], means[1], math.sqrt((n - 1) / n) * _mean(others, truth, problem), n)


def _levels(problem: Problem, rows: Array) -> tuple[list[Array], Array]:
    """Return the solutions of each level but the finest, seen on it, 0 where not ok, and which are ok on all."""
    fields, ok = [], np.ones(len(rows), dtype=bool)
    for level, grid in enumerate(problem.hierarchy[:-1]):
        solved = problem.solve_level(problem.coarse_inputs(rows, grid), level)
        good = np.array([name == OK for name in solved.status])
        kept = np.where(good.reshape(-1, *[1] * (solved.solutions.ndim - 1)), solved.solutions, 0.0)
        fields.append(prolonged(problem, kept, problem.finest))
        ok &= good
    return fields, ok


def _mean(fields: Array, truth: Array, problem: Problem) -> float:
    return float(relative_error(fields, truth, problem.finest).mean())
