"""The grid that rows stand on: what a caller says, else what the file says, else what is assumed, and told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal, final

import numpy as np

from mlft.errors import DataError
from mlft.grids import Grid
from mlft.grids.grid import axiswise

Array = np.ndarray

UNIFORM = 1e-3
"""Relative difference of spacings from which points are no uniform grid: coordinates are often in single precision."""


@final
@dataclass(frozen=True)
class Hints:
    """What a caller knows of rows that their file may not say; it goes before what the file says.

    Attributes:
        lengths: side lengths of the box.
        centring: "cell" (averages over cells) or "nodal" (values at points).
        periodic: whether every axis is periodic, or one truth value an axis.
        channel_axis: whether arrays have an axis of channels after that of the rows; None looks.
        coupled: whether row i of every level is the same draw, where the files do not say.
    """

    lengths: tuple[float, ...] | None = None
    centring: str | None = None
    periodic: bool | tuple[bool, ...] | None = None
    channel_axis: bool | None = None
    coupled: bool = True

    def __post_init__(self) -> None:
        if self.centring not in (None, "cell", "nodal"):
            raise DataError(
                f"centring is cell (averages over cells) or nodal (values at points), got {self.centring!r}"
            )


NONE = Hints()


def like(grid: Grid, points: Sequence[int], where: object) -> Grid:
    """Return the grid of so many points on the same box.

    Raises:
        DataError: for another number of axes, or fewer than 2 cells on one.
    """
    try:
        cells = tuple(n - end for n, end in zip_longest(points, grid.ends, fillvalue=0))  # of other axes: no such grid
        return replace(grid, cells=cells)
    except ValueError as error:
        raise DataError(f"{where}: fields of {tuple(points)} points are on no grid of this box: {error}") from None


def ground(
    points: Sequence[int],
    hints: Hints = NONE,
    *,
    where: object,
    coordinates: Sequence[Array] | None = None,
    periodic: bool | Sequence[bool] | None = None,
) -> tuple[Grid, tuple[str, ...]]:
    """Return the uniform grid of so many points an axis, and what of it is assumed.

    Points at multiples of the spacing h are nodes, at (i + ½) h the centres of cells; the first tells the origin.

    Args:
        points: an axis.
        hints: what the caller says.
        where: the file, for errors.
        coordinates: of the points, an array an axis, where they are known.
        periodic: what the file says of its ends, of all axes or of each.

    Raises:
        DataError: for another number of axes than one or two, points that are no uniform grid, or lengths of another
            number of axes.
    """
    points = tuple(map(int, points))
    if len(points) not in (1, 2):
        raise DataError(
            f"{where}: fields have {len(points)} axes of space, {points}; one or two are learned on: give a slice or "
            "an average over the others"
        )
    known = (
        None if coordinates is None else [_axis(axis, n, where) for axis, n in zip(coordinates, points, strict=True)]
    )
    assumed = []
    centring = hints.centring or (known[0][1] if known else None)
    if centring is None:
        centring = "cell"
        assumed.append("values are averages over cells (centring='nodal' for values at points)")
    ends = hints.periodic if hints.periodic is not None else periodic
    if ends is None:
        ends = False
        assumed.append("the ends are not periodic (periodic=True where they are)")
    wraps = _wraps(ends, len(points), where)
    kind: Literal["cell", "nodal"] = "cell" if centring == "cell" else "nodal"
    cells = tuple(n - (kind == "nodal" and not wrap) for n, wrap in zip(points, wraps, strict=True))
    lengths, origin = hints.lengths, tuple[float, ...]()
    if known:
        origin = tuple(_corner(first, h, kind) for h, _, first in known)
    if lengths is None and known:
        lengths = tuple(float(f"{h * n:.6g}") for (h, *_), n in zip(known, cells, strict=True))
    if lengths is None:
        lengths = (1.0,) * len(cells)
        assumed.append("the box has sides of length 1 (lengths=...)")
    try:
        return Grid(cells, tuple(map(float, lengths)), kind, wraps, origin), tuple(assumed)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None


def _wraps(ends: bool | Sequence[bool], axes: int, where: object) -> tuple[bool, ...]:
    """Return whether each axis is periodic."""
    wraps = axiswise(ends, axes)
    if len(wraps) != axes:
        raise DataError(f"{where}: fields have {axes} axes of space, and periodic is said of {len(wraps)}, {wraps}")
    return wraps


def _corner(first: float, h: float, kind: str) -> float:
    """Return where the box of an axis begins, in six digits as its length is."""
    start = first - h / 2 if kind == "cell" else first
    return float(f"{start:.6g}") if abs(start) > UNIFORM * h else 0.0


def _axis(values: Array, n: int, where: object) -> tuple[float, Literal["cell", "nodal"], float]:
    """Return the spacing of an axis, whether its points are the centres of cells or nodes, and the first of them."""
    x = np.asarray(values, dtype=np.float64).reshape(-1)[:n]
    if len(x) < 2 or len(x) != n:
        raise DataError(f"{where}: an axis of {n} points has {len(x)} coordinates; each point needs its own")
    steps = np.diff(x)
    h = float((x[-1] - x[0]) / (n - 1))
    if not h > 0 or not np.allclose(steps, h, rtol=UNIFORM, atol=0):
        raise DataError(
            f"{where}: the points of an axis are no uniform grid, their spacings run from {steps.min():.4g} to "
            f"{steps.max():.4g}: interpolate the fields to one"
        )
    offset = x[0] / h % 1.0
    return h, "cell" if 0.25 < offset < 0.75 else "nodal", float(x[0])
