"""What a run leaves: an `Outcome`, and its parts."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, final

from mlft.errors import plain
from mlft.experiment.outcome.familiar import Familiar, GridError
from mlft.experiment.outcome.norms import ChannelErrors
from mlft.experiment.outcome.parts import Part
from mlft.experiment.outcome.plan import BoughtPlan, Foresight
from mlft.experiment.outcome.schema import SCHEMA, Interval, Number, Summary
from mlft.experiment.outcome.sure import Sure
from mlft.experiment.outcome.symmetry import SymmetryFacts
from mlft.experiment.outcome.worth import Worth
from mlft.grids import Grid


@final
@dataclass(frozen=True)
class Cost:
    """Solver cost.

    Attributes:
        seconds: wall time of the solves.
        solves: in solves of the finest grid, at the prices of the run, stated ones where the problem states some.
        measured: the same at the prices that this run's own solves had in larger batches.
    """

    seconds: float
    solves: float
    measured: Number = None


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
        cost_seconds: seconds of one solve, the median over the larger batches of training and test draws.
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
class StageFacts:
    """One stage of the training.

    Attributes:
        level: the level whose samples it learned from.
        samples: how many it trained on.
        held_out: how many guarded it.
        steps: optimizer steps that were made.
        error_before: held-out error before.
        error_after: held-out error after.
        kept: whether the guard kept it.
        blend: how far the weights moved, 0 to 1.
        checks: (step, held-out error) along the way.
        movement: relative movement of the tangent kernel.
        alignment: of the kernel with the solutions.
        all_draws: steps that were made after the training on all draws of this stage, the held-out ones among them.
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
    all_draws: int = 0


@final
@dataclass(frozen=True)
class LiftFacts:
    """What became of the labels of one level.

    Attributes:
        level: the level.
        target: the level whose solutions they were made fit for.
        name: of the lift; "none" where labels are used as they are.
        raw: mean relative L2 distance of the level's solutions from the target's.
        lifted: the same after the lift, each draw lifted by correctors that did not see it.
        mean: the same for the mean of the other draws' solutions.
        draws: coupled draws that they were measured on.
        samples: draws that were trained on with a label of this level.
        tried: the lifted error of each lift that was tried; or why it was not.
        cpu_seconds: CPU time of the fit of the chosen one.
    """

    level: int
    target: int
    name: str
    raw: Interval
    lifted: Interval
    mean: Interval
    draws: int
    samples: int
    tried: dict[str, float | str]
    cpu_seconds: float


@final
@dataclass(frozen=True)
class TestError:
    """The error on fresh draws of the finest grid.

    Attributes:
        relative_l2: of all channels together.
        samples: how many draws.
        channels: the error of each channel in several norms; none in records that did not measure them.
    """

    relative_l2: Summary
    samples: int
    channels: tuple[ChannelErrors, ...] = ()


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
class CandidateFacts:
    """One network that was tried: held-out error, weight in the average, seconds of CPU time, verdict in words."""

    name: str
    error: Number
    weight: float
    cpu_seconds: float
    verdict: str


@final
@dataclass(frozen=True)
class SurrogateFacts:
    """The network: its name, its fitted numbers, its options, and what it was chosen from, if it was chosen."""

    name: str
    parameters: int
    options: dict[str, Any]
    candidates: tuple[CandidateFacts, ...] = ()


@final
@dataclass(frozen=True)
class Seconds:
    """Wall time: of the solves (summed over workers), the training, the planning."""

    solve: float
    train: float
    plan: float


@final
@dataclass(frozen=True)
class DataFacts:
    """The data set that a fit is of: there was no solver, and what is told of solves is of rows.

    Attributes:
        files: that the rows were read from; none for arrays.
        rows: a level, coarsest first.
        train: of them, rows of draws that are learned from, those that guard the training among them.
        test: draws of the finest level that are tested on, and never learned from.
        coupled: whether some draws are on several levels.
        alike: draws whose input another draw has; all of one input are on one side.
        left_out: draws on neither side, since a draw of the other side has their input.
        dropped: rows that were left out because they are not finite.
        assumed: what nobody said and was taken to be so, a sentence each.
        priced: whether the costs of rows were given; else one is as dear as another.
    """

    files: tuple[str, ...]
    rows: tuple[int, ...]
    train: tuple[int, ...]
    test: int
    coupled: bool
    alike: int
    left_out: int
    dropped: int
    assumed: tuple[str, ...]
    priced: bool


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
        transfers: the problem's own, by name; records that do not say have none.
        lifts: of the labels of coarse levels, for a strategy that lifts them.
        worth: seconds and errors of every way to a prediction; None where they were not measured.
        sure: bands about a prediction, and what they cover; None where they were not measured.
        symmetry: what the solver commutes with, and how it is used; None where that was not asked.
        parts: what it had found before it was given more budget or longer training, the first first.
        familiar: the alarm for unfamiliar inputs, and how often it is false; None where there is none.
        grids: the surrogate's error on the grids of the coarser levels; none where it takes no other grid.
        channels: the names, with units where it knows them, that the problem gives those of "inputs" and "solutions".
        data: the data set of a fit; None where a solver was run.
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
    transfers: dict[str, str] = field(default_factory=dict)
    lifts: tuple[LiftFacts, ...] = ()
    worth: Worth | None = None
    sure: Sure | None = None
    symmetry: SymmetryFacts | None = None
    parts: tuple[Part, ...] = ()
    familiar: Familiar | None = None
    grids: tuple[GridError, ...] = ()
    channels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    data: DataFacts | None = None
    schema: int = SCHEMA

    def __str__(self) -> str:
        """Return the run in one line: what, how far it errs, what it bought and spent."""
        mean, samples = self.error.relative_l2.mean, "/".join(map(str, self.plan.samples))
        found = math.nan if mean is None else mean
        spent = f"{samples} samples, {self.budget.spent.solves:.4g} solves spent"
        if self.data is not None:
            spent = f"trained on {samples} rows of the data set"
        return (
            f"{self.problem}, {self.strategy}, seed {self.seed}: relative L2 error {found:.4g} (mean of "
            f"{self.error.samples} {self.tested}), {spent}"
        )

    @property
    def tested(self) -> str:
        """What the error is measured on, in words: fresh draws, or rows of a data set that were held back."""
        return "fresh draws" if self.data is None else "rows held back"

    @property
    def now(self) -> Part:
        """The run as it is, beside what it was before it went on."""
        found, predicted = self.error.relative_l2, self.plan.predicted_error
        return Part(
            budget=self.budget.asked,
            value=self.plan.budget,
            spent=self.budget.spent.solves,
            samples=self.plan.samples,
            steps=sum(stage.steps for stage in self.stages),
            mean=found.mean,
            lower=found.mean_lower,
            upper=found.mean_upper,
            predicted=None if predicted is None else predicted.value,
        )

    def __repr__(self) -> str:
        """Return which run it is of, and how far it errs; the whole of it is in `record.json`."""
        mean = self.error.relative_l2.mean
        found = "no finite error" if mean is None else f"relative L2 error {mean:.4g}"
        return plain(f"Outcome({self.problem}, {self.strategy}, seed {self.seed}, {self.budget.asked}: {found})")
