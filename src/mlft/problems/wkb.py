"""A wave that oscillates fast through a slowly varying medium, and the mesh-free formula as its coarse level."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid
from mlft.problems import checks
from mlft.problems.base import Problem, settle
from mlft.problems.references import extrapolated
from mlft.problems.solved import Solved, blanked, judged
from mlft.solvers.wkb import envelopes, integral, numerov
from mlft.status import UNRESOLVED

Array = np.ndarray

SMALL = 0.5  # a correction of the formula, of its own first order


@final
@dataclass(frozen=True)
class Wkb(Problem):
    """ε²φ″ + a(x) φ = 0 on (0, 1), a wave sent to the right from x = 0: from a > 0 to the wave's envelope.

    φ(0) = a(0)^(−¼), εφ′(0) = i a(0)^¼, and the envelope is w = φ exp(−(i/ε) ∫₀ˣ √a): the wave without its fast phase,
    smooth on the scale of a. The coefficient is bounded by 1 ± contrast,

        a(x) = 1 + contrast Σ_k w_k c_k cos kπx,   c_k uniform in (−1, 1),   w_k = k^(−decay) / Σ_j j^(−decay),   k ≤
        modes.

    The input has one channel, a; the solution two, Re w and Im w. Fields are point values, both ends stored.

    On the `mesh_free` coarsest levels the solution is the WKB formula of second order, off by O(ε²) on *any* grid; on
    the others Numerov's method, of order 4, off by about (kh)⁴/480 · k, k = √a/ε. What makes it hard, many waves to
    follow, is what makes the coarse level good. By default
    (5 waves, 6 points in the shortest on the coarsest grid, 50 on the finest) the formula is wrong by 0.2% where
    Numerov's method on the same grid is wrong by 1.3%.

    With Numerov's method under π points a wave, a sample ends as "unresolved"; the scalar "points_per_wavelength" is
    that of the shortest wave. So it does where the formula corrects the wave by over a half, since a varies within a
    wave: up to ε = 0.2 no draw of the default law. A sample that is not finite ends as "not-finite".

    Attributes:
        cells: cells of the finest grid, which must resolve the shortest wave that a allows.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        epsilon: ε, the scaled Planck constant; small is fast.
        contrast: of a, at least 0 and below 1.
        modes: cosines of a.
        decay: decay of their sizes.
        mesh_free: how many of the coarsest levels are solved by the formula, from 0 to `levels`.

    Raises:
        ValueError: an option out of range; a finest grid of under π points a wavelength.

    Source: Arnold, Ben Abdallah, Negulescu, WKB-based schemes for the oscillatory 1D Schrödinger equation in the
    semiclassical limit, SIAM J. Numer. Anal. 49 (2011).
    """

    cells: int = 256
    levels: int = 4
    epsilon: float = 0.04
    contrast: float = 0.8
    modes: int = 4
    decay: float = 1.0
    mesh_free: int = 1

    name = "wkb"
    equation = "ε²φ″ + a φ = 0 on (0, 1), φ(0) = a(0)^(−¼), εφ′(0) = i a(0)^¼; a → φ exp(−(i/ε)∫√a)"
    input_channels, solution_channels = ("coefficient",), ("Re w", "Im w")
    order = 4.0
    cost_exponent, overhead_cells = 1.0, 8.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=4, levels=1, modes=1, mesh_free=0)
        checks.numbers(self, epsilon=0)
        checks.between(self, contrast=(0, 1), decay=(0, math.inf), mesh_free=(0, self.levels + 1))
        points = 2 * math.pi * self.cells * self.epsilon / math.sqrt(1 + self.contrast)
        if points <= math.pi:
            raise ValueError(
                f"waves of wkb at epsilon {self.epsilon:g} have {points:.2f} points a wavelength on {self.cells} "
                f"cells, and the reference needs more than 3.15: ask for more cells"
            )
        settle(self, Grid((self.cells,), centring="nodal", periodic=False), self.levels)

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows c_k."""
        return 2 * torch.rand(n, self.modes, generator=generator, dtype=torch.float64).numpy() - 1

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 points"]:
        """Return the values of a at the points of a grid.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, self.modes, grid)
        sizes = np.arange(1.0, self.modes + 1) ** -self.decay
        sizes *= self.contrast / sizes.sum()
        fields = np.ones((len(draws), *grid.shape))
        for k in range(self.modes):  # in this order: no sample sees its batch
            fields += draws[:, k, None] * (sizes[k] * np.cos(np.pi * (k + 1) * grid.points[0]))
        return fields[:, None]

    def amplified(self, draws: Float[Array, "n k"], amplitude: float) -> Float[Array, "n 1 points"]:
        """Return the coefficients 1 + amplitude Σ …: the fluctuation is multiplied."""
        return self.evaluate(amplitude * draws, self.finest)

    def solve(self, inputs: Float[Array, "n 1 points"], grid: Grid) -> Solved:
        """Return Re w and Im w, with the scalar "points_per_wavelength", that of the shortest wave.

        Raises:
            ValueError: inputs that are not on the grid or not positive, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        checks.above(self, inputs, 0.0, "the coefficient")
        h = grid.spacing[0]
        coefficients = blanked(inputs)[:, 0]
        points = 2 * np.pi * self.epsilon / (h * np.sqrt(coefficients.max(axis=1)))
        formula = self.mesh_free > 0 and grid.cells[0] <= self.hierarchy[self.mesh_free - 1].cells[0]
        if formula:
            waves, corrections = envelopes(coefficients, epsilon=self.epsilon, spacing=h)
            doubtful = np.abs(corrections[:, 1:-1]).max(axis=1) > SMALL  # at the ends a″ is extrapolated
        else:
            phases = integral(np.sqrt(coefficients), spacing=h) / self.epsilon
            waves = numerov(coefficients, epsilon=self.epsilon, spacing=h) * np.exp(-1j * phases)
            doubtful = points <= math.pi
        fields = np.stack([waves.real, waves.imag], axis=1)
        return judged(fields, named={UNRESOLVED: doubtful}, points_per_wavelength=points)

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 2 points"]:
        """Return solutions of Numerov's method on the finest grid refined by 4 and 8, extrapolated at its order.

        Where the finest level is mesh-free too, refined until Numerov's phase is off by less than ε²/100, for the
        formula is off by about ε².
        """
        ratio, number = 4, math.sqrt(1 + self.contrast) / self.epsilon
        while (
            self.mesh_free == self.levels
            and number * (number / (ratio * self.cells)) ** 4 / 480 > self.epsilon**2 / 100
        ):
            ratio *= 2
        return extrapolated(self, draws, ratios=(ratio, 2 * ratio))
