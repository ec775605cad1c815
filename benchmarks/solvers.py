"""Seconds a sample of each problem against the grid, the cost exponent, and SciPy's obvious solver beside it; one core.

Run as `python benchmarks/solvers.py [names]`. CPU time a sample, the least of three repeats, for the problems' own
draws; the exponent is the least-squares slope of log time over log points a side. The rivals solve the same discrete
equations, a sample at a time, with their libraries' defaults; each is checked against ours before it is timed.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh, solve, solve_banded
from scipy.sparse import csc_array, diags_array, eye_array, kron
from scipy.sparse.linalg import spsolve
from threadpoolctl import threadpool_limits

from mlft.problems import PROBLEMS, Problem
from mlft.seeds import generator
from mlft.solvers.helmholtz import _axis
from mlft.solvers.transfer import transport_matrix

REPEATS = 3


def poisson_1d(problem: Problem, inputs: np.ndarray, grid) -> np.ndarray:
    """Banded elimination, a sample at a time."""
    n = grid.cells[0]
    bands = np.array([[-1.0], [2.0], [-1.0]]).repeat(n - 1, axis=1) * n**2
    return np.array([np.pad(solve_banded((1, 1), bands, field[0, 1:-1]), 1) for field in inputs])[:, None]


def poisson_2d(problem: Problem, inputs: np.ndarray, grid) -> np.ndarray:
    """SuperLU on the five-point matrix."""
    n = grid.cells[0]
    line = diags_array([-1.0, 2.0, -1.0], offsets=(-1, 0, 1), shape=(n - 1, n - 1)) * n**2
    matrix = csc_array(kron(line, eye_array(n - 1)) + kron(eye_array(n - 1), line))
    solutions = [spsolve(matrix, field[0, 1:-1, 1:-1].ravel()).reshape(n - 1, n - 1) for field in inputs]
    return np.pad(np.array(solutions), ((0, 0), (1, 1), (1, 1)))[:, None]


def elliptic(problem: Problem, inputs: np.ndarray, grid) -> np.ndarray:
    """Banded elimination of the finite-volume matrix."""
    n, out = grid.cells[0], []
    for (a,) in inputs:
        faces = n * np.concatenate([[2 * a[0]], 2 * a[1:] * a[:-1] / (a[1:] + a[:-1]), [2 * a[-1]]])
        bands = np.array([np.append(0, -faces[1:-1]), faces[1:] + faces[:-1], np.append(-faces[1:-1], 0)])
        out.append(solve_banded((1, 1), bands, np.full(n, 1 / n)))
    return np.array(out)[:, None]


def helmholtz_1d(problem, inputs: np.ndarray, grid) -> np.ndarray:
    """Banded elimination with pivots."""
    kh, right, out = problem.wave_number * grid.spacing[0], problem.incident(grid), []
    for (index,) in inputs:
        bands = np.full((3, len(index)), -1.0 + 0j)
        weights = np.ones(len(index))
        weights[[0, -1]] = 0.5
        bands[1] = 2 * weights - kh**2 * weights * index
        bands[1, [0, -1]] -= 1j * kh
        wave = solve_banded((1, 1), bands, right)
        out.append([wave.real, wave.imag])
    return np.array(out)


def helmholtz_2d(problem, inputs: np.ndarray, grid) -> np.ndarray:
    """SuperLU with its own order of elimination."""
    kh, right, out = problem.wave_number * grid.spacing[0], problem.incident(grid), []
    line, weights, ends = _axis(grid.shape[0])
    laplacian = kron(line, diags_array(weights)) + kron(diags_array(weights), line)
    boundary = np.outer(ends, weights) + np.outer(weights, ends)
    for (index,) in inputs:
        diagonal = -(kh**2) * np.outer(weights, weights) * index - 1j * kh * boundary
        wave = spsolve(csc_array(laplacian + diags_array(diagonal.ravel())), right.ravel()).reshape(grid.shape)
        out.append([wave.real, wave.imag])
    return np.array(out)


def radiative(problem, inputs: np.ndarray, grid) -> np.ndarray:
    """Gauss on the unsymmetric system."""
    out = []
    for (row,) in inputs:
        matrix = transport_matrix(row, absorption=problem.absorption, width=grid.spacing[0])
        out.append(solve(np.eye(len(row)) - matrix * row, matrix.sum(axis=1)))
    return np.array(out)[:, None]


def kohn_sham(problem, inputs: np.ndarray, grid) -> np.ndarray:
    """All eigenpairs of the same matrix."""
    n, h = grid.cells[0], grid.spacing[0]
    kinetic = (np.eye(n) - (np.roll(np.eye(n), 1, 0) + np.roll(np.eye(n), -1, 0)) / 2) / h**2
    vectors = [eigh(kinetic + np.diag(v[0]))[1][:, : problem.electrons] for v in inputs]
    return np.array([(v**2).sum(axis=1) / h for v in vectors])[:, None]


Rival = Callable[..., np.ndarray]
CASES: dict[str, tuple[str, dict, tuple[int, ...], str, Rival | None]] = {
    "poisson": ("poisson", {}, (128, 256, 512), "solve_banded", poisson_1d),
    "poisson, 2D": ("poisson", {"dimension": 2}, (32, 64, 128), "spsolve", poisson_2d),
    "biharmonic": ("biharmonic", {}, (128, 256, 512), "", None),
    "elliptic1d": ("elliptic1d", {}, (128, 256, 512), "solve_banded", elliptic),
    "helmholtz": ("helmholtz", {}, (128, 256, 512), "solve_banded", helmholtz_1d),
    "helmholtz, 2D": ("helmholtz", {"dimension": 2}, (32, 64, 128), "spsolve", helmholtz_2d),
    "wkb": ("wkb", {"mesh_free": 0}, (128, 256, 512), "", None),
    "advection": ("advection", {}, (128, 256, 512), "", None),
    "burgers, viscous": ("burgers", {"viscosity": 0.005}, (64, 128, 256), "", None),
    "euler": ("euler", {}, (64, 128, 256), "", None),
    "radiative-transfer": ("radiative-transfer", {}, (80, 160, 320), "solve (LU)", radiative),
    "kohn-sham": ("kohn-sham", {}, (80, 160, 320), "eigh, all pairs", kohn_sham),
    "schrodinger, β = 10": ("schrodinger", {"law": "wells", "wells": 2, "cubic": 10.0}, (128, 256, 512), "", None),
    "schrodinger, β = 10, 2D": (
        "schrodinger",
        {"law": "wells", "wells": 2, "cubic": 10.0, "dimension": 2},
        (64, 128, 256),
        "",
        None,
    ),
    "navier-stokes": ("navier-stokes", {"time": 1.0}, (16, 32, 64), "", None),
}


def seconds(function: Callable[[], object], samples: int) -> float:
    """Return the least CPU time of a call, a sample."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times) / samples


