"""A sample does not depend on its batch: what lets a run be resumed, and be split among workers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlft.problems.contract.findings import Verdict
from mlft.problems.solved import Solved

Array = np.ndarray
Selection = Sequence[int] | slice

ROUND_OFF = 1e-12
_SPLIT = "a run that is split otherwise differs in its last bits: loop over samples, or fix the order of sums"
_BROKEN = "compute each sample from its own row alone: no state kept between calls, no random numbers, no batch means"


def selections(n: int) -> list[Selection]:
    """Return the batches that an examination makes of n samples: three backwards as a view, one alone, and repeated."""
    return [slice(None, -4, -1), [n - 1], [0, 0, n - 1]]


def independent(
    compute: Callable[[Array], Array | Solved],
    rows: Array,
    whole: Array | Solved,
    chosen: Sequence[Selection] | None = None,
) -> Verdict:
    """Return whether samples computed in other batches are those of the whole, bit for bit.

    Differences of round-off, up to 1e-12 of a sample's largest value, pass with a note.
    """
    worst = 0.0
    for which in selections(len(rows)) if chosen is None else chosen:
        worst = max(worst, difference(compute(_taken(rows, which)), whole, which))
    if worst == 0:
        return Verdict(True, "the same bits in every batch, and again")
    if worst <= ROUND_OFF:
        return Verdict(True, "the same in every batch to round-off, not to the bit", _SPLIT)
    again = difference(compute(rows.copy()), whole)
    told = "computed again, differ" if again > ROUND_OFF else "in another batch differ"
    size = "in status" if worst == np.inf else f"by {worst:.2g} of their size"
    return Verdict(False, f"the same samples {told} {size}", _BROKEN)


def _taken(rows: Array, which: Selection) -> Array:
    """Return the chosen rows of a copy, a slice as a view of it: the function may write, its batch may be strided."""
    return rows.copy()[which]


def difference(part: Array | Solved, whole: Array | Solved, which: Selection = slice(None)) -> float:
    """Return how far a part is from the chosen rows of a whole; infinite where a status differs.

    It is the largest difference, relative to each sample's largest value.
    """
    if isinstance(part, Solved) and isinstance(whole, Solved):
        names: list[Any] = list(np.array(whole.status, dtype=object)[which])
        if list(part.status) != names or part.scalars.keys() != whole.scalars.keys():
            return np.inf
        pairs = [(part.solutions, whole.solutions)]
        pairs += [(part.scalars[key][:, None], whole.scalars[key][:, None]) for key in whole.scalars]
        return max(_relative(left, right[which]) for left, right in pairs)
    return _relative(np.asarray(part), np.asarray(whole)[which])


def _relative(left: Array, right: Array) -> float:
    if left.shape != right.shape or not np.array_equal(np.isfinite(left), np.isfinite(right)):
        return np.inf
    if np.array_equal(left, right, equal_nan=True):
        return 0.0
    axes = tuple(range(1, left.ndim))
    off, size = (np.abs(np.nan_to_num(part)).max(axis=axes) for part in (left - right, right))
    return float((off / np.where(size > 0, size, 1.0)).max())
