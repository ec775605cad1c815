"""Poisson on a line as a problem of one's own, importable by name: −u″ = f, u = 0 at both ends."""

import numpy as np
import torch

from mlft import FunctionProblem, Grid, hierarchy

MODES = 4


def draw(n, generator):
    return torch.randn(n, MODES + 1, generator=generator, dtype=torch.float64).numpy()


def evaluate(draws, grid):
    (x,) = grid.points
    waves = np.stack([np.ones_like(x), *[np.sin(np.pi * k * x) for k in range(1, MODES + 1)]])
    return (draws @ waves)[:, None]


def solve(inputs, grid):
    """Central differences of order 2."""
    n, h = grid.cells[0] - 1, grid.spacing[0]
    matrix = (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)) / h**2
    out = np.zeros_like(inputs)
    out[:, 0, 1:-1] = np.linalg.solve(matrix, inputs[:, 0, 1:-1].T).T
    return out


def solve_small(inputs, grid):
    """Refuse inputs above 8, and fail where one is above 5."""
    if np.abs(inputs).max() > 8:
        raise ValueError("forces of this solver are at most 8")
    out = solve(inputs, grid)
    out[np.abs(inputs).max(axis=(1, 2)) > 5] = np.nan
    return out


GRIDS = hierarchy(Grid((20,), centring="nodal", periodic=False), 2)
problem = FunctionProblem("poisson-line", GRIDS, draw, evaluate, solve, cost_exponent=1.0)
touchy = FunctionProblem("touchy", GRIDS, draw, evaluate, solve_small, cost_exponent=1.0)
