"""Plans in a record, and what they were estimated from."""

from dataclasses import dataclass, field
from typing import Literal, final

from mlft.errors import plain
from mlft.experiment.outcome.schema import Number


@final
@dataclass(frozen=True)
class Prediction:
    """A predicted relative L2 error with its interval, and when it was made, in words; older records do not say.

    Attributes:
        value: the error.
        lower, upper: the interval.
        made: when, in words.
        coverage: the probability with which the interval holds the error.
        stretch: how many times it reaches as far, in logarithms, as the scatter of what was measured would have it.
    """

    value: float
    lower: float
    upper: float
    made: str = ""
    coverage: float = 0.95
    stretch: float = 1.0


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
    coverage: float = 0.95
    stretch: float = 1.0


@final
@dataclass(frozen=True, kw_only=True)
class BoughtPlan(PlanFacts):
    """The plan that was bought, and what it cost.

    Attributes:
        cost: of all its samples, in `unit`.
        unit: of budget, cost and costs.
        predicted_error: where it was planned from estimates.
    """

    cost: float
    unit: Literal["solves", "seconds"]
    predicted_error: Prediction | None = None


@final
@dataclass(frozen=True)
class CurveFacts:
    """The learning curve that a plan was made from; see `mlft.planning.ErrorCurve`."""

    points: tuple[tuple[int, float], ...]
    scale: float
    exponent: float
    cap: float
    replicates: tuple[tuple[float, float], ...] = field(repr=False)
    scatters: tuple[float, ...] = ()


@final
@dataclass(frozen=True)
class RateFacts:
    """A rate in points a side, the residual of its fit in logarithms, the values that were fitted, and what they are.

    `fitted` says it in words: which levels' values were extrapolated and not measured, whose prices they are.
    """

    value: Number
    residual: Number
    values: tuple[Number, ...]
    fitted: str = ""


@final
@dataclass(frozen=True)
class RatesFacts:
    """The three rates of the hierarchy: of bias, of the corrections' variance, and of the price."""

    bias_rate: RateFacts
    variance_rate: RateFacts
    cost_rate: RateFacts


@final
@dataclass(frozen=True)
class RoundFacts:
    """What was measured before a plan was followed, and the plan that was made with it.

    Attributes:
        level: whose learning curve, or label error, was measured.
        target: the level whose solutions lifted labels are to be; None for a learning curve.
        bought: samples a level that were tried by then.
        curve: the learning curve, of the run's own training.
        fall: (coupled draws, lifted over raw label error, relative standard error).
        plan: the plan made then.
    """

    level: int
    target: int | None
    bought: tuple[int, ...]
    curve: CurveFacts | None
    fall: tuple[int, float, float] | None
    plan: PlanFacts

    def __str__(self) -> str:
        """Return what was measured, in words."""
        if self.curve is not None:
            (samples, error), slope = self.curve.points[-1], self.curve.exponent
            return f"level {self.level} alone errs by {error:.3g} after {samples} samples, and falls as n^−{slope:.2g}"
        draws, left, _ = self.fall or (0, 1.0, 0.0)
        return f"a lift of level {self.level} to {self.target} leaves {left:.2g} of the label error after {draws} draws"


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
        rounds: what was measured before the plan was followed, in order.
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
    rounds: tuple[RoundFacts, ...] = ()

    def __repr__(self) -> str:
        """Return what was estimated by what."""
        pilot = "/".join(map(str, self.pilot))
        return plain(f"Foresight({self.estimator!r} from {pilot} samples, {len(self.rounds)} rounds)")

    @property
    def measured(self) -> dict[tuple[int, int | None], int]:
        """Samples of a level that were tried when its learning curve, or its lift to a target, was measured last."""
        return {(one.level, one.target): one.bought[one.level] for one in self.rounds}
