"""How sure a run's predictions are: what its bands are calibrated on, and what they cover."""

from dataclasses import dataclass
from typing import final

from mlft.experiment.outcome.schema import Interval, Number


@final
@dataclass(frozen=True)
class BandFacts:
    """The bands of one level, and the share of fresh draws that they hold for; see `mlft.uncertainty`.

    Attributes:
        level: the share of points, and the probability of whole fields and of errors, that they are calibrated for.
        points: half-widths of points, in scales.
        fields: half-widths of whole fields, in scales.
        error: what the relative L2 error of a prediction stays under.
        points_covered: share of the points of a draw that were within, and its 95% interval (Student's t).
        fields_covered: share of the draws that were within at every point, and its 95% interval (exact binomial).
        errors_covered: share of the draws that err less than the bound, and its 95% interval (exact binomial).
    """

    level: float
    points: Number
    fields: Number
    error: Number
    points_covered: Interval
    fields_covered: Interval
    errors_covered: Interval


@final
@dataclass(frozen=True)
class Sure:
    """How sure predictions are, from test draws that neither the training nor any choice has seen.

    Attributes:
        scaled: draws that the scale, a typical residual at each point, is from.
        calibrated: further draws that the bands are calibrated on.
        measured: further draws that their coverage was measured on.
        highest: the highest level that the calibration draws support.
        bands: a level each, lowest first.
    """

    scaled: int
    calibrated: int
    measured: int
    highest: float
    bands: tuple[BandFacts, ...]

    def __repr__(self) -> str:
        """Return the levels, and the draws that they are calibrated and measured on."""
        levels = ", ".join(f"{one.level:g}" for one in self.bands)
        return f"Sure(levels {levels}; {self.calibrated} draws calibrated, {self.measured} measured)"

    def at(self, level: float) -> BandFacts:
        """Return the bands of a level, or, where that is not supported, of the highest that is."""
        known = [one for one in self.bands if one.level <= level + 1e-9]
        return known[-1] if known else self.bands[0]
