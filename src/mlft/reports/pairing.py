"""Strategies over seeds: means, and ratios paired by seed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from mlft.intervals import Middle, arithmetic, geometric
from mlft.reports.wording import interval

FINEST = "finest-only"


@final
@dataclass(frozen=True)
class Standing:
    """How a strategy did over the seeds.

    Attributes:
        strategy: its name.
        errors: relative L2 error by seed, the finite ones.
        seeds: how many seeds were run, failed ones included.
        ratios: its error divided by that of finest-only, by seed.
        to_single: its geometric mean ratio to the best single level.
        best_single: whether it is the single level with the smallest mean error.
    """

    strategy: str
    errors: Mapping[int, float]
    seeds: int
    ratios: Mapping[int, float]
    to_single: Middle
    best_single: bool

    @property
    def mean(self) -> Middle:
        """Mean error over the seeds, with Student's t interval."""
        return arithmetic(list(self.errors.values()))

    @property
    def to_finest(self) -> Middle:
        """Geometric mean of the ratios to finest-only."""
        return geometric(list(self.ratios.values()))


def standings(errors: Mapping[str, Mapping[int, float]]) -> list[Standing]:
    """Return how each strategy did, from its error by seed (NaN for a run without a finite error).

    The best single level is the one of "finest-only" and "single-level:<l>" with the smallest mean error: chosen with
    hindsight, it is the hardest rival.
    """
    finite = {name: {seed: e for seed, e in found.items() if math.isfinite(e)} for name, found in errors.items()}
    singles = [name for name, found in finite.items() if found and single_level(name)]
    best = min(singles, key=lambda name: arithmetic(list(finite[name].values())).value, default=None)
    base, rival = finite.get(FINEST, {}), finite[best] if best else {}
    return [
        Standing(
            name,
            finite[name],
            len(found),
            ratios(finite[name], base),
            geometric(list(ratios(finite[name], rival).values())),
            name == best,
        )
        for name, found in errors.items()
    ]


def includes_one(ratio: Middle) -> bool:
    """Return whether the interval of a ratio includes 1: then it shows no difference.

    >>> includes_one(Middle(0.9, 0.8, 1.1)), includes_one(Middle(0.9, 0.8, 0.99))
    (True, False)
    """
    return ratio.lower <= 1 <= ratio.upper


def between(ratio: Middle) -> str:
    """Return the interval of a ratio in words, and that it includes 1 where it does.

    >>> between(Middle(0.9, 0.8, 1.1))
    '0.800 to 1.10, includes 1'
    """
    return interval(ratio.lower, ratio.upper) + (", includes 1" if includes_one(ratio) else "")


def single_level(strategy: str) -> bool:
    """Return whether a strategy spends everything on one level."""
    return strategy == FINEST or strategy.startswith("single-level")


def ratios(errors: Mapping[int, float], base: Mapping[int, float]) -> dict[int, float]:
    """Return errors / base for the seeds that both have.

    >>> ratios({0: 0.1, 1: 0.2}, {1: 0.4, 2: 0.4})
    {1: 0.5}
    """
    return {seed: e / base[seed] for seed, e in errors.items() if base.get(seed, 0.0) > 0}
