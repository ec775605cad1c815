"""Regret of the plan: its error over that of the best allocation of the sweep, minus 1.

The best allocation is chosen on the sweep's seeds; plan and best are then compared on seeds of their own, with the same
samples, training effort and test draws. The planned runs pay for their pilot out of the same budget. What is finished,
of the sweep too, is read, not run again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from benchmarks import runs
from benchmarks.plans.sweep import CASES, Allocation, Case, Study, best, study_of, sweep, train
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate

BENCHMARK = Benchmark("plans.regret", "Regret of the plan", ("torch",))
COLUMNS = (
    "problem",
    "budget, solves",
    "best of the sweep",
    "its error",
    "plans",
    "their error",
    "regret, %",
    "pilot, %",
    "planning, s",
)
CAPTION = """Error of the plan (pilot paid, mean over seeds 200 to 202) over that of the sweep's best allocation on the
same seeds, minus 1. The constants of the outlook (`docs/method.md`, section 2) were chosen on the sweeps, seeds 100 to
102; nothing was chosen on these seeds, but there is no *problem* here that nothing was chosen on."""


@final
@dataclass(frozen=True)
class Cell:
    """A problem and a budget: the sweep's best allocation, its errors on the judged seeds, and the planned runs."""

    name: str
    budget: int
    best: Allocation
    errors: tuple[float, ...]
    planned: tuple[runs.Told, ...]

    @property
    def regret(self) -> float:
        """The regret."""
        return float(np.mean([told.error for told in self.planned]) / np.mean(self.errors) - 1)

    @property
    def over(self) -> int:
        """How many of the planned runs spent more than the budget."""
        return sum(told.spent > self.budget * (1 + 1e-9) for told in self.planned)

    @property
    def row(self) -> Row:
        """The row of the table."""
        plans = ", ".join("/".join(map(str, told.samples)) for told in self.planned)
        pilot = max(told.pilot for told in self.planned) / self.budget
        mine, rival = (float(np.mean(errors)) for errors in ([told.error for told in self.planned], self.errors))
        seconds = max(told.planning for told in self.planned)
        numbers = 100 * self.regret, 100 * pilot, round(seconds, 1)
        return self.name, self.budget, "/".join(map(str, self.best)), rival, plans, mine, *numbers


def place(out: Path, name: str, budget: int, seed: int) -> Path:
    """Return the folder of a planned run."""
    return out / name / f"seed-{seed}" / f"planned-{budget}"


def judged(name: str, case: Case, budget: int, samples: Allocation, seed: int, out: Path) -> tuple[runs.Told, float]:
    """Return the planned run, and the error of the best allocation on the same seed."""
    planned = case.run(budget, seed, place(out, name, budget, seed))
    return planned, train(case, budget, seed, samples, out / name)


def cells(study: Study) -> Iterator[Cell]:
    """Judge case after case, budget after budget; the seeds side by side."""
    for name, case in study.cases.items():
        for budget in case.budgets:
            chosen = best(sweep(case, budget, study.swept, study.out / name, study.jobs))
            assert chosen is not None, "a sweep has trained at least one allocation on every seed"
            tasks = [(name, case, budget, chosen[0], seed, study.out) for seed in study.judged]
            planned, errors = zip(*runs.side_by_side(judged, tasks, study.jobs), strict=True)
            yield Cell(name, budget, chosen[0], errors, planned)


def measure(study: Study) -> Iterator[Table]:
    """Return the table of the cells, and that of their median."""
    found = list(cells(study))
    yield tabulate(CAPTION, COLUMNS, (cell.row for cell in found))
    median = 100 * float(np.median([cell.regret for cell in found]))
    over = sum(cell.over for cell in found)
    yield tabulate("In all:", ("cells", "median regret, %", "plans over the budget"), [(len(found), median, over)])


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing and publish."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES, runs="runs/sweep"), words)
    publish(BENCHMARK, measure(study_of(asked)), asked)


if __name__ == "__main__":
    main()
