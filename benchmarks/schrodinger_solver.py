"""Throughput of the periodic ground-state solver against SciPy's eigensolvers, one core.

Run as `python benchmarks/schrodinger_solver.py`. Times are medians of CPU time over repeats, in µs a sample, for the
problem's own draws. `eigsh` is Lanczos in shift-and-invert mode on the same periodic matrix, with the shift at the
smallest potential. `stebz` and `stemr` are the drivers of `eigh_tridiagonal` for the lowest pair of the *Dirichlet*
matrix of the same size: an optimistic stand-in, as they cannot do the two corners of the periodic one.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.sparse import diags_array
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits

from machine import machine
from mlft.grids import Grid
from mlft.problems import Schrodinger
from mlft.seeds import generator
from mlft.solvers.eigen import ground_states

SAMPLES, FEW, REPEATS = 512, 32, 7
POINTS = (32, 64, 128, 256, 512, 1024)


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


def microseconds(function: Callable[[np.ndarray], object], potentials: np.ndarray) -> float:
    """Return the median CPU time of a call, in µs a sample."""
    function(potentials)
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        function(potentials)
        seconds.append(time.process_time() - start)
    return 1e6 * statistics.median(seconds) / len(potentials)


def exponent(points: tuple[int, ...], times: list[float]) -> float:
    """Return the least-squares slope of log time against log points."""
    return float(np.polyfit(np.log(points), np.log(times), 1)[0])


def main() -> None:
    """Print the table."""
    print(f"{machine('numpy', 'scipy', 'numba')}; one thread\n")
    print(
        "| points | mlft, µs a sample | of it per solve and point, ns | stebz | stemr | eigsh | best of them / mlft |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    problem, ours = Schrodinger(cells=max(POINTS), levels=1), []
    draws = problem.draw(SAMPLES, generator(0, "benchmark"))
    for n in POINTS:
        potentials = problem.evaluate(draws, Grid((n,), centring="nodal"))[:, 0]
        ground = ground_states(potentials)
        found = [values[0] for values, _ in by_shift_and_invert(potentials[:FEW])]
        if not ground.converged.all() or np.abs(ground.energies[:FEW] - found).max() > 1e-6:
            raise RuntimeError(f"the two periodic solvers do not agree on {n} points")
        ours.append(microseconds(ground_states, potentials))
        rivals = [
            microseconds(partial(by_tridiagonal, driver=driver), potentials[:FEW]) for driver in ("stebz", "stemr")
        ]
        rivals.append(microseconds(by_shift_and_invert, potentials[:FEW]))
        solve = 1e3 * ours[-1] / ground.iterations.mean() / n
        others = " | ".join(f"{rival:.0f}" for rival in rivals)
        print(f"| {n} | {ours[-1]:.2f} | {solve:.2f} | {others} | {min(rivals) / ours[-1]:.1f} |", flush=True)
    print(
        f"\ncost exponent: {exponent(POINTS, ours):.2f} over all, {exponent(POINTS[2:], ours[2:]):.2f} from 128 points"
    )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
