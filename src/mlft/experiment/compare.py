"""Strategies at equal cost: the same problem, budget and seeds, each strategy in a run of its own."""

import re
from collections.abc import Sequence
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from loky import ProcessPoolExecutor

from mlft.errors import ConfigError
from mlft.experiment.asking import Asked, claim
from mlft.experiment.config import MOST_PROCESSES
from mlft.experiment.loop import run
from mlft.experiment.outcome import BudgetComparison, Comparison, ComparisonRow, Outcome
from mlft.experiment.pricing import afford
from mlft.experiment.progress import Progress, Report, of_run, quiet
from mlft.experiment.record import RECORD, write_comparison
from mlft.experiment.recording import header

MOST_SEEDS = 10_000


def compare(  # noqa: PLR0913 (what makes a comparison)
    asked: Asked,
    folder: Path,
    *,
    strategies: Sequence[str],
    seeds: int,
    jobs: int = 1,
    samples: Path | None = None,
    report: Report,
) -> Comparison:
    """Return a comparison, and write its rows to `compare.csv`; what is there is not run again.

    Runs of one seed share one store, because their samples are nested; each is charged for all that it uses. The
    rule for training effort (optimizer steps and batch) is the same for all. Seeds count up from that of `asked`.

    Args:
        asked: what the runs share; strategy, plan and baselines are each strategy's own.
        folder: where the runs go, a folder a seed and in it a folder a strategy.
        strategies: the strategies to compare.
        seeds: how many seeds.
        jobs: seeds that run at a time, each in a process of its own.
        samples: where the samples of each seed are, to share them with comparisons at other budgets; by default the
            folder.
        report: called with every step forward.

    Raises:
        ConfigError: if no strategy is given, or one is unknown; for fewer than one seed or job, or more than can be.
        MlftError: as `run`.
    """
    if not strategies:
        raise ConfigError("at least one strategy is needed, as in finetune,finest-only")
    for name, count, most in (("seeds", seeds, MOST_SEEDS), ("jobs", jobs, MOST_PROCESSES)):
        if not 1 <= count <= most:
            raise ConfigError(f"a comparison has 1 to {most} {name}, got {count}")
    if jobs > 1 and asked.executor is not None:
        raise ConfigError(f"an executor of your own serves one seed at a time: give jobs=1, got {jobs}")
    first = asked.config.seed
    cases = [[asked.by(name, seed=seed) for name in strategies] for seed in range(first, first + seeds)]
    for one in cases[0]:
        afford(one)
    claim(asked.config, folder)
    places = folder, folder if samples is None else samples
    if jobs == 1:
        rows = [row for each in cases for row in _one_seed(each, *places, report)]
    else:
        rows = _side_by_side(cases, places, jobs, report)
    told = header(asked, folder, verb="compare", strategies=tuple(strategies), seeds=seeds)
    found = Comparison(
        problem=rows[0].problem,
        budget=asked.config.budget,
        strategies=tuple(strategies),
        seeds=tuple(range(first, first + seeds)),
        rows=tuple(rows),
        **told,
    )
    write_comparison(folder, found)
    return found


def compare_budgets(
    asked: Sequence[Asked], folder: Path, *, strategies: Sequence[str], seeds: int, jobs: int = 1, report: Report
) -> BudgetComparison:
    """Return comparisons at several budgets, each in a folder of its own named by it; a further budget may be added.

    Runs of one seed share one store at all budgets. Otherwise as `compare`.

    Args:
        asked: what the runs share, a budget each.
        folder: where the comparisons go.
        strategies: the strategies to compare.
        seeds: how many seeds.
        jobs: seeds that run at a time.
        report: called with every step forward.

    Raises:
        ConfigError: as `compare`, or for budgets that are alike, or in solves and in time.
        MlftError: as `compare`.
    """
    ordered = sorted(asked, key=lambda one: one.config.limit.value)
    budgets = [one.config.limit for one in ordered]
    told = ", ".join(budget.asked for budget in budgets)
    if len({budget.unit for budget in budgets}) > 1:
        raise ConfigError(f"budgets are compared in one unit, solves or time, got {told}")
    if len({budget.value for budget in budgets}) < len(budgets):
        raise ConfigError(f"each budget is compared once, got {told}")
    claim(ordered[-1].config, folder, free=("budget",))
    names = tuple(re.sub(r"\s", "", budget.asked) for budget in budgets)
    parts = []
    for one, name in zip(ordered, names, strict=True):
        options: dict[str, Any] = {"strategies": strategies, "seeds": seeds, "jobs": jobs, "samples": folder}
        parts.append(compare(one, folder / name, **options, report=of_run(report, name)))
    every = ordered[-1].config.model_copy(update={"budget": ",".join(names)})
    shared = replace(ordered[-1], config=every)
    found = BudgetComparison(
        problem=parts[0].problem,
        budgets=tuple(budget.asked for budget in budgets),
        folders=names,
        strategies=tuple(strategies),
        seeds=parts[0].seeds,
        rows=tuple(row for part in parts for row in part.rows),
        **header(shared, folder, verb="compare", strategies=tuple(strategies), seeds=seeds),
    )
    write_comparison(folder, found)
    return found


def _side_by_side(
    cases: list[list[Asked]], places: tuple[Path, Path], jobs: int, report: Report
) -> list[ComparisonRow]:
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        shared = [[_alone(each) for each in case] for case in cases]
        futures = [pool.submit(_one_seed, case, *places, quiet) for case in shared]
        for done, _ in enumerate(as_completed(futures), 1):
            report(Progress("compare", f"{len(cases[0])} strategies", done, len(futures), note="seeds done"))
        return [row for future in futures for row in future.result()]


def _alone(asked: Asked) -> Asked:
    """Return the same for a process that has others beside it: solving in itself, or in one process of its own."""
    workers = 0 if asked.config.timeout is None else 1
    return replace(asked, config=asked.config.model_copy(update={"workers": workers, "scheduler": None}))


def _one_seed(case: Sequence[Asked], folder: Path, samples: Path, report: Report) -> list[ComparisonRow]:
    rows, seen = [], False
    for each in case:
        name, seed = each.config.strategy, each.config.seed
        own, tell = folder / f"seed-{seed}" / name.replace(":", "-"), of_run(report, f"seed {seed}, {name}")
        finished = (own / RECORD).exists()
        record = run(each, own, samples=samples / f"seed-{seed}", again=not (finished or seen), report=tell)
        rows.append(row(record.outcome, each.config.budget))
        seen |= not finished
    return rows


def row(told: Outcome, budget: str) -> ComparisonRow:
    """Return a finished run as a row of the comparison, with the budget as it was asked."""
    unit = told.plan.costs[-1] / told.levels[-1].cost_solves
    found, before = told.error.relative_l2, told.plan.predicted_error
    return ComparisonRow(
        problem=told.problem,
        budget_solves=told.plan.budget / unit,
        strategy=told.strategy,
        seed=told.seed,
        samples="/".join(map(str, told.plan.samples)),
        spent_solves=told.budget.spent.solves,
        relative_l2=found.mean,
        train_seconds=round(told.seconds.train, 3),
        spent_measured=told.budget.spent.measured,
        budget=budget,
        lower=found.mean_lower,
        upper=found.mean_upper,
        predicted=None if before is None else before.value,
        predicted_lower=None if before is None else before.lower,
        predicted_upper=None if before is None else before.upper,
    )
