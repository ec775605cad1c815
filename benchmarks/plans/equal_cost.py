"""Strategies at equal cost, over seeds.

Every strategy spends the same solver cost, pilots, coupled and held-out solves included, and goes by the same rule for
its training effort. What is finished is read, not run again. "solves, measured" is the same cost at the prices that the
solves had on this machine. Error: mean relative L2 on 200 fresh draws of the finest grid. Intervals are 95%, Student's
t over seeds; ratios are paired by seed (geometric mean). All single grids are there, by the problem's own transfers
between grids and, in some cases, by plain ones (`mlft.problems.Plain`) too.
"""

import math
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from benchmarks import runs
from benchmarks.plans.oscillating import problem as oscillating
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.experiment.naming import named_problem
from mlft.intervals import Middle, arithmetic, geometric
from mlft.problems import Plain, Problem

BENCHMARK = Benchmark("plans.equal_cost", "Strategies at equal cost", ("torch",))
COLUMNS = (
    "strategy",
    "samples, coarse to fine",
    "relative L2 error",
    "95%",
    "of finest-only",
    "95%",
    "solves, measured",
    "planning, s",
    "training, s",
)
PLAIN = ", plain transfers"

Errors = Mapping[str, Mapping[int, float]]
"""Error by strategy and seed."""


