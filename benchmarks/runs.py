"""Runs of mlft, as the benchmarks see them: the only module here that knows how a run is started and what it leaves."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final

from loky import ProcessPoolExecutor

import mlft
from mlft.experiment import configure, read_facts
from mlft.experiment.foresight import estimate, outlook_of
from mlft.experiment.loop import quiet
from mlft.experiment.pilot import solve_pilot
from mlft.experiment.setup import store_identity
from mlft.experiment.solving import Solver
from mlft.experiment.trust import trust as measure_trust
from mlft.generation import open_pool
from mlft.planning import predict
from mlft.problems import PROBLEMS, Problem
from mlft.store import SampleStore

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
class Told:
    """What the benchmarks read of a finished run.

    Attributes:
        error: mean relative L2 error on fresh draws.
        samples: bought, a level.
        predicted: error, with its interval; None where the plan was made by a rule.
        pilot: solves that the pilot cost.
        spent: solves in all.
        planning: seconds of planning.
        stages: of the training.
    """

    error: float
    samples: tuple[int, ...]
    predicted: tuple[float, float, float] | None
    pilot: float
    spent: float
    planning: float
    stages: tuple[Stage, ...]


@final
@dataclass(frozen=True)
class Compared:
    """A row of a comparison: a strategy on a seed."""

    strategy: str
    seed: int
    samples: str
    error: float
    training: float


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
    facts = read_facts(folder)
    plan, budget = facts["plan"], facts["budget"]
    predicted = plan["predicted_error"]
    return Told(
        error=facts["error"]["relative_l2"]["mean"],
        samples=tuple(plan["samples"]),
        predicted=predicted and (predicted["value"], predicted["lower"], predicted["upper"]),
        pilot=budget["pilot"]["solves"],
        spent=budget["spent"]["solves"],
        planning=facts["seconds"]["plan"],
        stages=tuple(Stage(s["level"], s["error_before"], s["error_after"], s["kept"]) for s in facts["stages"]),
    )


def compare(
    problem: str, *, budget: int, out: Path, strategies: Sequence[str], seeds: int, jobs: int, **options: Any
) -> list[Compared]:
    """Return a row a strategy and seed; what is finished is read, not run again."""
    asked = configure({"problem": problem, "budget": f"{budget}solves", **options})
    rows = mlft.compare_config(asked, out, strategies=strategies, seeds=seeds, jobs=jobs)
    return [Compared(r["strategy"], r["seed"], r["samples"], r["relative_l2"], r["train_seconds"]) for r in rows]


def foreseen(problem: str | Problem, *, budget: int, out: Path, estimator: str, **options: Any) -> tuple[float, float]:
    """Return the error that an estimator predicts, from the pilot of a finished run, for what the run then bought.

    Args:
        problem: of the run.
        budget: of the run.
        out: the folder of the run.
        estimator: its name; the run's own is read, not estimated again.
        options: of the run.

    Returns:
        The error, and the seconds that it took: CPU time, or the run's own time of planning.
    """
    facts = read_facts(out)
    name = problem if isinstance(problem, str) else problem.name
    asked = configure({"problem": name, "budget": f"{budget}solves", "estimator": estimator, **options})
    own = PROBLEMS[problem](**asked.options) if isinstance(problem, str) else problem
    with SampleStore.open(out, store_identity(asked, own)) as store, open_pool(0) as pool:
        solver = Solver(own, store, asked, pool, quiet)
        pilot = solve_pilot(solver, tuple(facts["foresight"]["pilot"]))
        started = time.process_time()
        known = estimator == facts["foresight"]["estimator"]
        outlook = outlook_of(asked, facts["foresight"], pilot) if known else estimate(solver, pilot, None)
        seconds = facts["seconds"]["plan"] if known else time.process_time() - started
    samples = facts["plan"]["samples"]
    return predict(outlook.curves(), samples, bias=outlook.bias(len(samples))), seconds


def trust(folder: Path, *, samples: int) -> dict[str, Any]:
    """Return what `mlft trust` writes about a finished run."""
    measure_trust(folder, samples=samples)
    return dict(json.loads((folder / "trust.json").read_text()))
