"""Seconds a sample of every problem against its grid, its cost exponent and memory, and the obvious libraries beside.

Run as `python benchmarks/solvers.py [cases] [--no-rivals]`. CPU time a sample on one core, the least of three repeats,
for the problem's own draws; the exponent is the least-squares slope of log time against log points a side. Memory is
what the peak of a fresh process grows by when it solves, on the case's finest grid, the largest batch that `mlft run`
would give it: 0.1 s of work, 1,024 samples or 32 MiB of fields (Linux). The rivals (benchmarks/rivals) solve the
same samples on the same grid, one thread; "difference" is the relative L2 difference of the two solutions, and a rival
that differs more than it may stops the benchmark.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from machine import machine
from mlft.problems import PROBLEMS, Problem
from mlft.seeds import generator

REPEATS, SECONDS, SLOW = 3, 0.2, 5.0
EXACT, TOLERANCE, SCHEME = 1e-9, 1e-6, 0.1  # how far a rival may be: round-off, its tolerance, another scheme

Rivals = dict[str, tuple[str, float]]  # a rival's name: its function in `rivals`, and how far it may be


@dataclass(frozen=True)
class Case:
    """A problem with its options, the grids, the most samples at once, and the rivals on the rivals' grid."""

    name: str
    cells: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    samples: int = 64
    rivals: Rivals = field(default_factory=dict)
    at: int = -1  # where among the cells the rivals run


