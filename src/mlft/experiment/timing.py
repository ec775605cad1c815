"""What a solve takes, as the ledger's batches tell it."""

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np


def in_larger_batches(*streams: Sequence[float]) -> tuple[float, int, int]:
    """Return the median seconds of solves, of how many, and how many the largest batch had.

    Of those in the larger batches, of at least half as many samples as the largest: in a small one most is overhead.
    The samples of a batch follow each other and have the same seconds.

    >>> in_larger_batches([9.0, 1.0, 1.0, 1.0, 1.0], [5.0, 5.0, 7.0])
    (1.0, 6, 4)
    """
    batches = [list(batch) for seconds in streams for _, batch in groupby(seconds)]
    largest = max((len(batch) for batch in batches), default=0)
    seconds = [each for batch in batches if 2 * len(batch) >= largest for each in batch]
    return (float(np.median(seconds)), len(seconds), largest) if seconds else (math.nan, 0, 0)
