"""What a solver from outside of Python costs beyond itself: milliseconds a sample, of a command and of UM-Bridge.

The command copies its input; the same command is timed alone, started from Python and waited for. The model of the
server of the package `umbridge` returns its input; itself it is the same requests, made ready before, sent and
answered: what the server and the connection take. Medians over batches; the first is not counted.
"""

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import final

import numpy as np

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft import CommandSolver, Grid, UMBridgeSolver
from mlft.problems import Solved

BENCHMARK = Benchmark("timing.outside", "Solvers from outside", ("numpy", "umbridge"))
COLUMNS = ("solver", "numbers a sample", "ms a sample", "itself, ms", "overhead, ms", "aim, ms")
PORT = 45217
SERVER = f"""
import umbridge
class Same(umbridge.Model):
    def get_input_sizes(self, config):
        return [config["points"]]
    get_output_sizes = get_input_sizes
    def __call__(self, parameters, config):
        return parameters
    def supports_evaluate(self):
        return True
umbridge.serve_models([Same("same")], {PORT})
"""


@final
@dataclass(frozen=True)
class Sizes:
    """How much is measured: numbers a sample, samples a batch, batches."""

    points: tuple[int, ...] = (64, 4096)
    batch: int = 50
    repeats: int = 7


SHORT = Sizes(points=(64,), batch=2, repeats=1)


def pace(solve: Callable[[], Solved], count: int, repeats: int) -> float:
    """Return the median milliseconds a sample over batches, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        solved = solve()
        times.append(1e3 * (time.perf_counter() - started) / count)
        if set(solved.status) != {"ok"}:
            raise RuntimeError(f"a solve failed: {solved.status}, {solved.notes}")
    return float(median(times[1:]))


def of_a_command(points: int, sizes: Sizes) -> Row:
    """Measure a command that copies a file."""
    fields, grid = np.random.default_rng(0).normal(size=(sizes.batch, 1, points)), Grid((points,))
    solver = CommandSolver(["cp", "{input}", "{output}"])
    mine = pace(lambda: solver(fields, grid, 0), sizes.batch, sizes.repeats)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "in.npy", Path(folder) / "out.npy"
        np.save(given, fields[0])

        def alone() -> Solved:
            for _ in fields:
                subprocess.run(["cp", str(given), str(made)], check=True)
            return Solved(fields, ("ok",) * len(fields))

        own = pace(alone, sizes.batch, sizes.repeats)
    return "command", points, mine, own, mine - own, 30


def of_a_server(points: int, sizes: Sizes) -> Row:
    """Measure a model that returns its input, beside the bare requests."""
    fields, grid = np.random.default_rng(0).normal(size=(sizes.batch, 1, points)), Grid((points,))
    solver = UMBridgeSolver(f"http://127.0.0.1:{PORT}", "same", config={"points": points}, retries=8)
    mine = pace(lambda: solver(fields, grid, 0), sizes.batch, sizes.repeats)
    asked = [{"name": "same", "input": [list(x[0])], "config": {"points": points, "level": 0}} for x in fields]
    bodies = [json.dumps(one).encode() for one in asked]
    with closing(http.client.HTTPConnection("127.0.0.1", PORT)) as connection:

        def alone() -> Solved:
            for body in bodies:
                connection.request("POST", "/Evaluate", body, {"Content-Type": "application/json"})
                connection.getresponse().read()
            return Solved(fields, ("ok",) * len(fields))

        own = pace(alone, sizes.batch, sizes.repeats)
    return "UM-Bridge", points, mine, own, mine - own, 5


@contextmanager
def a_server() -> Iterator[None]:
    """The server, in a process of its own."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait()


def rows(sizes: Sizes) -> Iterator[Row]:
    """Measure one after the other."""
    for points in sizes.points:
        yield of_a_command(points, sizes)
    with a_server():
        for points in sizes.points:
            yield of_a_server(points, sizes)


def measure(sizes: Sizes) -> Table:
    """Return the table: a row a solver and a size."""
    caption = (
        f"Medians of {sizes.repeats} batches of {sizes.batch} samples, one channel in and out; of UM-Bridge, itself is "
        "the server and HTTP."
    )
    return tabulate(caption, COLUMNS, rows(sizes))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    publish(BENCHMARK, [measure(SHORT if asked.short else Sizes())], asked)


if __name__ == "__main__":
    main()
