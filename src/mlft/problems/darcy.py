"""Darcy flow: pressure in a rough porous medium with a random conductivity."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float
from scipy.fft import dctn

from mlft.grids import Grid, power_mean, prolong, restrict
from mlft.problems import checks
from mlft.problems.base import Problem, settle
from mlft.problems.families import Family
from mlft.problems.references import extrapolated
from mlft.problems.solved import Solved, judged
from mlft.solvers.multigrid import solve_elliptic

Array = np.ndarray

FIELDS = ("two-phase", "lognormal", "matern", "channels")
ROUGH = 0.75  # the smoothness of "matern": (ν + d/2) / 2 with ν = ½ in two dimensions
# c (of a band), A, f, φ and w of a channel: from, to
CHANNELS = np.array([[0.0, 0.02, 0.5, 0.0, 0.02], [1.0, 0.12, 1.5, 1.0, 0.05]])
# of the mean that coarse grids are given, with its name; 1, the plain one, for the others
POWERS = {"two-phase": (0.0, "geometric mean"), "channels": (0.5, "power mean ½")}
_NORMAL_QUANTILE = 1.959963984540054  # of 97.5%


@final
@dataclass(frozen=True)
class Darcy(Problem):
    """Darcy flow on the unit square, −div(a ∇u) = source with u = 0 on the boundary, from a to u.

    The conductivity a is made from a Gaussian field, a cosine series without mean (so with zero normal derivatives),

        g(x) = Σ_k c_k φ_k(x),   φ_k(x) = Π_i (1 or, for k_i > 0, √2) cos πk_i x_i,   0 ≤ k_1, k_2 < modes, not both 0,
        c_k ~ N(0, λ_k²),   λ_k ∝ (π²|k|² + τ²)^(−smoothness),   τ = 1/correlation_length,   Σ_k λ_k² = 1,

    so that its variance is 1 on average over the square (0.4 in the middle and 1.7 along the sides by default). Then

        two-phase:  a = contrast^½ where g ≥ 0, contrast^(−½) elsewhere; `contrast` is the ratio of the phases;
        lognormal:  a = exp(σg), σ = log(contrast) / (2 · 1.96); `contrast` is the ratio of the 97.5% and 2.5%
                    quantiles of a where g has variance 1; max a / min a over one draw has a median of about twice it.

        matern:     as lognormal, with a smoothness of ¾: the covariance of g is, away from the sides, that of Matérn
                    with ν = ½, exp(−r / correlation_length), up to the scale of `modes`: continuous, nowhere smooth.

    These are scaled to a geometric mean of 1, for a factor in a is only one in u. The fourth kind has no g:

        channels:   a = contrast^½ where |y − c_j − A_j sin 2π(f_j x + φ_j)| < w_j for one of the `channels` j, and
                    contrast^(−½) elsewhere; c_j uniform in the j-th of equal bands, A in (0.02, 0.12), f in (0.5, 1.5),
                    φ in (0, 1), w in (0.02, 0.05).

    What makes it hard: u bends wherever a jumps, and flow seeks the best of many ways through, so that a change of a
    anywhere is felt everywhere. A grid that averages a channel away, or closes it, gets the pressure wrong all over.

    **The input is a cell-wise constant function**: the value of the formula at the centres of the finest grid's cells.
    `evaluate` averages it over the cells of a coarser grid and repeats it on a finer one (the reference): the same
    function everywhere. Coarse levels do not know the interfaces, and are given the mean that fits the law (`coarsen`);
    their bias is that of the averaging: with 16, 32, 64 and 128 cells a side, the mean relative L2 error against the
    reference is about 4%, 1.8%, 0.8% and 0.5% for the default (7%, 3%, 1.2% and 0.5% with arithmetic means); 1.7%,
    0.4%, 0.1% and 0.03% for a lognormal field of the same contrast (of 1e4: 13%, 3%, 0.9% and 0.3%).

    The solver is `mlft.solvers.multigrid.solve_elliptic`: order 2 where a is smooth; for one two-phase function on
    finer and finer grids 1.4 was seen, for u has singularities where interfaces have corners. A sample that is not
    finite ends as "not-finite"; one that misses its tolerance after `iteration_limit` iterations as "not-converged".

    Attributes:
        cells: cells a side of the finest grid.
        levels: grids of ratio 2; the coarsest must keep 4 cells.
        field: how the conductivity is made from the Gaussian field.
        contrast: ratio of large to small conductivities, more than 1.
        correlation_length: of the Gaussian field, in sides of the square.
        smoothness: decay of its modes; larger is smoother, ½ or less is white noise at the scale of `modes`; not for
            matern and channels.
        modes: cosines on each axis, at most `cells`.
        source: f, the same everywhere.
        channels: how many, for that kind of field.
        iteration_limit: iterations after which a sample is given up; at a two-phase contrast of 1e5, 40 sufficed.

    Raises:
        ValueError: an option out of range.

    Source: Li et al., Fourier neural operator (2021), section 5.2, for the two-phase law, with τ = 3, smoothness 1;
    Lindgren, Rue, Lindström, J. R. Statist. Soc. B 73 (2011), for Matérn's covariance by powers of −Δ + τ².
    """

    cells: int = 128
    levels: int = 4
    field: Literal["two-phase", "lognormal", "matern", "channels"] = "two-phase"
    contrast: float = 12.0
    correlation_length: float = 0.3
    smoothness: float = 1.0
    modes: int = 32
    source: float = 1.0
    iteration_limit: int = 500
    channels: int = 4

    name = "darcy"
    equation = "−div(a ∇u) = f on the unit square, u = 0 on its boundary; a → u, a rough"
    input_channels, solution_channels = ("conductivity",), ("pressure",)
    order = 2.0
    cost_exponent, overhead_cells = 2.0, 16.0

    def __post_init__(self) -> None:
        checks.integers(self, cells=2, levels=1, modes=2, iteration_limit=1, channels=1)
        checks.numbers(self, contrast=1, correlation_length=0, smoothness=0, source=-math.inf)
        checks.choices(self, field=FIELDS)
        if self.modes > self.cells:
            raise ValueError(
                f"{self.cells} cells a side carry at most {self.cells} modes of darcy, got {self.modes}: "
                f"ask for fewer modes or more cells"
            )
        settle(self, Grid((self.cells, self.cells), periodic=False), self.levels)

    def draw(self, n: int, generator: torch.Generator) -> Float[Array, "n k"]:
        """Return n rows c_k: k = (0, 1), (0, 2) …, (1, 0), (1, 1) …, or (c, A, f, φ, w) of the channels.

        Row i is the same for every n.
        """
        if self.field == "channels":
            return self._draw_channels(n, generator)
        sizes = self._sizes(ROUGH if self.field == "matern" else self.smoothness)
        normal = [torch.randn(sizes.size, generator=generator, dtype=torch.float64).numpy() for _ in range(n)]
        return np.reshape(normal, (n, sizes.size)) * sizes

    def evaluate(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 rows columns"]:
        """Return the conductivity, constant on the cells of the finest grid: averaged or repeated to another grid.

        Raises:
            ValueError: draws of another width or not finite, or a grid whose cells are not those of the finest times a
                power of 2.
        """
        draws = checks.draws(self, draws, 5 * self.channels if self.field == "channels" else self.modes**2 - 1, grid)
        fields = np.empty((len(draws), 1, *self.finest.shape))
        for i, coefficients in enumerate(draws):
            fields[i, 0] = self._conductivity(coefficients)
        if grid.cells[0] > self.cells:
            return prolong(fields, to=grid, order=1)
        return restrict(fields, to=grid)

    def solve(self, inputs: Float[Array, "n 1 rows columns"], grid: Grid) -> Solved:
        """Return the pressures, with the scalars "iterations" and "residual" (relative, of the solution returned).

        Raises:
            ValueError: inputs that are not on the grid or not positive, or a grid of another kind.
        """
        inputs = checks.inputs(self, inputs, grid)
        source, (h, k) = np.full((1, *grid.shape), self.source), grid.spacing
        found = solve_elliptic(inputs[:, 0], source, spacing=(h, k), limit=self.iteration_limit)
        return judged(found.solutions[:, None], found.converged, iterations=found.iterations, residual=found.residuals)

    def reference(self, draws: Float[Array, "n k"]) -> Float[Array, "n 1 rows columns"]:
        """Return solutions on the finest grid, extrapolated from it refined by 1, 2 and 4 at the rate of each sample.

        Where conductivities jump the rate is that of the singularities at corners: 1.4 for two phases. Where it is
        under 1.2, and for all channels, whose touching corners add a rate of their own, the grid refined by 8 is solved
        too, unless it has over 2,048 cells a side, and two rates are fitted: see
        `mlft.problems.references.extrapolated`. The bias of the finest grid is then
        right to 1% for Gaussian fields, to 3% for channels at 64 cells a side; at 32 and a contrast of 100, where
        channels touch corner to corner, 9% was seen.

        Raises:
            ValueError: if the solver fails on a refined grid.
        """
        least = math.inf if self.field == "channels" else 1.2
        ratios = (1, 2, 4, 8) if 8 * self.cells <= 2048 else (1, 2, 4)
        return extrapolated(self, draws, ratios=ratios, least=least)

    def coarsen(self, inputs: Float[Array, "n 1 rows columns"], grid: Grid) -> Float[Array, "n 1 coarse coarse"]:
        """Return the means of a that fit its law: geometric for two-phase fields, of power ½ for channels, else plain.

        For two phases in equal parts the geometric mean is exact on average (Dykhne 1971), on blocks of many cells.
        Channels conduct along themselves, as the arithmetic mean has it, and block across; ½ was the best of seven
        powers measured. The plain mean was the best for log-normal and Matérn fields.

        Raises:
            ValueError: for conductivities that are not positive, where the mean is not the plain one.
        """
        power, _ = POWERS.get(self.field, (1.0, ""))
        return power_mean(inputs, to=grid, power=power)

    def coarse_inputs(self, draws: Float[Array, "n k"], grid: Grid) -> Float[Array, "n 1 coarse coarse"]:
        """Return the means of the conductivity on the finest grid."""
        return self.coarsen(self.evaluate(draws, self.finest), grid)

    @property
    def transfers(self) -> dict[str, str]:
        """Coarse grids are given the mean that fits the law."""
        return {"coarsen": POWERS[self.field][1]} if self.field in POWERS else {}

    def families(self) -> dict[str, Family]:
        """Return conductivities of another smoothness or contrast, doubled ones, and those of the other field.

        For the kinds of field that are no power of one Gaussian field, the families of any problem.
        """
        if self.field not in ("two-phase", "lognormal"):
            return super().families()
        other: Literal["two-phase", "lognormal"] = "lognormal" if self.field == "two-phase" else "two-phase"
        different = dataclasses.replace(self, field=other)

        def smooth(smoothness: float) -> Family:
            ratio = self._sizes(smoothness) / self._sizes(self.smoothness)
            return lambda draws: self.evaluate(draws * ratio, self.finest)

        return {
            "smoother (+½)": smooth(self.smoothness + 0.5),
            "rougher (−¼)": smooth(self.smoothness - 0.25),
            "larger (contrast squared)": lambda draws: self.amplified(draws, 2.0),
            "smaller (root of contrast)": lambda draws: self.amplified(draws, 0.5),
            "shifted (×2)": lambda draws: 2 * self.evaluate(draws, self.finest),
            f"other family: {other}": lambda draws: different.evaluate(draws, self.finest),
        }

    def amplified(self, draws: Float[Array, "n k"], amplitude: float) -> Float[Array, "n 1 rows columns"]:
        """Return conductivities with the contrast raised to a power, which multiplies log a.

        Raises:
            ValueError: for an amplitude that is not positive.
        """
        if self.field == "channels":
            return np.asarray(self.evaluate(draws, self.finest) ** amplitude)
        return dataclasses.replace(self, contrast=self.contrast**amplitude).evaluate(draws, self.finest)

    def _sizes(self, smoothness: float) -> Float[Array, " k"]:
        frequencies = math.pi**2 * np.arange(self.modes) ** 2
        sizes = (frequencies[:, None] + frequencies + self.correlation_length**-2) ** -smoothness
        sizes = sizes.ravel()[1:]
        return np.asarray(sizes / math.sqrt(float(np.sum(sizes**2))))

    def _draw_channels(self, n: int, generator: torch.Generator) -> Array:
        lowest, highest = CHANNELS[:, :, None]
        rows = np.empty((n, 5, self.channels))
        for i in range(n):
            uniform = torch.rand(5, self.channels, generator=generator, dtype=torch.float64).numpy()
            rows[i] = lowest + (highest - lowest) * uniform
            rows[i, 0] = (np.arange(self.channels) + uniform[0]) / self.channels
        return rows.reshape(n, -1)

    def _conductivity(self, coefficients: Array) -> Array:
        if self.field == "channels":
            x, y = self.finest.points
            inside = np.zeros(self.finest.shape, dtype=bool)
            for centre, swing, frequency, phase, half in coefficients.reshape(5, -1).T:
                line = centre + swing * np.sin(2 * np.pi * (frequency * x + phase))
                inside |= np.abs(y - line[:, None]) < half
            return np.where(inside, self.contrast**0.5, self.contrast**-0.5)
        scaled = np.concatenate([[0.0], coefficients]).reshape(self.modes, self.modes)
        scaled[1:] /= math.sqrt(2)  # a type-III transform counts every cosine but the first twice
        scaled[:, 1:] /= math.sqrt(2)
        gaussian = dctn(scaled, type=3, s=self.finest.shape)
        if self.field == "two-phase":
            return np.where(gaussian >= 0, self.contrast**0.5, self.contrast**-0.5)
        return np.exp(math.log(self.contrast) / (2 * _NORMAL_QUANTILE) * gaussian)
