"""A problem whose parts can be broken one by one: u = tanh(f) + 1 + h² f / 2, f a few waves, on cells."""

import numpy as np
import torch

from mlft.grids import Grid, hierarchy
from mlft.problems import Problem, Solved, statuses

LINE = hierarchy(Grid((48,)), 3)
SQUARE = hierarchy(Grid((24, 24), periodic=False), 2)


def draw(n, generator):
    return torch.randn(n, 4, generator=generator, dtype=torch.float64).numpy()


def waves(draws, points):
    """Values of the function at any points, an array an axis."""
    x, y = (*points, np.zeros(1))[:2]
    out = np.zeros((len(draws), len(x), len(y)))
    for k in range(4):
        out += draws[:, k, None, None] * np.sin(k * x[:, None] + y + k + 1)
    return out


def evaluate(draws, grid):
    """Point values at the centres of cells: not quite the averages."""
    return waves(draws, [2 * np.pi * x for x in grid.points]).reshape(len(draws), 1, *grid.shape)


def solve(inputs, grid):
    return np.tanh(inputs) + 1.0 + 0.5 * grid.spacing[0] ** 2 * inputs


class Toy(Problem):
    """Takes its parts as keywords: `made`, `valued` and `solving` in place of draw, evaluate and solve."""

    name = "toy"
    equation = "u = tanh f"
    order = 2.0
    cost_exponent = 1.0
    has_reference = False
    hierarchy = LINE

    def __init__(self, *, options=None, costs=None, made=draw, valued=evaluate, solving=solve, **changes):
        self.kept, self.prices = options or {}, costs
        self.made, self.valued, self.solving = made, valued, solving
        for name, value in changes.items():
            setattr(self, name, value)

    @property
    def options(self):
        return self.kept

    @property
    def costs(self):
        return self.prices if self.prices is not None else super().costs

    def draw(self, n, generator):
        return self.made(n, generator)

    def evaluate(self, draws, grid):
        return self.valued(draws, grid)

    def solve(self, inputs, grid):
        made = self.solving(inputs, grid)
        return Solved(made, statuses(made)) if isinstance(made, np.ndarray) and made.dtype.kind == "f" else made


def unchecked(solutions, status, scalars=None):
    """A Solved that the type checker of the tests would refuse."""
    made = object.__new__(Solved)
    for name, value in (("solutions", solutions), ("status", status), ("scalars", scalars or {})):
        object.__setattr__(made, name, value)
    return made
