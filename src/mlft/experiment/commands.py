"""One function a command that needs a budget: `mlft.run`, `plan`, `compare`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlft.errors import ConfigError
from mlft.experiment import compare as comparing
from mlft.experiment import loop
from mlft.experiment.asking import ask
from mlft.experiment.finished import Record
from mlft.experiment.foresight import Forecast
from mlft.experiment.growth import continued, grow
from mlft.experiment.outcome import BudgetComparison, Comparison
from mlft.experiment.plan_file import write_plan
from mlft.experiment.screen import Told, shown
from mlft.experiment.whole import PLAN
from mlft.files import writing
from mlft.problems import Problem


def run(
    problem: str | Problem | None = None,
    *,
    budget: str | None = None,
    more: str | None = None,
    out: str | Path,
    report: Told = "auto",
    **options: Any,
) -> Record:
    """Return the record of a run: plan, solve, train, measure, within a budget of solver cost.

    A finished run goes on with `more` budget: what it solved is kept and paid for, the whole budget is planned again,
    what is missing is solved, and all is trained on anew. Samples are nested: where the plan is the one that the whole
    budget would have had at once, the result is the same, bit for bit. `more` steps train anew and longer, because the
    learning rate falls over all of them. More `test` draws or further `baselines` need no word: what is missing is
    made. `outcome.parts` has what was found before.

    Args:
        problem: a name in `mlft.PROBLEMS`, "module:attribute", or a problem of your own; of a run that was begun in
            the folder it need not be given again, and nor need the options that it was begun with.
        budget: solver cost allowed, as in "100solves" (of the finest grid), "30s" or "10min"; as the problem.
        more: solver cost on top of that of the finished run in the folder, or optimizer steps, as in "1000steps".
        out: the run folder; a folder that holds a part of the run is continued, a finished one is read.
        report: who hears how far it is: "auto", whoever looks at a terminal or a notebook; a function, which is called
            with a `mlft.Progress` at every step forward; None, nobody; "lines", as "auto", and without a terminal a
            line on standard error now and then.
        options: any other field of `mlft.Config`, such as `seed=1`, `strategy="finest-only"`, or the problem's
            parameters as `options={"cells": 256}`; `network`, a network of your own in place of the named one: any
            `nn.Module` from (n, c, *grid) to (n, k, *grid); and `executor`, any `concurrent.futures.Executor` that
            solves in place of processes of ours and is left running, or a function that returns one, which is called
            again when a worker's death broke it.

    Raises:
        ConfigError: for an unknown name or a value that is not allowed.
        BudgetError: if the budget is too small, with what is needed.
        GenerationError: if too many samples fail.
        StoreError: if the folder cannot be used.
    """
    folder, own = Path(out), problem if isinstance(problem, Problem) else None
    brought = {name: options.pop(name, None) for name in ("network", "executor")}
    given = {"problem": problem if own is None else own.name, "budget": budget, **options}
    given = {name: value for name, value in given.items() if value is not None}
    if more is not None or problem is None or budget is None:
        given = continued(folder, given, more)
    named = given.pop("problem")
    asked = ask(named if own is None else own, **brought, **given)
    with writing(folder), shown(report, runs=1 + len(asked.config.baselines)) as tell:
        grow(asked.config, folder, more=more is not None)
        return loop.run(asked, folder, report=tell)


def plan(
    problem: str | Problem,
    *,
    budget: str,
    out: str | Path,
    save: str | Path | None = None,
    report: Told = "auto",
    **options: Any,
) -> Forecast:
    """Return how many samples to solve on which grid, with the error to expect. Solves a pilot: a tenth of the budget.

    Args:
        problem: as in `run`.
        budget: as in `run`.
        out: the run folder; `run` with the same arguments goes by this plan, and uses the pilot's samples.
        save: a file to write the plan to, for `mlft run --plan FILE`.
        report: as in `run`.
        options: as in `run`.

    Raises:
        MlftError: as `run`.
    """
    asked = ask(problem, budget=budget, **options)
    with writing(Path(out)), shown(report, shares=PLAN) as tell:
        found = loop.plan(asked, Path(out), report=tell)
        if save is not None:
            write_plan(Path(save), found, asked.config)
    return found


def compare(
    problem: str | Problem,
    *,
    budget: str | Sequence[str],
    out: str | Path,
    strategies: Sequence[str] = ("finetune", "finest-only"),
    seeds: int = 5,
    jobs: int = 1,
    report: Told = "auto",
    **options: Any,
) -> Comparison | BudgetComparison:
    """Return a comparison of strategies at equal cost and equal training effort, over several seeds.

    Args:
        problem: as in `run`.
        budget: as in `run`, for each run; of several, "16solves,64solves" or a sequence of them, each strategy is run
            at each, and the error against the budget is told, and how many solves each saves.
        out: where the runs go, a folder a seed and in it a folder a strategy; of several budgets a folder each around
            them. What is finished is read.
        strategies: names in `mlft.STRATEGIES`.
        seeds: how many, counting up from `seed`.
        jobs: seeds that run at a time, each in a process of its own.
        report: as in `run`.
        options: as in `run`.

    Raises:
        MlftError: as `run`.
    """
    budgets = budget.split(",") if isinstance(budget, str) else budget
    if not budgets:
        raise ConfigError('at least one budget is needed, as in "64solves", or several, as in "16solves,64solves"')
    asked = [ask(problem, budget=one, **options) for one in budgets]
    how: dict[str, Any] = {"strategies": strategies, "seeds": seeds, "jobs": jobs}
    with writing(Path(out)), shown(report, runs=len(strategies) * seeds * len(budgets)) as tell:
        if len(asked) == 1:
            return comparing.compare(asked[0], Path(out), **how, report=tell)
        return comparing.compare_budgets(asked, Path(out), **how, report=tell)
