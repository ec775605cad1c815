"""Throughput of the periodic ground-state solver against SciPy's eigensolvers, one core.

Times are medians of CPU time over repeats, in µs a sample, for the problem's own draws. `eigsh` is Lanczos in
shift-and-invert mode on the same periodic matrix, with the shift at the smallest potential. `stebz` and `stemr` are the
drivers of `eigh_tridiagonal` for the lowest pair of the *Dirichlet* matrix of the same size: an optimistic stand-in, as
they cannot do the two corners of the periodic one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.sparse import diags_array
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits

from benchmarks.measure import median_cpu
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.grids import Grid
from mlft.problems import Schrodinger
from mlft.seeds import generator
from mlft.solvers.eigen import ground_states

BENCHMARK = Benchmark("timing.schrodinger_solver", "Schrödinger, one core", ("numpy", "scipy", "numba"))
COLUMNS = ("points", "mlft", "of it per solve and point, ns", "stebz", "stemr", "eigsh", "best of them / mlft")
CAPTION = """CPU time a sample, in µs. `stebz` and `stemr` solve the Dirichlet matrix of the same size (an optimistic
stand-in, the periodic one is not tridiagonal); `eigsh` is shift-invert on the periodic matrix itself."""


@final
@dataclass(frozen=True)
class Sizes:
    """How much is measured; the rivals solve a few of the samples."""

    points: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)
    samples: int = 512
    few: int = 32
    repeats: int = 7


SHORT = Sizes(points=(16, 32), samples=6, few=2, repeats=1)


def by_tridiagonal(potentials: np.ndarray, driver: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the lowest pairs of the Dirichlet matrices of the same size."""
    n = potentials.shape[1]
    side = np.full(n - 1, -float(n * n))
    lowest = partial(eigh_tridiagonal, select="i", select_range=(0, 0), check_finite=False, lapack_driver=driver)
    return [lowest(2.0 * n * n + potential, side) for potential in potentials]


def by_shift_and_invert(potentials: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the lowest pairs of the periodic matrices; only the diagonal is filled in for each sample."""
    n = potentials.shape[1]
    side, corner = np.full(n - 1, -float(n * n)), np.full(1, -float(n * n))
    matrix = diags_array([corner, side, np.ones(n), side, corner], offsets=(1 - n, -1, 0, 1, n - 1)).tocsc()
    diagonal = np.flatnonzero(matrix.tocoo().row == matrix.tocoo().col)
    pairs = []
    for potential in potentials:
        matrix.data[diagonal] = 2.0 * n * n + potential
        pairs.append(eigsh(matrix, k=1, sigma=potential.min(), which="LM"))
    return pairs


RIVALS = (partial(by_tridiagonal, driver="stebz"), partial(by_tridiagonal, driver="stemr"), by_shift_and_invert)


def rows(sizes: Sizes) -> Iterator[Row]:
    """Measure grid after grid.

    Raises:
        RuntimeError: if the two solvers of the periodic matrix do not agree.
    """
    problem = Schrodinger(cells=max(sizes.points), levels=1)
    draws = problem.draw(sizes.samples, generator(0, "benchmark"))
    for n in sizes.points:
        potentials = problem.evaluate(draws, Grid((n,), centring="nodal"))[:, 0]
        few, ground = potentials[: sizes.few], ground_states(potentials)
        found = [values[0] for values, _ in by_shift_and_invert(few)]
        if not ground.converged.all() or np.abs(ground.energies[: len(few)] - found).max() > 1e-6:
            raise RuntimeError(f"the two periodic solvers do not agree on {n} points")
        mine = 1e6 * median_cpu(partial(ground_states, potentials), sizes.repeats) / len(potentials)
        rivals = [1e6 * median_cpu(partial(rival, few), sizes.repeats) / len(few) for rival in RIVALS]
        yield n, mine, 1e3 * mine / float(ground.iterations.mean()) / n, *rivals, min(rivals) / mine


def measure(sizes: Sizes) -> Table:
    """Return the table: a row a grid."""
    return tabulate(CAPTION, COLUMNS, rows(sizes))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    with threadpool_limits(1):
        publish(BENCHMARK, [measure(SHORT if asked.short else Sizes())], asked)


if __name__ == "__main__":
    main()
