"""Samples in and out of each format: seconds, bytes, and how far what comes back is from what went in.

Rows are random fields in float64, two levels, coupled. Times are of the clock, once: reading and writing go through the
disk, and through its cache.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.datasets import FORMATS, Dataset, Part, read, write
from mlft.grids import Grid, restrict

BENCHMARK = Benchmark(
    "timing.formats", "Samples in and out of the formats of others", ("numpy", "torch", "h5py", "xarray")
)
COLUMNS = ("format", "MB", "write, s", "read, s", "inputs, relative difference", "solutions, relative difference")


def parts(rows: int, grid: Grid) -> tuple[Part, Part]:
    """Return coupled rows of two levels: all on the coarse one, a quarter of them on the fine one."""
    random, few = np.random.default_rng(0), rows // 4
    inputs, solutions = (random.standard_normal((rows, 1, *grid.shape)) for _ in range(2))
    coarse = Grid(tuple(n // 2 for n in grid.cells))
    own = restrict(inputs, to=coarse), restrict(solutions, to=coarse)
    return (
        Part(coarse, *own, tuple(range(rows)), "train"),
        Part(grid, inputs[:few], solutions[:few], tuple(range(few)), "train"),
    )


def difference(found: Dataset, known: Sequence[Part], field: str) -> float:
    """Return the largest difference of a field over its largest value, on any level."""
    pairs = [(getattr(level, field), getattr(part, field)) for level, part in zip(found.levels, known, strict=True)]
    return max(float(np.abs(new - old).max() / np.abs(old).max()) for new, old in pairs)


def rows(count: int, grid: Grid) -> Iterator[Row]:
    """Measure format after format."""
    known = parts(count, grid)
    for to in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            files = write(known, folder, to=to)
            written = time.perf_counter()
            found = read(Path(folder))
            ended = time.perf_counter()
            size = sum(file.stat().st_size for file in files) / 1e6
        assert found.coupled and [len(level) for level in found.levels] == [len(part) for part in known]
        off = (difference(found, known, field) for field in ("inputs", "solutions"))
        yield to, size, written - started, ended - written, *off


def measure(count: int, grid: Grid) -> Table:
    """Return the table: a row a format."""
    caption = f"{count:,} rows of {grid.cells[0] // 2} cells a side and {count // 4:,} of {grid.cells[0]}, one channel."
    return tabulate(caption, COLUMNS, rows(count, grid))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    cases = [(12, Grid((24,)))] if asked.short else [(10_000, Grid((256,))), (10_000, Grid((32, 32)))]
    publish(BENCHMARK, [measure(*case) for case in cases], asked)


if __name__ == "__main__":
    main()