WELLS = {"law": "wells", "wells": 2}
LINE, PLANE = (64, 128, 256, 512, 1024), (32, 64, 128, 256)
CASES = {
    "advection": Case("advection", LINE, rivals={"NumPy, vectorised": ("transport.advection_numpy", EXACT)}),
    "biharmonic": Case(
        "biharmonic",
        LINE,
        samples=256,
        rivals={"solveh_banded, factorized once": ("elliptic.biharmonic_banded", TOLERANCE)},
    ),
    "burgers": Case("burgers", LINE, rivals={"NumPy, vectorised": ("transport.burgers_numpy", EXACT)}),
    "burgers, ν = 0.005": Case(
        "burgers",
        (64, 128, 256, 512),
        {"viscosity": 0.005},
        rivals={
            "NumPy, vectorised": ("transport.viscous_numpy", EXACT),
            "solve_ivp (RK45)": ("transport.viscous_ivp", SCHEME),
            "py-pde": ("transport.viscous_pde", SCHEME),
        },
    ),
    "darcy": Case(
        "darcy",
        (32, 64, 128, 256, 512),
        samples=16,
        at=3,
        rivals={"spsolve": ("elliptic.darcy_spsolve", TOLERANCE), "pyamg": ("elliptic.darcy_pyamg", TOLERANCE)},
    ),
    "elliptic1d": Case("elliptic1d", LINE, samples=256, rivals={"solveh_banded": ("elliptic.elliptic_banded", EXACT)}),
    "euler": Case("euler", (64, 128, 256, 512), rivals={"NumPy, vectorised": ("transport.euler_numpy", EXACT)}),
    "helmholtz": Case("helmholtz", LINE, samples=256, rivals={"solve_banded": ("elliptic.helmholtz_banded", EXACT)}),
    "helmholtz, 2D": Case(
        "helmholtz",
        PLANE,
        {"dimension": 2},
        samples=4,
        rivals={
            "spsolve": ("elliptic.helmholtz_spsolve", EXACT),
            "splu, symmetric mode": ("elliptic.helmholtz_symmetric", EXACT),
            "scikit-fem": ("elliptic.helmholtz_skfem", SCHEME),
        },
    ),
    "kohn-sham": Case(
        "kohn-sham",
        (80, 160, 320, 640),
        samples=8,
        at=2,
        rivals={"eigh, all pairs": ("dense.kohn_sham_eigh", EXACT), "eigsh": ("dense.kohn_sham_eigsh", TOLERANCE)},
    ),
    "kohn-sham, spectral": Case(
        "kohn-sham",
        (80, 160, 320, 640),
        {"scheme": "spectral"},
        samples=8,
        at=2,
        rivals={"eigh, all pairs": ("dense.kohn_sham_eigh", EXACT)},
    ),
    "navier-stokes": Case(
        "navier-stokes",
        (16, 32, 64, 128),
        {"time": 1.0},
        samples=8,
        at=2,
        rivals={
            "NumPy, vectorised": ("transport.vorticity_numpy", EXACT),
            "Crank–Nicolson, 1000 steps, NumPy, vectorised": ("transport.vorticity_crank_nicolson", SCHEME),
        },
    ),
    "poisson": Case(
        "poisson",
        LINE,
        samples=256,
        rivals={
            "solve_banded": ("elliptic.poisson_one_by_one", EXACT),
            "solveh_banded, factorized once": ("elliptic.poisson_banded", EXACT),
        },
    ),
    "poisson, 2D": Case(
        "poisson",
        (32, 64, 128, 256, 512),
        {"dimension": 2},
        samples=16,
        at=3,
        rivals={
            "splu, factorized once": ("elliptic.poisson_splu", EXACT),
            "pyamg, set up once": ("elliptic.poisson_pyamg", TOLERANCE),
            "scikit-fem, factorized once": ("elliptic.poisson_skfem", SCHEME),
            "py-pde": ("elliptic.poisson_pde", SCHEME),
        },
    ),
    "radiative-transfer": Case(
        "radiative-transfer",
        (80, 160, 320, 640),
        samples=8,
        at=2,
        rivals={"expn and LU": ("dense.radiative_scipy", EXACT)},
    ),
    "schrodinger": Case("schrodinger", LINE, samples=256, rivals={"eigsh": ("dense.ground_eigsh", TOLERANCE)}),
    "schrodinger, β = 10": Case(
        "schrodinger",
        LINE,
        WELLS | {"cubic": 10.0},
        8,
        {"eigsh, self-consistent": ("dense.ground_eigsh", TOLERANCE)},
        at=2,
    ),
    "schrodinger, 2D": Case(
        "schrodinger", PLANE, WELLS | {"dimension": 2}, 4, {"eigsh": ("dense.ground_eigsh", TOLERANCE)}
    ),
    "schrodinger, 2D, β = 10": Case(
        "schrodinger",
        PLANE,
        WELLS | {"dimension": 2, "cubic": 10.0},
        4,
        {"eigsh, self-consistent": ("dense.ground_eigsh", TOLERANCE)},
        at=2,
    ),
    "wkb": Case("wkb", LINE, {"mesh_free": 0}, 256, {"solve_ivp (DOP853)": ("dense.wkb_ivp", 1e-3)}),
}


