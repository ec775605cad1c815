"""The number of the schema, what stands for a number that was not measured, and a number with its interval."""

from dataclasses import dataclass
from typing import final

SCHEMA = 2
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
