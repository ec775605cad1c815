"""How sure a prediction is: split-conformal bands from draws that nothing else has seen; arithmetic, without files."""

from mlft.uncertainty.bands import LEVELS, Banded, Bands, calibrate, highest_level
from mlft.uncertainty.coverage import Covered, measure_coverage
from mlft.uncertainty.quantiles import conformal_quantile, pooled_quantile, rank

__all__ = [
    "LEVELS",
    "Banded",
    "Bands",
    "Covered",
    "calibrate",
    "conformal_quantile",
    "highest_level",
    "measure_coverage",
    "pooled_quantile",
    "rank",
]
