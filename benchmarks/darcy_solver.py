"""Throughput of the Darcy solver against SciPy's direct solvers and pyamg, on the same draws, one core.

Run as `python benchmarks/darcy_solver.py`. Times are medians of CPU time over draws and repeats, all solvers in turn
on the same draw. Ours counts everything from the conductivity to the pressure; the rivals are given the assembled
matrix. pyamg is conjugate gradients with its default hierarchy, set up anew for every draw, to the same residual.
On 512² cells there is one draw, solved once: the direct solvers take seconds.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pyamg
import scipy.sparse as sparse
from scipy.sparse.linalg import splu, spsolve
from threadpoolctl import threadpool_limits

from machine import machine
from mlft.problems import Darcy
from mlft.seeds import generator

CASES = (Darcy(), Darcy(field="lognormal", contrast=1e4))
OURS_ONLY, COMPARED = (16, 32), (64, 128, 256, 512)
REPEATS, TOLERANCE = 3, 1e-10


def matrix(a: np.ndarray) -> sparse.csc_matrix:
    """Return the matrix of the scheme, as Gᵀ diag(conductance) G with the differences G across faces."""
    n = len(a)
    difference = sparse.diags([1.0, -1.0], [0, -1], shape=(n + 1, n))
    total = sparse.csc_matrix((n * n, n * n))
    for values, gradient in (
        (a, sparse.kron(difference, sparse.eye(n))),
        (a.T, sparse.kron(sparse.eye(n), difference)),
    ):
        resistance = np.concatenate([0.5 / values[:1], 0.5 / values[1:] + 0.5 / values[:-1], 0.5 / values[-1:]])
        conductance = (1 / resistance) if values is a else (1 / resistance).T
        total = total + gradient.T @ sparse.diags(conductance.ravel()) @ gradient
    return total.tocsc()


def rivals(a: np.ndarray) -> tuple[dict[str, Callable[[], np.ndarray]], Callable[[np.ndarray], float]]:
    """Return the rival solvers for one conductivity, and the relative residual of a solution."""
    A, b = matrix(a), np.full(a.size, 1.0 / a.size)
    rows, cg = A.tocsr(), {"accel": "cg", "tol": TOLERANCE, "maxiter": 300}

    def symmetric_lu() -> np.ndarray:
        return splu(A, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}).solve(b)

    solvers = {
        "spsolve": lambda: spsolve(A, b),
        "splu": symmetric_lu,
        "Ruge–Stüben": lambda: pyamg.ruge_stuben_solver(rows).solve(b, **cg),
        "aggregation": lambda: pyamg.smoothed_aggregation_solver(rows).solve(b, **cg),
    }
    return solvers, lambda u: float(np.linalg.norm(b - A @ u.ravel()) / np.linalg.norm(b))


def measure(case: Darcy, cells: int) -> tuple[dict[str, float], float, float]:
    """Return the median ms of each solver, the mean iterations of ours, and its largest residual."""
    problem = Darcy(cells=cells, levels=1, field=case.field, contrast=case.contrast, modes=min(case.modes, cells))
    draws, repeats = (1, 1) if cells >= 512 else (4, REPEATS)
    inputs = problem.evaluate(problem.draw(draws, generator(0, "benchmark")), problem.finest)
    batch = max(1, 128 // cells) ** 2
    seconds: dict[str, list[float]] = defaultdict(list)
    iterations, residuals = [], []
    for a in inputs:
        solvers, residual = rivals(a[0])
        many = np.repeat(a[None], batch, axis=0)
        solved = problem.solve(many, problem.finest)
        iterations.append(solved.scalars["iterations"][0])
        residuals.append(residual(solved.solutions[0, 0]))
        for _ in range(repeats):
            seconds["ours"].append(cpu(lambda many=many: problem.solve(many, problem.finest)) / batch)
            for name, solver in solvers.items() if cells in COMPARED else ():
                seconds[name].append(cpu(solver))
    return {k: 1e3 * statistics.median(v) for k, v in seconds.items()}, float(np.mean(iterations)), max(residuals)


def cpu(function: Callable[[], object]) -> float:
    """Return the CPU time of one call, in seconds."""
    start = time.process_time()
    function()
    return time.process_time() - start


def report(case: Darcy) -> None:
    """Print the table of one law, and the fitted cost exponents."""
    print(f"\n{case.field}, contrast {case.contrast:g}\n")
    print(
        "| cells | iterations | residual | ours, ms | ns a cell and iteration | spsolve | splu, symmetric mode ", end=""
    )
    print("| pyamg Ruge–Stüben | pyamg aggregation | spsolve / ours | best pyamg / ours |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    ours = {}
    for cells in OURS_ONLY + COMPARED:
        ms, iterations, residual = measure(case, cells)
        ours[cells] = ms["ours"]
        line = f"| {cells}² | {iterations:.1f} | {residual:.0e} | {ms['ours']:.3g} "
        line += f"| {1e6 * ms['ours'] / iterations / cells**2:.1f} "
        if cells in COMPARED:
            others = [ms[name] for name in ("spsolve", "splu", "Ruge–Stüben", "aggregation")]
            line += "".join(f"| {value:.3g} " for value in others)
            line += f"| {others[0] / ms['ours']:.1f} | {min(others[2:]) / ms['ours']:.1f} |"
        else:
            line += "| | | | | | |"
        print(line, flush=True)
    for sizes in ((16, 32, 64, 128), (64, 128, 256, 512)):
        exponent = np.polyfit(np.log(sizes), np.log([ours[n] for n in sizes]), 1)[0]
        print(f"\nFitted cost exponent, {sizes[0]} to {sizes[-1]}: {exponent:.2f} (stated: {case.cost_exponent}).")


def main() -> None:
    """Print the tables."""
    print(f"{machine('numpy', 'scipy', 'numba', 'pyamg')}; one core, CPU ms a sample")
    for case in CASES:
        report(case)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
