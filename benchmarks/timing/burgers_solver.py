"""Throughput of the Burgers solver: compiled, against the same scheme in NumPy, one core.

Times are medians of CPU time over repeats, for the problem's own draws; "exact" is the formula of Lax and Oleinik; the
difference is between the two implementations. NumPy is vectorised over samples, at the best of a few batch sizes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measure import median_cpu
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from benchmarks.timing.rivals.transport import in_batches
from mlft.grids import Grid
from mlft.problems import Burgers
from mlft.seeds import generator
from mlft.solvers.burgers import exact, march

BENCHMARK = Benchmark("timing.burgers_solver", "Burgers, one core", ("numpy", "numba"))
COLUMNS = (
    "cells",
    "steps",
    "compiled, ms a sample",
    "ns a cell and step",
    "NumPy, ms a sample",
    "NumPy / compiled",
    "exact, ms a sample",
    "largest difference",
)
MODES = 8


@final
@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    cells: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)
    samples: int = 64
    repeats: int = 5
    batches: tuple[int, ...] = (8, 16, 64)


SHORT = Sizes(cells=(16, 32), samples=4, repeats=1, batches=(4,))


def measure(sizes: Sizes) -> Table:
    """Return the table: a row a grid."""
    batches = ", ".join(map(str, sizes.batches))
    caption = f"{sizes.samples} draws to t = {Burgers(modes=MODES).time}, one core, CPU time; NumPy in batches of "
    caption += f"{batches}, the best."
    return tabulate(caption, COLUMNS, rows(sizes))


def rows(sizes: Sizes) -> Iterator[Row]:
    """Measure grid after grid."""
    problem = Burgers(modes=MODES)
    draws = problem.draw(sizes.samples, generator(0, "benchmark"))
    for cells in sizes.cells:
        end, u = problem.time, problem.evaluate(draws, Grid((cells,)))[:, 0]
        state, steps, _ = march(u, width=1 / cells, time=end)
        scale = 1e3 / sizes.samples
        compiled = scale * median_cpu(partial(march, u, width=1 / cells, time=end), sizes.repeats)
        tried = (partial(in_batches, u, end, batch) for batch in sizes.batches)
        vectorised = scale * min(median_cpu(function, sizes.repeats) for function in tried)
        formula = partial(exact, draws[:, :MODES], draws[:, MODES:], cells=cells, time=end)
        pace = 1e6 * compiled / float(steps.mean()) / cells
        difference = float(np.abs(in_batches(u, end, sizes.samples) - state).max())
        spent = compiled, pace, vectorised, vectorised / compiled, scale * median_cpu(formula, sizes.repeats)
        yield cells, round(float(steps.mean())), *spent, difference


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    with threadpool_limits(1):
        publish(BENCHMARK, [measure(SHORT if asked.short else Sizes())], asked)


if __name__ == "__main__":
    main()
