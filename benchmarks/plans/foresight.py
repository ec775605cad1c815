"""Predicted against measured error: runs as they are by default, on many problems, at several budgets.

A cell is a problem, a budget, a seed and a strategy that plans from estimates. Predicted is what a run says before the
most of its budget is spent, measured is its error on 200 fresh draws of the finest grid. The cells are the past that
intervals of later predictions are made from (`mlft.planning.past`): what is published is written there. An interval is
judged on the problems that it does not know, each left out in turn. What is finished is read, not run again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, final

from benchmarks import runs
from benchmarks.publish import RESULTS, Benchmark, commit, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.experiment.record import read_outcome
from mlft.files import write_whole
from mlft.intervals import geometric
from mlft.planning.past import BANK, Past, bank, farther, stretch, text_of
from mlft.problems import PROBLEMS

BENCHMARK = Benchmark("plans.foresight", "Predicted against measured error", ("torch",))
STRATEGIES = ("finetune", "lift")
NEAR, GOOD = (0.8, 1.25), (0.67, 1.5)
COLUMNS = (
    *("problem", "strategy", "predicted / measured", "least", "most", "cells"),
    *(f"within {NEAR[0]} and {NEAR[1]}", f"within {GOOD[0]} and {GOOD[1]}"),
    *("in the believed interval", "in the stretched one"),
)


@final
@dataclass(frozen=True)
class Case:
    """A problem on its grids, and the budgets in solves of the finest one."""

    problem: str
    options: dict[str, Any]
    budgets: tuple[int, ...] = (48, 192)
    more: tuple[tuple[str, Any], ...] = ()


LINE = {"cells": 128, "levels": 3}
CASES = {
    "advection": Case("advection", LINE),
    "biharmonic": Case("biharmonic", LINE),
    "burgers": Case("burgers", LINE),
    "elliptic1d": Case("elliptic1d", {"cells": 256, "levels": 3}),
    "euler": Case("euler", LINE),
    "helmholtz": Case("helmholtz", LINE),
    "kohn-sham": Case("kohn-sham", {"cells": 320, "levels": 3}),
    "poisson": Case("poisson", LINE),
    "radiative-transfer": Case("radiative-transfer", {"cells": 160, "levels": 3}),
    "schrodinger": Case("schrodinger", LINE),
    "wkb": Case("wkb", LINE),
    "darcy": Case("darcy", {"cells": 32, "levels": 3}),
    "navier-stokes": Case("navier-stokes", {"cells": 32, "levels": 3}),
}
SHORT = Case("burgers", {"cells": 16, "levels": 2}, (88,), (("training", {"steps": 4}), ("test", 5)))


def cell(name: str, case: Case, budget: int, seed: int, strategy: str, out: Path) -> Past:
    """Return what was predicted and measured in a run, which is run where it is missing."""
    folder = out / name / f"seed-{seed}" / f"{budget}solves-{strategy}"
    given = PROBLEMS[case.problem](**case.options)
    common = {"workers": 0, "bias_draws": 4, "seed": seed, **dict(case.more)}
    file = folder / "commit"
    runs.run(given, budget=budget, out=folder, strategy=strategy, **common)
    if not file.exists():
        write_whole(file, commit().encode())
    told = read_outcome(folder)
    found, measured = told.plan.predicted_error, told.error.relative_l2.mean
    assert found is not None and measured is not None, f"{folder} predicts nothing"
    low, high = farther(found.value, (found.lower, found.upper), 1 / found.stretch)
    return Past(name, strategy, budget, seed, found.value, low, high, measured, commit=file.read_text())


def keep(file: Path, cells: Sequence[Past]) -> list[Past]:
    """Return some cells and those of a file that are not among them; write them there."""
    found = {(one.problem, one.strategy, one.budget, one.seed): one for one in [*past_of(file), *cells]}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, text_of(found.values()).encode())
    return past_of(file)


def past_of(file: Path) -> list[Past]:
    """Return the cells of a file as it is now; none where there is none."""
    bank.cache_clear()
    return list(bank(file)) if file.exists() else []


def row(names: tuple[str, str], cells: Sequence[Past], every: Sequence[Past]) -> Row:
    """Return the row of some cells, whose intervals are stretched by those of other problems."""
    ratios = [one.predicted / one.measured for one in cells]
    near, good = (sum(low <= ratio <= high for ratio in ratios) for low, high in (NEAR, GOOD))
    believed = sum(one.score <= 1 for one in cells)
    held = sum(one.score <= stretch(every, one.problem).times for one in cells)
    middle = geometric(ratios).value if len(ratios) > 1 else ratios[0]
    return *names, middle, min(ratios), max(ratios), len(cells), near, good, believed, held


def tables(every: Sequence[Past]) -> Iterator[Table]:
    """Yield the table of problems and strategies, and that of all."""
    places = [*CASES, *sorted({one.problem for one in every} - set(CASES))]
    cells = sorted(every, key=lambda one: (places.index(one.problem), one.strategy))
    seeds = ", ".join(sorted({str(one.seed) for one in cells}))
    commits = ", ".join(sorted({one.commit for one in cells}))
    by = stretch(every, "")
    caption = (
        f"Predicted over measured error, geometric means over budgets and seeds ({seeds}; commits {commits}), the "
        "least and the most; how many cells are near, and in the interval: as it is believed from the scatter of what "
        "was measured (95%), and as it is printed, stretched by what became of predictions on the other problems."
    )
    groups = groupby(cells, key=lambda one: (one.problem, one.strategy))
    yield tabulate(caption, COLUMNS, [row(names, list(some), every) for names, some in groups])
    caption = (
        f"All {len(cells)} cells. For a problem that none of them is of, {by.problems} problems support a probability "
        f"of {by.coverage:.0%}, and ask for intervals that reach {by.times:.3g} times as far, in logarithms."
    )
    chosen = [(name, [one for one in cells if one.strategy == name]) for name in STRATEGIES]
    rows = [row((f"{len({one.problem for one in some})} problems", name), some, every) for name, some in chosen if some]
    yield tabulate(caption, ("of", *COLUMNS[1:]), rows)


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing and publish."""
    options = parser(BENCHMARK, __doc__, cases=CASES, runs="runs/foresight")
    options.add_argument("--seeds", type=int, nargs="+", default=[60], help="of the runs; nothing was chosen on these")
    asked = parse(options, words)
    cases = {"burgers": SHORT} if asked.short else {name: CASES[name] for name in asked.cases or CASES}
    tasks = [
        (name, case, budget, seed, strategy, asked.out)
        for seed in asked.seeds
        for name, case in cases.items()
        for budget in case.budgets
        for strategy in STRATEGIES
    ]
    cells = runs.side_by_side(cell, tasks, 1 if asked.short else asked.jobs)
    if asked.results is not None:
        whole = asked.results.resolve() == RESULTS
        cells = keep(BANK if whole else asked.results / BENCHMARK.name / BANK.name, cells)
    publish(BENCHMARK, tables(cells), asked)


if __name__ == "__main__":
    main()
