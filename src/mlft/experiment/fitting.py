"""A fit: a run of a data set in place of a solver, with the same loop, record and report. Nothing is solved."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mlft.datasets import DataProblem, Dataset, Hints, Rule, read
from mlft.errors import ConfigError, DataError
from mlft.experiment import loop
from mlft.experiment.asking import Asked, ask
from mlft.experiment.config import configure
from mlft.experiment.finished import Record
from mlft.experiment.screen import Told, shown
from mlft.files import writing
from mlft.grids import nested
from mlft.learners import Lifted
from mlft.problems import PROBLEMS

TESTED, MOST_TESTED = 0.2, 1000
"""Share of the finest rows that is tested on unless a number is given, and the most rows of that."""

_SOLVES = {
    "options": "are a solver's",
    "budget": "is of solves: all rows that are not tested on are learned from",
    "baselines": "are trained at equal cost, with solves of their own: fit again, with another strategy and --out",
    "pilot": "is solved",
    "workers": "solve",
    "scheduler": "solves",
    "timeout": "is of a solve",
    "estimator": "is of a plan, and a fit needs none",
}
"""Options of a run that are nothing to a fit, and why."""


def fit(
    data: Dataset | str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    costs: Sequence[float] | None = None,
    hints: Hints | None = None,
    drop: bool = False,
    report: Told = "auto",
    **options: Any,
) -> Record:
    """Return the record of a fit: split the rows, train, measure. The same call continues what was stopped.

    Rows are split without replacement: a share is tested on (a fifth of the finest level's, 1,000 at most; `test=` says
    how many), all others are learned from, and of those one draw in five, 128 at most, guards the training. A draw that
    is on several levels, and draws with the same input, are on one side. What needs a solver is not in the record:
    what a prediction is worth beside a solve, symmetries, references; and `mlft.trust` looks at the test rows alone.

    Args:
        data: a data set, a file, a folder of files, or a list of them; see `mlft.datasets.read`. Levels on grids
            that are not refined by 2, 4, 8, … need `Dataset.with_transfers`.
        out: the run folder.
        costs: what a row of each level costs, coarsest first, in any unit: told in rows of the finest level by record
            and report, and not decided by, since all rows are used; as dear each without.
        hints: what the files may not say: `mlft.datasets.Hints(lengths=..., periodic=..., coupled=...)`.
        drop: leave rows out that are not finite, in place of refusing them.
        report: as in `mlft.run`.
        options: fields of `mlft.Config` that say how to train and test: `strategy`, "finetune" or "lift", `seed`,
            `surrogate`, `training`, `test`, `plan` (rows a level, where not all); and `network`, as in `mlft.run`.

    Raises:
        DataError: for data that cannot be learned from: the file, the rows, and what is expected.
        ConfigError: for an option that is unknown, not allowed, or of solves.
        StoreError: if the folder cannot be used, or holds another run.
    """
    found = data if isinstance(data, Dataset) else read(*_listed(data), hints=hints or Hints(), drop=drop)
    asked = asked_of(found, costs=costs, **options)
    with writing(Path(out)), shown(report) as tell:
        return loop.run(asked, Path(out), report=tell)


def asked_of(
    data: Dataset, *, costs: Sequence[float] | None = None, network: nn.Module | None = None, **options: Any
) -> Asked:
    """Return what is asked of a fit, resolved: the data set as a problem, its rows as the plan."""
    for name, why in _SOLVES.items():
        if options.get(name) is not None:
            raise ConfigError(f"'{name}' {why}: a fit has no solver, leave it out")
    if options.get("symmetry", "none") != "none":
        raise ConfigError("symmetries are verified by solves, and a fit has no solver: leave 'symmetry' out")
    data = _reached(data)
    rows = len(data.levels[-1])
    test = max(1, min(MOST_TESTED, round(TESTED * rows)))
    values = {"test": test} | options | {"problem": _name(data), "symmetry": "none", "workers": 0}
    config = configure(values | {"budget": "1solve"})
    test = config.test
    if test > rows - 2:
        raise DataError(f"{test} rows cannot be tested on: the finest level has {rows}, and 2 at least are trained on")
    rule = Rule(test, config.training.held_out, config.training.guards)
    problem = DataProblem(data, rule, config.seed, _prices(costs, data))
    plan = _plan(problem, config.plan)
    total = math.fsum(c * n for c, n in zip(problem.costs, plan, strict=True))
    values |= {"plan": plan, "test": len(problem.split.test), "budget": f"{total!r}solves"}
    del values["problem"]
    asked = ask(problem, network=network, **values)
    if isinstance(asked.strategy.learner, Lifted) and len(data.levels) > 1 and not data.coupled:
        raise DataError(
            "labels are lifted by what draws on several levels teach, and no draw of this data set is on two"
        )
    return asked


def _reached(data: Dataset) -> Dataset:
    """Return a data set whose levels can be seen on the finest grid, with what could not be compared among its facts.

    Raises:
        DataError: for a level that is not the finest grid coarsened, where nobody says how its fields get there, or
            a function for it that returns something else than fields on the finest grid.
    """
    *coarser, finest = data.levels
    apart = [(at, level) for at, level in enumerate(coarser) if not nested(level.grid, finest.grid)]
    if apart and data.prolong_function is None:
        at, level = apart[0]
        raise DataError(
            f"level {at} has {level.grid} cells and the finest {finest.grid}: of grids that are not refined by 2, 4, "
            "8, … a fit is to be told how fields get to the finest, data.with_transfers(prolong_function=...) with "
            "a function (fields, grid) → the fields on that grid; or leave the level out, data.only(...)"
        )
    for level in coarser if data.prolong_function else ():
        data.prolonged(level.solutions[:2], finest.grid)
    unseen = [level for _, level in apart if level.inputs.shape[2:] == level.grid.shape]
    unseen = [level for level in unseen if not np.isin(level.draws, finest.draws).all()]
    if not unseen or data.coarsen_function is not None:
        return data
    told = f"no input on {unseen[0].grid} cells is another of the finest level (coarsen_function=... compares them)"
    return replace(data, assumed=(*data.assumed, told))


def _listed(data: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [data] if isinstance(data, str | Path) else list(data)


def _name(data: Dataset) -> str:
    if ":" in data.name or data.name in PROBLEMS or not data.name.strip():
        raise DataError(f"a data set cannot be named {data.name!r}, as a problem or a module is: name it otherwise")
    return data.name


def _prices(costs: Sequence[float] | None, data: Dataset) -> tuple[float, ...]:
    if costs is None:
        return ()
    found = tuple(map(float, costs))
    if len(found) != len(data.levels) or not all(0 < cost < math.inf for cost in found):
        raise ConfigError(f"costs are {len(data.levels)} positive numbers, one a level, coarsest first; got {found}")
    return tuple(cost / found[-1] for cost in found)


def _plan(problem: DataProblem, asked: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the rows of each level that are learned from: all, or those that are asked for."""
    there = problem.counts("train")
    if asked is not None and (len(asked) != len(there) or any(n > m for n, m in zip(asked, there, strict=True))):
        raise ConfigError(f"the plan {list(asked)} asks for rows that are not there: {list(there)} can be trained on")
    plan = asked or there
    used = [n for n in plan if n]
    if used != sorted(used, reverse=True):
        raise DataError(
            f"{list(plan)} rows would be trained on, coarsest level first: a coarser level has at least as many as the "
            "next, or teaches nothing: leave it out, data.only(-1), or give the file of the finest level alone"
        )
    return plan
