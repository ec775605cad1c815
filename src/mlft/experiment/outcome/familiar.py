"""Whether a run's surrogate may be asked for an input: what its alarm is calibrated on, and how often it is false."""

from dataclasses import dataclass
from typing import final

from mlft.experiment.outcome.schema import Interval, Number


@final
@dataclass(frozen=True)
class Familiar:
    """The alarm for unfamiliar inputs; see `mlft.familiarity`.

    Attributes:
        trained: training inputs that the trained span is from.
        fitted: further draws of the law that its moments are from; drawing costs no solve.
        calibrated: further draws that the alarm is calibrated on.
        measured: test draws, which nothing of the alarm has seen, that its false alarms were counted on.
        threshold: the score above which it rings.
        false_alarms: share of those test draws for which it rings, and its 95% interval (exact binomial).
    """

    trained: int
    fitted: int
    calibrated: int
    measured: int
    threshold: float
    false_alarms: Interval


@final
@dataclass(frozen=True)
class GridError:
    """The error of the surrogate on the grid of a coarser level, against the finest grid's solutions restricted to it.

    Attributes:
        level: the level.
        grid: its cells.
        mean: mean relative L2 error; None where the network does not take the grid.
        lower: end of its 95% interval.
        upper: the other end.
        samples: test draws that it was measured on.
        refused: why the network does not take the grid; empty if it does.
    """

    level: int
    grid: str
    mean: Number
    lower: Number
    upper: Number
    samples: int
    refused: str
