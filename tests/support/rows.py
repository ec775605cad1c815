"""Rows of a small problem, as a data set without its solver: importable by tests."""

import numpy as np
import torch

from mlft import Dataset, Grid
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


def fields(n, channels, grid: Grid, seed=0):
    return np.random.default_rng(seed).normal(size=(n, channels, *grid.shape))
