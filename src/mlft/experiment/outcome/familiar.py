"""Whether a run's surrogate may be asked for an input: what its alarm is calibrated on, and how often it is false."""

from dataclasses import dataclass
from typing import final

from mlft.experiment.outcome.schema import Interval


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
