"""Rows of a small problem, as a data set without its solver: importable by tests."""

import contextlib
import tracemalloc
from typing import Any

import numpy as np
import torch

from mlft import Dataset, Grid
from mlft.datasets import Part
from small import GRIDS, draw, evaluate, solve

TRAINING = {"training": {"steps": 12, "batch": 4, "checks": 2}}
SMALL_FIT = TRAINING | {"surrogate_options": {"modes": [3], "width": 5, "depth": 2}, "report": None}


def made(counts, *, coupled=True, seed=0, name="mine"):
    """Rows of the small problem's levels, coarsest first; of one draw each where they are coupled."""
    total = max(counts) if coupled else sum(counts)
    draws, start = draw(total, torch.Generator().manual_seed(seed)), 0
    inputs, solutions, grids = [], [], GRIDS[-len(counts) :]
    for n, grid in zip(counts, grids, strict=True):
        inputs.append(evaluate(draws[start : start + n], grid))
        solutions.append(solve(inputs[-1], grid))
        start += 0 if coupled else n
    return Dataset.from_arrays(inputs, solutions, grid=grids[-1], coupled=coupled, name=name)


@contextlib.contextmanager
def most():
    """Give a function that tells how many bytes were held at once, at most, in arrays that were made meanwhile."""
    found = []
    tracemalloc.start()
    try:
        yield lambda: found[0]
    finally:
        found.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()


def fields(n, channels, grid: Grid, seed=0):
    return np.random.default_rng(seed).normal(size=(n, channels, *grid.shape))


def between(fields, grid):
    """Values of a periodic line at the points of another, by the waves that it carries."""
    waves = np.fft.rfft(fields)
    n, turns = fields.shape[-1], np.arange(waves.shape[-1])
    shift = np.exp(-1j * np.pi * turns / n) * np.where((turns == 0) | (2 * turns == n), 1.0, 2.0)
    (x,) = grid.points
    return np.real((waves * shift) @ np.exp(2j * np.pi * np.outer(turns, x / grid.lengths[0]))) / n


def unrelated(counts, coarse: Grid, *, off=0.0, coupled=True):
    """Rows of the small problem on a grid and on its finest one, which is no refinement of it; coarse ones are off."""
    finest, draws = GRIDS[-1], draw(sum(counts), torch.Generator().manual_seed(0))
    inputs = [evaluate(draws[: counts[0]], coarse), evaluate(draws[-counts[1] :], finest)]
    if coupled:
        inputs[1] = evaluate(draws[: counts[1]], finest)
    solutions = [solve(given, grid) for given, grid in zip(inputs, (coarse, finest), strict=True)]
    solutions[0] += off * np.sin(2 * solutions[0])
    return Dataset.from_arrays(inputs, solutions, grid=finest, coupled=coupled, name="odd")


BOXES = {
    "line": Grid((18,), (2.5,), "cell", periodic=True),
    "plane": Grid((12, 20), (2.0, 1.5), "nodal", periodic=False),
    "channel": Grid((12, 20), (2.0, 1.5), "nodal", (True, False), origin=(-1.0, 0.5)),
}


def part(grid: Grid, channels: tuple[int, int] = (2, 2), **more: Any) -> Part:
    """Seven rows of a test stream, with names of channels that are in no order."""
    names = tuple(f"in_{i} [m]" for i in reversed(range(channels[0]))), ("heat", "flow", "rest")[: channels[1]]
    x, y = fields(7, channels[0], grid), fields(7, channels[1], grid, seed=1)
    return Part(grid, x, y, (4, 6, 7, 8, 9, 11, 12), "test", *names, **more)
