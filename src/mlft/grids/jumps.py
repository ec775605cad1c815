"""The prolongation of solutions with jumps: a jump inside a coarse cell is put where the cell's mean says it is."""

import math
from dataclasses import replace
from typing import no_type_check

import numpy as np
from jaxtyping import Float
from numba import njit

from mlft.grids.grid import Grid
from mlft.grids.transfers import doublings, prolong

Array = np.ndarray

kernel = njit(cache=True, nogil=True)

ON_FACE = 1e-9  # shares of a cell from its ends at which a jump is on its face
SLACK = 0.05  # shares of a cell beyond its ends at which a jump is still taken for one on its face


def prolong_jumps(
    field: Float[Array, "n c coarse"],
    *,
    to: Grid,
    falling: bool = False,
    least: float = 0.0,
    steepness: float = 1.5,
    widest: int = 1,
) -> Float[Array, "n c fine"]:
    """Return cell averages on a finer grid: two lines and a switch in cells with a jump, else `prolong`.

    Let L(x) be the line through the averages of the two cells left of cell i, R(x) that of the two right of it. Where
    the jump L − R at the centre of the cell is larger than `steepness` times the slopes of both, a cell width long, the
    field in the cell is L on the left of a place s and R on the right of it, with the one s that keeps the average,

        ∫ L dx (from the left face to s) + ∫ R dx (from s to the right face) = h u_i,

    a quadratic equation; the cells beside it are their averages and the slopes of L and R. So `restrict` undoes it, to
    round-off. Exact for two lines and a jump anywhere in a cell, if two cells on each side are free of other jumps. The
    jump of a smooth field is of order h³ and its slopes of order h: there it is `prolong`, of order 3. Of jumps in
    neighbouring cells the larger is taken, one on a face counting half: seen from a cell, a jump just inside the next
    one is on its face.

    A scheme that smears jumps over several cells has them in none. With `widest` = m, the cells of a jump may be 2 to m
    as well, where fewer do not do; then the average over the cells of a jump is kept, and each of them only where
    m = 1.

    Args:
        field: averages on a coarser grid of one axis.
        to: the finer grid.
        falling: take falling jumps only, as the shocks of a convex law.
        least: take jumps larger than this only.
        steepness: how much larger than the slopes beside it a jump is. Good values: 1.5; more for smeared ones.
        widest: cells over which a jump may be smeared.

    Raises:
        ValueError: for point values, more than one axis, or as `prolong`.

    Source: Harten, ENO schemes with subcell resolution, J. Comput. Phys. 83 (1989), section 2, for the idea.
    """
    if to.centring != "cell" or to.dimension != 1:
        raise ValueError(f"jumps are placed in cells of one axis, got a {to.centring} grid of {to} cells")
    criteria = (falling, float(least), float(steepness))
    rows = [np.ascontiguousarray(row) for row in field.reshape(-1, field.shape[2])]
    fine, steps = field, doublings(field, to, 0)
    for step in range(1, steps + 1):  # so that a step sees what the last one placed, and no cell beside it rings
        grid = replace(to, cells=(to.cells[0] >> (steps - step),))
        fine = np.ascontiguousarray(prolong(fine, to=grid))
        for row, out in zip(rows, fine.reshape(len(rows), -1), strict=True):
            _place_jumps(row, out, 2**step, to.wraps[0], widest, criteria)
    return fine


@kernel
@no_type_check
def _place_jumps(u, out, ratio, periodic, widest, criteria):
    """Overwrite `out`, u prolonged, where there are jumps; those of one cell first, then those of two, and so on."""
    n = len(u)
    taken, jumps = np.zeros(n, np.bool_), np.zeros(n)
    for m in range(1, min(widest, n - 4) + 1):
        for i in range(n):
            jumps[i] = 0.0
            if (periodic or (i >= 2 and i + m + 2 <= n)) and not _any(taken, i - 1, m + 2):
                jumps[i] = _jump(u, i, m, criteria)
        for i in range(n):
            if jumps[i] > 0.0 and _largest(jumps, i, m):
                _switch(u, out, ratio, i, m)
                for k in range(i - 1, i + m + 1):
                    taken[k % n] = True


@kernel
@no_type_check
def _any(flags, first, count):
    found = False
    for k in range(first, first + count):
        found = found or flags[k % len(flags)]
    return found


@kernel
@no_type_check
def _largest(jumps, i, m):
    """Whether the jump at i is larger than those whose cells it would share; of equal ones the first is."""
    n, largest = len(jumps), True
    for k in range(1, m + 2):
        largest = largest and jumps[(i - k) % n] < jumps[i] and jumps[(i + k) % n] <= jumps[i]
    return largest


@kernel
@no_type_check
def _lines(u, i, m):
    """Values, at the left face of cell i, and slopes of the lines beside the cells i … i + m − 1, in cell widths."""
    n = len(u)
    rise, fall = u[(i - 1) % n] - u[(i - 2) % n], u[(i + m + 1) % n] - u[(i + m) % n]
    return u[(i - 1) % n] + 0.5 * rise, rise, u[(i + m) % n] - (m + 0.5) * fall, fall


@kernel
@no_type_check
def _total(u, i, m):
    total = 0.0
    for k in range(i, i + m):
        total += u[k % len(u)]
    return total


@kernel
@no_type_check
def _jump(u, i, m, criteria):
    """The size of a jump within m cells, half of it on a face of theirs, 0 where there is none that keeps their sum."""
    falling, least, steepness = criteria
    left, rise, right, fall = _lines(u, i, m)
    jump, bend = left - right, rise - fall
    middle = jump + 0.5 * m * bend
    size = abs(middle)
    if size <= least or size <= steepness * max(abs(rise), abs(fall)) or (falling and middle < 0):
        return 0.0
    if jump * middle <= 0 or (jump + m * bend) * middle <= 0:  # lines that cross: more than one place, or none
        return 0.0
    most = m * jump + 0.5 * m * m * bend
    share = (_total(u, i, m) - m * right - 0.5 * m * m * fall) / most
    if not -SLACK <= share <= 1 + SLACK:
        return 0.0
    return size if ON_FACE < share < 1 - ON_FACE else 0.5 * size  # on a face it may be one inside the next cell


@kernel
@no_type_check
def _switch(u, out, ratio, i, m):
    """Set the children of the cells i − 1 … i + m to two lines and the switch at s that keeps the sum."""
    n = len(u)
    left, rise, right, fall = _lines(u, i, m)
    jump, bend = left - right, rise - fall
    rest = _total(u, i, m) - m * right - 0.5 * m * m * fall
    root = math.sqrt(max(jump * jump + 2.0 * bend * rest, 0.0))  # of jump s + bend s²/2 = rest
    s = min(max(2.0 * rest / (jump + math.copysign(root, jump)), 0.0), float(m))
    over = (rest - s * (jump + 0.5 * bend * s)) / m  # a switch at an end keeps the sum but for this a cell
    for k in range(-1, m + 1):
        turn = m if k == -1 else 0 if k == m else s
        first = (i + k) % n * ratio
        for j in range(ratio):
            low, high = k + j / ratio, k + (j + 1) / ratio
            place = min(max(turn, low), high)
            on_left = (place - low) * (left + rise * 0.5 * (low + place))
            on_right = (high - place) * (right + fall * 0.5 * (place + high))
            out[first + j] = (on_left + on_right) * ratio + (over if 0 <= k < m else 0.0)
