"""Advection of boxes: the simplest map from discontinuous functions to discontinuous functions."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, prolong_jumps
from mlft.problems import checks
from mlft.problems.base import Problem, settle
from mlft.problems.families import Family, with_other
from mlft.problems.solved import Solved, blanked, judged
from mlft.solvers.advection import advect, advection_steps

Array = np.ndarray

STEPS_PER_CELL = 100


@final
@dataclass(frozen=True)
class Advection(Problem):
    """u_t + u_x = 0 on the periodic unit interval, from u₀ to u(·, time) = u₀(· − time).

    The initial state is a sum of boxes, Σ_j c_j on [l_j, l_j + w_j), with c_j ~ N(0, 1), l_j uniform in (0, 1) and w_j
    uniform in (0.05, 0.35). Fields are exact cell averages, in one channel. The solver is
    `mlft.solvers.advection.advect`: order 2 in L1 on smooth data, about ⅔ here; the reference is exact.

    What makes it hard: jumps move. No linear space of few dimensions holds the solutions (their Kolmogorov width falls
    like 1/√dimension), and a coarse grid smears a jump over some (time / h)^⅓ cells. The map itself is linear and does
    not depend on the place, so that errors are easy to read. A sample that is not finite ends as "not-finite"; at a
    time that needs more than 100 steps a cell, which is one beyond 80 in size, every other as "not-converged".

    Attributes:
        cells: cells of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        time: the end time, at speed 1; any sign.
        boxes: how many.

    Raises:
        ValueError: an option out of range.

    Source: LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapter 6; Ohlberger, Rave, Reduced basis
    methods: success, limitations and future challenges (2016), for the width.
    """

    cells: int = 512
    levels: int = 5
    time: float = 0.7
    boxes: int = 3

    name = "advection"
    equation = "u_t + u_x = 0 on [0, 1), periodic; u₀, a sum of boxes → u(·, time)"
    input_channels, solution_channels = ("initial state",), ("state",)
    order = 2.0
    cost_exponent, overhead_cells = 2.0, 36.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=2, levels=1, boxes=1)
        checks.numbers(self, time=-math.inf)
        settle(self, Grid((self.cells,)), self.levels)

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows (c, l, w), `boxes` of each."""
        heights = torch.randn(n, self.boxes, generator=generator, dtype=torch.float64)
        starts = torch.rand(n, self.boxes, generator=generator, dtype=torch.float64)
        widths = 0.05 + 0.3 * torch.rand(n, self.boxes, generator=generator, dtype=torch.float64)
        return torch.cat([heights, starts, widths], dim=1).numpy()

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 cells"]:
        """Return exact cell averages of the initial state.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        return self._boxes(draws, grid, 0.0)

    def solve(self, inputs: Float[Array, "n 1 cells"], grid: Grid) -> Solved:
        """Return the states at `time`; the inputs, where that would take too many steps.

        Raises:
            ValueError: inputs that are not on the grid, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        rows, shift = blanked(inputs), self.time / grid.spacing[0]
        if advection_steps(shift) > STEPS_PER_CELL * grid.cells[0]:
            return judged(rows, np.zeros(len(rows), dtype=np.bool_))
        return judged(advect(rows[:, 0], shift=shift)[:, None])

    def prolong(self, solutions: Float[Array, "n 1 coarse"], grid: Grid) -> Float[Array, "n 1 cells"]:
        """Return states on a finer grid, jumps put in their places: smeared over up to 4 cells, rising or falling.

        `mlft.grids.prolong_jumps`: the mean over the cells of a jump is kept, and of any other cell. What the scheme
        has smeared more is prolonged as it is.
        """
        return prolong_jumps(solutions, to=grid, steepness=4.0, widest=4)

    @property
    def transfers(self) -> dict[str, str]:
        """Jumps are placed within their cells."""
        return {"prolong": "subcell, 4 cells"}

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 cells"]:
        """Return exact cell averages on the finest grid.

        Raises:
            ValueError: draws of another width or not finite.
        """
        return self._boxes(draws, self.finest, self.time)

    def families(self) -> dict[str, Family]:
        """Return the families of any problem, with sine waves as high as the boxes for the other family."""
        numbers = np.arange(1, self.boxes + 1)
        waves = np.sin(2 * np.pi * np.outer(numbers, self.finest.points[0]))
        return with_other(super().families(), "waves", lambda draws: (draws[:, : self.boxes] @ waves)[:, None])

    def _boxes(self, draws: Array, grid: Grid, time: float) -> Array:
        draws = checks.draws(self, draws, 3 * self.boxes, grid)
        heights, starts, widths = np.split(draws, 3, axis=1)
        faces = np.arange(grid.cells[0] + 1) / grid.cells[0]
        fields = np.zeros((len(draws), *grid.shape))
        for j in range(self.boxes):  # in this order: no sample sees its batch
            left, width = ((starts[:, j, None] + time) % 1.0), widths[:, j, None]
            covered = np.clip(faces - left, 0, width) + np.clip(faces - left + 1, 0, width)
            fields += heights[:, j, None] * (covered[:, 1:] - covered[:, :-1]) * grid.cells[0]
        return fields[:, None]
