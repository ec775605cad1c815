"""Two-dimensional incompressible flow: from a random vorticity to the vorticity later, decaying or forced."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, prolong_waves
from mlft.problems import checks
from mlft.problems.base import Problem, settle
from mlft.problems.solved import Solved, judged
from mlft.solvers.vorticity import march_vorticity

Array = np.ndarray

STEPS_PER_POINT = 100


@final
@dataclass(frozen=True)
class NavierStokes(Problem):
    """ω_t + u·∇ω = viscosity Δω + f on the periodic unit square: from the vorticity at 0 to that at `time`.

    u = (ψ_y, −ψ_x) with −Δψ = ω, and f = forcing (sin 2π(x + y) + cos 2π(x + y)); without forcing, as by default, the
    flow decays. The initial vorticity is a Gaussian field,

        ω₀ = Σ_k √(2λ_k) (a_k cos 2πk·x + b_k sin 2πk·x),   λ_k = 7³ (4π²|k|² + 49)^(−5/2),   a, b ~ N(0, 1),

    over one k of each pair ±k with 0 < max |k_i| ≤ modes. Fields are point values, in one channel. The solver,
    `mlft.solvers.vorticity.march_vorticity`, is pseudo-spectral with the 2/3 rule: order 4 in time, with steps ∝ h, and
    no finite order in space. A sample of more than 100 steps a point (on one axis; steps that are tried again count)
    ends as "not-converged", one that is not finite as "not-finite".

    What makes it hard: at low viscosity vorticity is stretched into ever thinner sheets, and close flows part
    exponentially. By default the mean solution is wrong by all of its norm, and decay without transport by 60%. Forcing
    makes it easy: with 0.1, at a viscosity of 1e-3, the forced wave has 96% of the enstrophy at a time of 10, and the
    mean solution is wrong by 24% only.

    Attributes:
        cells: points a side of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 points.
        time: the end time.
        viscosity: ν, at least 0. Good values: 1e-4 to 1e-3.
        forcing: size of f; 0 for decaying flow. Good values: up to 0.01.
        modes: the largest wave number of ω₀ on an axis.

    Raises:
        ValueError: an option out of range.

    Source: Li et al., Fourier neural operator (2021), section 5.3 and its code, for the law (there forced by 0.1,
    with T to 50).
    """

    cells: int = 64
    levels: int = 4
    time: float = 10.0
    viscosity: float = 1e-4
    forcing: float = 0.0
    modes: int = 8

    name = "navier-stokes"
    equation = "ω_t + u·∇ω = ν Δω + f on the periodic unit square, −Δψ = ω, u = (ψ_y, −ψ_x); ω₀ → ω(·, time)"
    input_channels, solution_channels = ("initial vorticity",), ("vorticity",)
    order = 4.0
    cost_exponent = 2.9

    def __post_init__(self) -> None:
        checks.integers(self, cells=4, levels=1, modes=1)
        checks.numbers(self, time=0, forcing=-math.inf)
        checks.between(self, viscosity=(0, math.inf))
        settle(self, Grid((self.cells, self.cells), centring="nodal"), self.levels)

    @property
    def waves(self) -> Float[Array, "k 2"]:
        """The wave numbers k, one of each pair ±k."""
        span = np.arange(-self.modes, self.modes + 1)
        pairs = np.stack(np.meshgrid(span, span, indexing="ij"), axis=-1).reshape(-1, 2)
        return pairs[len(pairs) // 2 + 1 :].astype(np.float64)

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows √(2λ) (a, b), in the order of `waves`."""
        waves = self.waves
        sizes = np.sqrt(2 * 7.0**3 * (4 * np.pi**2 * (waves**2).sum(axis=1) + 49) ** -2.5)
        normal = [torch.randn(2 * len(waves), generator=generator, dtype=torch.float64).numpy() for _ in range(n)]
        return np.reshape(normal, (n, 2 * len(waves))) * np.tile(sizes, 2)

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 rows columns"]:
        """Return the values of ω₀ at the points of a grid, whether or not the grid resolves it.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        waves = self.waves
        draws = checks.draws(self, draws, 2 * len(waves), grid)
        n = grid.cells[0]
        circle = np.exp(2j * np.pi * np.arange(n) / n)
        fields, rows = np.zeros((len(draws), n, n)), np.arange(n)
        for i, row in enumerate(draws):
            amplitudes = row[: len(waves)] - 1j * row[len(waves) :]
            table: dict[float, Array] = {}
            for (k, m), amplitude in zip(waves, amplitudes, strict=True):
                table[k] = table.get(k, 0.0) + amplitude * circle[(int(m) * rows) % n]
            for k, line in table.items():
                fields[i] += (circle[(int(k) * rows) % n][:, None] * line).real
        return fields[:, None]

    def solve(self, inputs: Float[Array, "n 1 rows columns"], grid: Grid) -> Solved:
        """Return the vorticities at `time`, with the scalar "steps": all that were tried.

        Raises:
            ValueError: inputs that are not on the grid, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        turns = 2 * np.pi * (grid.points[0][:, None] + grid.points[1])
        states, steps, done = march_vorticity(
            inputs[:, 0],
            forcing=self.forcing * (np.sin(turns) + np.cos(turns)),
            viscosity=float(self.viscosity),
            time=float(self.time),
            step_limit=STEPS_PER_POINT * grid.cells[0],
        )
        return judged(states[:, None], done, steps=steps)

    def prolong(self, solutions: Float[Array, "n 1 *coarse"], grid: Grid) -> Float[Array, "n 1 *grid"]:
        """Return the trigonometric polynomials through the points: what the solver works with.

        Nearer than what `mlft.grids.prolong` returns where a level resolves the flow; else as near, to 5%.
        """
        return prolong_waves(solutions, to=grid)

    @property
    def transfers(self) -> dict[str, str]:
        """Solutions are sums of waves."""
        return {"prolong": "trigonometric"}
