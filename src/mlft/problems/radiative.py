"""Radiative transfer in a slab: the mean intensity of light that a random scatterer leaves, by a dense solve."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import erf

from mlft.grids import Grid
from mlft.problems import checks
from mlft.problems.base import Problem, settle
from mlft.problems.families import Family
from mlft.problems.references import extrapolated
from mlft.problems.solved import Solved, judged
from mlft.solvers.transfer import mean_intensity

Array = np.ndarray

GAP = 0.05  # between the centres of scatterers, at least


@final
@dataclass(frozen=True)
class RadiativeTransfer(Problem):
    """φ = K (μ_s φ + 1) on (0, 1): from the scattering coefficient μ_s to the mean intensity φ.

    (Kq)(x) = ∫ ½E₁(|∫_x^y μ_s + μ_a|) q(y) dy: light of a unit source, absorbed and scattered in a slab that none
    enters from outside. The scatterers are `strength` times Gaussians,

        μ_s(x) = strength Σ_j r_j / √(2πT) exp(−(x − c_j)² / 2T),   T uniform in (0.002, 0.004), shared,
        r_j uniform in (0.1, 0.3),   the c_j uniform in (0.2, 0.8), at gaps of 0.05 or more.

    Fields are exact cell averages, in one channel. The solver, `mlft.solvers.transfer.mean_intensity`, is of order 2.
    What makes it hard is its price: every place sees every other, the matrix is full, a solve costs (cells)² integrals
    and (cells)³ operations. The map is smooth, its kernel singular on the diagonal. A sample that is not finite ends as
    "not-finite".

    A sample needs room for three matrices of cells²: 2.5 MB at 320 cells, 50 MB at 1,440.

    Attributes:
        cells: cells of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        scatterers: how many Gaussians, fewer than 12.
        strength: their strength, over that of the source; positive.
        absorption: μ_a, in 1/length; positive.

    Raises:
        ValueError: an option out of range.

    Source: Fan, Lin, Ying, Zepeda-Núñez, A multiscale neural network based on hierarchical nested bases, Res. Math.
    Sci. 6 (2019), arXiv 1808.02376, section 4.3.
    """

    cells: int = 320
    levels: int = 4
    scatterers: int = 2
    strength: float = 1.0
    absorption: float = 0.2

    name = "radiative-transfer"
    equation = "φ = K(μ_s φ + 1) on (0, 1), K with the kernel ½E₁ of the optical depth; μ_s → φ"
    input_channels, solution_channels = ("scattering",), ("mean intensity",)
    order = 2.0
    cost_exponent, overhead_cells = 2.0, 40.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=2, levels=1, scatterers=1)
        checks.numbers(self, strength=0, absorption=0)
        if self.scatterers > 11:
            raise ValueError(f"at most 11 scatterers of radiative-transfer fit at gaps of 0.05, got {self.scatterers}")
        settle(self, Grid((self.cells,), periodic=False), self.levels)

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows (r, c, T)."""
        rows, count = np.empty((n, 2 * self.scatterers + 1)), self.scatterers
        for i in range(n):
            uniform = torch.rand(2 * count + 1, generator=generator, dtype=torch.float64).numpy()
            rows[i, :count] = 0.1 + 0.2 * uniform[:count]
            room = 0.6 - GAP * (count - 1)  # points at gaps are sorted points of a shorter interval, pushed apart
            rows[i, count:-1] = 0.2 + room * np.sort(uniform[count:-1]) + GAP * np.arange(count)
            rows[i, -1] = 0.002 + 0.002 * uniform[-1]
        return rows

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 cells"]:
        """Return exact cell averages of μ_s.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, 2 * self.scatterers + 1, grid)
        faces, fields = np.arange(grid.cells[0] + 1) / grid.cells[0], np.zeros((len(draws), *grid.shape))
        for i, row in enumerate(draws):
            for j in range(self.scatterers):
                covered = erf((faces - row[self.scatterers + j]) / np.sqrt(2 * row[-1]))
                fields[i] += 0.5 * self.strength * row[j] * grid.cells[0] * np.diff(covered)
        return fields[:, None]

    def families(self) -> dict[str, Family]:
        """Return scatterers wider, narrower, stronger and weaker, and a medium that scatters a little everywhere."""
        return {
            "smoother (variance ×2)": self._changed(1.0, 2.0),
            "rougher (variance ×½)": self._changed(1.0, 0.5),
            "larger (×2)": self._changed(2.0, 1.0),
            "smaller (×½)": self._changed(0.5, 1.0),
            "shifted (+ 0.5)": lambda draws: self.evaluate(draws, self.finest) + 0.5,
        }

    def amplified(self, draws: Float[Array, "n k"], amplitude: float) -> Float[Array, "n c *grid"]:
        """Return the scattering of draws, times an amplitude."""
        return self._changed(amplitude, 1.0)(draws)

    def _changed(self, strength: float, variance: float) -> Family:
        factors = np.concatenate([np.full(self.scatterers, strength), np.ones(self.scatterers), [variance]])
        return lambda draws: self.evaluate(draws * factors, self.finest)

    def solve(self, inputs: Float[Array, "n 1 cells"], grid: Grid) -> Solved:
        """Return the mean intensities.

        Raises:
            ValueError: inputs that are not on the grid or negative, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        found = mean_intensity(inputs[:, 0], absorption=float(self.absorption), width=grid.spacing[0])
        return judged(found[:, None])

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 cells"]:
        """Return solutions on the finest grid, extrapolated from it refined by 1, 2 and 4 at the rate of each sample.

        Where that is under 1.7, since cells are thick, by 8 too: see `mlft.problems.references.extrapolated`. The bias
        of the finest grid is then right to 1%. Refined by more than 2, a grid keeps to 3,200 cells, for its matrix is
        full: with (1, 2) alone the stated order is taken, and the bias right to 2% unless cells are thick.
        """
        ratios = tuple(ratio for ratio in (1, 2, 4, 8) if ratio <= 2 or ratio * self.cells <= 3200)
        return extrapolated(self, draws, ratios=ratios, least=1.7)
