"""Symmetric five-point equations on a rectangle, solved directly: nested dissection with dense fronts (multifrontal).

The grid is halved again and again, and the line between two halves is eliminated after them. What a block leaves
behind is a dense symmetric matrix on the points next to it, its Schur complement; those of two halves and the line
between them make the next one. The work in large blocks is matrix products. The plan depends on the grid alone, and is
kept.
"""

from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Complex, Float, Num
from numba import njit
from scipy.sparse import csc_array, diags_array

Array = np.ndarray
Block = tuple[int, int, int, int]  # rows from, to, columns from, to

LEAF = 36  # points of a block that is not halved

kernel = njit(cache=True, nogil=True, error_model="numpy")


def solve_five_point(
    diagonal: Complex[Array, "rows columns"],
    right: Complex[Array, "rows columns"],
    *,
    down: Float[Array, "below columns"],
    along: Float[Array, "rows beside"],
) -> Complex[Array, "rows columns"]:
    """Return the u with d_p u_p − Σ_q e_pq u_q = r_p, the sum over the neighbours q of p.

    `down[i, j]` is e between (i, j) and (i + 1, j), `along[i, j]` that between (i, j) and (i, j + 1). There are pivots
    inside a front, but none from one to another: a block of the dissection that is close to singular spoils the
    solution, and one that is singular makes it NaN. For N points about 8 N^1.5 complex operations, and 40 N numbers.

    Source: George, SIAM J. Numer. Anal. 10 (1973), nested dissection; Duff, Reid, ACM TOMS 9 (1983), fronts.
    """
    couplings = np.concatenate([down.reshape(-1), along.reshape(-1)])
    solution = np.full(diagonal.size, np.nan, dtype=np.complex128)
    flat = [np.ascontiguousarray(field, dtype=np.complex128).reshape(-1) for field in (diagonal, right)]
    with suppress(np.linalg.LinAlgError):
        _solve(*flat, couplings, _plan(*diagonal.shape), solution)
    return solution.reshape(diagonal.shape)


def apply_five_point(
    diagonal: Num[Array, "rows columns"],
    field: Num[Array, "rows columns"],
    *,
    down: Float[Array, "below columns"],
    along: Float[Array, "rows beside"],
) -> Num[Array, "rows columns"]:
    """Return d_p u_p − Σ_q e_pq u_q for u = field."""
    out = diagonal * field
    out[:-1] -= down * field[1:]
    out[1:] -= down * field[:-1]
    out[:, :-1] -= along * field[:, 1:]
    out[:, 1:] -= along * field[:, :-1]
    return out


def five_point_matrix(
    diagonal: Num[Array, "rows columns"], *, down: Float[Array, "below columns"], along: Float[Array, "rows beside"]
) -> csc_array:
    """Return the sparse matrix of the equations, points in the order of the rows."""
    columns = diagonal.shape[1]
    below, beside = down.reshape(-1), np.pad(along, ((0, 0), (0, 1))).reshape(-1)[:-1]
    bands: list[Any] = [-below, -beside, diagonal.reshape(-1), -beside, -below]
    return csc_array(diags_array(bands, offsets=(-columns, -1, 0, 1, columns)))


class _Plan(NamedTuple):
    """The elimination tree in postorder; node t has the entries begins[t] … begins[t + 1] of a list.

    A front is the points that a node eliminates, `points`, and then those next to its block, `border`; `places` says
    where these are in the parent's front. `edges` are the couplings of a front: place, place, number. `first` is the
    first child, −1 for none; the second child is the node before.
    """

    points: Array
    points_begin: Array
    border: Array
    border_begin: Array
    places: Array
    edges: Array
    edges_begin: Array
    first: Array


@lru_cache(maxsize=8)
def _plan(rows: int, columns: int) -> _Plan:
    """Plan the elimination of a grid."""
    number, place = np.arange(rows * columns).reshape(rows, columns), np.full(rows * columns, -1)
    lists: list[list[Array]] = [[], [], [], []]
    firsts: list[int] = []

    def visit(block: Block, border: Array, places: Array) -> int:
        line, halves = _halve(block)
        points = number[line[0] : line[1], line[2] : line[3]].reshape(-1)
        front = np.concatenate([points, border])
        place[front] = np.arange(len(front))
        edges = _edges(points, place, (rows, columns))
        below = []
        for half in halves:
            beside = _around(half, number)
            order = np.argsort(place[beside])
            below.append((half, beside[order], place[beside][order]))
        place[front] = -1
        children = [visit(*child) for child in below]
        for kept, some in zip(lists, (points, border, places, edges), strict=True):
            kept.append(some)
        firsts.append(children[0] if children else -1)
        return len(firsts) - 1

    nothing = np.empty(0, dtype=np.int64)
    visit((0, rows, 0, columns), nothing, nothing)
    points, border, places, edges = (np.concatenate(kept) for kept in lists)
    begins = [np.concatenate([[0], np.cumsum([len(some) for some in kept])]) for kept in lists]
    return _Plan(points, begins[0], border, begins[1], places, edges, begins[3], np.array(firsts))


