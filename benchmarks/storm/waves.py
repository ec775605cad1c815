"""The problem that is run in the storm: a few waves on a line, solved in milliseconds, and a log of what is solved."""

import os
import time
from typing import final

import numpy as np
import torch

from mlft.grids import Grid, hierarchy
from mlft.problems import Problem, Solved, statuses

LOG = "STORM_LOG"
"""The environment variable that names the file to which each solved field is told."""

SECONDS = 0.0005
"""Of a solve, so that a kill may hit it."""


@final
class Waves(Problem):
    """u = tanh f + 1 + 12 h² f, f a few waves of zero mean on top of a height, which tells draws apart."""

    name = "waves"
    equation = "u = tanh f + 1"
    order = 2.0
    cost_exponent = 1.0
    hierarchy = hierarchy(Grid((24,)), 3)

    def draw(self, n: int, generator: torch.Generator) -> np.ndarray:
        """Return the coefficients: a height, and three waves."""
        return torch.rand(n, 4, generator=generator, dtype=torch.float64).numpy()

    def evaluate(self, draws: np.ndarray, grid: Grid) -> np.ndarray:
        """Return averages over cells, which are the same function on every grid."""
        (x,), fields = grid.points, np.repeat(draws[:, :1], grid.cells[0], axis=1)
        for k in range(1, 4):
            fields += draws[:, k, None] / k * np.sinc(k / grid.cells[0]) * np.sin(2 * np.pi * k * x)
        return fields[:, None]

    def solve(self, inputs: np.ndarray, grid: Grid) -> Solved:
        """Return the exact solution and an error of second order, and tell the log what was solved."""
        for field in inputs:
            time.sleep(SECONDS)
            tell(field)
        solutions = np.tanh(inputs) + 1 + 12 * grid.spacing[0] ** 2 * inputs
        return Solved(solutions, statuses(solutions))

    def reference(self, draws: np.ndarray) -> np.ndarray:
        """Return the exact solution."""
        solutions: np.ndarray = np.tanh(self.evaluate(draws, self.finest)) + 1
        return solutions


def named(field: np.ndarray) -> str:
    """Return the name of an input in the log: its points, and its mean, which is its height."""
    return f"{field.shape[-1]} {field.mean():.9f}"


def tell(field: np.ndarray) -> None:
    """Write the name of an input to the log, where there is one."""
    if LOG in os.environ:
        with open(os.environ[LOG], "ab", buffering=0) as file:
            file.write(f"{named(field)} {os.getpid()}\n".encode())


problem = Waves()
