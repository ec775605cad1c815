"""Grids, hierarchies of ratio 2, transfers between them, and weighted norms.

Arrays are `(samples, channels, *grid)` in float64. Level 0 is the coarsest grid of a hierarchy.

Two kinds of field, told apart by the grid's centring:

* **cell**: values are averages over cells. `restrict` averages, so means are kept exactly; `prolong` reconstructs
  conservatively, so `restrict(prolong(u)) == u`.
* **nodal**: values are point values. `restrict` takes the points that both grids share; `prolong` interpolates,
  so again `restrict(prolong(u)) == u`. Means are kept only as far as the trapezoidal rule is exact.
"""

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Field = Float[Array, "n c *grid"]


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
        ValueError: fewer than 2 cells on an axis, a length that is not positive, or more than two axes.
    """

    cells: tuple[int, ...]
    lengths: tuple[float, ...] = ()
    centring: Literal["cell", "nodal"] = "cell"
    periodic: bool = True

    def __post_init__(self) -> None:
        if not self.lengths:
            object.__setattr__(self, "lengths", (1.0,) * len(self.cells))
        if len(self.cells) not in (1, 2) or len(self.lengths) != len(self.cells):
            raise ValueError(f"a grid has one or two axes, each with a length; got {self.cells=}, {self.lengths=}")
        if min(self.cells) < 2:
            raise ValueError(f"a grid needs at least 2 cells on each axis, got {self.cells}")
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

    Raises:
        ValueError: fewer than one level, or cells that cannot be halved so often.

    >>> [str(grid) for grid in hierarchy(Grid((256,)), 4)]
    ['32', '64', '128', '256']
    """
    if levels < 1:
        raise ValueError(f"a hierarchy needs at least 1 level, got {levels}")
    ratio = 2 ** (levels - 1)
    if any(n % ratio or n // ratio < 2 for n in finest.cells):
        raise ValueError(
            f"{levels} levels halve the cells {levels - 1} times: each axis of {finest.cells} must be a multiple "
            f"of {ratio} and at least {2 * ratio}"
        )
    coarsest = Grid(tuple(n // ratio for n in finest.cells), finest.lengths, finest.centring, finest.periodic)
    return tuple(refine(coarsest, 2**level) for level in range(levels))


def restrict(field: Float[Array, "n c *fine"], *, to: Grid) -> Float[Array, "n c *coarse"]:
    """Return a field of a finer grid on the grid `to`; the finer grid is told by the field's shape.

    Cell averages are averaged (the mean is kept to round-off; exact for averages); point values are injected.
    `restrict(prolong(u, to=fine), to=coarse)` is u.

    Raises:
        ValueError: if the field's shape is not that of `to` refined by a power of two.
    """
    for axis in range(to.dimension):
        for _ in range(_halvings(field, to, axis)):
            field = _on_last(_average_pairs if to.centring == "cell" else _take_even, field, axis + 2)
    return field


def prolong(field: Float[Array, "n c *coarse"], *, to: Grid, order: int | None = None) -> Float[Array, "n c *fine"]:
    """Return a field of a coarser grid on the grid `to`; the coarser grid is told by the field's shape.

    Cell averages, order 3 (default): the children of cell i are u_i ∓ (u_{i+1} − u_{i−1})/8, exact for averages of
    quadratics, with a one-sided parabola at a boundary; order 1: u_i twice, the adjoint of `restrict` in the
    h-weighted product. Point values, order 4 (default): cubic, midpoints (−1, 9, 9, −1)/16, one-sided at a boundary;
    order 2: linear. Grids finer by 4, 8, … are reached by repetition. High orders over- and undershoot at a jump by
    up to an eighth of it.

    Raises:
        ValueError: if `to` is not the field's grid refined by a power of two, the order is not offered, or an axis
            has fewer points than the stencil.

    Source: conservative parabolic reconstruction and Deslauriers–Dubuc interpolation (Constr. Approx. 5, 1989).
    """
    steps = {("cell", 1): _repeat, ("cell", 3): _reconstruct, ("nodal", 2): _linear, ("nodal", 4): _cubic}
    order = order if order is not None else (3 if to.centring == "cell" else 4)
    if (to.centring, order) not in steps:
        offered = [o for centring, o in steps if centring == to.centring]
        raise ValueError(f"prolongation on a {to.centring} grid is offered with orders {offered}, got {order}")
    step = steps[to.centring, order]
    for axis in range(to.dimension):
        for _ in range(_doublings(field, to, axis)):
            field = _on_last(lambda u: step(u, to.periodic), field, axis + 2)
    return field


def norm(field: Field, grid: Grid) -> Float[Array, " n"]:
    """Return the L2 norm of each sample, (Σ_c ∫ u_c²)^½, by the grid's weights."""
    _check_shape(field, grid)
    axes = tuple(range(1, field.ndim))
    return np.asarray(np.sqrt(np.sum(field**2 * grid.weights, axis=axes)))


def relative_error(field: Field, reference: Field, grid: Grid) -> Float[Array, " n"]:
    """Return ‖field − reference‖ / ‖reference‖ for each sample; the L2 norm of the field where the reference is 0."""
    scale = norm(reference, grid)
    return np.asarray(norm(field - reference, grid) / np.where(scale > 0, scale, 1.0))


def _axis_weights(n: int, h: float, ends: int) -> Array:
    w = np.full(n, h)
    if ends:
        w[[0, -1]] = h / 2
    return w


def _outer(axes: list[Array]) -> Array:
    return axes[0] if len(axes) == 1 else np.multiply.outer(axes[0], axes[1])


def _on_last(function, field: Array, axis: int) -> Array:  # type: ignore[no-untyped-def]
    return np.moveaxis(function(np.moveaxis(field, axis, -1)), -1, axis)


def _check_shape(field: Array, grid: Grid) -> None:
    if field.shape[2:] != grid.shape:
        raise ValueError(f"a field on {grid} has shape (samples, channels, *{grid.shape}), got {field.shape}")


def _steps(fine: int, coarse: int, what: str) -> int:
    ratio = fine // coarse
    if fine % coarse or ratio & (ratio - 1):
        raise ValueError(f"{what}: {fine} cells are not {coarse} cells refined by a power of two")
    return ratio.bit_length() - 1


def _cells(field: Array, grid: Grid, axis: int) -> int:
    if field.ndim != grid.dimension + 2:
        raise ValueError(f"a field on {grid} has axes (samples, channels, *grid), got shape {field.shape}")
    return int(field.shape[axis + 2]) - grid._ends


def _halvings(field: Array, to: Grid, axis: int) -> int:
    return _steps(_cells(field, to, axis), to.cells[axis], "restrict")


def _doublings(field: Array, to: Grid, axis: int) -> int:
    return _steps(to.cells[axis], _cells(field, to, axis), "prolong")


def _average_pairs(u: Array) -> Array:
    return 0.5 * (u[..., 0::2] + u[..., 1::2])


def _take_even(u: Array) -> Array:
    return u[..., 0::2]


def _interleave(even: Array, odd: Array) -> Array:
    """Return even_0, odd_0, even_1, …; `odd` may be one shorter."""
    out = np.empty((*even.shape[:-1], even.shape[-1] + odd.shape[-1]))
    out[..., 0::2] = even
    out[..., 1::2] = odd
    return out


def _need(u: Array, points: int) -> None:
    if u.shape[-1] < points:
        raise ValueError(f"this prolongation needs at least {points} points on each axis, got {u.shape[-1]}")


def _repeat(u: Array, periodic: bool) -> Array:
    return np.repeat(u, 2, axis=-1)


def _reconstruct(u: Array, periodic: bool) -> Array:
    _need(u, 3)
    slope = (np.roll(u, -1, axis=-1) - np.roll(u, 1, axis=-1)) / 8
    if not periodic:
        slope[..., 0] = -(3 * u[..., 0] - 4 * u[..., 1] + u[..., 2]) / 8
        slope[..., -1] = (3 * u[..., -1] - 4 * u[..., -2] + u[..., -3]) / 8
    return _interleave(u - slope, u + slope)


def _linear(u: Array, periodic: bool) -> Array:
    right = np.roll(u, -1, axis=-1) if periodic else u[..., 1:]
    return _interleave(u, 0.5 * (u[..., : right.shape[-1]] + right))


def _cubic(u: Array, periodic: bool) -> Array:
    _need(u, 4)
    if periodic:
        left, right, far = (np.roll(u, -shift, axis=-1) for shift in (-1, 1, 2))
        return _interleave(u, (9 * (u + right) - left - far) / 16)
    inner = (9 * (u[..., 1:-2] + u[..., 2:-1]) - u[..., :-3] - u[..., 3:]) / 16
    first = (5 * u[..., :1] + 15 * u[..., 1:2] - 5 * u[..., 2:3] + u[..., 3:4]) / 16
    last = (5 * u[..., -1:] + 15 * u[..., -2:-1] - 5 * u[..., -3:-2] + u[..., -4:-3]) / 16
    return _interleave(u, np.concatenate([first, inner, last], axis=-1))
