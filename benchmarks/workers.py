"""Throughput of a generation with one worker and with two, on the problems that are shipped.

Run as `python benchmarks/workers.py [seconds of work] [repeats]`; prints a Markdown table. Workers are started, and
have solved a few samples, before the clock starts; the store's writing is counted.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from machine import machine
from mlft.generation import Request, generate, open_pool, solve_batch
from mlft.problems import PROBLEMS
from mlft.store import SampleStore

SEED = 0


def seconds_per_sample(problem, level):
    """Return the median over batches of a few samples, after one that is not counted."""
    batches = [range(3 * i, 3 * i + 3) for i in range(6)]
    times = [solve_batch(problem, level, stream="pace", seed=SEED, indices=list(batch)).seconds[0] for batch in batches]
    return median(times[1:])


def wall_time(problem, level, count, workers):
    """Return wall seconds of a generation and the solver seconds in it."""
    with tempfile.TemporaryDirectory() as folder, open_pool(workers) as pool:
        with SampleStore.open(Path(folder) / "warm", {}) as store:
            generate(problem, store, requests=[Request("warm", level, 8)], seed=SEED, pool=pool)
        with SampleStore.open(Path(folder) / "timed", {}) as store:
            started = time.perf_counter()
            report = generate(problem, store, requests=[Request("train", level, count)], seed=SEED, pool=pool)
            return time.perf_counter() - started, report.seconds


def main(work=10, repeats=3):
    """Measure every problem on its finest level, and print the table."""
    print(f"{machine('numpy', 'loky')}; medians of {repeats}\n")
    print("| problem | grid | ms a sample | samples | in process, s | 1 worker, s | 2 workers, s | 2 against 1 |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name, kind in PROBLEMS.items():
        problem = kind()
        level = len(problem.hierarchy) - 1
        pace = seconds_per_sample(problem, level)
        count = max(16, round(work / pace))
        walls = {n: median(wall_time(problem, level, count, n)[0] for _ in range(repeats)) for n in (0, 1, 2)}
        times = " | ".join(f"{wall:.2f}" for wall in walls.values())
        speedup = walls[1] / walls[2]
        print(f"| {name} | {problem.finest} | {1e3 * pace:.2f} | {count} | {times} | {speedup:.2f} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
