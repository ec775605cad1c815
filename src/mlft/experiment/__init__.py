"""The loop of a run, its configuration and its record; comparisons at equal cost."""

from pathlib import Path
from typing import Any

from torch import nn

from mlft.experiment.compare import compare_config
from mlft.experiment.config import Budget, Config, budget, configure, read_config
from mlft.experiment.foresight import Forecast, read_plan, write_plan
from mlft.experiment.loop import fit, plan_config, quiet, run_config
from mlft.experiment.record import Record, read_facts
from mlft.experiment.solving import Progress, Report
from mlft.problems import Problem


def run(
    problem: str | Problem,
    *,
    budget: str,
    out: str | Path,
    network: nn.Module | None = None,
    report: Report = quiet,
    **options: Any,
) -> Record:
    """Return the record of a run: plan, solve, train, measure, within a budget of solver cost.

    Args:
        problem: a name in `mlft.PROBLEMS`, or a problem of your own.
        budget: solver cost allowed, as in "100solves" (of the finest grid), "30s" or "10min".
        out: the run folder; a folder that holds a part of the run is continued, a finished one is read.
        network: a network of your own in place of the Fourier neural operator.
        report: called with every step forward.
        options: any other field of `mlft.Config`, such as `seed=1`, `strategy="finest-only"`, or the problem's
            parameters as `options={"cells": 256}`.

    Raises:
        ConfigError: for an unknown name or a value that is not allowed.
        BudgetError: if the budget is too small, with what is needed.
        GenerationError: if too many samples fail.
        StoreError: if the folder cannot be used.
    """
    own = problem if isinstance(problem, Problem) else None
    name = own.name if own is not None else problem
    asked = configure({"problem": name, "budget": budget, **options})
    return run_config(asked, Path(out), problem=own, network=network, report=report)


__all__ = [
    "Budget",
    "Config",
    "Forecast",
    "Progress",
    "Record",
    "Report",
    "budget",
    "compare_config",
    "configure",
    "fit",
    "plan_config",
    "quiet",
    "read_config",
    "read_facts",
    "read_plan",
    "run",
    "run_config",
    "write_plan",
]