@final
@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        of: the problem.
        budget: in solves.
        options: of the problem.
        more: options of the runs.
        finetune: whether stages without lifts are compared too.
        plain: whether single grids with plain transfers are.
    """

    of: str | Problem
    budget: int
    options: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    finetune: bool = False
    plain: bool = False

    @property
    def strategies(self) -> tuple[str, ...]:
        """What is compared, besides all coarse single grids."""
        return ("lift", "finetune", "finest-only") if self.finetune else ("lift", "finest-only")

    @property
    def problem(self) -> Problem:
        """The problem itself."""
        return self.of if isinstance(self.of, Problem) else named_problem(self.of, self.options)


LINE, PLANE = {"cells": 256, "levels": 4}, {"cells": 64, "levels": 4}
SMALL = {"surrogate_options": {"modes": [8, 8], "width": 16}, "training": {"least": 1000, "most": 2000}}
"""A small network and a shorter training, for planes: a step of the default one takes five times as long."""

CASES = {
    "burgers-256": Case("burgers", 256, LINE),
    "euler-64": Case("euler", 64, LINE, finetune=True),
    "advection-64": Case("advection", 64, LINE, plain=True),
    "darcy-64": Case("darcy", 64, PLANE, SMALL, finetune=True),
    "channels-64": Case("darcy", 64, PLANE | {"law": "channels"}, SMALL, plain=True),
    "elliptic1d-64": Case("elliptic1d", 64, LINE, plain=True),
    "kohn-sham-64": Case("kohn-sham", 64, {"cells": 640, "levels": 4}),
    "helmholtz-2d-64": Case("helmholtz", 64, {"dimension": 2, "cells": 64, "levels": 3}, SMALL),
    "oscillating-64": Case(oscillating, 64),
    "schrodinger-64": Case("schrodinger", 64, LINE),
    "poisson-64": Case("poisson", 64, LINE),
}
TINY: dict[str, Any] = {
    "surrogate_options": {"modes": [3], "width": 5, "depth": 2},
    "training": {"steps": 4},
    "test": 5,
}
SHORT = Case("burgers", 48, {"cells": 48, "levels": 3}, TINY, finetune=True, plain=True)


def measure(name: str, case: Case, asked: Namespace) -> Table:
    """Return the table of one case: a row a strategy."""
    problem, folder = case.problem, asked.out / name
    singles = [f"single-level:{level}" for level in range(len(problem.hierarchy) - 1)]
    rows = _compared(problem, case, folder, [*case.strategies, *singles], asked)
    if case.plain and problem.transfers:
        plain = _compared(Plain(problem), case, folder / "plain", singles, asked)
        rows += [row.named(row.strategy + PLAIN) for row in plain]
    caption = f"**{name}**, {asked.seeds} seeds. {standing(errors(rows))} {stages(rows, folder)}"
    return tabulate(caption, COLUMNS, by_strategy(rows))


def _compared(
    problem: Problem, case: Case, folder: Path, strategies: Sequence[str], asked: Namespace
) -> list[runs.Compared]:
    common = {"workers": 0, "bias_draws": 4, "seed": asked.seed, **case.more}
    return runs.compare(
        problem,
        budget=case.budget,
        out=folder,
        strategies=strategies,
        seeds=asked.seeds,
        jobs=asked.jobs,
        **common,
    )


def errors(rows: Sequence[runs.Compared]) -> Errors:
    """Return the errors by strategy and seed, in the order they were run."""
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row.strategy, {})[row.seed] = row.error
    return found


def by_strategy(rows: Sequence[runs.Compared]) -> Iterator[Row]:
    """Return a row a strategy, in the order they were run."""
    found = errors(rows)
    rival = found.get("finest-only")
    for strategy, each in found.items():
        mine = [row for row in rows if row.strategy == strategy]
        plans = list(dict.fromkeys(row.samples for row in mine))
        samples = plans[0] if len(plans) == 1 else f"{len(plans)} plans; seed {mine[0].seed}: {plans[0]}"
        ratio = paired(each, rival) if rival else Middle(*[math.nan] * 3)
        costs = ([getattr(row, name) for row in mine] for name in ("measured", "planning", "training"))
        means = [round(sum(each) / len(mine), 1) for each in costs]
        yield strategy, samples, *_cells(arithmetic(list(each.values()))), *_cells(ratio), *means


def standing(found: Errors) -> str:
    """Return in words how `lift` and `finetune` stand against the best single grid, known only after trying all."""
    told = []
    for words, plain in (("the best single grid", False), ("the best single grid with plain transfers", True)):
        grids = {name: each for name, each in found.items() if _is_grid(name) and (PLAIN in name) == plain}
        if plain and found.get("finest-only") and grids:
            grids["finest-only"] = found["finest-only"]
        if grids:
            best = min(grids, key=lambda name: arithmetic(list(grids[name].values())).value)
            ratios = {name: paired(found[name], grids[best]) for name in ("lift", "finetune") if name in found}
            each = ", ".join(f"{name} {_words(ratio)}" for name, ratio in ratios.items())
            told.append(f"Over {words} ({best.removesuffix(PLAIN)}): {each}." if each else "")
    return " ".join(told)


def paired(left: Mapping[int, float], right: Mapping[int, float]) -> Middle:
    """Return the geometric mean over seeds of one strategy's error over another's, with its interval."""
    return geometric([left[seed] / right[seed] for seed in left])


def stages(rows: Sequence[runs.Compared], folder: Path) -> str:
    """Return in words how many stages were kept, whether a kept one raised its held-out error, and what was lifted."""
    told = []
    for strategy in ("lift", "finetune"):
        mine = [row for row in rows if row.strategy == strategy]
        every = [runs.read(folder / f"seed-{row.seed}" / strategy) for row in mine]
        found = [stage for run in every for stage in run.stages]
        kept = [stage for stage in found if stage.kept]
        raised = sum(stage.before is not None and stage.after > stage.before for stage in kept)
        if mine:
            told.append(
                f"Stages of {strategy}: {len(kept)} kept, {len(found) - len(kept)} rejected; {raised} kept stages "
                "raised the held-out error."
            )
        lifts = [lift for run in every for lift in run.lifts]
        if lifts:
            told.append(f"Lifts: {'; '.join(dict.fromkeys(map(str, lifts)))}.")
    return " ".join(told)


def _is_grid(name: str) -> bool:
    return name.startswith("single-level:") or name == "finest-only"


def _words(middle: Middle) -> str:
    if math.isnan(middle.lower):
        return f"{middle.value:.3f}"
    return f"{middle.value:.3f} ({middle.lower:.3f} to {middle.upper:.3f})"


def _cells(middle: Middle) -> tuple[float | None, str | None]:
    """Return a mean and its interval as cells."""
    if math.isnan(middle.lower):
        return (None if math.isnan(middle.value) else middle.value), None
    return middle.value, f"{middle.lower:.3f} to {middle.upper:.3f}"


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing of the cases that are asked for, and publish."""
    options = parser(BENCHMARK, __doc__, cases=CASES, runs="runs/equal-cost")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument(
        "--seed", type=int, default=20, help="the first; on 0 to 14 and from 900 the rules were chosen"
    )
    asked = parse(options, words)
    cases = {name: CASES[name] for name in asked.cases or CASES}
    if asked.short:
        asked.seeds, asked.jobs = 2, 1
        cases = {"burgers-48": SHORT}
    publish(BENCHMARK, (measure(name, case, asked) for name, case in cases.items()), asked)


if __name__ == "__main__":
    main()
