"""The price of a sample on every level: stated, and measured in the batches that a run gives its workers.

CPU time a sample on one core, the least of several turns, for the problem's own draws, in batches of 0.1 s of work,
1,024 samples or 32 MiB of fields. Fitted is t = a (N^γ + N₀^γ) with N the points a side: least squares of log t. It is
what `cost_exponent` and `overhead_cells` of the shipped problems come from.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import numpy as np
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from benchmarks.measure import cpu
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, tabulate, text
from benchmarks.timing.solvers import Effort, seconds
from mlft.problems import PROBLEMS, Problem
from mlft.seeds import generator

BENCHMARK = Benchmark("timing.prices", "Prices", ("numpy", "scipy", "numba"))
COLUMNS = ("problem", "points a side", "measured", "stated", "farthest, times", "γ, N₀ stated", "γ, N₀ fitted")
CAPTION = """The price of a sample on each level, in solves of the finest grid. "Measured" is CPU time on one core, the
least of several turns, in batches as a run's: 0.1 s of work, 1,024 samples or 32 MiB of fields. "Stated" is what
plans are made with, (N^γ + N₀^γ) / (N_L^γ + N₀^γ) with N the points a side; "farthest" how many times they differ on
the level where they differ most. Fitted are γ and N₀ to the measured ones, by least squares of logarithms."""
SECONDS, SAMPLES, BYTES = 0.1, 1024, 2**25
TURNS, ONCE = Effort(seconds=0.1, repeats=9), Effort(seconds=0.0, repeats=1)


@final
@dataclass(frozen=True)
class Case:
    """A problem with its options; the levels are those of the options."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


WELLS = {"law": "wells", "wells": 2}
CASES = {name: Case(name) for name in PROBLEMS} | {
    "burgers, ν = 0.005": Case("burgers", {"viscosity": 0.005, "cells": 256, "levels": 4}),
    "helmholtz, 2D": Case("helmholtz", {"dimension": 2}),
    "navier-stokes, to 128": Case("navier-stokes", {"cells": 128}),
    "poisson, 2D": Case("poisson", {"dimension": 2}),
    "schrodinger, β = 10": Case("schrodinger", WELLS | {"cubic": 10.0}),
    "schrodinger, 2D": Case("schrodinger", WELLS | {"dimension": 2, "cells": 256, "levels": 4}),
}


def prices(problem: Problem, effort: Effort) -> list[float]:
    """Return seconds a sample on each level, in batches of the size that a run gives a worker.

    The levels take turns, and the least of each counts: what else the machine does falls on all of them alike.
    """
    calls = []
    for level, grid in enumerate(problem.hierarchy):
        few = _batch(problem, 8, level)
        pace = seconds(partial(problem.solve, few, grid), ONCE) / len(few)
        fields = few[0].nbytes + problem.solve(few[:1], grid).solutions.nbytes
        inputs = _batch(problem, max(1, min(SAMPLES, int(SECONDS / pace), BYTES // fields)), level)
        solve = partial(problem.solve, inputs, grid)
        solve()
        calls.append((solve, len(inputs), 1 + int(effort.seconds / (pace * len(inputs)))))
    turns = [[cpu(solve, times) / n for solve, n, times in calls] for _ in range(effort.repeats)]
    return [min(times) for times in zip(*turns, strict=True)]


def _batch(problem: Problem, samples: int, level: int) -> np.ndarray:
    return problem.coarse_inputs(problem.draw(samples, generator(0, "prices")), problem.hierarchy[level])


def fitted(cells: Sequence[int], times: Sequence[float]) -> tuple[float, float]:
    """Return γ and N₀ of a (N^γ + N₀^γ), by least squares of logarithms; N₀ = 0 where no overhead is seen."""
    size, log = np.log(np.asarray(cells) / cells[-1]), np.log(np.asarray(times) / times[-1])

    def off(found: np.ndarray) -> np.ndarray:
        return found[0] + np.log(np.exp(found[1] * size) + found[2]) - log

    best = least_squares(off, [0.0, 1.5, 0.01], bounds=([-np.inf, 0.05, 0.0], [np.inf, 5.0, np.inf]))
    return float(best.x[1]), float(cells[-1] * best.x[2] ** (1 / best.x[1]))


def rows(cases: dict[str, Case], effort: Effort) -> Iterator[Row]:
    """Measure case after case."""
    for title, case in cases.items():
        problem = PROBLEMS[case.name](**case.options)
        cells, times = [grid.cells[0] for grid in problem.hierarchy], prices(problem, effort)
        measured, stated = [t / times[-1] for t in times], problem.costs
        far = max(math.exp(abs(math.log(m / s))) for m, s in zip(measured, stated, strict=True))
        says = f"{problem.cost_exponent:.3g}, {problem.overhead_cells:.3g}"
        gamma, overhead = fitted(cells, times)
        grids, m, s = (" / ".join(text(x, 3) for x in each) for each in (cells, measured, stated))
        yield title, grids, m, s, round(far, 2), says, f"{gamma:.3g}, {overhead:.3g}"


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES), words)
    cases = {title: CASES[title] for title in asked.cases or CASES}
    with threadpool_limits(1):
        effort = ONCE if asked.short else TURNS
        publish(BENCHMARK, [tabulate(CAPTION, COLUMNS, rows(cases, effort))], asked)


if __name__ == "__main__":
    main()
