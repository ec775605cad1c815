"""The error of every reasonable allocation of a budget, by real training: what a plan is judged against.

For each problem and budget, allocations over single levels, pairs, triples and all levels are trained on one seed;
those within a factor of 1.2 of the best are trained on the other seeds too. What is finished is read, not run again.
"""

import math
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from benchmarks import runs
from benchmarks.plans.oscillating import problem as oscillating
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, tabulate
from mlft.problems import PROBLEMS, Problem

BENCHMARK = Benchmark("plans.sweep", "The sweep: every reasonable allocation, by real training", ("torch",))
COLUMNS = ("problem", "budget, solves", "best single level", "its error", "best chain", "its error", "chain / single")
CAPTION = """The best single level and the best chain of several levels, by their mean relative L2 error over seeds 100
to 102 (200 fresh draws of the finest grid); 600 optimizer steps for everything, the default Fourier network. Problems:
`burgers` (128 cells, levels of 16 to 128, cost ∝ cells²), `schrodinger` (256, levels of 32 to 256, cost ∝ cells),
`oscillating` (`benchmarks/plans/oscillating.py`: −(a u′)′ = 1 with waves of a that the two coarsest of the levels 16
to 128 do not see, cost ∝ cells²)."""
Allocation = tuple[int, ...]


@final
@dataclass(frozen=True)
class Case:
    """A problem, the budgets in solves, and the options of its runs."""

    problem: str | Problem
    budgets: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=lambda: {"training": {"steps": 600}, "test": 200})

    @property
    def own(self) -> Problem:
        """The problem itself."""
        return PROBLEMS[self.problem](**self.options) if isinstance(self.problem, str) else self.problem

    def run(self, budget: int, seed: int, out: Path, **more: Any) -> runs.Told:
        """Return what a run of the case tells."""
        return runs.run(self.problem, budget=budget, out=out, **self.asked(seed), **more)

    def asked(self, seed: int) -> dict[str, Any]:
        """Return the options of a run: of a Fourier neural operator, whose error every estimator can tell."""
        fixed = {"workers": 0, "bias_draws": 0, "surrogate": "fno"}
        return {**fixed, "seed": seed, "options": self.options, **self.more}


CASES = {
    "burgers": Case("burgers", (32, 128, 512), {"cells": 128, "levels": 4}),
    "oscillating": Case(oscillating, (32, 128, 512)),
    "schrodinger": Case("schrodinger", (64, 192, 576), {"cells": 256, "levels": 4}),
}
SHORT = {"burgers": Case("burgers", (88,), {"cells": 16, "levels": 2}, {"training": {"steps": 3}, "test": 5})}


@final
@dataclass(frozen=True)
class Study:
    """What is swept and judged.

    Attributes:
        cases: by name.
        out: the folder of the runs.
        jobs: runs side by side.
        swept: the seeds of the sweep, on which the constants of the outlook were chosen.
        judged: seeds that no sweep has seen.
    """

    cases: dict[str, Case]
    out: Path
    jobs: int
    swept: tuple[int, ...] = (100, 101, 102)
    judged: tuple[int, ...] = (200, 201, 202)


def study_of(asked: Namespace) -> Study:
    """Return the study that the options ask for."""
    if asked.short:
        return Study(SHORT, asked.out, 1, swept=(100,), judged=(200,))
    return Study({name: CASES[name] for name in asked.cases or CASES}, asked.out, asked.jobs)


def allocations(costs: Sequence[float], budget: float) -> list[Allocation]:
    """Return samples per level: every single level, and chains of up to two levels apart in several shares."""
    top = len(costs)
    every: list[dict[int, float]] = [{level: 1.0} for level in range(top)]
    for a in range(top):
        for b in range(a + 1, top):
            every += [{a: 1 - share, b: share} for share in (0.25, 0.5, 0.75)]
    every += [{a: 1 / 3, a + 1: 1 / 3, a + 2: 1 / 3} for a in range(top - 2)]
    if top > 3:
        every.append({level: 1 / top for level in range(top)})
    found = []
    for shares in every:
        counts = [math.floor(shares.get(level, 0.0) * budget / costs[level] + 1e-9) for level in range(top)]
        used = [n for n in counts if n]
        if used and min(used) >= 2 and used == sorted(used, reverse=True):
            found.append(tuple(counts))
    return list(dict.fromkeys(found))


def train(case: Case, budget: int, seed: int, samples: Allocation, out: Path) -> float:
    """Return the error of one allocation on one seed."""
    place = out / f"seed-{seed}" / f"budget-{budget}" / "-".join(map(str, samples))
    return case.run(budget, seed, place, plan=samples).error


def sweep(case: Case, budget: int, seeds: Sequence[int], out: Path, jobs: int) -> dict[Allocation, list[float]]:
    """Return the errors of each allocation, a seed an error; those that are not good have the first seed's alone."""
    every = allocations(case.own.costs, budget)
    first = [train(case, budget, seeds[0], samples, out) for samples in every]
    good = [samples for samples, error in zip(every, first, strict=True) if error <= 1.2 * min(first)]
    found = {samples: [error] for samples, error in zip(every, first, strict=True)}
    tasks = [(case, budget, seed, good, out) for seed in seeds[1:]]
    for errors in runs.side_by_side(_in_turn, tasks, jobs):
        for samples, error in zip(good, errors, strict=True):
            found[samples].append(error)
    return found


def _in_turn(case: Case, budget: int, seed: int, every: Sequence[Allocation], out: Path) -> list[float]:
    return [train(case, budget, seed, samples, out) for samples in every]


def best(found: dict[Allocation, list[float]], *, levels: int | None = None) -> tuple[Allocation, float] | None:
    """Return the allocation of least mean error among those that were trained on every seed, and that error.

    Args:
        found: the errors of each allocation.
        levels: 1 for single levels, 2 for chains; all by default.
    """
    most = max(map(len, found.values()))
    means = {
        samples: float(np.mean(errors))
        for samples, errors in found.items()
        if len(errors) == most and levels in (None, min(2, np.count_nonzero(samples)))
    }
    return min(means.items(), key=lambda item: item[1]) if means else None


def rows(study: Study) -> Iterator[Row]:
    """Sweep case after case, budget after budget."""
    for name, case in study.cases.items():
        for budget in case.budgets:
            found = sweep(case, budget, study.swept, study.out / name, study.jobs)
            single, chain = best(found, levels=1), best(found, levels=2)
            ratio = chain[1] / single[1] if single and chain else None
            yield name, budget, *_cells(single), *_cells(chain), ratio


def _cells(found: tuple[Allocation, float] | None) -> tuple[str | None, float | None]:
    return (None, None) if found is None else ("/".join(map(str, found[0])), found[1])


def main(words: Sequence[str] | None = None) -> None:
    """Sweep the cases that are asked for and publish the best allocations of each."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES, runs="runs/sweep"), words)
    publish(BENCHMARK, [tabulate(CAPTION, COLUMNS, rows(study_of(asked)))], asked)


if __name__ == "__main__":
    main()
