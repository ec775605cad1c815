"""Wall time of a generation with one worker and with two, on problems that are shipped, and by other executors.

Workers are started, and have solved a few samples, before the clock starts; the store's writing is counted.
"""

import contextlib
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import final

from distributed import Client, LocalCluster
from loky import get_reusable_executor

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.generation import Pool, Request, generate, open_pool
from mlft.generation.work import solve_here
from mlft.problems import PROBLEMS, Problem
from mlft.sources import Drawn
from mlft.store import SampleStore

BENCHMARK = Benchmark("timing.workers", "Workers", ("numpy", "loky", "distributed"))
COLUMNS = ("problem", "grid", "ms a sample", "samples", "in process, s", "1 worker, s", "2 workers, s", "2 against 1")
EXECUTORS = ("solved by", "1 worker, s", "2 workers, s", "2 against 1", "beyond 1 worker's solves, ms a sample")
SEED = 0


@final
@dataclass(frozen=True)
class Sizes:
    """How much is measured: problems, seconds of work for each, repeats, options of problems, executors beside mlft."""

    problems: tuple[str, ...] = ("burgers", "schrodinger", "darcy")
    work: float = 7.0
    repeats: int = 3
    cells: int | None = None
    executors: tuple[str, ...] = ("threads", "loky", "ProcessPoolExecutor", "Dask")


SHORT = Sizes(problems=("schrodinger",), work=0.01, repeats=1, cells=32, executors=("threads",))


def seconds_per_sample(problem: Problem, level: int) -> float:
    """Return the median over batches of a few samples, inputs and solves, after one that is not counted."""
    batches = [range(3 * i, 3 * i + 3) for i in range(6)]
    source = Drawn(problem, SEED, "pace")
    times = [solve_here(source, level, stream="pace", indices=list(batch)).seconds / len(batch) for batch in batches]
    return float(median(times[1:]))


def wall_time(problem: Problem, level: int, count: int, pool: Pool) -> float:
    """Return wall seconds of a generation."""
    with tempfile.TemporaryDirectory() as folder, pool:
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
        walls = [
            median(wall_time(problem, level, count, open_pool(n)) for _ in range(sizes.repeats)) for n in (0, 1, 2)
        ]
        yield name, str(problem.finest), 1e3 * pace, count, *walls, walls[1] / walls[2]


@contextlib.contextmanager
def executor(name: str, workers: int) -> Iterator[Executor]:
    """Open an executor of so many workers."""
    if name == "threads":
        with ThreadPoolExecutor(workers) as threads:
            yield threads
    elif name == "ProcessPoolExecutor":
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as processes:
            yield processes
    elif name == "loky":
        processes = get_reusable_executor(workers, timeout=None)
        yield processes
        processes.shutdown()
    else:
        with (
            LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client.get_executor()


def walls_by(name: str, problem: Problem, count: int, repeats: int) -> Iterator[float]:
    """Yield the median wall seconds of a generation with one worker of an executor, and with two."""
    level = len(problem.hierarchy) - 1
    for workers in (1, 2):
        with executor(name, workers) as own:
            told = None if name == "Dask" else workers  # Dask's tells its own
            yield median(wall_time(problem, level, count, open_pool(told, executor=own)) for _ in range(repeats))


def by_executor(sizes: Sizes, own: Row) -> Iterator[Row]:
    """Measure executor after executor, on the finest level of the last problem; its row tells of mlft's processes."""
    problem = PROBLEMS[sizes.problems[-1]](**({} if sizes.cells is None else {"cells": sizes.cells, "levels": 1}))
    pace, count, one, two = float(own[2] or 0) / 1e3, int(own[3] or 0), float(own[5] or 0), float(own[6] or 0)
    for name in ("mlft", *sizes.executors):
        if name != "mlft":
            one, two = walls_by(name, problem, count, sizes.repeats)
        yield name, one, two, one / two, 1e3 * (one / count - pace)


def measure(sizes: Sizes) -> list[Table]:
    """Return the tables: a row a problem, and a row an executor."""
    by = f"Wall time of {sizes.problems[-1]}, medians of {sizes.repeats}, by mlft's own processes and by executors."
    found = list(rows(sizes))
    return [
        tabulate(f"Wall time, medians of {sizes.repeats}.", COLUMNS, found),
        tabulate(by, EXECUTORS, by_executor(sizes, found[-1])),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    publish(BENCHMARK, measure(SHORT if asked.short else Sizes()), asked)


if __name__ == "__main__":
    main()
