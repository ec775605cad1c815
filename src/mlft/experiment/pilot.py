"""The pilot: a few coupled samples a level, and what they say of the distances between levels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.errors import BudgetError, GenerationError
from mlft.estimators import relative
from mlft.experiment.solving import Solver
from mlft.status import OK
from mlft.store import Samples

Array = np.ndarray

SHARE = 0.1
"""Share of the budget that the pilot may cost."""

COARSE, COUPLED, FINEST = (8, 128), (2, 32), 8
"""Samples of the coarsest level and of the next one, least and most; most on the finest level."""


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


@final
@dataclass(frozen=True)
class Pilot:
    """What the pilot solved.

    Attributes:
        counts: samples a level that were tried; nested.
        samples: the solved ones by level, on the finest grid.
        gaps: distance of every pair (k, l) of usable levels, k < l.
        bias: distance of each level from the finest usable one; NaN for a level that cannot be used.
        warnings: in words, what went wrong.
    """

    counts: tuple[int, ...]
    samples: dict[int, Samples]
    gaps: dict[tuple[int, int], Gap]
    bias: tuple[float, ...]
    warnings: tuple[str, ...]


def pilot_counts(costs: Sequence[float], budget: float, *, at_least: Sequence[int]) -> tuple[int, ...]:
    """Return pilot samples a level, nested, that cost at most a tenth of the budget.

    A third goes to the coarsest level, for its learning curve. The rest buys coupled samples: as many as fit on all
    levels with six tenths of it, up to 8; then with six tenths of what is left on all levels but the finest, and so
    on. Levels that get none are extrapolated.

    Args:
        costs: price of one sample on each level.
        budget: of the run.
        at_least: samples that are bought already, as for measured prices.

    Raises:
        BudgetError: if a tenth of the budget does not buy 8 samples of the coarsest level and 2 of the next.

    >>> pilot_counts([1 / 64, 1 / 16, 1 / 4, 1.0], 64.0, at_least=[0, 0, 0, 0])
    (128, 18, 5, 2)
    """
    share, top = SHARE * budget, len(costs) - 1
    least = COARSE[0] * costs[0] + (COUPLED[0] * costs[1] if top else 0.0)
    if share < least:
        raise BudgetError(
            f"planning from estimates needs a pilot of {COARSE[0]} samples of the coarsest level"
            f"{' and 2 of the next' if top else ''}, which may cost a tenth of the budget: give at least "
            f"{least / SHARE:.4g}, got {budget:.4g}; or plan by a rule, with the strategy finetune:equal-cost",
            needed=least / SHARE,
            given=budget,
        )
    counts = [0] * len(costs)
    counts[0] = (
        min(COARSE[1], max(COARSE[0], math.floor(share / 3 / costs[0]))) if top else math.floor(share / costs[0])
    )
    if top and math.fsum((counts[0] * costs[0], COUPLED[0] * costs[1])) > share:
        counts[0] = COARSE[0]
    left = share - counts[0] * costs[0]
    for level in reversed(range(1, top + 1)):
        each = math.fsum(costs[1 : level + 1])
        part = left if level == 1 else 0.6 * left
        most = FINEST if level == top else COUPLED[1]
        more = max(0, min(math.floor(part / each * (1 + 1e-12)), most - counts[level]))
        for lower in range(1, level + 1):
            counts[lower] += more
        left -= more * each
    counts[0] = max(counts[0], counts[1] if top else 0)
    return tuple(max(pair) for pair in zip(counts, at_least, strict=True))


def solve_pilot(solver: Solver, counts: tuple[int, ...]) -> Pilot:
    """Return the pilot of a run, solved where it is missing.

    A level on which every solve fails is left out, with a warning.

    Raises:
        GenerationError: if no level can be used, or the coarsest usable one has fewer than 4 samples.
    """
    solver.solve("train", dict(enumerate(counts)), max_failure_rate=1.0)
    samples, warnings = {}, []
    for level, n in enumerate(counts):
        if n and not solver.store.solved("train", level, n):
            warnings.append(f"level {level} is left out: all its {n} pilot samples failed")
        elif n:
            samples[level] = solver.on_finest("train", level, n)
    if not samples or len(samples[min(samples)].indices) < 4:
        rows = [row for level, n in enumerate(counts) for row in solver.rows("train", level, n)]
        names = sorted({row.status for row in rows if row.status != OK})
        failed = sum(row.status != OK for row in rows)
        message = (
            f"a plan needs 4 solved pilot samples on one level, but {failed} of {len(rows)} failed "
            f"({', '.join(names)}); see the ledger for the reasons"
        )
        raise GenerationError(message, failed=failed, attempted=len(rows))
    lost = {level for level, n in enumerate(counts) if n and level not in samples}
    usable = [level for level in range(len(counts)) if level not in lost and level >= min(samples)]
    gaps = _gaps(samples, usable)
    top = usable[-1]
    bias = [gaps[level, top].size if (level, top) in gaps else 0.0 for level in usable]
    found = dict(zip(usable, bias, strict=True))
    return Pilot(counts, samples, gaps, tuple(found.get(i, math.nan) for i in range(len(counts))), tuple(warnings))


def scale_of(fields: Float[Array, "n d *grid"]) -> Float[Array, " n"]:
    """Return the root mean square of each field; 1 where it is 0."""
    size = relative(fields, np.ones(len(fields)))
    return np.where(size > 0, size, 1.0)


def coupled(left: Samples, right: Samples) -> tuple[Array, Array]:
    """Return the rows of both that belong to the same draws."""
    _, i, j = np.intersect1d(left.indices, right.indices, return_indices=True)
    return i, j


def _gaps(samples: Mapping[int, Samples], usable: Sequence[int]) -> dict[tuple[int, int], Gap]:
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


def _measured(left: Samples, right: Samples) -> Gap:
    i, j = coupled(left, right)
    sizes = relative(right.solutions[j] - left.solutions[i], scale_of(right.solutions[j]))
    mean = float(sizes.mean())
    own = float(sizes.std(ddof=1)) / mean / math.sqrt(len(sizes)) if len(sizes) > 1 and mean else 0.5
    return Gap(mean, own, len(sizes))


def _steadied(pair: tuple[int, int], measured: Mapping[tuple[int, int], Gap], samples: Mapping[int, Samples]) -> Gap:
    """Return the distance of a pair, corrected by the pair from the same level that most draws have been solved on.

    A ratio estimator: if the few draws of this pair are harder than usual on the other pair, they are so on this one.
    """
    (k, level), gap = pair, measured[pair]
    other = max((j for i, j in measured if i == k), key=lambda j: measured[k, j].samples)
    steady = measured[k, other]
    if steady.samples <= gap.samples or not steady.size:
        return gap
    i, j = coupled(samples[k], samples[other])
    _, rows, _ = np.intersect1d(np.asarray(samples[k].indices)[i], samples[level].indices, return_indices=True)
    right = samples[other].solutions[j[rows]]
    here = float(relative(right - samples[k].solutions[i[rows]], scale_of(right)).mean())
    factor = min(2.0, max(0.5, steady.size / here)) if here else 1.0
    return Gap(gap.size * factor, math.hypot(0.7 * gap.scatter, steady.scatter), gap.samples)


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
