"""The number of the schema, and what stands for a number that was not measured."""

SCHEMA = 2
"""Of the records that this version writes; it reads the older ones too."""

Number = float | None
"""A number, or None where there is none."""
