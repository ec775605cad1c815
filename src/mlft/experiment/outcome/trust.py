"""What `mlft trust` leaves: `trust.json`."""

from dataclasses import dataclass
from typing import final

from mlft.errors import plain
from mlft.experiment.outcome.schema import SCHEMA, Number


@final
@dataclass(frozen=True)
class LawFacts:
    """The error on one law of inputs; see `mlft.diagnostics.trust.FamilyError` for the attributes.

    Attributes:
        amplitude: of the inputs, for a law that is the run's own at another amplitude.
        rings: share of its inputs for which the run's alarm for unfamiliar ones rings; None where the run keeps none.
    """

    name: str
    mean: Number
    lower: Number
    upper: Number
    median: Number
    outside: Number
    failed: int
    refused: str
    failures: str
    amplitude: Number = None
    rings: Number = None


@final
@dataclass(frozen=True)
class LikenessFacts:
    """A matrix beside the solver's; see `mlft.diagnostics.green.Likeness`."""

    relative: Number
    predicted: Number
    inside: Number
    asymmetry: Number
    peak: Number


@final
@dataclass(frozen=True)
class GreenFacts:
    """The surrogate's Green's function beside the solver's; see `mlft.diagnostics.trust.GreenPart`."""

    solver_defect: float
    surrogate_defect: float
    columns: int
    by_jacobian: LikenessFacts
    by_probing: LikenessFacts
    advice: str


@final
@dataclass(frozen=True)
class TrustOutcome:
    """How far a run's surrogate can be trusted: `trust.json`.

    Attributes:
        problem: its name.
        equation: in one line.
        samples: fresh draws a law.
        trained: training inputs whose span was taken.
        families: errors by law, the run's own first.
        amplitudes: errors by amplitude.
        breaking: amplitudes below and above 1 at which the error has doubled.
        resolved: last wave number that is resolved.
        green: for linear problems.
        refusal: why there is no Green's function; empty if there is one.
        finest_wave: number of the finest wave of the grid; None in records that do not say it.
        schema: of this record.
    """

    problem: str
    equation: str
    samples: int
    trained: int
    families: tuple[LawFacts, ...]
    amplitudes: tuple[LawFacts, ...]
    breaking: tuple[Number, Number]
    resolved: Number
    green: GreenFacts | None
    refusal: str
    finest_wave: Number = None
    schema: int = SCHEMA

    def __repr__(self) -> str:
        """Return whose trust it is, and for how many laws; `mlft.reports.trust_lines` tells it."""
        laws = f"{len(self.families)} laws, {len(self.amplitudes)} amplitudes, {self.samples} fresh draws each"
        return plain(f"TrustOutcome({self.problem}: {laws})")
