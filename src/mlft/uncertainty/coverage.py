"""What bands cover of draws that they were not calibrated on."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.intervals import Middle, arithmetic, proportion
from mlft.uncertainty.bands import Bands, scores_of

Array = np.ndarray


@final
@dataclass(frozen=True)
class Covered:
    """The share of fresh draws that the bands of a level hold for, each with its 95% interval.

    Attributes:
        points: share of the points of a draw within their half-width; Student's t over draws, as points depend.
        fields: share of the draws that are within the band at every point; exact binomial.
        errors: share of the draws whose relative L2 error is under its bound; exact binomial.
    """

    points: Middle
    fields: Middle
    errors: Middle


def measure_coverage(
    bands: Bands, residuals: Float[Array, "n k *grid"], errors: Float[Array, " n"]
) -> tuple[Covered, ...]:
    """Return what the bands cover of some fresh draws, a level each.

    Args:
        bands: calibrated on other draws.
        residuals: solution − prediction.
        errors: relative L2 errors of the same draws.
    """
    scores = scores_of(residuals, bands.scale)
    largest = scores.max(axis=1)
    quantiles = zip(bands.points, bands.fields, bands.errors, strict=True)
    return tuple(
        Covered(
            arithmetic((scores <= point).mean(axis=1).tolist()),
            proportion(int((largest <= field).sum()), len(largest)),
            proportion(int((errors <= bound).sum()), len(errors)),
        )
        for point, field, bound in quantiles
    )
