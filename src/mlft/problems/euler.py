"""Shock tubes: random Riemann problems of gas dynamics, with the exact solution as reference."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, prolong_jumps
from mlft.problems import checks
from mlft.problems.base import Problem, settle
from mlft.problems.families import Family, with_other
from mlft.problems.solved import Solved, judged
from mlft.solvers.euler import march_gas, riemann_averages

Array = np.ndarray

STEPS_PER_CELL = 100
LOWEST = np.array([0.8, -0.3, 0.8, 0.2, -0.3, 0.1, 0.4])  # ρ, u, p on the left; on the right; the place of the jump
HIGHEST = np.array([1.5, 0.3, 1.5, 0.5, 0.3, 0.5, 0.6])


@final
@dataclass(frozen=True)
class Euler(Problem):
    """The Euler equations of a gas on (0, 1) with open ends, from a jump between two states to the state at `time`.

        ρ_t + (ρu)_x = 0,   (ρu)_t + (ρu² + p)_x = 0,   E_t + (u(E + p))_x = 0,   E = p/(γ − 1) + ρu²/2, γ = `gamma`.

    Uniformly distributed: on the left ρ and p in (0.8, 1.5), on the right ρ in (0.2, 0.5) and p in (0.1, 0.5), u on
    both in (−0.3, 0.3), the place of the jump in (0.4, 0.6). A fan runs to the left, a contact and mostly a shock to
    the right. Inputs and solutions have three channels, the cell averages of ρ, ρu and E.

    The solver is `mlft.solvers.euler.march_gas` (MUSCL–Hancock, HLLC): order 2 in L1 on smooth data, below 1 here. The
    reference is exact as long as no wave has left, up to a time of 0.13 for the default gas. What makes it hard: three
    waves of three kinds, two of them jumps, whose places depend on the states as roots of a nonlinear equation. A
    sample of which density or pressure becomes negative, or that is not finite, ends as "not-finite"; one of more than
    100 steps a cell (steps that are tried again count) as "not-converged".

    Attributes:
        cells: cells of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        time: the end time, in lengths over the unit of speed.
        gamma: ratio of specific heats, more than 1.

    Raises:
        ValueError: an option out of range.

    Source: Sod, J. Comput. Phys. 27 (1978); Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009).
    """

    cells: int = 512
    levels: int = 5
    time: float = 0.12
    gamma: float = 1.4

    name = "euler"
    equation = "Euler equations of a gas on (0, 1), open ends; (ρ, ρu, E), a jump → (ρ, ρu, E)(·, time)"
    input_channels, solution_channels = ("density", "momentum", "energy"), ("density", "momentum", "energy")
    order = 2.0
    cost_exponent, overhead_cells = 1.75, 14.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=2, levels=1)
        checks.numbers(self, time=0, gamma=1)
        settle(self, Grid((self.cells,), periodic=False), self.levels)

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows (ρ, u, p on the left, ρ, u, p on the right, place of the jump)."""
        uniform = torch.rand(n, len(LOWEST), generator=generator, dtype=torch.float64).numpy()
        return LOWEST + (HIGHEST - LOWEST) * uniform

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 3 cells"]:
        """Return exact cell averages of ρ, ρu and E at time 0.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, len(LOWEST), grid)
        faces = np.arange(grid.cells[0] + 1) / grid.cells[0]
        before = np.minimum(faces, draws[:, 6, None])
        share = (before[:, 1:] - before[:, :-1]) * grid.cells[0]  # of a cell, left of the jump
        left, right = self._conserved(draws[:, :3]), self._conserved(draws[:, 3:6])
        return share[:, None] * left[:, :, None] + (1 - share)[:, None] * right[:, :, None]

    def solve(self, inputs: Float[Array, "n 3 cells"], grid: Grid) -> Solved:
        """Return the states at `time`, with the scalar "steps": all that were tried.

        Raises:
            ValueError: inputs that are not on the grid or whose density or pressure is not positive, or a grid of
                another kind.
        """
        inputs = checks.inputs(self, inputs, grid, 3)
        self._check_positive(inputs)
        limit = STEPS_PER_CELL * grid.cells[0]
        states, steps, done = march_gas(
            inputs, width=grid.spacing[0], time=self.time, gamma=self.gamma, step_limit=limit
        )
        return judged(states, done, steps=steps)

    def prolong(self, solutions: Float[Array, "n 3 coarse"], grid: Grid) -> Float[Array, "n 3 cells"]:
        """Return states on a finer grid, the jumps of ρ, ρu and E put in their places: over up to 3 cells.

        `mlft.grids.prolong_jumps`, each conserved variable by itself: its mean over the cells of a jump is kept, and of
        any other cell.
        """
        return prolong_jumps(solutions, to=grid, steepness=8.0, widest=3)

    @property
    def transfers(self) -> dict[str, str]:
        """Jumps are placed within their cells."""
        return {"prolong": "subcell, 3 cells"}

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 3 cells"]:
        """Return exact cell averages on the finest grid.

        Raises:
            ValueError: draws of another width or not finite.
        """
        draws = checks.draws(self, draws, len(LOWEST))
        faces = np.arange(self.cells + 1) / self.cells
        solutions = np.empty((len(draws), 3, self.cells))
        for i, row in enumerate(draws.tolist()):
            left, right = (row[0], row[1], row[2]), (row[3], row[4], row[5])
            solutions[i] = riemann_averages(left, right, faces - row[6], time=self.time, gamma=self.gamma)
        return solutions

    def families(self) -> dict[str, Family]:
        """Return the families of any problem, with a block of the right state inside the left one for the other."""
        inner = np.abs(self.finest.points[0] - 0.5) < 0.25

        def block(draws: Array) -> Array:
            whole = [np.column_stack([draws[:, :6], np.full(len(draws), place)]) for place in (1.0, 0.0)]
            left, right = (self.evaluate(states, self.finest) for states in whole)
            return np.where(inner, right, left)

        return with_other(super().families(), "a block", block)

    def _check_positive(self, inputs: Array) -> None:
        density, momentum, energy = np.moveaxis(np.where(np.isfinite(inputs).all(axis=1)[:, None], inputs, 1.0), 1, 0)
        pressure = (self.gamma - 1) * (energy - 0.5 * momentum**2 / np.where(density > 0, density, 1.0))
        for name, field in (("density", density), ("pressure", pressure)):
            if (field <= 0).any():
                raise ValueError(f"the {name} of euler must be positive everywhere, got {field.min():.6g}")

    def _conserved(self, states: Array) -> Array:
        rho, u, p = states.T
        return np.stack([rho, rho * u, p / (self.gamma - 1) + 0.5 * rho * u * u], axis=1)