def _halve(block: Block) -> tuple[Block, list[Block]]:
    """Return the line that separates the halves of a block, and the halves; of a small one, all of it, and none."""
    top, bottom, left, right = block
    if (bottom - top) * (right - left) <= LEAF:
        return block, []
    if bottom - top >= right - left:
        middle = (top + bottom) // 2
        return (middle, middle + 1, left, right), [(top, middle, left, right), (middle + 1, bottom, left, right)]
    middle = (left + right) // 2
    return (top, bottom, middle, middle + 1), [(top, bottom, left, middle), (top, bottom, middle + 1, right)]


def _around(block: Block, number: Array) -> Array:
    """Return the points next to a block."""
    top, bottom, left, right = block
    lines = [number[max(top - 1, 0) : top, left:right], number[bottom : bottom + 1, left:right]]
    lines += [number[top:bottom, max(left - 1, 0) : left], number[top:bottom, right : right + 1]]
    return np.concatenate([line.reshape(-1) for line in lines])


def _edges(points: Array, place: Array, shape: tuple[int, int]) -> Array:
    """Return a row (place, place, number) for each coupling of the points with their front, once."""
    rows, columns = shape
    i, j = points // columns, points % columns
    found = []
    for inside, others, numbers in (
        (i + 1 < rows, points + columns, points),
        (i > 0, points - columns, points - columns),
        (j + 1 < columns, points + 1, (rows - 1) * columns + i * (columns - 1) + j),
        (j > 0, points - 1, (rows - 1) * columns + i * (columns - 1) + j - 1),
    ):
        here, there = place[points[inside]], place[others[inside]]
        once = there > here  # −1 for what was eliminated before
        found.append(np.stack([here, there, numbers[inside]], axis=1)[once])
    return np.concatenate(found)


@kernel
@no_type_check
def _solve(diagonal, right, couplings, plan, solution):
    """Eliminate from the leaves to the root, substitute from the root to the leaves."""
    begins, total = np.empty(len(plan.first), dtype=np.int64), 0  # where the factors of a node begin
    for t in range(len(plan.first)):
        begins[t] = total
        e, b = plan.points_begin[t + 1] - plan.points_begin[t], plan.border_begin[t + 1] - plan.border_begin[t]
        total += e * (b + 1)
    factors, left_over = np.empty(total, dtype=np.complex128), [np.empty((0, 1), dtype=np.complex128)]
    for t in range(len(plan.first)):
        own, across, rest = _front(t, diagonal, right, couplings, plan)
        if plan.first[t] >= 0:
            for child in (t - 1, plan.first[t]):
                places = plan.places[plan.border_begin[child] : plan.border_begin[child + 1]]
                _add(left_over.pop(), places, own, across, rest)
        found, b = np.linalg.solve(own, across).T, len(rest)  # LAPACK's is stored by columns
        half = b // 2
        rest[:half] -= np.dot(found, across[:, :half].copy()).T  # it is symmetric: one block of four is left out
        rest[half:, half:] -= np.dot(found[half:], across[:, half:b].copy()).T
        factors[begins[t] : begins[t] + found.size] = found.reshape(-1)
        left_over.append(rest)
    for t in range(len(plan.first) - 1, -1, -1):
        points = plan.points[plan.points_begin[t] : plan.points_begin[t + 1]]
        border = plan.border[plan.border_begin[t] : plan.border_begin[t + 1]]
        _substitute(factors[begins[t] :], points, border, solution)


@kernel
@no_type_check
def _front(t, diagonal, right, couplings, plan):
    """Return the blocks of a front before its children are added; right-hand sides are in the last columns."""
    points = plan.points[plan.points_begin[t] : plan.points_begin[t + 1]]
    e, b = len(points), plan.border_begin[t + 1] - plan.border_begin[t]
    own, across = np.zeros((e, e), dtype=np.complex128), np.zeros((e, b + 1), dtype=np.complex128)
    for k in range(e):
        own[k, k], across[k, b] = diagonal[points[k]], right[points[k]]
    for row in range(plan.edges_begin[t], plan.edges_begin[t + 1]):
        i, j, value = plan.edges[row, 0], plan.edges[row, 1], couplings[plan.edges[row, 2]]
        if j < e:
            own[i, j] -= value
            own[j, i] -= value
        else:
            across[i, j - e] -= value
    return own, across, np.zeros((b, b + 1), dtype=np.complex128)  # of the last one, the upper triangle counts


@kernel
@no_type_check
def _substitute(factors, points, border, solution):
    """Set the solution at the points of a node from that on its border."""
    e, b = len(points), len(border)
    values = factors[b * e : (b + 1) * e].copy()
    for m in range(b):
        for k in range(e):
            values[k] -= solution[border[m]] * factors[m * e + k]
    for k in range(e):
        solution[points[k]] = values[k]


@kernel
@no_type_check
def _add(child, places, own, across, rest):
    """Add the upper triangle of a child's Schur complement; it is in the order of the parent's front."""
    count, e, b, inner = len(places), len(own), len(rest), 0
    while inner < count and places[inner] < e:
        inner += 1
    for i in range(inner):
        for j in range(i, inner):
            own[places[i], places[j]] += child[i, j]
            if j > i:
                own[places[j], places[i]] += child[i, j]
        for j in range(inner, count):
            across[places[i], places[j] - e] += child[i, j]
        across[places[i], b] += child[i, count]
    for i in range(inner, count):
        for j in range(i, count):
            rest[places[i] - e, places[j] - e] += child[i, j]
        rest[places[i] - e, b] += child[i, count]
