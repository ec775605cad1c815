"""Runs of mlft, as the benchmarks see them: how a run is started, and what it leaves; `finished` asks one further."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np
from loky import ProcessPoolExecutor

import mlft
from mlft.diagnostics.symmetry import LAW_DRAWS
from mlft.experiment.outcome import SymmetryFacts
from mlft.experiment.outcome.comparison import ComparisonRow
from mlft.experiment.record import read_outcome
from mlft.experiment.symmetry import examined
from mlft.grids import Map
from mlft.intervals import Middle
from mlft.problems import Problem
from mlft.reports.budgets import at_budgets, budgets_lines, savings_of, verdict
from mlft.reports.pairing import FINEST
from mlft.reports.wording import known
from mlft.seeds import generator

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Stage:
    """A stage of training: its level, its held-out error before and after, and whether it was kept."""

    level: int
    before: float | None
    after: float
    kept: bool


@final
@dataclass(frozen=True)
class Lift:
    """What became of the labels of a level: which lift, and the label error before and after."""

    level: int
    name: str
    raw: float
    lifted: float

    def __str__(self) -> str:
        """Return it in words."""
        return f"level {self.level} {self.name}, {self.raw:.3g} to {self.lifted:.3g}"


@final
@dataclass(frozen=True)
class Told:
    """What the benchmarks read of a finished run.

    Attributes:
        error: mean relative L2 error on fresh draws.
        samples: bought, a level.
        pilot: solves that the pilot cost.
        spent: solves in all.
        measured: the same at the prices that its solves were measured to have.
        planning: seconds of planning.
        stages: of the training.
        lifts: of its labels.
    """

    error: float
    samples: tuple[int, ...]
    pilot: float
    spent: float
    measured: float
    planning: float
    stages: tuple[Stage, ...]
    lifts: tuple[Lift, ...]


@final
@dataclass(frozen=True)
class Compared:
    """A row of a comparison: strategy, seed, solves spent at measured prices, seconds of planning and training."""

    strategy: str
    seed: int
    samples: str
    error: float
    measured: float
    planning: float
    training: float

    def named(self, name: str) -> "Compared":
        """Return the same under another name."""
        return replace(self, strategy=name)


@final
@dataclass(frozen=True)
class Judged:
    """How a strategy did at several budgets.

    Attributes:
        name: of the strategy.
        errors: mean over the seeds with its interval, a budget each.
        savings: S at each budget, and its bound (`mlft.reports.savings.Saving`); none for finest-only.
        verdicts: "won", "tied", "lost" or "itself" against the best single level of each budget.
        ratios: to that level's error.
    """

    name: str
    errors: tuple[Middle, ...]
    savings: tuple[tuple[float, int], ...]
    verdicts: tuple[str, ...]
    ratios: tuple[float, ...]


@final
@dataclass(frozen=True)
class AtBudgets:
    """A comparison at several budgets, in solves: how each strategy did, what is said of the first, and its rows."""

    budgets: tuple[int, ...]
    strategies: tuple[Judged, ...]
    verdict: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]


def symmetries(problem: Problem) -> SymmetryFacts:
    """Return the symmetries that a run of a problem finds and uses."""
    grid = problem.hierarchy[0]
    inputs = problem.evaluate(problem.draw(LAW_DRAWS, generator(0, "symmetry")), grid)

    def solve(by: Map | None, n: int) -> np.ndarray:
        taken = inputs[:n] if by is None else by.of_inputs(inputs[:n])
        try:
            return problem.solve(taken, grid).solutions
        except ValueError:  # the map takes a coefficient below 0, say
            return np.full(problem.solve(inputs[:n], grid).solutions.shape, np.nan)

    return examined(problem, inputs, solve, averaged=True)


def side_by_side(function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], jobs: int) -> list[T]:
    """Return what a function returns for each task, in their order; `jobs` processes work side by side."""
    if jobs == 1:
        return [function(*task) for task in tasks]
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        return list(pool.map(function, *zip(*tasks, strict=True)))


def run(problem: str | Problem, *, budget: int, out: Path, **options: Any) -> Told:
    """Return what a run tells, of a budget in solves; a finished one is read, not run again."""
    mlft.run(problem, budget=f"{budget}solves", out=out, **options)
    return read(out)


def read(folder: Path) -> Told:
    """Return what the finished run in a folder tells."""
    told = read_outcome(folder)
    mean = told.error.relative_l2.mean
    assert mean is not None, f"the error of {folder} is not finite"
    return Told(
        error=mean,
        samples=told.plan.samples,
        pilot=told.budget.pilot.solves,
        spent=told.budget.spent.solves,
        measured=known(told.budget.spent.measured),
        planning=told.seconds.plan,
        stages=tuple(Stage(s.level, s.error_before, s.error_after or 0.0, s.kept) for s in told.stages),
        lifts=tuple(Lift(row.level, row.name, row.raw.value or 0.0, row.lifted.value or 0.0) for row in told.lifts),
    )


def compare(
    problem: str | Problem, *, budget: int, out: Path, strategies: Sequence[str], seeds: int, jobs: int, **options: Any
) -> list[Compared]:
    """Return a row a strategy and seed; what is finished is read, not run again."""
    found = mlft.compare(
        problem, budget=f"{budget}solves", out=out, strategies=strategies, seeds=seeds, jobs=jobs, **options
    )
    assert isinstance(found, mlft.Comparison)
    return [
        Compared(r.strategy, r.seed, r.samples, told.error, told.measured, told.planning, r.train_seconds or 0.0)
        for r in found.rows
        for told in [read(out / f"seed-{r.seed}" / r.strategy.replace(":", "-"))]
    ]


def compare_budgets(
    problem: str | Problem, *, budgets: Sequence[int], out: Path, strategies: Sequence[str], **options: Any
) -> AtBudgets:
    """Return how strategies do at several budgets; what is finished is read, not run again."""
    asked = [f"{budget}solves" for budget in budgets]
    found = mlft.compare(problem, budget=asked, out=out, strategies=strategies, **options)
    assert isinstance(found, mlft.BudgetComparison)
    every = at_budgets(found)
    judged = []
    for place, name in enumerate(strategies):
        cells = [at.found[place] for at in every]
        saved = savings_of(every, place) if name != FINEST else []
        judged.append(
            Judged(
                name,
                tuple(one.mean for one in cells),
                tuple((one.value, one.bound) for one in saved if one is not None),
                tuple(verdict(one) for one in cells),
                tuple(1.0 if one.best_single else one.to_single.value for one in cells),
            )
        )
    return AtBudgets(tuple(sorted(budgets)), tuple(judged), tuple(budgets_lines(found)[-2:]), found.rows)
