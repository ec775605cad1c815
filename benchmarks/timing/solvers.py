"""Seconds a sample of every problem against its grid, its cost exponent and memory, and the obvious libraries beside.

CPU time a sample on one core, the least of three repeats, for the problem's own draws; the exponent is the
least-squares slope of log time against log points a side. Memory is what the peak of a fresh process grows by when it
solves, on the case's finest grid, the largest batch that `mlft run` would give it: 0.1 s of work, 1,024 samples or 32
MiB of fields (Linux). The rivals (benchmarks/timing/rivals) solve the same samples on the same grid, one thread;
"difference" is the relative L2 difference of the two solutions, and a rival that differs more than it may stops the
benchmark.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any, final

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measure import cpu, exponent
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate, text
from mlft.problems import PROBLEMS, Problem
from mlft.seeds import generator

BENCHMARK = Benchmark(
    "timing.solvers", "Every problem, one core", ("numpy", "scipy", "numba", "pyamg", "py-pde", "scikit-fem")
)
ON_GRIDS = ("problem", "points a side", "ms a sample", "exponent", "memory, MB")
ON_GRIDS_CAPTION = """CPU time a sample, the least of three repeats. "Exponent" is the least-squares slope of log time
against log points a side. "Memory" is what the peak of a fresh process grows by when it solves, on the finest grid of
the row, the largest batch that `mlft run` gives a worker (0.1 s of work, 1,024 samples or 32 MiB of fields); the
process itself, with torch, holds 320 MB."""
BESIDE = ("problem", "points a side", "mlft, ms", "beside it", "its ms", "its time / mlft's", "difference")
BESIDE_CAPTION = """Beside it the obvious libraries, on the same samples and grid, one thread; "difference" is the
relative L2 difference of the two solutions: round-off or a tolerance where the equations are the same, that of the
schemes for py-pde, scikit-fem, `solve_ivp` and Crank–Nicolson. Assembly counts for all, a factorization or set-up that
can be shared is shared."""
EXACT, TOLERANCE, SCHEME = 1e-9, 1e-6, 0.1  # how far a rival may be: round-off, its tolerance, another scheme

Rivals = dict[str, tuple[str, float]]  # a rival's name: its function in `rivals`, and how far it may be


@final
@dataclass(frozen=True)
class Effort:
    """How long is measured: seconds of one repeat, repeats, a time after which none is repeated, whether memory too."""

    seconds: float = 0.2
    repeats: int = 3
    slow: float = 5.0
    memory: bool = True


@final
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


def short(case: Case) -> Case:
    """Return a case on its two coarsest grids, where schemes are farther from each other, with two samples."""
    rivals = {label: (function, 3 * bound) for label, (function, bound) in case.rivals.items()}
    return replace(case, cells=case.cells[:2], samples=2, rivals=rivals, at=1)


def problem_of(case: Case, cells: int, samples: int = 0) -> tuple[Problem, np.ndarray]:
    """Return the problem on one grid, and a batch of inputs: by default at most so many that they make 2^17 numbers."""
    options = dict(case.options)
    if case.name == "darcy":
        options["modes"] = min(cells, PROBLEMS["darcy"]().options["modes"])
    options |= {"cells": cells, "levels": 1}
    problem = PROBLEMS[case.name](**options)
    batch = max(1, min(case.samples, 2**17 // cells ** len(problem.finest.cells)))
    return problem, problem.evaluate(problem.draw(samples or batch, generator(0, "benchmark")), problem.finest)


def seconds(function: Callable[[], object], effort: Effort) -> float:
    """Return the least CPU time of a call over repeats, each of enough calls to be seen by the clock."""
    first = min(cpu(function), cpu(function))  # the first compiles
    if first > effort.slow:
        return first
    calls = int(effort.seconds / max(first, 1e-6)) + 1
    return min(cpu(function, calls) for _ in range(effort.repeats))


def on_grids(cases: dict[str, Case], effort: Effort, finest: dict[str, float]) -> Iterator[Row]:
    """Measure case after case on its grids; the seconds a sample on the rivals' grid go to `finest`."""
    for title, case in cases.items():
        times = []
        for cells in case.cells:
            problem, inputs = problem_of(case, cells)
            times.append(seconds(partial(problem.solve, inputs, problem.finest), effort) / len(inputs))
        finest[title] = times[case.at]
        shown, grids = " / ".join(text(1e3 * t, 3) for t in times), " / ".join(map(str, case.cells))
        grown = memory(case, times[-1]) if effort.memory else None
        yield title, grids, shown, round(exponent(case.cells, times), 2), grown


def beside(cases: dict[str, Case], effort: Effort, finest: dict[str, float]) -> Iterator[Row]:
    """Measure rival after rival.

    Raises:
        RuntimeError: if a rival's solutions differ from ours by more than they may.
    """
    for title, case in cases.items():
        problem, inputs = problem_of(case, case.cells[case.at])
        solved, few = problem.solve(inputs, problem.finest), 16 if len(problem.finest.cells) == 1 else 2
        for label, (function, bound) in case.rivals.items():
            room, _, name = function.partition(".")
            rival = getattr(import_module(f"benchmarks.timing.rivals.{room}"), name)
            batch = inputs if "vectorised" in label or "once" in label else inputs[:few]
            found, expected = rival(problem, batch, problem.finest), solved.solutions[: len(batch)]
            difference = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
            if not difference <= bound:
                raise RuntimeError(f"{label} differs from mlft by {difference:.1e} on {title}, more than {bound:.0e}")
            spent = seconds(partial(rival, problem, batch, problem.finest), effort) / len(batch)
            same = "same" if difference < 1e-15 else text(difference, 1)
            yield title, case.cells[case.at], 1e3 * finest[title], label, 1e3 * spent, spent / finest[title], same


def memory(case: Case, spent: float) -> int:
    """Return by how many MB the peak of a fresh process grows by a batch on the finest grid, of `spent` s a sample."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return round(pool.submit(measured_memory, case, spent).result())


def measured_memory(case: Case, spent: float) -> float:
    """Return the growth of this process's peak, in MB; compiled kernels are loaded before, on a small grid."""
    with threadpool_limits(1):
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


def measure(cases: dict[str, Case], effort: Effort) -> Iterator[Table]:
    """Return the table of the grids, and that of the rivals."""
    finest: dict[str, float] = {}
    yield tabulate(ON_GRIDS_CAPTION, ON_GRIDS, on_grids(cases, effort, finest))
    yield tabulate(BESIDE_CAPTION, BESIDE, beside(cases, effort, finest))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES), words)
    cases = {title: CASES[title] for title in asked.cases or CASES}
    effort = Effort()
    if asked.short:
        cases = {title: short(case) for title, case in cases.items()}
        effort = Effort(seconds=0.0, repeats=1, memory=False)
    with threadpool_limits(1):
        publish(BENCHMARK, measure(cases, effort), asked)


if __name__ == "__main__":
    main()
