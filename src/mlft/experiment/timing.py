"""What a solve takes, as the ledger's batches tell it."""

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np

FEW, FAR = 4, 2.0
"""Solves that tell a price; times that stated and measured prices of all samples may differ before it is said."""


def in_larger_batches(*streams: Sequence[float]) -> tuple[float, int, int]:
    """Return the median seconds of solves, of how many, and how many the largest batch had.

    Of those in the larger batches, of at least half as many samples as the largest: in a small one most is overhead.
    The samples of a batch follow each other and have the same seconds.

    >>> in_larger_batches([9.0, 1.0, 1.0, 1.0, 1.0], [5.0, 5.0, 7.0])
    (1.0, 6, 4)
    """
    seconds, largest = _larger(streams)
    return (float(np.median(seconds)), len(seconds), largest) if seconds else (math.nan, 0, 0)


def mean_in_larger_batches(*streams: Sequence[float]) -> float:
    """Return the mean seconds of the solves that `in_larger_batches` looks at: of many, the time is the mean of each.

    >>> mean_in_larger_batches([9.0, 1.0, 1.0, 1.0, 1.0], [5.0, 5.0, 7.0])
    2.3333333333333335
    """
    seconds, _ = _larger(streams)
    return float(np.mean(seconds)) if seconds else math.nan


def contradicted(seconds: Sequence[Sequence[float]], stated: Sequence[float]) -> str:
    """Return in words that samples cost more than twice, or less than half, what is stated; nothing where they do not.

    Args:
        seconds: of the solves of each level, coarsest first; of fewer than `FEW`, no price is known.
        stated: price of a solve on each level, in solves of the finest.

    >>> contradicted([[3.0, 1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]], [0.125, 1.0])
    ''
    >>> contradicted([[9.0] * 8, [2.0] * 4], [0.125, 1.0])[:76]
    'the samples so far cost 40 solves by the clock, not the 5 that the problem s'
    """
    known = {level: in_larger_batches(each)[0] for level, each in enumerate(seconds) if len(each) >= FEW}
    finest = known.get(len(stated) - 1, 0.0)
    if not finest:
        return ""
    clock = {level: each / finest for level, each in known.items()}
    found = math.fsum(each * len(seconds[level]) for level, each in clock.items())
    said = math.fsum(stated[level] * len(seconds[level]) for level in clock)
    if 1 / FAR <= found / said <= FAR:
        return ""
    level = max(clock, key=lambda level: abs(math.log(clock[level] / stated[level])))
    return (
        f"the samples so far cost {found:.3g} solves by the clock, not the {said:.3g} that the problem states: one on "
        f"level {level} takes {clock[level] / stated[level]:.3g} times what is stated, in solves of the finest grid"
    )


def _larger(streams: Sequence[Sequence[float]]) -> tuple[list[float], int]:
    """Return the seconds of the solves in the larger batches, and how many solves the largest has."""
    batches = [list(batch) for seconds in streams for _, batch in groupby(seconds)]
    largest = max((len(batch) for batch in batches), default=0)
    return [each for batch in batches if 2 * len(batch) >= largest for each in batch], largest
