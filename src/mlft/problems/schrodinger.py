"""Ground states of the periodic 1D Schrödinger equation: a smooth random potential with a fast ripple on it."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, hierarchy, refine, restrict
from mlft.problems.base import OK, Problem, Solved, statuses
from mlft.problems.families import Family
from mlft.solvers.eigen import ground_states
from mlft.solvers.series import trigonometric

Array = np.ndarray


@final
@dataclass(frozen=True)
class Schrodinger(Problem):
    """The ground state of −u″ + V u = E u on [0, 1), periodic: V → u > 0 with ∫ u² = 1.

    The potential is a finite random Fourier series, smooth wells and a ripple,

        V(x) = Σ_k a_k cos 2πkx + b_k sin 2πkx,   a_k, b_k ~ N(0, σ_k²),
        σ_k² = depth² / wells for k = 1 … wells,   ripple² / waves for the `waves` numbers k = first … last,

    so that depth and ripple are the standard deviations of the two parts at a point, in the unit 1/length² of V and E.
    The wells confine the ground state. Each wave of the ripple engraves itself on it with the amplitude
    a_k / (2πk)², and deepens the wells by about a_k² / (2 (2πk)²): what a grid too coarse for the ripple gets wrong.
    By default the coarsest grid, of 32 points, sees 1.6 to 4 points a wave, and its ground states are wrong by 17% on
    average; the finest, of 512, by 0.02%.

    Fields are point values, in one channel. The solver is `mlft.solvers.eigen.ground_states`, of order 2 for u and for
    E. Scalars: the "energy" E, the "bracket" (a proven lower bound of the scheme's smallest eigenvalue is this far
    below E), the "residual" ‖Hu − Eu‖ / ‖u‖ ‖H − min V‖, and the "iterations". A sample that is not certified with
    residual and bracket under 1e-10 ends as "not-converged", one with a value that is not finite as "not-finite".

    Attributes:
        cells: points of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 points.
        wells: waves of the smooth part.
        depth: standard deviation of the smooth part.
        first: smallest wave number of the ripple.
        last: largest wave number of the ripple; 12 points a wave or more on the finest grid keep that accurate.
        ripple: standard deviation of the ripple.

    Raises:
        ValueError: an option out of range.
    """

    cells: int = 512
    levels: int = 5
    wells: int = 3
    depth: float = 200.0
    first: int = 8
    last: int = 20
    ripple: float = 400.0

    name = "schrodinger"
    equation = "−u″ + V u = E u on [0, 1), periodic; V → ground state u > 0, ∫ u² = 1"
    order = 2.0
    cost_exponent = 1.0

    def __post_init__(self) -> None:
        for option in ("cells", "levels", "wells", "first", "last"):
            value = getattr(self, option)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{option} of schrodinger must be a positive integer, got {value!r}")
        for option in ("depth", "ripple"):
            if not 0 <= getattr(self, option) < math.inf:
                raise ValueError(
                    f"{option} of schrodinger must be 0 or more, and finite, got {getattr(self, option)!r}"
                )
        if not self.wells < self.first <= self.last:
            raise ValueError(
                f"the ripple of schrodinger must be shorter than its wells, wells < first <= last; "
                f"got {self.wells=}, {self.first=}, {self.last=}"
            )
        if self.cells < 2 ** (self.levels + 1):
            raise ValueError(
                f"{self.levels} levels of schrodinger need 2**(levels + 1) cells, so 4 points on the coarsest grid; "
                f"got {self.cells}"
            )
        finest = Grid((self.cells,), centring="nodal")
        object.__setattr__(self, "hierarchy", hierarchy(finest, self.levels))

    @property
    def waves(self) -> tuple[int, ...]:
        """The wave numbers k of the potential, those of the wells first."""
        return (*range(1, self.wells + 1), *range(self.first, self.last + 1))

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows (a, b) of the coefficients of the cosines and the sines, in the order of `waves`."""
        ripples = self.last - self.first + 1
        sizes = [self.depth / math.sqrt(self.wells)] * self.wells + [self.ripple / math.sqrt(ripples)] * ripples
        normal = torch.randn(n, 2 * len(sizes), generator=generator, dtype=torch.float64)
        return normal.numpy() * np.tile(sizes, 2)

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 points"]:
        """Return the values of V at the points of a grid, whether or not the grid resolves the ripple.

        Raises:
            ValueError: draws of another width, or a grid that is not periodic and nodal on the unit interval.
        """
        _check_grid(grid)
        waves = self.waves
        if draws.shape[1] != 2 * len(waves):
            raise ValueError(f"draws of schrodinger have shape (n, {2 * len(waves)}), got {draws.shape}")
        cosines, sines = draws[:, : len(waves)], draws[:, len(waves) :]
        return trigonometric(cosines, sines, waves=waves, points=grid.cells[0])[:, None]

    def solve(self, inputs: Float[Array, "n 1 points"], grid: Grid) -> Solved:
        """Return the ground states, with the scalars "energy", "bracket", "residual" and "iterations".

        Raises:
            ValueError: inputs that are not on the grid, a grid that is not periodic and nodal on the unit interval, or
                one of fewer than 3 points.
        """
        _check_grid(grid)
        if inputs.shape[1:] != (1, *grid.shape):
            raise ValueError(f"inputs of schrodinger on {grid} have shape (n, 1, {grid}), got {inputs.shape}")
        ground = ground_states(inputs[:, 0], grid.lengths[0])
        scalars = {
            "energy": ground.energies,
            "bracket": ground.brackets,
            "residual": ground.residuals,
            "iterations": ground.iterations.astype(np.float64),
        }
        states = ground.states[:, None]
        return Solved(states, statuses(states, ground.converged), scalars)

    def families(self) -> dict[str, Family]:
        """Return potentials with a weaker or a stronger ripple, other sizes, a constant added, and square wells."""

        def rippled(factor: float) -> Family:
            ratio = np.tile([1.0 if k <= self.wells else factor for k in self.waves], 2)
            return lambda draws: self.evaluate(draws * ratio, self.finest)

        return {
            "smoother (ripple ×¼)": rippled(0.25),
            "rougher (ripple ×2)": rippled(2.0),
            "larger (×2)": lambda draws: self.amplified(draws, 2.0),
            "smaller (×½)": lambda draws: self.amplified(draws, 0.5),
            "shifted (+ depth)": lambda draws: self.amplified(draws, 1.0) + self.depth,
            "other family: square wells": lambda draws: self.depth * np.sign(rippled(0.0)(draws)),
        }

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 points"]:
        """Return (4 u_{4n} − u_{2n}) / 3 on the finest grid, extrapolated from those refined by 2 and by 4.

        Of order 4: with the default options within 1e-6 of a spectral solution, relative L2, when u_n is 2e-4 away.

        Raises:
            ValueError: if a solve fails.
        """
        fine, finer = (self._solved(draws, refine(self.finest, ratio)) for ratio in (2, 4))
        return (4 * finer - fine) / 3

    def _solved(self, draws: Array, grid: Grid) -> Array:
        solved = self.solve(self.evaluate(draws, grid), grid)
        if set(solved.status) - {OK}:
            raise ValueError(f"a reference solve of schrodinger on {grid} failed: {sorted(set(solved.status))}")
        return restrict(solved.solutions, to=self.finest)


def _check_grid(grid: Grid) -> None:
    if grid.dimension != 1 or grid.lengths != (1.0,) or grid.centring != "nodal" or not grid.periodic:
        raise ValueError(f"schrodinger lives on periodic nodal grids of the unit interval, got {grid!r}")
