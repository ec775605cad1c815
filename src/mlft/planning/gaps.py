"""Distances between levels: measured on coupled samples, steadied, extrapolated where nothing was measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Float

Array = np.ndarray


@runtime_checkable
class Labelled(Protocol):
    """Solved samples of one level on the finest grid, as the store's `Samples`."""

    @property
    def indices(self) -> tuple[int, ...]:
        """Index of each sample in its stream."""

    @property
    def inputs(self) -> Array:
        """Input fields."""

    @property
    def solutions(self) -> Array:
        """Solution fields."""


@final
@dataclass(frozen=True)
class Gap:
    """Mean relative L2 distance between two levels' solutions, seen on the finest grid.

    Attributes:
        size: the distance.
        scatter: relative standard error of it.
        samples: coupled samples it was measured on; 0 where it is extrapolated.
    """

    size: float
    scatter: float
    samples: int


def gaps_of(samples: Mapping[int, Labelled], usable: Sequence[int]) -> dict[tuple[int, int], Gap]:
    """Return the distances of all pairs of usable levels, those without coupled samples extrapolated."""
    measured = {
        (k, level): _measured(samples[k], samples[level])
        for k, level in combinations(usable, 2)
        if k in samples and level in samples and len(coupled(samples[k], samples[level])[0])
    }
    gaps = {pair: _steadied(pair, measured, samples) for pair in measured}
    for before, after in pairwise(usable):
        if (before, after) not in gaps:
            gaps[before, after] = _extrapolated(gaps, usable, after)
    far = (pair for pair in combinations(usable, 2) if pair not in gaps)
    joined = {(k, level): _joined(gaps, usable[usable.index(k) : usable.index(level) + 1]) for k, level in far}
    return gaps | joined


def coupled(left: Labelled, right: Labelled) -> tuple[Array, Array]:
    """Return the rows of both that belong to the same draws."""
    _, i, j = np.intersect1d(left.indices, right.indices, return_indices=True)
    return i, j


def relative(fields: Float[Array, "n d *grid"], scale: Float[Array, " n"]) -> Float[Array, " n"]:
    """Return the root mean square of each field over its scale: a relative L2 error on a uniform grid."""
    return np.sqrt((fields.reshape(len(fields), -1) ** 2).mean(axis=1)) / scale


def scale_of(fields: Float[Array, "n d *grid"]) -> Float[Array, " n"]:
    """Return the root mean square of each field; 1 where it is 0."""
    size = relative(fields, np.ones(len(fields)))
    return np.where(size > 0, size, 1.0)


def _measured(left: Labelled, right: Labelled) -> Gap:
    i, j = coupled(left, right)
    sizes = relative(right.solutions[j] - left.solutions[i], scale_of(right.solutions[j]))
    mean = float(sizes.mean())
    own = float(sizes.std(ddof=1)) / mean / math.sqrt(len(sizes)) if len(sizes) > 1 and mean else 0.5
    return Gap(mean, own, len(sizes))


def _steadied(pair: tuple[int, int], measured: Mapping[tuple[int, int], Gap], samples: Mapping[int, Labelled]) -> Gap:
    """Return the distance of a pair, corrected by the pair from the same level that most draws have been solved on.

    A ratio estimator: if the few draws of this pair are harder than usual on the other pair, they are so on this one.
    By the triangle inequality it differs from the other pair's distance by no more than the two finer levels differ.
    """
    (k, level), gap = pair, measured[pair]
    other = max((j for i, j in measured if i == k), key=lambda j: measured[k, j].samples)
    steady = measured[k, other]
    if steady.samples <= gap.samples or not steady.size:
        return gap
    i, j = coupled(samples[k], samples[other])
    _, rows, _ = np.intersect1d(np.asarray(samples[k].indices)[i], samples[level].indices, return_indices=True)
    if not len(rows):
        return gap
    right = samples[other].solutions[j[rows]]
    here = float(relative(right - samples[k].solutions[i[rows]], scale_of(right)).mean())
    factor = min(2.0, max(0.5, steady.size / here)) if here else 1.0
    across = measured.get((min(other, level), max(other, level)))
    least, most = (0.0, math.inf) if across is None else (steady.size - across.size, steady.size + across.size)
    return Gap(min(most, max(least, gap.size * factor)), math.hypot(0.7 * gap.scatter, steady.scatter), gap.samples)


def _extrapolated(gaps: Mapping[tuple[int, int], Gap], usable: Sequence[int], after: int) -> Gap:
    """Return the next correction, a constant multiple (between ¼ and 1, ½ if unknown) of the one before."""
    place = usable.index(after)
    last = gaps[usable[place - 2], usable[place - 1]]
    earlier = gaps.get((usable[place - 3], usable[place - 2])) if place >= 3 else None
    ratio = min(1.0, max(0.25, last.size / earlier.size)) if earlier is not None and earlier.size else 0.5
    return Gap(last.size * ratio, math.hypot(last.scatter, 0.4), 0)


def _joined(gaps: Mapping[tuple[int, int], Gap], path: Sequence[int]) -> Gap:
    """Return the distance over several levels: between the root of the squares (unrelated) and the sum (aligned)."""
    steps = [gaps[pair] for pair in pairwise(path)]
    size = 0.5 * (math.hypot(*(gap.size for gap in steps)) + math.fsum(gap.size for gap in steps))
    return Gap(size, math.hypot(0.2, max(gap.scatter for gap in steps)), 0)
