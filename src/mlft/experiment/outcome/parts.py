"""What a run had found before it was given more budget, or longer training."""

from dataclasses import dataclass
from typing import final

from mlft.experiment.outcome.schema import Number


@final
@dataclass(frozen=True)
class Part:
    """A run as it was before it went on.

    Attributes:
        budget: as it was written.
        value: the budget, in its unit.
        spent: solves of the finest grid.
        samples: a level, coarsest first.
        steps: optimizer steps that were made.
        mean: relative L2 error on fresh draws.
        lower: end of its 95% interval.
        upper: the other end.
        predicted: the error that had been predicted, where it was.
    """

    budget: str
    value: float
    spent: float
    samples: tuple[int, ...]
    steps: int
    mean: Number
    lower: Number
    upper: Number
    predicted: Number
