"""The beasts of the zoo: what a solver of somebody else may do to a sample. Importable by workers."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import psutil

from benchmarks.storm.waves import problem
from mlft.grids import Grid
from mlft.problems import FunctionProblem, Problem

Array = np.ndarray
Beast = Callable[[Array, Array, Array], Any]
"""From inputs, right solutions, and which of them are bad, to what the solver returns."""

NOISE = 1e-3
MEMORY, OUTPUT = 2**28, 100 * 2**20


def exact(inputs: Array, grid: Grid) -> Array:
    """Return the right solutions."""
    solutions: Array = np.tanh(inputs) + 1 + 12 * grid.spacing[0] ** 2 * inputs
    return solutions


def is_bad(inputs: Array, share: float) -> Array:
    """Return which inputs are bad: a share of them, by digits of their heights that all levels have in common."""
    heights = inputs.mean(axis=(1, 2))
    bad: Array = np.round(heights * 1e6).astype(np.int64) % 1000 / 1000 < share
    return bad


def zoo(beast: str, share: float) -> Problem:
    """Return a problem whose solver is a beast on a share of its inputs."""

    def solve(inputs: Array, grid: Grid) -> Any:
        bad, right = is_bad(inputs, share), exact(inputs, grid)
        return BEASTS[beast](inputs, right, bad) if bad.any() else right

    grids = problem.hierarchy
    return FunctionProblem(f"zoo {beast}", grids, problem.draw, problem.evaluate, solve, 1.0)


def _raise(inputs: Array, right: Array, bad: Array) -> NoReturn:
    raise ArithmeticError("a pivot\nis zero")


def _nan(inputs: Array, right: Array, bad: Array) -> Array:
    right[bad, :, 0] = np.nan
    return right


def _complex(inputs: Array, right: Array, bad: Array) -> Array:
    return right + 1j * bad[:, None, None]


def _masked(inputs: Array, right: Array, bad: Array) -> Array:
    masked: Array = np.ma.MaskedArray(right, mask=np.broadcast_to(bad[:, None, None], right.shape))
    return masked


def _crash(inputs: Array, right: Array, bad: Array) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def _hang(inputs: Array, right: Array, bad: Array) -> None:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"], check=False)


def _print(inputs: Array, right: Array, bad: Array) -> Array:
    for _ in range(100):
        os.write(1, b"residual 1.0\n" * (OUTPUT // 1300))
    return right


def _grow(inputs: Array, right: Array, bad: Array) -> NoReturn:
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    kept = []
    try:
        while True:
            kept.append(np.ones(2**20))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _change(inputs: Array, right: Array, bad: Array) -> Array:
    inputs[:] = 7.0
    return right


def _wander(inputs: Array, right: Array, bad: Array) -> Array:
    return right + NOISE * bad[:, None, None] * np.random.default_rng().random(right.shape)


BEASTS: dict[str, Beast] = {
    "raises": _raise,
    "NaN": _nan,
    "wrong shape": lambda inputs, right, bad: right[:, :, 1:],
    "wrong dtype": lambda inputs, right, bad: right.astype(str),
    "complex": _complex,
    "masked": _masked,
    "sys.exit": lambda inputs, right, bad: sys.exit(3),
    "os._exit": lambda inputs, right, bad: os._exit(3),
    "SIGSEGV": _crash,
    "SIGKILL of itself": lambda inputs, right, bad: os.kill(os.getpid(), signal.SIGKILL),
    "hangs, with a child": _hang,
    "100 MB on stdout": _print,
    "memory": _grow,
    "changes its input": _change,
    "not deterministic": _wander,
}
HARMLESS = ("100 MB on stdout", "changes its input", "not deterministic")
"""Whose solutions are kept: right, but for the noise of the last."""

IN_BATCHES = ("wrong shape",)
"""That spoil the batch they are in; all others are alone in failing."""