def main() -> None:
    """Print a row a case."""
    print("| case | points a side | ms a sample | exponent | beside it | its ms on the finest | factor |")
    print("|---|---|---|---:|---|---:|---:|")
    for title in sys.argv[1:] or CASES:
        name, options, cells, library, rival = CASES[title]
        ours, other = [], 0.0
        for n in cells:
            problem = PROBLEMS[name](**options, cells=n, levels=1)
            samples = 64 if len(problem.finest.cells) == 1 and name not in ("kohn-sham", "radiative-transfer") else 2
            inputs = problem.evaluate(problem.draw(samples, generator(0, "benchmark")), problem.finest)
            solved = problem.solve(inputs, problem.finest)
            ours.append(seconds(lambda: problem.solve(inputs, problem.finest), samples))  # noqa: B023
        if rival is not None:
            found = rival(problem, inputs, problem.finest)
            if not np.allclose(found, solved.solutions, atol=1e-8 * np.abs(found).max()):
                raise RuntimeError(f"{library} and mlft do not agree on {title}")
            other = seconds(lambda: rival(problem, inputs, problem.finest), samples)  # noqa: B023
        slope = float(np.polyfit(np.log(cells), np.log(ours), 1)[0])
        times = " / ".join(f"{1e3 * t:.3g}" for t in ours)
        beside = f"{library} | {1e3 * other:.3g} | {other / ours[-1]:.1f}" if rival is not None else "– | – | –"
        print(f"| {title} | {' / '.join(map(str, cells))} | {times} | {slope:.2f} | {beside} |", flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
