"""Predicted against measured error, for the three estimators, on the planned runs of the regret benchmark.

A cell is a problem, a budget and a seed. Each estimator sees the same pilot (a tenth of the budget) and predicts the
error of the samples that were then bought; the error was measured on 200 fresh draws. "at the end" is the prediction
of the default estimator after the coarse stage, where the plan had several levels. What is finished is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from benchmarks import runs
from benchmarks.plans.regret import place
from benchmarks.plans.sweep import CASES, Case, Study, study_of
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.estimators import ESTIMATORS

BENCHMARK = Benchmark("plans.foresight", "Predicted against measured error", ("torch",))
END = "at the end"
CAPTION = """Predicted over measured error of the samples that were bought. "at the end": the default estimator
(`learning-curve`) after the coarse stage, with the samples that were bought then."""
GOOD = (0.67, 1.5)


@final
@dataclass(frozen=True)
class Cell:
    """A run: what was measured, predicted by each estimator, in how many seconds, and whether within the interval."""

    name: str
    budget: int
    seed: int
    measured: float
    predicted: Mapping[str, float]
    seconds: Mapping[str, float]
    inside: bool

    def ratio(self, name: str) -> float:
        """Return predicted over measured error."""
        return self.predicted[name] / self.measured


def cell(name: str, case: Case, budget: int, seed: int, out: Path) -> Cell:
    """Return the cell of one run, which is run where it is missing."""
    folder = place(out, name, budget, seed)
    told = case.run(budget, seed, folder)
    assert told.predicted is not None, "a run of the default strategy is planned from estimates"
    value, lower, upper = told.predicted
    found = {
        estimator: runs.foreseen(case.problem, budget=budget, out=folder, estimator=estimator, **case.asked(seed))
        for estimator in ESTIMATORS
    }
    predicted = {estimator: error for estimator, (error, _) in found.items()} | {END: value}
    seconds = {estimator: spent for estimator, (_, spent) in found.items()}
    return Cell(name, budget, seed, told.error, predicted, seconds, lower <= told.error <= upper)


def by_cell(found: Sequence[Cell]) -> Iterator[Row]:
    """Return a row a cell."""
    for one in found:
        yield one.name, one.budget, one.seed, one.measured, *(one.ratio(name) for name in (*ESTIMATORS, END))


def by_estimator(found: Sequence[Cell]) -> Iterator[Row]:
    """Return a row an estimator: how often it is good, its median, the longest it took."""
    for name in (*ESTIMATORS, END):
        ratios = np.array([one.ratio(name) for one in found])
        good = (ratios >= GOOD[0]) & (ratios <= GOOD[1])
        others = [bool(g) for g, one in zip(good, found, strict=True) if one.name != "schrodinger"]
        slowest = None if name == END else round(max(one.seconds[name] for one in found), 1)
        share = f"{sum(others)} of {len(others)}"
        yield name, 100 * float(good.mean()), share, float(np.median(ratios)), slowest


def measure(study: Study) -> Iterator[Table]:
    """Return the table of the cells, and that of the estimators."""
    problems = [(name, case, budget) for name, case in study.cases.items() for budget in case.budgets]
    tasks = [(*problem, seed, study.out) for problem in problems for seed in study.judged]
    found = runs.side_by_side(cell, tasks, study.jobs)
    yield tabulate(CAPTION, ("problem", "budget, solves", "seed", "measured", *ESTIMATORS, END), by_cell(found))
    inside = np.mean([one.inside for one in found])
    caption = f"Of {len(found)} cells; the 95% interval of the plan holds the measured error in {inside:.0%} of them."
    columns = ("estimator", f"% within {list(GOOD)}", "without Schrödinger", "median", "at most, s")
    yield tabulate(caption, columns, by_estimator(found))


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing and publish."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES, runs="runs/sweep"), words)
    publish(BENCHMARK, measure(study_of(asked)), asked)


if __name__ == "__main__":
    main()
