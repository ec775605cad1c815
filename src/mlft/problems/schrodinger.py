"""Ground states of the Schrödinger and the Gross–Pitaevskii equation, in random potentials with ripples or wells."""

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float

from mlft.grids import Grid, prolong_waves
from mlft.problems import checks
from mlft.problems.base import Problem, refined, settle
from mlft.problems.families import Family, square_wells, with_other
from mlft.problems.solved import Solved, judged
from mlft.solvers.condensate import condensates
from mlft.solvers.eigen import ground_states
from mlft.solvers.series import trigonometric
from mlft.status import DEGENERATE

Array = np.ndarray

GAP = 0.05  # between wells, at least


@final
@dataclass(frozen=True)
class Schrodinger(Problem):
    """The ground state of −Δu + V u + β u³ = E u on the unit interval or square: V → u > 0 with ∫ u² = 1.

    Periodic, or with u = 0 on the boundary. With β = 0 (`cubic`) the equation is linear. What makes it hard: the map
    from V to u is nonlinear and not local; where two wells are nearly as deep, a small change of V moves u from the one
    to the other. The law "ripple", in one dimension, is a finite random Fourier series, smooth wells and a ripple,

        V(x) = Σ_k a_k cos 2πkx + b_k sin 2πkx,   a_k, b_k ~ N(0, σ_k²),
        σ_k² = depth² / wells for k = 1 … wells,   ripple² / waves for the `waves` numbers k = first … last,

    so that depth and ripple are the standard deviations of the two parts at a point, in the unit 1/length² of V and E.
    The wells confine the ground state. Each wave of the ripple engraves itself on it with the amplitude
    a_k / (2πk)², and deepens the wells by about a_k² / (2 (2πk)²): what a grid too coarse for the ripple gets wrong.
    By default the coarsest grid, of 32 points, sees 1.6 to 4 points a wave, and its ground states are wrong by 17% on
    average; the finest, of 512, by 0.02%. Of 300 draws 25 are over 40% off on 32 points, mostly since the grid's own
    ground state, which is what is `ok`, is in another well than the exact one; 3 on 64 points, none on finer grids.

    The law "wells" is a sum of `wells` Gaussians and their periodic images,

        V(x) = −Σ_j r_j / √(2πT) Σ_s exp(−|x − c_j − s|² / 2T),   T uniform in (0.002, 0.004), shared,
        r_j uniform in (10, 40) in 1D and (1, 6) in 2D,   the c_j uniform, at gaps of 0.05 or more on the circle;

    in 2D each coordinate of the centres so, and sorted: a law that prefers a diagonal, which is that of the source. The
    source has two wells and β = 10, and shifts V by a constant, which changes E alone.

    Fields are point values, in one channel. In the linear, periodic case in one dimension with differences the solver
    is `mlft.solvers.eigen.ground_states`, of order 2 for u and for E. Scalars: the "energy" E, the "bracket" (a proven
    lower bound of the scheme's smallest eigenvalue is this far below E), the "residual" ‖Hu − Eu‖ / ‖u‖ ‖H − min V‖,
    and the "iterations". A sample that is not certified with residual and bracket under 1e-10 ends as "not-converged",
    one with a value that is not finite as "not-finite". Else it is `mlft.solvers.condensate.condensates`, with
    differences of order 2 or spectral, of no finite order; the same scalars but the bracket. A sample is
    "not-converged" whose residual stays over 2e-9, or whose state is negative somewhere. Either way a sample is
    "degenerate" whose gap to the next energy is so small, as between two wells that hardly feel each other and hardly
    differ, that round-off might turn the state by over 1e-5: no sample that is "ok" is that far from the scheme's own
    ground state, in relative L2.

    Attributes:
        cells: cells a side of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 points.
        wells: waves of the smooth part; or how many wells, fewer than 20.
        depth: standard deviation of the smooth part.
        first: smallest wave number of the ripple.
        last: largest wave number of the ripple; 12 points a wave or more on the finest grid keep that accurate.
        ripple: standard deviation of the ripple.
        dimension: 1 or 2.
        law: of the potentials; "ripple" in one dimension only.
        boundary: periodic, or u = 0.
        scheme: how −Δ is discretized.
        cubic: β, at least 0: the repulsion, in the unit of E.

    Raises:
        ValueError: an option out of range.

    Source: Fan, Lin, Ying, Zepeda-Núñez, A multiscale neural network based on hierarchical matrices, Multiscale Model.
    Simul. 17 (2019), section 4.1, for the law "wells"; Bao, Du, SIAM J. Sci. Comput. 25 (2004), for the equation.
    """

    cells: int = 512
    levels: int = 5
    wells: int = 3
    depth: float = 200.0
    first: int = 8
    last: int = 20
    ripple: float = 400.0
    dimension: Literal[1, 2] = 1
    law: Literal["ripple", "wells"] = "ripple"
    boundary: Literal["periodic", "dirichlet"] = "periodic"
    scheme: Literal["differences", "spectral"] = "differences"
    cubic: float = 0.0

    name = "schrodinger"
    equation = "−Δu + V u + β u³ = E u on the unit interval or square, periodic or u = 0; V → u > 0, ∫ u² = 1"
    input_channels, solution_channels = ("potential",), ("ground state",)

    def __post_init__(self) -> None:
        checks.integers(self, cells=4, levels=1, wells=1, first=1, last=1)
        checks.choices(self, dimension=(1, 2), boundary=("periodic", "dirichlet"), scheme=("differences", "spectral"))
        checks.choices(self, law=("ripple", "wells") if self.dimension == 1 else ("wells",))
        checks.between(self, depth=(0, math.inf), ripple=(0, math.inf), cubic=(0, math.inf))
        if self.law == "wells" and self.wells > 19:
            raise ValueError(f"at most 19 wells of schrodinger fit at gaps of 0.05, got wells={self.wells}")
        if self.law == "ripple" and not self.wells < self.first <= self.last:
            raise ValueError(
                f"the ripple of schrodinger must be shorter than its wells, wells < first <= last; "
                f"got {self.wells=}, {self.first=}, {self.last=}"
            )
        finest = Grid((self.cells,) * self.dimension, centring="nodal", periodic=self.boundary == "periodic")
        # what few points cost in conjugate gradients on a line is hardly the points
        exponent, overhead = (2.1, 40.0) if self.dimension > 1 else (1.0, 900.0) if self._by_gradients else (1.1, 40.0)
        order = 2.0 if self.scheme == "differences" else math.inf
        settle(self, finest, self.levels, order=order, cost_exponent=exponent, overhead_cells=overhead)

    @property
    def _by_gradients(self) -> bool:
        """Whether the solver is that of condensates, and not the one of periodic differences on a line."""
        return self.dimension > 1 or self.cubic > 0 or self.boundary != "periodic" or self.scheme == "spectral"

    @property
    def waves(self) -> tuple[int, ...]:
        """The wave numbers k of the potential, those of the wells first."""
        return (*range(1, self.wells + 1), *range(self.first, self.last + 1))

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows: (a, b), of the cosines and the sines in the order of `waves`; or (r, T, c) of the wells."""
        if self.law == "wells":
            return self._draw_wells(n, generator)
        ripples = self.last - self.first + 1
        sizes = [self.depth / math.sqrt(self.wells)] * self.wells + [self.ripple / math.sqrt(ripples)] * ripples
        normal = torch.randn(n, 2 * len(sizes), generator=generator, dtype=torch.float64)
        return normal.numpy() * np.tile(sizes, 2)

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 *grid"]:
        """Return the values of V at the points of a grid, whether or not the grid resolves the ripple.

        Raises:
            ValueError: draws of another width or not finite, or a grid of another kind.
        """
        waves = self.waves
        width = self.wells * (1 + self.dimension) + 1 if self.law == "wells" else 2 * len(waves)
        draws = checks.draws(self, draws, width, grid)
        if self.law == "wells":
            return self._evaluate_wells(draws, grid)
        cosines, sines = draws[:, : len(waves)], draws[:, len(waves) :]
        fields = trigonometric(cosines, sines, waves=waves, points=grid.cells[0])
        return (fields if grid.periodic else np.concatenate([fields, fields[:, :1]], axis=1))[:, None]

    def solve(self, inputs: Float[Array, "n 1 *grid"], grid: Grid) -> Solved:
        """Return the ground states, with the scalars "energy", "residual" and "iterations", and maybe "bracket".

        Raises:
            ValueError: inputs that are not on the grid, or a grid of another kind, or of fewer than 3 points.
        """
        inputs = checks.inputs(self, inputs, grid)
        if self._by_gradients:
            periodic, spectral = self.boundary == "periodic", self.scheme == "spectral"
            found = condensates(inputs[:, 0], cubic=float(self.cubic), periodic=periodic, spectral=spectral)
            return judged(
                found.states[:, None],
                found.converged,
                named={DEGENERATE: ~found.determined},
                energy=found.energies,
                residual=found.residuals,
                iterations=found.iterations,
            )
        ground = ground_states(inputs[:, 0], grid.lengths[0])
        return judged(
            ground.states[:, None],
            ground.converged,
            named={DEGENERATE: ~ground.determined},
            energy=ground.energies,
            bracket=ground.brackets,
            residual=ground.residuals,
            iterations=ground.iterations,
        )

    def prolong(self, solutions: Float[Array, "n 1 *coarse"], grid: Grid) -> Float[Array, "n 1 *grid"]:
        """Return the trigonometric polynomials through the points for the spectral scheme, else cubic ones."""
        if self.scheme == "spectral":
            return prolong_waves(solutions, to=grid)
        return super().prolong(solutions, grid)

    @property
    def transfers(self) -> dict[str, str]:
        """Solutions of the spectral scheme are sums of waves."""
        return {"prolong": "trigonometric"} if self.scheme == "spectral" else {}

    def families(self) -> dict[str, Family]:
        """Return potentials with a weaker or a stronger ripple, other sizes, a constant added, and square wells.

        For the law "wells", the families of any problem, with square wells for the other family.
        """
        if self.law != "ripple":
            found = super().families()
            return with_other(found, "square wells", lambda d: square_wells(self.evaluate(d, self.finest)))

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

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 *grid"]:
        """Return (4 u_{4n} − u_{2n}) / 3 on the finest grid, extrapolated from those refined by 2 and by 4.

        Of order 4: with the default options within 1e-6 of a spectral solution, relative L2, when u_n is 2e-4 away.
        With the spectral scheme the solution on the grid refined by 2; with u = 0 on the boundary, where its sines lose
        the curvature of V u and it is of order 5 alone, by 4. Measured with it, the bias is within 1% of the true one.

        Raises:
            ValueError: if a solve fails.
        """
        if self.scheme == "spectral":
            return refined(self, draws, 2 if self.boundary == "periodic" else 4)
        fine, finer = (refined(self, draws, ratio) for ratio in (2, 4))
        return (4 * finer - fine) / 3

    def _draw_wells(self, n: int, generator: torch.Generator) -> Array:
        """Spacings of points at random on a circle are uniform on a simplex: exponential numbers over their sum."""
        strongest = (10.0, 40.0) if self.dimension == 1 else (1.0, 6.0)
        rows = np.empty((n, self.wells * (1 + self.dimension) + 1))
        for i in range(n):
            uniform = torch.rand(self.wells + 1, generator=generator, dtype=torch.float64).numpy()
            rows[i, : self.wells] = strongest[0] + (strongest[1] - strongest[0]) * uniform[:-1]
            rows[i, self.wells] = 0.002 + 0.002 * uniform[-1]
            for axis in range(self.dimension):
                start, *others = torch.rand(self.wells + 1, generator=generator, dtype=torch.float64).tolist()
                spacings = -np.log1p(-np.array(others))
                gaps = GAP + (1 - GAP * self.wells) * spacings / spacings.sum()
                first = self.wells * (1 + axis) + 1
                rows[i, first : first + self.wells] = np.sort((start + np.cumsum(gaps)) % 1.0)
        return rows

    def _evaluate_wells(self, draws: Array, grid: Grid) -> Array:
        fields, (x, *_) = np.zeros((len(draws), 1, *grid.shape)), grid.points
        for i, row in enumerate(draws):
            spread = row[self.wells]
            for j in range(self.wells):
                centres = row[self.wells + 1 + j :: self.wells]
                bumps = [sum(np.exp(-((x - c - s) ** 2) / (2 * spread)) for s in (-1, 0, 1)) for c in centres]
                shape = bumps[0] if self.dimension == 1 else np.outer(bumps[0], bumps[1])
                fields[i, 0] -= row[j] / math.sqrt(2 * math.pi * spread) * shape
        return fields
