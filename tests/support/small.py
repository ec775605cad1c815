"""A small problem that the tests of experiments and of the command line run: importable by workers by name."""

import json

import numpy as np
import torch

from mlft import FunctionProblem, Grid, hierarchy

HEAD = {"training": {"steps": 24, "batch": 4, "checks": 3}, "test": 7, "bias_draws": 3}
SMALL = HEAD | {"surrogate_options": {"modes": [3], "width": 5, "depth": 2}, "workers": 0}


def draw(n, generator):
    return torch.randn(n, 3, generator=generator, dtype=torch.float64).numpy()


def evaluate(draws, grid):
    (x,), out = grid.points, np.zeros((len(draws), 1, *grid.shape))
    for k in range(3):
        wave = np.sinc((k + 1) / grid.cells[0]) * np.sin(2 * np.pi * (k + 1) * x)
        out[:, 0] += draws[:, k, None] * wave / (k + 1)
    return out


def solve(inputs, grid):
    """A map whose error falls like h²."""
    return np.tanh(inputs) + 1.0 + 0.5 * grid.spacing[0] ** 2 * inputs


def solve_some(inputs, grid):
    """Fail on every sample whose first value is above 1: about one in ten."""
    out = solve(inputs, grid)
    out[inputs[:, 0, 3] > 1.0] = np.nan
    return out


def solve_none(inputs, grid):
    return np.full_like(inputs, np.nan)


GRIDS = hierarchy(Grid((28,)), 3)
problem = FunctionProblem("small", GRIDS, draw, evaluate, solve, cost_exponent=2.0)
failing = FunctionProblem("failing", GRIDS, draw, evaluate, solve_some, cost_exponent=2.0)
namesake = FunctionProblem("burgers", GRIDS, draw, evaluate, solve, cost_exponent=2.0)
hopeless = FunctionProblem("hopeless", GRIDS, draw, evaluate, solve_none, cost_exponent=2.0)


def facts(record):
    """What the file of a record tells, as plain values."""
    return json.loads((record.folder / "record.json").read_text())
