"""What problems refuse, in one wording: options out of range; draws, inputs and grids of another kind."""

import math
from collections.abc import Sequence

import numpy as np

from mlft.grids import Grid
from mlft.problems.base import Problem
from mlft.problems.solved import real

Array = np.ndarray


def integers(problem: Problem, **least: int) -> None:
    """Refuse options that are not integers of at least the stated bounds.

    Raises:
        ValueError: naming the option, its value and the bound.
    """
    for option, bound in least.items():
        value = getattr(problem, option)
        if not isinstance(value, int) or value < bound:
            raise ValueError(f"{option} of {problem.name} must be an integer of at least {bound}, got {value!r}")


def numbers(problem: Problem, **above: float) -> None:
    """Refuse options that are not finite numbers above the stated bounds.

    Raises:
        ValueError: naming the option, its value and the bound.
    """
    for option, bound in above.items():
        value = getattr(problem, option)
        if not bound < value < math.inf:
            raise ValueError(f"{option} of {problem.name} must be finite and above {bound:g}, got {value!r}")


def between(problem: Problem, **ranges: tuple[float, float]) -> None:
    """Refuse options outside [low, high).

    Raises:
        ValueError: naming the option, its value and the bounds.
    """
    for option, (low, high) in ranges.items():
        value = getattr(problem, option)
        if not low <= value < high:
            top = f"below {high:g}" if high < math.inf else "finite"
            raise ValueError(f"{option} of {problem.name} must be at least {low:g} and {top}, got {value!r}")


def choices(problem: Problem, **offered: Sequence[object]) -> None:
    """Refuse options that are none of the values offered.

    Raises:
        ValueError: naming the option, its value and the values offered.
    """
    for option, values in offered.items():
        value = getattr(problem, option)
        if value not in values:
            raise ValueError(f"{option} of {problem.name} is one of {', '.join(map(str, values))}; got {value!r}")


def on_grid(problem: Problem, grid: Grid) -> None:
    """Refuse a grid that is not of the kind of the problem's hierarchy: same box and centring, cells in proportion.

    Raises:
        ValueError: saying what the problem lives on.
    """
    finest = problem.finest
    stretched = len({n * finest.cells[0] // m for n, m in zip(grid.cells, finest.cells, strict=False)}) > 1
    if grid.kind != finest.kind or stretched:
        ends = "periodic" if all(finest.wraps) else "bounded"
        raise ValueError(
            f"{problem.name} lives on {ends} {finest.centring} grids of the box {finest.lengths}, "
            f"with cells as {finest}; got {grid!r}"
        )


def draws(problem: Problem, given: Array, width: int, grid: Grid | None = None) -> Array:
    """Return draws in float64; refuse those that are not rows of `width` finite numbers, and a grid of another kind.

    Raises:
        TypeError: for what is no real number.
        ValueError: saying the shape that was got, or what the problem lives on.
    """
    given = real(given, f"draws of {problem.name}")
    if given.ndim != 2 or given.shape[1] != width:
        raise ValueError(f"draws of {problem.name} have shape (n, {width}), got {given.shape}")
    if not np.isfinite(given).all():
        raise ValueError(f"draws of {problem.name} must be finite, got some that are not")
    if grid is not None:
        on_grid(problem, grid)
    return given


def inputs(problem: Problem, given: Array, grid: Grid, channels: int = 1) -> Array:
    """Return inputs in float64, in which solvers compute; refuse those that do not lie on a grid of the problem.

    Raises:
        TypeError: for what is no real number.
        ValueError: saying the shape that was got.
    """
    on_grid(problem, grid)
    given = real(given, f"inputs of {problem.name}")
    if given.shape[1:] != (channels, *grid.shape):
        shape = ", ".join(map(str, (channels, *grid.shape)))
        raise ValueError(f"inputs of {problem.name} on {grid} have shape (n, {shape}), got {given.shape}")
    return given


def above(problem: Problem, given: Array, bound: float, what: str) -> None:
    """Refuse inputs with a value that is not above a bound (one that is not a number passes: it fails by name).

    Raises:
        ValueError: saying the least value that was got.
    """
    if (given <= bound).any():
        raise ValueError(f"{what} of {problem.name} must be above {bound:g} everywhere, got {np.nanmin(given):.6g}")
