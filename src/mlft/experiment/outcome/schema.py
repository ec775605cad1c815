"""The number of the schema, and numbers: one that was not measured, one with its interval, a summary of many."""

from dataclasses import dataclass
from typing import final

SCHEMA = 3
"""Of the records that this version writes; it reads the older ones too."""

Number = float | None
"""A number, or None where there is none."""


@final
@dataclass(frozen=True)
class Interval:
    """A mean and its 95% interval over draws."""

    value: Number
    lower: Number
    upper: Number


@final
@dataclass(frozen=True)
class Summary:
    """Mean, median and 90% quantile of errors, and the 95% interval of the mean."""

    mean: Number
    median: Number
    q90: Number
    mean_lower: Number
    mean_upper: Number
