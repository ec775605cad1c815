"""What arrays of rows are refused for: no numbers, another layout, rows that are said to be of one draw and are not."""

from collections.abc import Callable, Sequence

import numpy as np

from mlft.datasets.part import numbers
from mlft.errors import DataError
from mlft.grids import FEWEST, Grid

Array = np.ndarray

LOOKED_AT = 64
"""Coupled rows of a pair of levels that are compared."""


def checked(values: object, field: str, where: object) -> Array:
    """Return an array of rows, (rows, channels, *grid), as float64.

    Raises:
        DataError: for what is no array of real numbers with three or four axes and at least one row.
    """
    found = numbers(values, field, where)
    if found.ndim not in (3, 4) or not found.size:
        raise DataError(
            f"{where}: {field} have shape {found.shape}; (rows, channels, *grid) is expected, with one or two axes of "
            "space, an axis of channels even where there is one, and at least one row"
        )
    return found


def channels_of(inputs: Array, solutions: Array, grid: Grid | None, where: object) -> None:
    """Refuse arrays whose axes are in another order, as far as their shapes tell.

    Raises:
        DataError: saying the shape that was got, and what is expected.
    """
    for field, values in (("inputs", inputs), ("solutions", solutions)):
        last = values.ndim > 3 and values.shape[-1] < FEWEST <= values.shape[1]
        last |= values.ndim == 3 and values.shape[-1] < 2 <= values.shape[1]
        last |= grid is not None and field == "solutions" and values.shape[1:-1] == grid.shape != values.shape[2:]
        if last:
            raise DataError(
                f"{where}: {field} have shape {values.shape}, with the channels last, it seems; (rows, channels, "
                f"*grid) is expected: give np.moveaxis({field}, -1, 1)"
            )
    if inputs.ndim != solutions.ndim:
        raise DataError(
            f"{where}: inputs have shape {inputs.shape} and solutions {solutions.shape}: both are (rows, channels, "
            "*grid), with as many axes of space; a number a row is given as a field that is constant"
        )
    if grid is not None and solutions.shape[2:] != grid.shape:
        turned = ": its axes are turned, give np.swapaxes(solutions, -2, -1)" * (
            solutions.ndim == 4 and solutions.shape[:1:-1] == grid.shape
        )
        shape = ", ".join(map(str, grid.shape))
        raise DataError(
            f"{where}: solutions have shape {solutions.shape}, and the grid of {grid} cells has the points ({shape}): "
            f"(rows, channels, {shape}) is expected{turned}"
        )


def refuse_unlike_draws(levels: Sequence[tuple[Grid, Array, Array]], coarsened: Callable[[Array, Grid], Array]) -> None:
    """Refuse levels whose rows are said to be of one draw, and whose inputs are not.

    The inputs of a coupled pair, on the coarser grid, are to be nearer to each other than to the next draw's, in the
    mean over 64 of them; that is asked where inputs of the finest grid can be taken to the coarser one.

    Args:
        levels: grid, inputs and draws of each, coarsest first.
        coarsened: takes inputs of the finest grid to a coarser one, or raises `ValueError`.

    Raises:
        DataError: naming the levels, and both distances.
    """
    _, fine, there = levels[-1]
    for level, (grid, coarse, here) in enumerate(levels[:-1]):
        _, i, j = np.intersect1d(here, there, return_indices=True)
        if len(i) < 2 or coarse.shape[2:] != grid.shape:
            continue
        rows, known = coarse[i[:LOOKED_AT]], fine[j[:LOOKED_AT]]
        try:
            seen = coarsened(known, grid)
        except DataError:
            raise
        except ValueError:
            continue
        own, other = (float(np.linalg.norm(rows - each)) for each in (seen, np.roll(seen, 1, axis=0)))
        if own > 0.5 * other:
            raise DataError(
                f"rows of levels {level} and {len(levels) - 1} are said to be of one draw, and their inputs are "
                f"{own / (other or 1.0):.2g} times as far apart as those of different draws: put row i of all levels "
                "to one draw, or say coupled=False (--uncoupled)"
            )