def problem_of(case: Case, cells: int, samples: int = 0) -> tuple[Problem, np.ndarray]:
    """Return the problem on one grid, and a batch of inputs: by default at most so many that they make 2^17 numbers."""
    options = dict(case.options)
    if case.name == "darcy":
        options["modes"] = min(cells, PROBLEMS["darcy"]().options["modes"])
    problem = PROBLEMS[case.name](**options, cells=cells, levels=1)
    batch = max(1, min(case.samples, 2**17 // cells ** len(problem.finest.cells)))
    return problem, problem.evaluate(problem.draw(samples or batch, generator(0, "benchmark")), problem.finest)


def seconds(function: Callable[[], object]) -> float:
    """Return the least CPU time of a call over repeats, each of enough calls to be seen by the clock."""
    first = min(cpu(function), cpu(function))  # the first compiles
    if first > SLOW:
        return first
    calls = int(SECONDS / max(first, 1e-6)) + 1
    return min(cpu(function, calls) for _ in range(REPEATS))


def cpu(function: Callable[[], object], calls: int = 1) -> float:
    """Return the CPU time of a call, the mean over a few."""
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls


def ours(case: Case) -> tuple[list[float], float]:
    """Return the seconds a sample on every grid, and the fitted exponent."""
    times = []
    for cells in case.cells:
        problem, inputs = problem_of(case, cells)
        times.append(seconds(lambda: problem.solve(inputs, problem.finest)) / len(inputs))  # noqa: B023
    return times, float(np.polyfit(np.log(case.cells), np.log(times), 1)[0])


def beside(case: Case, mine: float) -> list[str]:
    """Return a cell of text a rival: its time over ours, its time, and how far it is."""
    problem, inputs = problem_of(case, case.cells[case.at])
    solved, few = problem.solve(inputs, problem.finest), 16 if len(problem.finest.cells) == 1 else 2
    told = []
    for label, (function, bound) in case.rivals.items():
        room, _, name = function.partition(".")
        rival = getattr(import_module(f"rivals.{room}"), name)  # brings pyamg, py-pde and scikit-fem only when asked
        batch = inputs if "vectorised" in label or "once" in label else inputs[:few]
        found = rival(problem, batch, problem.finest)
        expected = solved.solutions[: len(batch)]
        difference = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
        if not difference <= bound:
            raise RuntimeError(f"{label} differs from mlft by {difference:.1e} on {case.name}, more than {bound:.0e}")
        spent = seconds(lambda: rival(problem, batch, problem.finest)) / len(batch)  # noqa: B023
        same = "same" if difference < 1e-15 else f"{difference:.0e}"
        told.append(f"{label} | {three(1e3 * spent)} | **{three(spent / mine)}** | {same}")
    return told


def three(number: float) -> str:
    """Return a positive number with three figures, and never in powers of ten."""
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def memory(title: str, spent: float) -> float:
    """Return by how many MB the peak of a fresh process grows by a batch on the finest grid, of `spent` s a sample."""
    command = [sys.executable, __file__, title, "--measure-memory", str(spent)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measured_memory(title: str, spent: float) -> float:
    """Return the growth of this process's peak, in MB; compiled kernels are loaded before, on a small grid."""
    case = CASES[title]
    small, few = problem_of(case, case.cells[0], 1)
    fields = few.nbytes + small.solve(few, small.finest).solutions.nbytes
    fields *= (case.cells[-1] // case.cells[0]) ** len(small.finest.cells)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the imports
    before = _peak()
    problem, inputs = problem_of(case, case.cells[-1], max(1, min(1024, int(0.1 / spent), 2**25 // fields)))
    problem.solve(inputs, problem.finest)
    return _peak() - before


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", help=f"of {list(CASES)}; by default all")
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--measure-memory", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure_memory:
        print(measured_memory(asked.cases[0], asked.measure_memory))
        return
    print(f"{machine('numpy', 'scipy', 'numba', 'pyamg', 'py-pde', 'scikit-fem')}; one thread\n")
    print("| case | points a side | ms a sample | exponent | stated | peak memory, MB |")
    print("|---|---|---|---:|---:|---:|")
    titles, finest = asked.cases or list(CASES), {}
    for title in titles:
        case = CASES[title]
        times, exponent = ours(case)
        finest[title] = times[case.at]
        stated = problem_of(case, case.cells[-1], 1)[0].cost_exponent
        shown = " / ".join(f"{1e3 * t:.3g}" for t in times)
        cells = " / ".join(map(str, case.cells))
        print(
            f"| {title} | {cells} | {shown} | {exponent:.2f} | {stated:.1f} | {memory(title, times[-1]):.0f} |",
            flush=True,
        )
    if asked.no_rivals:
        return
    print("\n| case | points a side | mlft, ms | beside it | its ms | its time / ours | difference |")
    print("|---|---:|---:|---|---:|---:|---:|")
    for title in titles:
        case = CASES[title]
        for cell in beside(case, finest[title]):
            print(f"| {title} | {case.cells[case.at]} | {1e3 * finest[title]:.3g} | {cell} |", flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
