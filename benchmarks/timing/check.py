"""Time of `mlft check PROBLEM`, the command with its start, at the default options of each problem that is shipped.

CPU time is of the user and of the system. A process that imports PyTorch and does nothing else is the first row: most
of a check is this. The first call, after which what is compiled is kept on the disk, is not counted.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.problems import PROBLEMS

BENCHMARK = Benchmark("timing.check", "A check", ("torch", "numba", "scipy"))
COLUMNS = ("problem", "wall, s", "CPU, s", "aim, s")
AIM = 3.0
TORCH = "import torch"


def seconds(code: str, *words: str) -> tuple[float, float]:
    """Return wall and CPU seconds of a process that runs code with words."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(words) or code} ended with {process.returncode}")
    return time.perf_counter() - started, used.ru_utime + used.ru_stime


def timed(code: str, *words: str, repeats: int) -> tuple[float, float]:
    """Return the medians of wall and of CPU seconds, after a call that is not counted where others follow."""
    walls, cpus = zip(*[seconds(code, *words) for _ in range(repeats + 1)][min(1, repeats) :], strict=True)
    return median(walls), median(cpus)


def rows(names: Sequence[str], repeats: int) -> Iterator[Row]:
    """Measure PyTorch alone, and problem after problem."""
    yield (TORCH, *timed(TORCH, repeats=repeats), None)
    for name in names:
        yield (name, *timed("from mlft.cli import main; main()", "check", name, repeats=repeats), AIM)


def measure(names: Sequence[str], repeats: int) -> Table:
    """Return the table: a row a problem."""
    return tabulate(f"`mlft check PROBLEM`, medians of {repeats}.", COLUMNS, rows(names, repeats))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    options = parser(BENCHMARK, __doc__, cases=PROBLEMS)
    asked = parse(options, words)
    names, repeats = (("poisson",), 0) if asked.short else (tuple(PROBLEMS), 5)
    publish(BENCHMARK, [measure(asked.cases or names, repeats)], asked)


if __name__ == "__main__":
    main()
