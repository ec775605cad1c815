"""Throughput of a generation with one worker and with two, on problems that are shipped: wall time.

Workers are started, and have solved a few samples, before the clock starts; the store's writing is counted.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import final

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.generation import Request, generate, open_pool
from mlft.generation.work import solve_here
from mlft.problems import PROBLEMS, Problem
from mlft.sources import Drawn
from mlft.store import SampleStore

BENCHMARK = Benchmark("timing.workers", "Workers", ("numpy", "loky"))
COLUMNS = ("problem", "grid", "ms a sample", "samples", "in process, s", "1 worker, s", "2 workers, s", "2 against 1")
SEED = 0


@final
@dataclass(frozen=True)
class Sizes:
    """How much is measured: problems, seconds of work for each, repeats, options of the problems."""

    problems: tuple[str, ...] = ("burgers", "darcy", "schrodinger")
    work: float = 7.0
    repeats: int = 3
    cells: int | None = None


SHORT = Sizes(problems=("schrodinger",), work=0.01, repeats=1, cells=32)


def seconds_per_sample(problem: Problem, level: int) -> float:
    """Return the median over batches of a few samples, inputs and solves, after one that is not counted."""
    batches = [range(3 * i, 3 * i + 3) for i in range(6)]
    source = Drawn(problem, SEED, "pace")
    times = [solve_here(source, level, stream="pace", indices=list(batch)).seconds / len(batch) for batch in batches]
    return float(median(times[1:]))


def wall_time(problem: Problem, level: int, count: int, workers: int) -> float:
    """Return wall seconds of a generation."""
    with tempfile.TemporaryDirectory() as folder, open_pool(workers) as pool:
        with SampleStore.open(Path(folder) / "warm", {}) as store:
            generate({"warm": Drawn(problem, SEED, "warm")}, store, requests=[Request("warm", level, 8)], pool=pool)
        with SampleStore.open(Path(folder) / "timed", {}) as store:
            train, started = Drawn(problem, SEED, "train"), time.perf_counter()
            generate({"train": train}, store, requests=[Request("train", level, count)], pool=pool)
            return time.perf_counter() - started


def rows(sizes: Sizes) -> Iterator[Row]:
    """Measure problem after problem, on its finest level."""
    for name in sizes.problems:
        problem = PROBLEMS[name](**({} if sizes.cells is None else {"cells": sizes.cells, "levels": 1}))
        level = len(problem.hierarchy) - 1
        pace = seconds_per_sample(problem, level)
        count = max(16, round(sizes.work / pace))
        walls = [median(wall_time(problem, level, count, n) for _ in range(sizes.repeats)) for n in (0, 1, 2)]
        yield name, str(problem.finest), 1e3 * pace, count, *walls, walls[1] / walls[2]


def measure(sizes: Sizes) -> Table:
    """Return the table: a row a problem."""
    return tabulate(f"Wall time, medians of {sizes.repeats}.", COLUMNS, rows(sizes))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    publish(BENCHMARK, [measure(SHORT if asked.short else Sizes())], asked)


if __name__ == "__main__":
    main()
