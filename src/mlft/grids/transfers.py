"""The plain transfers of fields between grids: averaging, injection, and reconstruction by polynomials."""

import numpy as np
from jaxtyping import Float

from mlft.grids.grid import Grid

Array = np.ndarray


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
        for _ in range(doublings(field, to, axis)):
            field = _on_last(lambda u, wraps=to.wraps[axis]: step(u, wraps), field, axis + 2)
    return field


def nested(coarse: Grid, fine: Grid) -> bool:
    """Return whether a grid is another refined by a power of two on each axis, 1 among them: what plain transfers need.

    >>> nested(Grid((32,)), Grid((64,))), nested(Grid((32,)), Grid((32,))), nested(Grid((48,)), Grid((64,)))
    (True, True, False)
    """
    return coarse.kind == fine.kind and all(
        n % m == 0 and (n // m) & (n // m - 1) == 0 for n, m in zip(fine.cells, coarse.cells, strict=True)
    )


def doublings(field: Float[Array, "n c *coarse"], to: Grid, axis: int) -> int:
    """Return how often an axis of a field's grid is doubled to be that of the grid `to`.

    Raises:
        ValueError: if it is not that axis refined by a power of two.
    """
    return _steps(to.cells[axis], _cells(field, to, axis), "prolong")


def _on_last(function, field: Array, axis: int) -> Array:  # type: ignore[no-untyped-def]
    return np.moveaxis(function(np.moveaxis(field, axis, -1)), -1, axis)


def _steps(fine: int, coarse: int, what: str) -> int:
    ratio = fine // coarse
    if fine % coarse or ratio & (ratio - 1):
        raise ValueError(f"{what}: {fine} cells are not {coarse} cells refined by a power of two")
    return ratio.bit_length() - 1


def _cells(field: Array, grid: Grid, axis: int) -> int:
    if field.ndim != grid.dimension + 2:
        raise ValueError(f"a field on {grid} has axes (samples, channels, *grid), got shape {field.shape}")
    return int(field.shape[axis + 2]) - grid.ends[axis]


def _halvings(field: Array, to: Grid, axis: int) -> int:
    return _steps(_cells(field, to, axis), to.cells[axis], "restrict")


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
