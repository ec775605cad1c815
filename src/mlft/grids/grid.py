"""Grids, and hierarchies of them of ratio 2. Level 0 is the coarsest grid of a hierarchy."""

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float

Array = np.ndarray

MOST = 2**31
"""Cells of a grid: one field of more takes 16 GiB."""

FEWEST = 4
"""Cells on each axis of a coarsest grid from which every plain prolongation can start."""


@final
@dataclass(frozen=True)
class Grid:
    """One uniform grid on a box, in one or two dimensions.

    Stored points per axis: `cells` for cell-centred grids (x = (i+½)h) and for periodic nodal grids (x = ih);
    `cells + 1` for bounded nodal grids, both end points included. h = length / cells.

    Attributes:
        cells: cells per axis.
        lengths: side lengths of the box, in the problem's unit of length.
        centring: whether values are cell averages or point values.
        periodic: whether every axis is periodic.

    Raises:
        ValueError: fewer than 2 cells on an axis or more than 2³¹ in all, a length that is not positive, or more than
            two axes.
    """

    cells: tuple[int, ...]
    lengths: tuple[float, ...] = ()
    centring: Literal["cell", "nodal"] = "cell"
    periodic: bool = True

    def __post_init__(self) -> None:
        if not self.lengths:
            object.__setattr__(self, "lengths", (1.0,) * len(self.cells))
        if len(self.cells) not in (1, 2) or len(self.lengths) != len(self.cells):
            raise ValueError(
                f"a grid has one or two axes, each with a length; got {self.cells=}, {self.lengths=}; a third axis is "
                "channels, one a layer"
            )
        if min(self.cells) < 2:
            raise ValueError(f"a grid needs at least 2 cells on each axis, got {self.cells}")
        if math.prod(self.cells) > MOST:
            raise ValueError(f"a grid has {MOST} cells at most, got {math.prod(self.cells)}")
        if not all(0 < length < math.inf for length in self.lengths):
            raise ValueError(f"the lengths of a grid must be positive and finite, got {self.lengths}")
        if self.centring not in ("cell", "nodal"):
            raise ValueError(f"centring is 'cell' or 'nodal', got {self.centring!r}")

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.cells)

    @property
    def shape(self) -> tuple[int, ...]:
        """Stored points per axis."""
        return tuple(n + self._ends for n in self.cells)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Cell width h per axis."""
        return tuple(length / n for length, n in zip(self.lengths, self.cells, strict=True))

    @property
    def points(self) -> tuple[Array, ...]:
        """Coordinates of the stored points, an array per axis.

        >>> Grid((4,), centring="nodal", periodic=False).points[0].tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
        """
        shift = 0.5 if self.centring == "cell" else 0.0
        return tuple((np.arange(n) + shift) * h for n, h in zip(self.shape, self.spacing, strict=True))

    @property
    def weights(self) -> Float[Array, "*grid"]:
        """Quadrature weights: h per cell, with half weights at the ends of a bounded nodal axis."""
        return _outer([_axis_weights(n, h, self._ends) for n, h in zip(self.shape, self.spacing, strict=True)])

    @property
    def _ends(self) -> int:
        return int(self.centring == "nodal" and not self.periodic)

    def __str__(self) -> str:
        """Return the cells, as in 128x128."""
        return "x".join(map(str, self.cells))


Hierarchy = tuple[Grid, ...]


def refine(grid: Grid, ratio: int = 2) -> Grid:
    """Return the grid on the same box with `ratio` times as many cells on each axis."""
    return Grid(tuple(n * ratio for n in grid.cells), grid.lengths, grid.centring, grid.periodic)


def hierarchy(finest: Grid, levels: int) -> Hierarchy:
    """Return `levels` grids of ratio 2, coarsest first, ending with `finest`.

    With two levels or more the coarsest keeps 4 cells on each axis, which `prolong` needs.

    Raises:
        ValueError: fewer than one level, or cells that cannot be halved so often.

    >>> [str(grid) for grid in hierarchy(Grid((256,)), 4)]
    ['32', '64', '128', '256']
    """
    if levels < 1:
        raise ValueError(f"a hierarchy needs at least 1 level, got {levels}")
    most = _most_levels(finest)
    if levels > most:
        raise ValueError(
            f"a finest grid of {finest} cells allows {most} level{'s' * (most > 1)}: every level halves the next, and "
            f"the coarsest of several keeps {FEWEST} cells on each axis; got {levels}"
        )
    coarsest = Grid(_halved(finest, levels), finest.lengths, finest.centring, finest.periodic)
    return tuple(refine(coarsest, 2**level) for level in range(levels))


def _most_levels(finest: Grid) -> int:
    """Return how many levels of ratio 2 there can be at most, below and with a finest grid."""
    levels = 1
    while all(n % 2**levels == 0 and n >= FEWEST * 2**levels for n in finest.cells):
        levels += 1
    return levels


def _halved(grid: Grid, levels: int) -> tuple[int, ...]:
    return tuple(n >> (levels - 1) for n in grid.cells)


def _axis_weights(n: int, h: float, ends: int) -> Array:
    w = np.full(n, h)
    if ends:
        w[[0, -1]] = h / 2
    return w


def _outer(axes: list[Array]) -> Array:
    return axes[0] if len(axes) == 1 else np.multiply.outer(axes[0], axes[1])
