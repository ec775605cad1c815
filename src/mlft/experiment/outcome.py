"""What a run leaves behind, typed: `record.json` is the dump of an `Outcome`.

A number that was not measured is None, and null in the file. The file's top-level keys are the attributes' names, and
`schema` says which set of them it is.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, final

from mlft.grids import Grid

SCHEMA = 1

Number = float | None
"""A number, or None where there is none."""


@final
@dataclass(frozen=True)
class Cost:
    """Solver cost, in seconds of wall time of the solves and in solves of the finest grid."""

    seconds: float
    solves: float


@final
@dataclass(frozen=True)
class Spending:
    """What was asked and what went.

    Attributes:
        asked: the budget as it was written.
        unit: of the budget, "solves" or "seconds".
        spent: in all.
        pilot: of it, by the pilot.
        failed: of it, by samples that failed.
    """

    asked: str
    unit: Literal["solves", "seconds"]
    spent: Cost
    pilot: Cost
    failed: Cost

    def of(self, cost: Cost) -> float:
        """Return a cost in the unit of the budget."""
        return cost.solves if self.unit == "solves" else cost.seconds


@final
@dataclass(frozen=True)
class LevelFacts:
    """One level of the hierarchy.

    Attributes:
        level: its number.
        grid: its cells.
        cost_seconds: seconds of one solve, the median over training and test draws.
        cost_solves: its price in solves of the finest grid.
        samples: training samples solved.
        failed: training samples that failed.
        bias: mean relative L2 distance of its solutions from the reference.
    """

    level: int
    grid: str
    cost_seconds: Number
    cost_solves: float
    samples: int
    failed: int
    bias: Number


@final
@dataclass(frozen=True)
class Measure:
    """What the bias of the levels is measured against.

    Attributes:
        kind: "reference" (the problem's own), "finest" (the finest level, for want of one), or "none".
        draws: test draws that it was measured on.
        failed: reference solves that failed.
        reason: why there is no number, or why some draws are missing; empty if none is.
    """

    kind: Literal["reference", "finest", "none"]
    draws: int
    failed: int = 0
    reason: str = ""


@final
@dataclass(frozen=True)
class Prediction:
    """A predicted relative L2 error with its 95% interval."""

    value: float
    lower: float
    upper: float


@final
@dataclass(frozen=True)
class PlanFacts:
    """A plan; see `mlft.Plan` for the attributes. NaN there is None here."""

    samples: tuple[int, ...]
    costs: tuple[float, ...]
    budget: float
    rule: str
    reason: str
    predicted: Number = None
    interval: tuple[Number, Number] | None = None
    corrections: tuple[Number, ...] = ()
    errors: tuple[Number, ...] = ()
    bias: tuple[Number, ...] = ()
    wasted: tuple[int, ...] = ()
    alternatives: tuple["PlanFacts", ...] = ()


@final
@dataclass(frozen=True)
class BoughtPlan:
    """The plan that was bought; as `PlanFacts`, and what it cost.

    Attributes:
        cost: of all its samples, in `unit`.
        unit: of budget, cost and costs.
        predicted_error: where it was planned from estimates.
    """

    samples: tuple[int, ...]
    costs: tuple[float, ...]
    budget: float
    rule: str
    reason: str
    cost: float
    unit: Literal["solves", "seconds"]
    predicted: Number = None
    predicted_error: Prediction | None = None
    interval: tuple[Number, Number] | None = None
    corrections: tuple[Number, ...] = ()
    errors: tuple[Number, ...] = ()
    bias: tuple[Number, ...] = ()
    wasted: tuple[int, ...] = ()
    alternatives: tuple[PlanFacts, ...] = ()


@final
@dataclass(frozen=True)
class CurveFacts:
    """The learning curve that a plan was made from; see `mlft.planning.ErrorCurve`."""

    points: tuple[tuple[int, float], ...]
    scale: float
    exponent: float
    cap: float
    replicates: tuple[tuple[float, float], ...] = field(repr=False)


@final
@dataclass(frozen=True)
class RateFacts:
    """A rate in points a side, the residual of its fit in logarithms, and the values that were fitted."""

    value: Number
    residual: Number
    values: tuple[Number, ...]


@final
@dataclass(frozen=True)
class RatesFacts:
    """The three rates of the hierarchy: of bias, of the corrections' variance, and of the price."""

    bias_rate: RateFacts
    variance_rate: RateFacts
    cost_rate: RateFacts


@final
@dataclass(frozen=True)
class Foresight:
    """What a plan was estimated from.

    Attributes:
        estimator: the name of the estimator.
        pilot: samples a level that were solved first.
        base: the learning curve of the coarsest usable level.
        origin: that level.
        learnability: κ of a correction, and its standard deviation; see `mlft.planning.Outlook`.
        gaps: (k, l, distance of their solutions, coupled samples) for each pair of usable levels.
        rates: of the hierarchy.
        warnings: in words.
        by_budget: (budget, predicted error, lower, upper) of the best plan of each budget.
        first: the plan made from the pilot, where the rest was planned again.
        learnability_after: κ after the coarsest stage.
    """

    estimator: str
    pilot: tuple[int, ...]
    base: CurveFacts
    origin: int
    learnability: tuple[float, float]
    gaps: tuple[tuple[int, int, float, int], ...]
    rates: RatesFacts
    warnings: tuple[str, ...]
    by_budget: tuple[tuple[float, float, float, float], ...]
    first: PlanFacts | None = None
    learnability_after: tuple[float, float] | None = None


@final
@dataclass(frozen=True)
class StageFacts:
    """One stage of the training.

    Attributes:
        level: the level whose samples it learned from.
        samples: how many it trained on.
        held_out: how many guarded it.
        steps: optimizer steps.
        error_before: held-out error before.
        error_after: held-out error after.
        kept: whether the guard kept it.
        blend: how far the weights moved, 0 to 1.
        checks: (step, held-out error) along the way.
        movement: relative movement of the tangent kernel.
        alignment: of the kernel with the solutions.
    """

    level: int
    samples: int
    held_out: int
    steps: int
    error_before: Number
    error_after: Number
    kept: bool
    blend: Number
    checks: tuple[tuple[int, Number], ...]
    movement: Number = None
    alignment: Number = None


@final
@dataclass(frozen=True)
class Summary:
    """Mean, median and 90% quantile of errors, and the 95% interval of the mean."""

    mean: Number
    median: Number
    q90: Number
    mean_lower: Number
    mean_upper: Number


@final
@dataclass(frozen=True)
class TestError:
    """The relative L2 error on fresh draws of the finest grid, and how many they were."""

    relative_l2: Summary
    samples: int


@final
@dataclass(frozen=True)
class Baseline:
    """A rival.

    Attributes:
        name: of the strategy or the predictor.
        kind: "trained" at equal cost, or "free" (no training).
        error: mean relative L2 error on the same draws.
        spent_solves: solver cost of its samples.
        samples: a level, for a trained one.
    """

    name: str
    kind: str
    error: Number
    spent_solves: float
    samples: tuple[int, ...] | None


@final
@dataclass(frozen=True)
class Failure:
    """Samples of one level that failed by one name, and the note of one of them."""

    level: int
    status: str
    samples: int
    note: str


@final
@dataclass(frozen=True)
class SurrogateFacts:
    """The network: its name, the number of its parameters, its options."""

    name: str
    parameters: int
    options: dict[str, Any]


@final
@dataclass(frozen=True)
class Seconds:
    """Wall time: of the solves (summed over workers), the training, the planning."""

    solve: float
    train: float
    plan: float


@final
@dataclass(frozen=True)
class Outcome:
    """A finished run.

    Attributes:
        problem: its name.
        version: of mlft.
        seed: root of every random stream.
        strategy: as it was asked for.
        budget: what was asked and what went.
        levels: a row a level, coarsest first.
        plan: samples a level, prices, why, and the error that was predicted.
        stages: of the training.
        error: on fresh draws.
        seconds: wall time.
        equation: the problem's, in one line.
        grid: the finest.
        foresight: what the plan was estimated from; None where a rule made it.
        baselines: rivals.
        failures: by level and name.
        surrogate: the network.
        config: the whole configuration, as in config.toml.
        command: that repeats the run.
        machine: processor and versions.
        store: folder of the samples, relative to the run folder.
        measure: what the bias is measured against.
        schema: of this record.
    """

    problem: str
    version: str
    seed: int
    strategy: str
    budget: Spending
    levels: tuple[LevelFacts, ...]
    plan: BoughtPlan
    stages: tuple[StageFacts, ...]
    error: TestError
    seconds: Seconds
    equation: str
    grid: Grid
    foresight: Foresight | None
    baselines: tuple[Baseline, ...]
    failures: tuple[Failure, ...]
    surrogate: SurrogateFacts
    config: dict[str, Any]
    command: str
    machine: dict[str, str]
    store: str = "."
    measure: Measure | None = None
    schema: int = SCHEMA


@final
@dataclass(frozen=True)
class ComparisonRow:
    """One run of a comparison: a row of `compare.csv`.

    Attributes:
        problem: its name.
        budget_solves: the budget in solves of the finest grid.
        strategy: its name.
        seed: of the run.
        samples: a level, coarsest first, as in 0/888/18/0.
        spent_solves: what its samples cost.
        relative_l2: mean relative L2 error on fresh draws.
        train_seconds: wall time of the training.
    """

    problem: str
    budget_solves: float
    strategy: str
    seed: int
    samples: str
    spent_solves: float
    relative_l2: Number
    train_seconds: Number


@final
@dataclass(frozen=True)
class Comparison:
    """Strategies at equal cost over seeds: `compare.json`, and its rows in `compare.csv`.

    Attributes:
        problem: its name.
        budget: as it was asked.
        strategies: in the order asked.
        seeds: of the runs.
        rows: one a seed and strategy.
        config: what the runs share.
        command: that repeats it.
        machine: processor and versions.
        version: of mlft.
        schema: of this record.
    """

    problem: str
    budget: str
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    rows: tuple[ComparisonRow, ...]
    config: dict[str, Any]
    command: str
    machine: dict[str, str]
    version: str
    schema: int = SCHEMA


@final
@dataclass(frozen=True)
class LawFacts:
    """The error on one law of inputs; see `mlft.diagnostics.trust.FamilyError` for the attributes.

    Attributes:
        amplitude: of the inputs, for a law that is the run's own at another amplitude.
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
    schema: int = SCHEMA
