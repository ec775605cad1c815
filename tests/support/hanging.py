"""A problem whose references never come, and whose solver hangs on large inputs: importable by workers."""

import time

import numpy as np

from mlft import Problem, Solved
from small import GRIDS, draw, evaluate, solve


class Hanging(Problem):
    """The small problem; a time-out alone ends what it does not answer."""

    name, equation, order, cost_exponent = "hanging", "u = tanh x + 1", 2.0, 2.0
    hierarchy = GRIDS

    def draw(self, n, generator):
        return draw(n, generator)

    def evaluate(self, draws, grid):
        return evaluate(draws, grid)

    def solve(self, inputs, grid):
        if np.abs(inputs).max() > 16.0:
            time.sleep(600)
        return Solved(solve(inputs, grid), ("ok",) * len(inputs))

    def reference(self, draws):
        time.sleep(600)


problem = Hanging()
