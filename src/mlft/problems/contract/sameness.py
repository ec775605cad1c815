"""Whether a level's inputs are those of the finest grid: the rule, and what is wrong where they are not.

**The rule.** Let m be the finest inputs, restricted, and v the level's own. In cell i they agree if

    |v_i − m_i| ≤ ⅛ Σ_axes max(|δ²m_{i−1}|, |δ²m_i|, |δ²m_{i+1}|) + 1e-8 max|m|,   δ²m_i = m_{i+1} − 2m_i + m_{i−1},

and v is the same function if the cells that agree hold 0.7 of what varies, Σ (m_i − mean m)², in every channel.

**Its reason.** Exact cell averages, and point values on nodal grids, agree to round-off: the second term. Values at the
centres of cells differ from averages by h²u″/24 and by 1/11 of δ²m for the shortest wave that a grid carries: the first
term, with room for the zeros of δ². It is a bound per cell, not of a norm, so that a jump, where a value and an average
may differ by half of it, spoils its own cells and no others; hence a share, and not all. Measured, on 8 to 64 cells:
values of smooth functions (2.5 points a wave or more) 0.98 to 1; of boxes, channels, two-phase and Matérn media, which
the grid does not resolve, 0.7 to 1 (and noted below 0.9). Twice the inputs: 0 for smooth functions, 0.1 for white
noise; another noise 0.1 to 0.4; an axis reversed 0 to 0.5; half a cell beside 0.6 at 4 points a wave, 0.2 at 16. What
it cannot see is a shift by a cell of functions that are flat between jumps: so is a value beside a jump.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from mlft.grids import Grid, restrict
from mlft.problems.contract.findings import Verdict

Array = np.ndarray
Fields = Float[Array, "n c *grid"]

ENOUGH, SURE = 0.7, 0.9
ROUND_OFF = 1e-8
_ADVICE = "evaluate the same function on every grid; restrict(evaluate(draws, finest), to=grid) always is"


def same_function(values: Fields, finest: Float[Array, "n c *fine"], grid: Grid) -> Verdict:
    """Return whether values on a grid are those of the finest grid; where they are not, in words what they are."""
    means = restrict(finest, to=grid)
    shares = agreement(values, means, grid)
    worst = int(np.argmin(shares))
    off = distance(values, means)
    if shares[worst] < ENOUGH:
        measured = _diagnosis(values[:, [worst]], means[:, [worst]], grid)
        channel = f"channel {worst} of " if len(shares) > 1 else ""
        return Verdict(False, f"{channel}the level's inputs {measured}", _ADVICE)
    near = "round-off" if off < 1e-12 else f"{off:.0e}"
    told = f"the finest's, restricted, to {near}" if off < ROUND_OFF else f"the finest's, sampled: {off:.2g} away"
    unsure = f"agrees on {shares[worst]:.0%} of what varies: too coarse for these inputs, unless averaged or restricted"
    return Verdict(True, told, "" if shares[worst] >= SURE else unsure)


def agreement(values: Fields, means: Fields, grid: Grid) -> Float[Array, " c"]:
    """Return the share of what varies in each channel that lies in cells where values agree with means."""
    axes = (0, *range(2, means.ndim))
    allowed = np.zeros(means.shape) + ROUND_OFF * np.abs(means).max(axis=axes, keepdims=True)
    for axis in range(2, means.ndim):
        allowed += _bend(means, axis, grid.wraps[axis - 2]) / 8
    varies = (means - means.mean(axis=axes, keepdims=True)) ** 2
    flat = varies.sum(axis=axes, keepdims=True) <= (ROUND_OFF * np.abs(means).max(axis=axes, keepdims=True)) ** 2
    varies = np.where(flat, 1.0, varies)
    agrees = np.abs(values - means) <= allowed
    return np.asarray((varies * agrees).sum(axis=axes) / varies.sum(axis=axes))


def distance(values: Array, others: Array) -> float:
    """Return ‖values − others‖ / ‖others‖, all entries alike; the norm of the values where the others are 0."""
    scale = float(np.linalg.norm(others))
    return float(np.linalg.norm(values - others)) / (scale if scale > 0 else 1.0)


def turned(fields: Array, grid: Grid) -> Iterator[tuple[str, Array]]:
    """Yield fields with axes reversed or swapped, as far as the shape allows, and the words for it."""
    for axis in range(grid.dimension):
        yield f"with axis {axis} reversed", np.flip(fields, axis + 2)
    if grid.dimension == 2 and grid.shape[0] == grid.shape[1]:
        yield "with axes swapped", fields.swapaxes(2, 3)


def _bend(means: Array, axis: int, periodic: bool) -> Array:
    """Return the largest |second difference| at a cell and its two neighbours; those of the inside at an end."""
    pad = [(1, 1) if a == axis else (0, 0) for a in range(means.ndim)]
    bend = np.abs(np.diff(np.pad(means, pad, mode="wrap" if periodic else "edge"), 2, axis=axis))
    if not periodic and bend.shape[axis] > 2:  # an end has no second difference
        inner = np.take(bend, range(1, bend.shape[axis] - 1), axis=axis)
        bend = np.pad(inner, pad, mode="edge")
    around = np.pad(bend, pad, mode="wrap" if periodic else "edge")
    parts = [np.take(around, range(i, i + means.shape[axis]), axis=axis) for i in range(3)]
    return np.asarray(np.maximum.reduce(parts))


def _diagnosis(values: Fields, means: Fields, grid: Grid) -> str:
    """Return what values are, where they are some simple change of means, or how far they are from them."""
    for words, changed in _changes(values, means, grid):
        if agreement(changed, means, grid)[0] >= SURE:
            return f"are {words}"
    off = f"are {distance(values, means):.2g} away from the finest's, restricted (relative L2)"
    return f"{off}, and have a correlation of {_correlation(values, means):.2f} with them"


def _changes(values: Fields, means: Fields, grid: Grid) -> Iterator[tuple[str, Array]]:
    """Yield the values with a change undone, and the words for the change."""
    norm = float(np.vdot(means, means))
    factor = float(np.vdot(means, values)) / norm if norm > 0 else 0.0
    if factor:
        yield f"{factor:.2g} times those of the finest, restricted", values / factor
    added = float(np.mean(values - means))
    yield f"those of the finest, restricted, plus {added:.2g}", values - added
    for words, changed in turned(values, grid):
        yield f"those of the finest, restricted, {words}", changed
    for axis in range(grid.dimension):
        for cells in (1, -1):
            moved = np.roll(values, -cells, axis + 2)
            yield f"those of the finest, restricted, moved by {cells} cell along axis {axis}", moved


def _correlation(values: Array, means: Array) -> float:
    left, right = values - values.mean(), means - means.mean()
    scale = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(np.vdot(left, right)) / scale if scale > 0 else 0.0
