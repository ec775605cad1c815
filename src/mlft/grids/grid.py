"""Grids, and hierarchies of them of ratio 2. Level 0 is the coarsest grid of a hierarchy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

    Stored points per axis: `cells` for cell-centred grids (x = origin + (i+½)h) and for periodic nodal axes
    (x = origin + ih); `cells + 1` for bounded nodal axes, both end points included. h = length / cells.

    Attributes:
        cells: cells per axis.
        lengths: side lengths of the box, in the problem's unit of length.
        centring: whether values are cell averages or point values.
        periodic: whether every axis is periodic; one truth value an axis where they differ, as in a channel between two
            walls, (True, False). `wraps` has one an axis always.
        origin: the corner of the box with the least coordinates, in the same unit; 0 by default.

    Raises:
        ValueError: fewer than 2 cells on an axis or more than 2³¹ in all, a length that is not positive, an origin that
            is not finite, not one number an axis, or more than two axes.

    >>> channel = Grid((8, 4), (2.0, 1.0), "nodal", periodic=(True, False), origin=(0.0, -0.5))
    >>> channel.shape, channel.points[1].tolist()
    ((8, 5), [-0.5, -0.25, 0.0, 0.25, 0.5])
    """

    cells: tuple[int, ...]
    lengths: tuple[float, ...] = ()
    centring: Literal["cell", "nodal"] = "cell"
    periodic: bool | tuple[bool, ...] = True
    origin: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("lengths", 1.0), ("origin", 0.0)):
            if not getattr(self, name):
                object.__setattr__(self, name, (value,) * len(self.cells))
        self._refuse_axes()
        self._refuse_numbers()
        object.__setattr__(self, "periodic", in_short(self.wraps))

    def _refuse_axes(self) -> None:
        axes = len(self.cells)
        if axes not in (1, 2) or len(self.lengths) != axes:
            raise ValueError(
                f"a grid has one or two axes, each with a length; got {self.cells=}, {self.lengths=}; a third axis is "
                "channels, one a layer"
            )
        if len(self.origin) != axes:
            raise ValueError(f"the origin of a grid is a number for each of its {axes} axes, got {self.origin}")
        if len(self.wraps) != axes:
            raise ValueError(f"periodic is said of all axes or of each of {axes}, got {self.periodic}")

    def _refuse_numbers(self) -> None:
        if min(self.cells) < 2:
            raise ValueError(f"a grid needs at least 2 cells on each axis, got {self.cells}")
        if math.prod(self.cells) > MOST:
            raise ValueError(f"a grid has {MOST} cells at most, got {math.prod(self.cells)}")
        if not all(0 < length < math.inf for length in self.lengths):
            raise ValueError(f"the lengths of a grid must be positive and finite, got {self.lengths}")
        if not all(math.isfinite(start) for start in self.origin):
            raise ValueError(f"the origin of a grid must be finite, got {self.origin}")
        if self.centring not in ("cell", "nodal"):
            raise ValueError(f"centring is 'cell' or 'nodal', got {self.centring!r}")

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.cells)

    @property
    def shape(self) -> tuple[int, ...]:
        """Stored points per axis."""
        return tuple(n + end for n, end in zip(self.cells, self.ends, strict=True))

    @property
    def wraps(self) -> tuple[bool, ...]:
        """Whether each axis is periodic."""
        return axiswise(self.periodic, len(self.cells))

    @property
    def ends(self) -> tuple[int, ...]:
        """Points that an axis has beyond its cells: 1 on a bounded nodal one, whose last point is not its first."""
        return tuple(int(self.centring == "nodal" and not wraps) for wraps in self.wraps)

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """The least and the largest coordinate of the box, an axis each."""
        return tuple((start, start + length) for start, length in zip(self.origin, self.lengths, strict=True))

    @property
    def kind(self) -> tuple[object, ...]:
        """What the grids of a hierarchy share: axes, origin, side lengths, centring, and which axes are periodic."""
        return self.dimension, self.origin, self.lengths, self.centring, self.periodic

    @property
    def described(self) -> str:
        """The centring and the ends of the axes, in words: "nodal, periodic", or "cell, periodic and bounded"."""
        words = ["periodic" if wraps else "bounded" for wraps in self.wraps]
        return f"{self.centring}, {words[0] if len(set(words)) == 1 else ' and '.join(words)}"

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
        axes = zip(self.shape, self.spacing, self.origin, strict=True)
        return tuple((np.arange(n) + shift) * h + start for n, h, start in axes)

    @property
    def weights(self) -> Float[Array, "*grid"]:
        """Quadrature weights: h per cell, with half weights at the ends of a bounded nodal axis."""
        return _outer([_axis_weights(*axis) for axis in zip(self.shape, self.spacing, self.ends, strict=True)])

    def __str__(self) -> str:
        """Return the cells, as in 128x128."""
        return "x".join(map(str, self.cells))


Hierarchy = tuple[Grid, ...]


def axiswise(flags: bool | Sequence[bool], axes: int) -> tuple[bool, ...]:
    """Return one truth value an axis, of one for all or one for each."""
    return (bool(flags),) * axes if isinstance(flags, bool | np.bool) else tuple(map(bool, flags))


def in_short(flags: tuple[bool, ...]) -> bool | tuple[bool, ...]:
    """Return the truth value of all axes, where they have one."""
    return flags if len(set(flags)) > 1 else flags[0]


def refine(grid: Grid, ratio: int = 2) -> Grid:
    """Return the grid on the same box with `ratio` times as many cells on each axis."""
    return replace(grid, cells=tuple(n * ratio for n in grid.cells))


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
    coarsest = replace(finest, cells=_halved(finest, levels))
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
