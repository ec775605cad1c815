"""Throughput of the Darcy solver against SciPy's direct solvers and pyamg, on the same draws, one core.

Times are medians of CPU time over draws and repeats, all solvers in turn on the same draw. Ours counts everything from
the conductivity to the pressure; the rivals are given the assembled matrix. pyamg is conjugate gradients with its
default hierarchy, set up anew for every draw, to the same residual. On 512² cells there is one draw, solved once: the
direct solvers take seconds.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
import pyamg
from scipy.sparse.linalg import splu, spsolve
from threadpoolctl import threadpool_limits

from benchmarks.measure import cpu
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from benchmarks.timing.rivals.elliptic import darcy_matrix
from mlft.problems import Darcy
from mlft.seeds import generator

BENCHMARK = Benchmark("timing.darcy_solver", "Darcy, one core", ("numpy", "scipy", "numba", "pyamg"))
RIVALS = ("spsolve", "splu, symmetric mode", "pyamg, Ruge–Stüben", "pyamg, aggregation")
COLUMNS = ("cells", "iterations", "residual", "mlft", "of it per cell and iteration, ns", *RIVALS)
RATIOS = ("spsolve / mlft", "best pyamg / mlft")
TOLERANCE = 1e-10


@final
@dataclass(frozen=True)
class Sizes:
    """How much is measured; the rivals solve on the grids from `compared` cells on."""

    cells: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    compared: int = 64
    draws: int = 4
    repeats: int = 3


SHORT = Sizes(cells=(8, 16), compared=16, draws=1, repeats=1)


def rivals(a: np.ndarray) -> tuple[list[Callable[[], np.ndarray]], Callable[[np.ndarray], float]]:
    """Return the rival solvers for one conductivity, and the relative residual of a solution."""
    A, b = darcy_matrix(a), np.full(a.size, 1.0 / a.size)
    rows, cg = A.tocsr(), {"accel": "cg", "tol": TOLERANCE, "maxiter": 300}

    def symmetric_lu() -> np.ndarray:
        return splu(A, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}).solve(b)

    solvers = [
        lambda: spsolve(A, b),
        symmetric_lu,
        lambda: pyamg.ruge_stuben_solver(rows).solve(b, **cg),
        lambda: pyamg.smoothed_aggregation_solver(rows).solve(b, **cg),
    ]
    return solvers, lambda u: float(np.linalg.norm(b - A @ u.ravel()) / np.linalg.norm(b))


def row(case: Darcy, cells: int, sizes: Sizes) -> Row:
    """Return the row of one grid: our mean iterations and largest residual, and the median ms of each solver."""
    problem = Darcy(cells=cells, levels=1, field=case.field, contrast=case.contrast, modes=min(case.modes, cells))
    draws, repeats = (1, 1) if cells >= 512 else (sizes.draws, sizes.repeats)
    inputs = problem.evaluate(problem.draw(draws, generator(0, "benchmark")), problem.finest)
    batch = max(1, 128 // cells) ** 2
    seconds: dict[str, list[float]] = defaultdict(list)
    iterations, residuals = [], []
    for a in inputs:
        solvers, residual = rivals(a[0])
        many = np.repeat(a[None], batch, axis=0)
        solved = problem.solve(many, problem.finest)
        iterations.append(float(solved.scalars["iterations"][0]))
        residuals.append(residual(solved.solutions[0, 0]))
        for _ in range(repeats):
            seconds["mlft"].append(cpu(partial(problem.solve, many, problem.finest)) / batch)
            for name, solver in zip(RIVALS, solvers, strict=True) if cells >= sizes.compared else ():
                seconds[name].append(cpu(solver))
    ms = {name: 1e3 * statistics.median(spent) for name, spent in seconds.items()}
    mine, mean = ms["mlft"], statistics.mean(iterations)
    found = f"{cells}²", mean, max(residuals), mine, 1e6 * mine / mean / cells**2
    if cells < sizes.compared:
        return (*found, *[None] * (len(RIVALS) + len(RATIOS)))
    others = [ms[name] for name in RIVALS]
    return (*found, *others, others[0] / mine, min(others[2:]) / mine)


def measure(sizes: Sizes) -> Iterator[Table]:
    """Return a table for each law of the coefficient: a row a grid."""
    for case in (Darcy(), Darcy(field="lognormal", contrast=1e4)):
        caption = f"{case.field}, contrast {case.contrast:g}: CPU ms a sample; relative residual {TOLERANCE:g} for all."
        yield tabulate(caption, COLUMNS + RATIOS, (row(case, cells, sizes) for cells in sizes.cells))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    with threadpool_limits(1):
        publish(BENCHMARK, measure(SHORT if asked.short else Sizes()), asked)


if __name__ == "__main__":
    main()
