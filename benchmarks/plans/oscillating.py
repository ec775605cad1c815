"""A 1D elliptic equation with an oscillating coefficient: coarse grids do not see the oscillation, but its mean."""

import numpy as np
import torch

from mlft import FunctionProblem, Grid, hierarchy, restrict

SMOOTH, FAST = 3, (20, 21, 22, 23, 24)
FINEST = Grid((128,), centring="cell", periodic=False)


def draw(n: int, generator: torch.Generator) -> np.ndarray:
    """Return amplitudes of the smooth waves and of the fast ones of log a."""
    normal = torch.randn(n, 2 * (SMOOTH + len(FAST)), generator=generator, dtype=torch.float64)
    return normal.numpy()


def evaluate(draws: np.ndarray, grid: Grid) -> np.ndarray:
    """Return cell values of a: exp of a random series on the finest grid, averaged on the coarser ones."""
    x = FINEST.points[0]
    waves = np.array([*range(1, SMOOTH + 1), *FAST])
    sizes = np.array([0.5 / k for k in range(1, SMOOTH + 1)] + [0.45] * len(FAST))
    phase = 2 * np.pi * waves[:, None] * x
    cosines, sines = draws[:, : len(waves)] * sizes, draws[:, len(waves) :] * sizes
    a = np.exp(cosines @ np.cos(phase) + sines @ np.sin(phase))[:, None]
    return restrict(a, to=grid) if grid != FINEST else a


def solve(inputs: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the solutions of −(a u′)′ = 1, u(0) = u(1) = 0, by finite volumes: fluxes are q₀ − x, resistances add."""
    (h,) = grid.spacing
    resistance = h / inputs[:, 0]
    joined = 0.5 * np.concatenate(
        [resistance[:, :1], resistance[:, 1:] + resistance[:, :-1], resistance[:, -1:]], axis=1
    )
    x = h * np.arange(grid.cells[0] + 1)
    q = (joined * x).sum(axis=1) / joined.sum(axis=1)
    return np.cumsum(joined * (q[:, None] - x), axis=1)[:, None, :-1]


problem = FunctionProblem(
    "oscillating",
    hierarchy(FINEST, 4),
    draw,
    evaluate,
    solve,
    cost_exponent=2.0,
    equation="−(a u′)′ = 1 on (0, 1), u = 0 at both ends; oscillating a → u",
)
