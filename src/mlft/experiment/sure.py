"""From the residuals of test draws to bands: calibrated on half of them, measured on the other."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from mlft.experiment.outcome import BandFacts, Interval, Sure
from mlft.experiment.record import from_plain, to_plain, write_bands
from mlft.intervals import Middle
from mlft.uncertainty import Bands, Covered, calibrate, measure_coverage

Array = np.ndarray

FEWEST = 4
"""Test draws from which there are bands: one for the scale, one to calibrate, two to measure."""


def measure_sure(folder: Path, residuals: Float[Array, "n k *grid"], errors: Float[Array, " n"]) -> Sure | None:
    """Return how sure predictions are, and write the bands into the run folder; None for fewer than `FEWEST` draws.

    The first half of the draws calibrates, the other measures. Nothing was trained, guarded or chosen by any of them.

    Args:
        folder: the run folder.
        residuals: solution − prediction, of the fresh test draws.
        errors: their relative L2 errors.
    """
    n = len(residuals)
    if n < FEWEST:
        return None
    half = n // 2
    bands = calibrate(residuals[:half], errors[:half])
    covered = measure_coverage(bands, residuals[half:], errors[half:])
    write_bands(folder, bands)
    facts = tuple(_facts(bands, i, one) for i, one in enumerate(covered))
    made: Sure = from_plain(Sure, to_plain(Sure(bands.scaled, bands.calibrated, n - half, bands.highest, facts)))
    return made


def _facts(bands: Bands, i: int, covered: Covered) -> BandFacts:
    return BandFacts(
        level=float(bands.levels[i]),
        points=float(bands.points[i]),
        fields=float(bands.fields[i]),
        error=float(bands.errors[i]),
        points_covered=_interval(covered.points),
        fields_covered=_interval(covered.fields),
        errors_covered=_interval(covered.errors),
    )


def _interval(middle: Middle) -> Interval:
    return Interval(middle.value, middle.lower, middle.upper)
