"""Coupled samples made by formulas: a coarse field, and a fine one that differs from it by something local."""

import numpy as np

from mlft.grids import Grid
from mlft.lifts import Coarse, Coupled, Place

LINE, PLANE, ENDS = Grid((24,)), Grid((12, 18)), Grid((20,), centring="nodal", periodic=False)


def place(grid: Grid = LINE, *, level: int = 1, target: int = 3, ratio: int = 4, order: float = 2.0) -> Place:
    """Return where a lift of the tests belongs."""
    own = Grid(tuple(n // 2 for n in grid.cells), grid.lengths, grid.centring, grid.periodic)
    return Place("toy", level, target, own, grid, ratio, order)


def coupled(n: int, grid: Grid = LINE, *, seed: int = 0, channels: tuple[int, int] = (2, 1)) -> Coupled:
    """Return n coupled draws of smooth random fields; fine = coarse + 0.4 tanh(coarse next door)."""
    random = np.random.default_rng(seed)
    inputs, coarse = (smooth(random, n, c, grid) for c in channels)
    fine = 0.3 + coarse + 0.4 * np.tanh(2 * np.roll(coarse, 1, axis=-1))
    return Coupled(Coarse(inputs, coarse), fine, np.ones(n, bool))


def smooth(random: np.random.Generator, n: int, channels: int, grid: Grid) -> np.ndarray:
    """Return random fields of a few waves on each axis."""
    field = np.zeros((n, channels, *grid.shape))
    waves = np.meshgrid(
        *(2 * np.pi * x / length for x, length in zip(grid.points, grid.lengths, strict=True)), indexing="ij"
    )
    for k in range(1, 4):
        for wave in waves:
            phase, size = random.uniform(0, 2 * np.pi, (n, channels)), random.normal(size=(n, channels)) / k
            shape = (n, channels, *[1] * grid.dimension)
            field += size.reshape(shape) * np.cos(k * wave + phase.reshape(shape))
    return field
