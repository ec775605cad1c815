"""Burgers, inviscid or viscous: a random smooth initial state, and the state after its shocks have formed."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, prolong_jumps
from mlft.problems import checks
from mlft.problems.base import Problem, settle
from mlft.problems.families import Family
from mlft.problems.solved import Solved, judged
from mlft.solvers import burgers
from mlft.solvers.advection import cole_hopf, march_viscous

Array = np.ndarray

STEPS_PER_CELL, VISCOUS_STEPS_PER_CELL = 100, 1000
SHARP = 12.0  # a front of 8ν/j is sharp where it is under ⅔ of a cell: j > 12 ν/h


@final
@dataclass(frozen=True)
class Burgers(Problem):
    """Burgers on the periodic unit interval, u_t + (u²/2)_x = viscosity · u_xx, from u₀ to u(·, time).

    The initial state is a finite Fourier series without mean, of pointwise variance 1,

        u₀(x) = Σ_k a_k cos 2πkx + b_k sin 2πkx,   a_k, b_k ~ N(0, λ_k²),   λ_k = k^(−decay) / (Σ_j j^(−2 decay))^½

    for k = 1 … modes. Its first shock forms at the time 1/max(−u₀'); by the default time every one of 2,000 draws had
    shocks, and time · max(−u₀') lay between 1.5 and 10. Fields are cell averages, in one channel.

    The solver is MUSCL–Hancock (`mlft.solvers.burgers.march`): order 2 in L1 on smooth data; with shocks, as here,
    order 1 in L1 and ½ in L2. With viscosity, which rounds shocks of height j to fronts of width 8ν/j, it is
    `mlft.solvers.advection.march_viscous`, of order 2 in L1 where a grid resolves the fronts. The references are exact:
    Lax–Oleinik, and Cole–Hopf. What makes it hard: where a shock stands depends on all of u₀. On a coarse grid its
    place in its cell follows from the cell's mean and the states on either side, as `prolong` has it. A sample that is
    not finite ends as "not-finite"; one that needs more than 100 steps a cell (waves that cross the domain some 80
    times), or with viscosity 1,000 (viscosity · time of some 250 h; at once, if that is more), as "not-converged".

    Attributes:
        cells: cells of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        time: the end time, in the unit of time (in which a state of size 1 crosses the domain).
        modes: waves of the initial state.
        decay: decay of their amplitudes; smaller is rougher. Good values: 1 to 3.
        viscosity: ν, at least 0; in length² / time. Good values: 1e-4 to 1e-2.

    Raises:
        ValueError: an option out of range.

    Source: LeVeque, Finite Volume Methods for Hyperbolic Problems (2002), chapter 11; Li et al., Fourier neural
    operator (2021), section 5.1, for viscous Burgers as a map to learn.
    """

    cells: int = 512
    levels: int = 5
    time: float = 0.25
    modes: int = 8
    decay: float = 1.5
    viscosity: float = 0.0

    name = "burgers"
    equation = "u_t + (u²/2)_x = ν u_xx on [0, 1), periodic, ν = 0 or small; u₀ → u(·, time), with shocks"
    input_channels, solution_channels = ("initial velocity",), ("velocity",)
    order = 2.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=4, levels=1, modes=1)
        checks.numbers(self, time=0)
        checks.between(self, decay=(0, math.inf), viscosity=(0, math.inf))
        # a step is h / 2|u|, or 1 / (2|u|/h + 4ν/h²): at |u| = 1, cells² + 2ν cells³ operations, faster on longer lines
        first, last = ((n**2 + 2 * self.viscosity * n**3) for n in (self.cells / 4, self.cells))
        settle(
            self, Grid((self.cells,)), self.levels, cost_exponent=math.log(last / first, 4) - 0.1, overhead_cells=27.0
        )

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows (a_1 … a_modes, b_1 … b_modes)."""
        normal = torch.randn(n, 2 * self.modes, generator=generator, dtype=torch.float64)
        return normal.numpy() * np.tile(self._sizes(self.decay), 2)

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 cells"]:
        """Return exact cell averages, sinc(kh) Σ_k a_k cos 2πkx + b_k sin 2πkx at the cell centres.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, 2 * self.modes, grid)
        (x,), fields = grid.points, np.zeros((len(draws), *grid.shape))
        for k in range(1, self.modes + 1):  # in this order, element by element: no sample sees its batch
            mean = np.sinc(k / grid.cells[0])
            fields += draws[:, k - 1, None] * (mean * np.cos(2 * np.pi * k * x))
            fields += draws[:, self.modes + k - 1, None] * (mean * np.sin(2 * np.pi * k * x))
        return fields[:, None]

    def solve(self, inputs: Float[Array, "n 1 cells"], grid: Grid) -> Solved:
        """Return the states at `time`, with the scalar "steps".

        Raises:
            ValueError: inputs that are not on the grid, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        width, rows = grid.spacing[0], inputs[:, 0]
        if self.viscosity > 0:
            limit = VISCOUS_STEPS_PER_CELL * grid.cells[0]
            states, steps, done = march_viscous(
                rows, width=width, time=self.time, viscosity=self.viscosity, step_limit=limit
            )
        else:
            limit = STEPS_PER_CELL * grid.cells[0]
            states, steps, done = burgers.march(rows, width=width, time=self.time, step_limit=limit)
        return judged(states[:, None], done, steps=steps)

    def prolong(self, solutions: Float[Array, "n 1 coarse"], grid: Grid) -> Float[Array, "n 1 cells"]:
        """Return states on a finer grid, each shock put in its place in its cell.

        `mlft.grids.prolong_jumps` for falling jumps: the mean of every cell is kept. With viscosity it places only
        fronts that are under ⅔ of a cell of the coarser grid wide; the others that grid resolves.
        """
        least = SHARP * self.viscosity * solutions.shape[2]
        return prolong_jumps(solutions, to=grid, falling=True, least=least)

    @property
    def transfers(self) -> dict[str, str]:
        """Shocks are placed within their cells."""
        return {"prolong": "subcell"}

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 cells"]:
        """Return the exact cell averages on the finest grid, by the formula of Lax and Oleinik, or of Cole and Hopf.

        Raises:
            ValueError: draws of another width, or not finite.
        """
        draws = checks.draws(self, draws, 2 * self.modes)
        cosines, sines = draws[:, : self.modes], draws[:, self.modes :]
        if self.viscosity > 0:
            return cole_hopf(cosines, sines, cells=self.cells, time=self.time, viscosity=self.viscosity)[:, None]
        return burgers.exact(cosines, sines, cells=self.cells, time=self.time)[:, None]

    def families(self) -> dict[str, Family]:
        """Return initial states with another decay of the waves, other sizes, a mean wind, and jumps."""

        def decaying(decay: float) -> Family:
            ratio = np.tile(self._sizes(decay) / self._sizes(self.decay), 2)
            return lambda draws: self.evaluate(draws * ratio, self.finest)

        return {
            "smoother (decay + 1)": decaying(self.decay + 1),
            "rougher (decay − 1)": decaying(self.decay - 1),
            "larger (×2)": lambda draws: self.amplified(draws, 2.0),
            "smaller (×½)": lambda draws: self.amplified(draws, 0.5),
            "shifted (mean 1)": lambda draws: self.amplified(draws, 1.0) + 1.0,
            "other family: jumps": lambda draws: np.sign(self.amplified(draws, 1.0)),
        }

    def _sizes(self, decay: float) -> Float[Array, " modes"]:
        sizes = np.arange(1, self.modes + 1.0) ** -decay
        return sizes / math.sqrt(float(np.sum(sizes**2)))
