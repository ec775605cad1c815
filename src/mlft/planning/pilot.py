"""The pilot: how many coupled samples a level it has, and what they say of the distances between levels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from mlft.errors import BudgetError
from mlft.planning.gaps import Gap, Labelled, coupled, gaps_of

SHARE = 0.1
"""Share of the budget that the pilot may cost."""

COARSE, COUPLED, FINEST = (8, 128), (2, 32), 8
"""Samples of the coarsest level and of the next one, least and most; most on the finest level."""


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
    samples: Mapping[int, Labelled]
    gaps: dict[tuple[int, int], Gap]
    bias: tuple[float, ...]
    warnings: tuple[str, ...]


def pilot_of(counts: tuple[int, ...], samples: Mapping[int, Labelled], warnings: Sequence[str]) -> Pilot:
    """Return what a pilot's solved samples say: a level of which none was solved cannot be used.

    Args:
        counts: samples a level that were tried.
        samples: the solved ones of each level that has any, at least one level.
        warnings: in words, what went wrong.
    """
    lost = {level for level, n in enumerate(counts) if n and level not in samples}
    usable = [level for level in range(len(counts)) if level not in lost and level >= min(samples)]
    usable, unrelated = _related(samples, usable)
    warnings = [*warnings, *unrelated]
    gaps = gaps_of(samples, usable)
    top = usable[-1]
    found = {level: gaps[level, top].size if (level, top) in gaps else 0.0 for level in usable}
    return Pilot(counts, samples, gaps, tuple(found.get(i, math.nan) for i in range(len(counts))), tuple(warnings))


def _related(samples: Mapping[int, Labelled], usable: list[int]) -> tuple[list[int], list[str]]:
    """Return the levels from the coarsest on, and warnings, without those next to it that share no solved draw with it.

    Distances further up are extrapolated from that of the two coarsest levels, which must be measured.
    """
    first, *rest = usable
    warnings = []
    while rest and not (rest[0] in samples and len(coupled(samples[first], samples[rest[0]])[0])):
        warnings.append(f"level {rest[0]} is left out: no draw of the pilot was solved on it and on level {first}")
        rest = rest[1:]
    return [first, *rest], warnings


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
