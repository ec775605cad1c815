"""What a prediction costs and how far it errs, by each way to one: is the surrogate worth having?"""

from dataclasses import dataclass
from typing import Literal, final

from mlft.experiment.outcome.schema import Number


@final
@dataclass(frozen=True)
class Way:
    """A way to a prediction.

    Attributes:
        kind: "surrogate", "corrected" (a coarse solve and the lift of its level), or "solver" (a plain solve).
        level: that is solved on; None for the surrogate.
        error: mean relative L2 distance from the finest grid's own solutions, on fresh draws.
        draws: how many they were; 0 where the error was not measured, and where it is 0 by definition.
        beside: the surrogate's error on the same draws.
        alone: seconds of a prediction made alone; of a solve those in the ledger, the batch's divided by its samples.
        batched: seconds of a prediction in a batch; of a solve the same as alone.
        timed: how often it was timed: repeats alone, or solves in the ledger.
        batch: predictions in the batch that was timed; of a solve, samples in the largest batch in the ledger.
    """

    kind: Literal["surrogate", "corrected", "solver"]
    level: int | None
    error: Number
    draws: int
    beside: Number
    alone: Number
    batched: Number
    timed: int
    batch: int


@final
@dataclass(frozen=True)
class Worth:
    """The ways to a prediction.

    Attributes:
        ways: the surrogate, the corrected solvers, the plain solver on every level, coarsest first.
        batch: predictions in a batch.
        threads: of the surrogate and the lifts while they were timed.
        device: that the surrogate was timed on.
    """

    ways: tuple[Way, ...]
    batch: int
    threads: int
    device: str

    def __repr__(self) -> str:
        """Return how many ways there are."""
        return f"Worth({len(self.ways)} ways, on {self.device})"

    def of(self, kind: str) -> tuple[Way, ...]:
        """Return the ways of a kind."""
        return tuple(way for way in self.ways if way.kind == kind)
