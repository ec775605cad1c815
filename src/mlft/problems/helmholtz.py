"""Scattering of a plane wave: the Helmholtz equation in a medium of random refractive index, in 1D and 2D."""

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Complex, Float

from mlft.grids import Grid
from mlft.problems import checks, spaces
from mlft.problems.base import Problem, settle
from mlft.problems.references import extrapolated
from mlft.problems.solved import Solved, judged
from mlft.solvers.helmholtz import helmholtz_1d, helmholtz_2d
from mlft.status import UNRESOLVED

Array = np.ndarray


@final
@dataclass(frozen=True)
class Helmholtz(Problem):
    """−Δu − k² n u = 0 on the unit interval or square, lit by the plane wave e^(ikx): from n to u.

    The boundary lets waves out and the plane wave in, ∂u/∂ν − iku = ∂e^(ikx)/∂ν − ik e^(ikx), ν the outward normal. The
    square n of the refractive index is 1 on the boundary and bounded by 1 ± contrast,

        n = 1 + contrast Σ_i w_i c_i sin iπx   or   1 + contrast Σ_ij w_i w_j c_ij sin iπx sin jπy,
        c uniform in (−1, 1),   w_i = i^(−decay) / Σ_j j^(−decay),   i, j = 1 … modes.

    The input has one channel, n; the solution two, Re u and Im u. Fields are point values, both ends stored.

    The solvers are of order 2: `mlft.solvers.helmholtz`. What makes it hard is pollution: waves of the scheme are
    too slow by (kh)²/24, so that after a distance L a wave is out of phase by kL (kh)²/24. At equal points per
    wavelength the error grows like k, and equal error needs points ∝ k^1.5. Where kh √n ≥ 2, under π points a
    wavelength, the scheme has no waves at all: such a sample ends as "unresolved", whatever its numbers, and the scalar
    "points_per_wavelength", of its shortest wave, says by how much. A sample that is not finite ends as "not-finite".

    In 2D each sample is a factorization: about 0.25 s and 70 MB at 256².

    Attributes:
        cells: cells a side of the finest grid, which must resolve the shortest wave that n allows.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        dimension: 1 or 2.
        wave_number: k, 2π times the wavelengths in the unit of length.
        contrast: of n, at least 0 and below 1.
        modes: sines of n on each axis.
        decay: decay of their sizes.

    Raises:
        ValueError: an option out of range; a finest grid of under π points a wavelength.

    Source: Ihlenburg, Babuška, Computers Math. Applic. 30 (1995), for pollution; Ernst, Gander, Why it is difficult to
    solve Helmholtz problems with classical iterative methods (2012).
    """

    cells: int = 256
    levels: int = 4
    dimension: Literal[1, 2] = 1
    wave_number: float = 25.0
    contrast: float = 0.25
    modes: int = 4
    decay: float = 0.5

    name = "helmholtz"
    equation = "−Δu − k² n u = 0 on the unit interval or square, lit by e^(ikx), impedance boundary; n → u"
    input_channels, solution_channels = ("squared refractive index",), ("Re u", "Im u")
    order = 2.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=2, levels=1, modes=1)
        checks.choices(self, dimension=(1, 2))
        checks.numbers(self, wave_number=0)
        checks.between(self, contrast=(0, 1), decay=(0, math.inf))
        points = 2 * math.pi * self.cells / (self.wave_number * math.sqrt(1 + self.contrast))
        if points <= math.pi:
            raise ValueError(
                f"waves of helmholtz at wave_number {self.wave_number:g} have {points:.2f} points a wavelength on "
                f"{self.cells} cells, and the scheme carries none of fewer than 3.15: ask for more cells"
            )
        finest = Grid((self.cells,) * self.dimension, centring="nodal", periodic=False)
        settle(self, finest, self.levels, cost_exponent=1.0 if self.dimension == 1 else 2.4, overhead_cells=15.0)

    @property
    def width(self) -> int:
        """Coefficients of a draw."""
        return self.modes**self.dimension

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows c_i, or c_ij in the order of (i, j)."""
        return 2 * torch.rand(n, self.width, generator=generator, dtype=torch.float64).numpy() - 1

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 *grid"]:
        """Return the values of n at the points of a grid.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, self.width, grid)
        sizes = np.arange(1.0, self.modes + 1) ** -self.decay
        basis = spaces.antiderivatives("sin", self.modes, grid.points[0], 0) * (sizes / sizes.sum())[:, None]
        if self.dimension == 1:
            return 1 + self.contrast * spaces.combine(draws, basis)[:, None]
        table = draws.reshape(len(draws), self.modes, self.modes)
        return 1 + self.contrast * spaces.combine_products(table, basis)[:, None]

    def amplified(self, draws: Float[Array, "n k"], amplitude: float) -> Float[Array, "n 1 *grid"]:
        """Return the indices 1 + amplitude Σ …: the fluctuation is multiplied."""
        return self.evaluate(amplitude * draws, self.finest)

    def solve(self, inputs: Float[Array, "n 1 *grid"], grid: Grid) -> Solved:
        """Return Re u and Im u, with the scalar "points_per_wavelength", that of the shortest wave.

        Raises:
            ValueError: inputs that are not on the grid or not positive, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        checks.above(self, inputs, 0.0, "the squared refractive index")
        options = {"wave_number": self.wave_number, "spacing": grid.spacing[0]}
        right = self.incident(grid)
        if self.dimension == 1:
            waves = helmholtz_1d(inputs[:, 0], right, **options)
        else:
            waves = helmholtz_2d(inputs[:, 0], right, **options)
        fields = np.stack([waves.real, waves.imag], axis=1)
        shortest = inputs.reshape(len(inputs), -1).max(axis=1, initial=0.0)
        points = 2 * np.pi / (self.wave_number * grid.spacing[0] * np.sqrt(shortest))
        return judged(fields, named={UNRESOLVED: points <= math.pi}, points_per_wavelength=points)

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 2 *grid"]:
        """Return solutions on the finest grid, extrapolated from it refined by 1, 2 and 4 at the rate of each sample.

        By 8 too where the rate is under 1.7. In 2D, for the price of a factorization, by 1 and 2 alone at the stated
        order where pollution turns the finest grid's waves by less than 0.2, and else by no more than 4. The bias of
        the finest grid is then right to 3%; to 10% in 2D where its waves are turned by 3. See
        `mlft.problems.references.extrapolated`.

        Raises:
            ValueError: if the solver fails on a refined grid.
        """
        number = self.wave_number * math.sqrt(1 + self.contrast)
        turned = number**3 * self.finest.spacing[0] ** 2 / 24
        dear = (1, 2) if turned < 0.2 else (1, 2, 4)
        return extrapolated(self, draws, ratios=(1, 2, 4, 8) if self.dimension == 1 else dear, least=1.7)

    def incident(self, grid: Grid) -> Complex[Array, "*grid"]:
        """Return the right-hand side that the plane wave e^(ikx) causes, in the units of `mlft.solvers.helmholtz`."""
        kh, wave = self.wave_number * grid.spacing[0], np.exp(1j * self.wave_number * grid.points[0])
        ends = np.zeros(len(wave), dtype=np.complex128)
        ends[0] = -2j * kh  # at the other end the wave leaves, and ∂e^(ikx)/∂ν = ik e^(ikx)
        if self.dimension == 1:
            return ends
        weights = np.full(len(wave), 1.0)
        weights[[0, -1]] = 0.5
        right = np.outer(ends, weights)
        right[:, [0, -1]] -= (1j * kh * wave * weights)[:, None]
        return right
