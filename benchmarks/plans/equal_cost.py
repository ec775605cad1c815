"""Strategies at equal cost, over seeds.

Every strategy spends the same solver cost and makes the same number of optimizer steps. What is finished is read, not
run again. Error: mean relative L2 on 200 fresh draws of the finest grid. Intervals are 95%, Student's t over seeds;
ratios are paired by seed (geometric mean).
"""

import math
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from benchmarks import runs
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.reports.pairing import Middle, arithmetic, geometric

BENCHMARK = Benchmark("plans.equal_cost", "Strategies at equal cost", ("torch",))
COLUMNS = ("strategy", "samples, coarse to fine", "relative L2 error", "95%", "of finest-only", "95%", "training, s")
STRATEGIES = ("finetune", "finetune:equal-cost", "finest-only", "single-level:0", "single-level:1", "single-level:2")


@final
@dataclass(frozen=True)
class Case:
    """A problem, its budget in solves, and the options of its runs."""

    problem: str
    budget: int
    options: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)


LINE, PLANE = {"cells": 256, "levels": 4}, {"cells": 64, "levels": 4}
SMALL = {"surrogate_options": {"modes": [8, 8], "width": 16}, "training": {"steps": 300}}
CASES = {
    "burgers-64": Case("burgers", 64, LINE),
    "burgers-256": Case("burgers", 256, LINE),
    "schrodinger-64": Case("schrodinger", 64, LINE),
    "darcy-64": Case("darcy", 64, PLANE, SMALL),
}
SHORT = Case("burgers", 48, {"cells": 24, "levels": 3}, {"training": {"steps": 4}, "test": 5})


def measure(name: str, case: Case, asked: Namespace) -> Table:
    """Return the table of one case: a row a strategy."""
    folder = asked.out / name
    common = {"workers": 0, "bias_draws": 4, "seed": asked.seed, "options": case.options, **case.more}
    rows = runs.compare(
        case.problem,
        budget=case.budget,
        out=folder,
        strategies=asked.strategies.split(","),
        seeds=asked.seeds,
        jobs=asked.jobs,
        **common,
    )
    caption = f"**{name}**, {asked.seeds} seeds. {stages(rows, folder)}"
    return tabulate(caption, COLUMNS, by_strategy(rows))


def by_strategy(rows: Sequence[runs.Compared]) -> Iterator[Row]:
    """Return a row a strategy, in the order they were run."""
    errors: dict[str, dict[int, float]] = {}
    for row in rows:
        errors.setdefault(row.strategy, {})[row.seed] = row.error
    rival = errors.get("finest-only")
    for strategy, found in errors.items():
        mine = [row for row in rows if row.strategy == strategy]
        plans = list(dict.fromkeys(row.samples for row in mine))
        samples = plans[0] if len(plans) == 1 else f"{len(plans)} plans; seed {mine[0].seed}: {plans[0]}"
        ratio = geometric([found[seed] / rival[seed] for seed in found]) if rival else Middle(*[math.nan] * 3)
        seconds = sum(row.training for row in mine) / len(mine)
        yield strategy, samples, *_cells(arithmetic(list(found.values()))), *_cells(ratio), round(seconds, 1)


def stages(rows: Sequence[runs.Compared], folder: Path) -> str:
    """Return in words how many stages were kept, and whether any kept one raised its held-out error."""
    places = [folder / f"seed-{row.seed}" / "finetune" for row in rows if row.strategy == "finetune"]
    every = [stage for place in places for stage in runs.read(place).stages]
    kept = [stage for stage in every if stage.kept]
    raised = sum(stage.before is not None and stage.after > stage.before for stage in kept)
    told = f"{len(kept)} kept, {len(every) - len(kept)} rejected; {raised} kept stages raised the held-out error"
    return f"Stages of finetune: {told}."


def _cells(middle: Middle) -> tuple[float | None, str | None]:
    """Return a mean and its interval as cells."""
    if math.isnan(middle.lower):
        return (None if math.isnan(middle.value) else middle.value), None
    return middle.value, f"{middle.lower:.3f} to {middle.upper:.3f}"


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing of the cases that are asked for, and publish."""
    options = parser(BENCHMARK, __doc__, cases=CASES, runs="runs/equal-cost")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--seed", type=int, default=0, help="the first seed")
    options.add_argument("--strategies", default=",".join(STRATEGIES))
    asked = parse(options, words)
    cases = {name: CASES[name] for name in asked.cases or CASES}
    if asked.short:
        asked.seeds, asked.jobs, asked.strategies = 2, 1, "finetune,finest-only"
        cases = {"burgers-48": SHORT}
    publish(BENCHMARK, (measure(name, case, asked) for name, case in cases.items()), asked)


if __name__ == "__main__":
    main()
