"""A multiscale coefficient in one dimension: coarse grids see its mean, the solution sees its harmonic mean."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, power_mean
from mlft.problems import checks
from mlft.problems.base import Problem, settle
from mlft.problems.solved import Solved, blanked, judged
from mlft.solvers.layered import exact_averages, solve_layered

Array = np.ndarray

LEAST = 1e-5  # of the periods whose reference is summed, in seconds a sample


@final
@dataclass(frozen=True)
class Elliptic1d(Problem):
    """−(a(x, x/ε) u′)′ = source on (0, 1) with u = 0 at both ends, from a to u.

    The coefficient is a slow function times a fast one,

        a(x, y) = ā(x) (1 + ripple cos(2πy + φ)),   ā(x) = 1 + contrast Σ_k w_k c_k cos kπx,   k = 1 … modes,
        c_k uniform in (−1, 1),   w_k = 1/k / Σ_j 1/j,   φ uniform in (0, 2π).

    As ε → 0 the solution tends to that of the homogenised coefficient, the harmonic mean a* = ā √(1 − ripple²), with an
    error of O(ε): `homogenised` returns it. Fields are exact cell averages. What makes it hard: a grid that does not
    resolve ε and averages a, to ā instead of a*, has solutions too small by √(1 − ripple²), whatever its order. Coarse
    levels are given harmonic means instead, and are right to O(h² + ε); with plain transfers (`mlft.problems.Plain`)
    the rates of levels change where they begin to resolve ε.

    The solver, `mlft.solvers.layered.solve_layered`, takes a as constant in each cell: order 2 once ε is resolved. The
    reference is exact, by quadrature, for ε of at least 1e-5. A sample that is not finite ends as "not-finite".

    Attributes:
        cells: cells of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        epsilon: ε, the period of the fast part, in the unit of length.
        ripple: size of the fast part, at least 0 and below 1.
        contrast: size of the slow part, at least 0 and below 1.
        modes: cosines of the slow part.
        source: f, the same everywhere.

    Raises:
        ValueError: an option out of range.

    Source: Bensoussan, Lions, Papanicolaou, Asymptotic Analysis for Periodic Structures (1978), chapter 1; Hou, Wu, A
    multiscale finite element method, J. Comput. Phys. 134 (1997), for the coarse grids.
    """

    cells: int = 1024
    levels: int = 5
    epsilon: float = 0.02
    ripple: float = 0.8
    contrast: float = 0.5
    modes: int = 4
    source: float = 1.0

    name = "elliptic1d"
    equation = "−(a(x, x/ε) u′)′ = f on (0, 1), u = 0 at both ends; a, oscillating → u"
    input_channels, solution_channels = ("coefficient",), ("solution",)
    order = 2.0
    cost_exponent, overhead_cells = 1.1, 55.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=2, levels=1, modes=1)
        checks.numbers(self, epsilon=0, source=-math.inf)
        checks.between(self, ripple=(0, 1), contrast=(0, 1))
        settle(self, Grid((self.cells,), periodic=False), self.levels)

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows (c_1 … c_modes, φ/2π)."""
        uniform = torch.rand(n, self.modes + 1, generator=generator, dtype=torch.float64).numpy()
        uniform[:, :-1] = 2 * uniform[:, :-1] - 1
        return uniform

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 cells"]:
        """Return exact cell averages of a, whether or not the grid resolves ε.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        draws = checks.draws(self, draws, self.modes + 1, grid)
        (x,), (h,), sizes = grid.points, grid.spacing, self._sizes()
        fast, phase = 2 / self.epsilon, 2 * np.pi * draws[:, -1, None]  # in half turns a unit of length

        def mean(number: float, angle: Array | float) -> Array:
            return np.sinc(number * h / 2) * np.cos(np.pi * number * x + angle)

        fields = 1 + self.ripple * mean(fast, phase)
        for k in range(1, self.modes + 1):  # in this order: no sample sees its batch
            slow = mean(k, 0.0) + 0.5 * self.ripple * (mean(fast + k, phase) + mean(fast - k, phase))
            fields += sizes[k - 1] * draws[:, k - 1, None] * slow
        return fields[:, None]

    def coarsen(self, inputs: Float[Array, "n 1 cells"], grid: Grid) -> Float[Array, "n 1 coarse"]:
        """Return the harmonic means of a: the flux through layers in series is that of their mean resistance.

        Raises:
            ValueError: for coefficients that are not positive.
        """
        return power_mean(inputs, to=grid, power=-1)

    def coarse_inputs(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 coarse"]:
        """Return harmonic means of the averages of a on the finest grid."""
        return self.coarsen(self.evaluate(draws, self.finest), grid)

    @property
    def transfers(self) -> dict[str, str]:
        """Coarse grids are given harmonic means."""
        return {"coarsen": "harmonic mean"}

    def amplified(self, draws: Float[Array, "n k"], amplitude: float) -> Float[Array, "n 1 cells"]:
        """Return the coefficients with the slow part's c_k multiplied, at the same phase of the fast one."""
        return self.evaluate(draws * np.append(np.full(self.modes, amplitude), 1.0), self.finest)

    def solve(self, inputs: Float[Array, "n 1 cells"], grid: Grid) -> Solved:
        """Return the solutions of the scheme.

        Raises:
            ValueError: inputs that are not on the grid or not positive, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        checks.above(self, inputs, 0.0, "the coefficient")
        return judged(solve_layered(blanked(inputs)[:, 0], self.source, width=grid.spacing[0])[:, None])

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 cells"]:
        """Return exact cell averages of u on the finest grid: see `mlft.solvers.layered.exact_averages`.

        Raises:
            ValueError: draws of another width, not finite, or with a slow part under 1e-11; an ε under 1e-5,
                whose periods are too many to sum.
        """
        if self.epsilon < LEAST and self.ripple > 0:
            raise ValueError(
                f"the reference of elliptic1d sums every period, and so allows an epsilon of at least {LEAST:g}, got "
                f"{self.epsilon:g}: ask for a larger one, or compare with `homogenised`, off by about epsilon"
            )
        return self._exact(draws, self.ripple)

    def homogenised(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 cells"]:
        """Return exact cell averages on the finest grid of the limit ε → 0, the solution for a* = ā √(1 − ripple²).

        Raises:
            ValueError: draws of another width, not finite, or with a slow part under 1e-11.
        """
        return self._exact(draws, 0.0) / math.sqrt((1 - self.ripple) * (1 + self.ripple))

    def _sizes(self) -> Array:
        sizes = 1 / np.arange(1.0, self.modes + 1)
        return self.contrast * sizes / sizes.sum()

    def _exact(self, draws: Array, ripple: float) -> Array:
        draws = checks.draws(self, draws, self.modes + 1)
        period = self.epsilon if ripple > 0 else 2.0
        cosines = self._sizes() * draws[:, :-1]
        averages = exact_averages(cosines, draws[:, -1], cells=self.cells, ripple=ripple, period=period)
        if not np.isfinite(averages).all():
            raise ValueError("draws of elliptic1d must have a slow part above 1e-11 everywhere, got some that have not")
        return self.source * averages[:, None]
