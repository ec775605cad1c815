"""−div(a ∇u) = f on a rectangle with u = 0 on the boundary: finite volumes, and conjugate gradients with multigrid.

Fields are cell averages, `(samples, rows, columns)`. A sample is solved alone, by one fixed order of operations, so
that it never depends on its batch. With h₀, h₁ the cell widths, cell i of area h₀h₁ balances the fluxes through its
faces; a face across axis 0 between cells i and j has the transmissibility

    t_ij = (h₁/h₀) · 2 a_i a_j / (a_i + a_j),   and (h₁/h₀) · 2 a_i on the boundary, half a cell away,

(across axis 1 with h₀/h₁), and (Au)_i = Σ_j t_ij (u_i − u_j) + t_i,boundary u_i = h₀h₁ f_i. The harmonic mean makes the
flux exact where a jumps at a face and is constant on both sides; A is a symmetric M-matrix.

**Storage.** The smoother relaxes the cells of one colour of a chequerboard, then those of the other. Each plane of a
level is stored as (colour, row, place): cell (i, j), of colour (i + j) mod 2, is at [colour, i + 1, j // 2 + 1]. In a
row, a colour is contiguous, and so are the neighbours, all of the other colour: loops over places vectorise. Places
that belong to no cell hold 0. Cells 2I and 2I + 1 of both axes form cell I of the next coarser level; its two red
children are at place J + 1 of the rows 2I and 2I + 1, whatever J.
"""

from dataclasses import dataclass
from typing import final, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit

from mlft.solvers.sums import dot

Array = np.ndarray

kernel = njit(cache=True, nogil=True, error_model="numpy")  # a division by 0 gives inf: no branch in the loops

_ABOVE, _LEFT, _DIAGONAL, _INVERSE, _FIELD, _SOURCE = range(6)  # the planes of a level
_POSITION, _DIRECTION, _IMAGE, _RIGHT = range(4)  # the vectors of conjugate gradients
_STOP = 0.25  # the updated residual stops at this part of the tolerance, for the true one to meet it
_ROUNDING = float(np.finfo(np.float64).eps)


@final
@dataclass(frozen=True)
class Elliptic:
    """Solutions of one batch of elliptic problems, and how each solve ended.

    Attributes:
        solutions: cell averages of u; a sample with a value that is not finite comes back as NaN.
        iterations: iterations of conjugate gradients.
        residuals: ‖b − Au‖ / ‖b‖ of the solution returned, b = h₀h₁ f, in the Euclidean norm.
        converged: whether the residual met the tolerance, or the round-off that no float64 solution gets below.
    """

    solutions: Float[Array, "n rows columns"]
    iterations: Int[Array, " n"]
    residuals: Float[Array, " n"]
    converged: Bool[Array, " n"]


def solve_elliptic(
    coefficient: Float[Array, "n rows columns"],
    source: Float[Array, "m *grid"],
    *,
    spacing: tuple[float, float],
    tolerance: float = 1e-10,
    limit: int = 500,
) -> Elliptic:
    """Return the finite-volume solutions of −div(a ∇u) = f, u = 0 on the boundary.

    Conjugate gradients, preconditioned by one multigrid cycle: piecewise constant transfers, coarse operators PᵀAP/2
    (the ½ because steps cost twice the energy of the slope that they stand for; ⅔ where a cell has no partner), red
    then black Gauss–Seidel before and black then red after the coarse correction, once on the finest level and twice
    below, down to a single cell. Any number of cells will do. Order 2 for smooth a.

    A sample has converged when ‖b − Au‖ ≤ max(tolerance ‖b‖, 4ε ‖diag(A) u‖). Rounding u to float64 alone leaves about
    ε ‖diag(A) u‖, and so does a direct solver. This passes 1e-10 ‖b‖ where a jumps by 1e5, from some 64² cells on; at a
    contrast of 12 it does not up to 512².

    Args:
        coefficient: a > 0, averages over cells.
        source: f, averages over cells; one for each sample, or a single one for all.
        spacing: cell widths h₀ and h₁ along rows' and columns' numbers, in the unit of length.
        tolerance: relative residual asked for.
        limit: iterations after which a sample is given up.

    Raises:
        ValueError: a coefficient that is not positive, or sources of another shape.

    Source: Khalil and Wesseling, J. Comput. Phys. 98 (1992), cell-centred multigrid for interface problems; Braess,
    Computing 55 (1995), section 3, the factor; Bramble and Pasciak, Math. Comp. 49 (1987), more smoothing below.
    """
    if (coefficient <= 0).any():
        raise ValueError(f"the coefficient must be positive everywhere, got a minimum of {np.nanmin(coefficient):.6g}")
    if len(source) not in (1, len(coefficient)) or source.shape[1:] != coefficient.shape[1:]:
        raise ValueError(
            f"one source for all samples or one for each, on the grid of the coefficient {coefficient.shape}: "
            f"got {source.shape}"
        )
    samples, area = len(coefficient), spacing[0] * spacing[1]
    solutions, converged = np.empty(coefficient.shape), np.empty(samples, dtype=np.bool_)
    iterations, residuals = np.empty(samples, dtype=np.int64), np.empty(samples)
    store, table = _workspace(*coefficient.shape[1:])
    vectors = np.empty((4, 2, table[0, 0] + 3, table[0, 2]))
    for i in range(samples):
        _assemble(_float(coefficient[i]), spacing[1] / spacing[0], store, table)
        size = _start(_float(source[i % len(source)]), area, store, table, vectors)
        iterations[i] = _iterate(store, table, vectors, _STOP * tolerance * size, limit)
        residual, rounding = _finish(store, table, vectors, solutions[i])
        residuals[i] = residual / size if size > 0 else residual
        converged[i] = residual <= max(tolerance * size, 4 * rounding)
    return Elliptic(solutions, iterations, residuals, converged)


def _float(array: Array) -> Array:
    return np.ascontiguousarray(array, dtype=np.float64)


def _workspace(rows: int, columns: int) -> tuple[Array, Array]:
    """Room for all levels, and a row a level, finest first: rows, columns, places of a row, where the level ends."""
    table: list[tuple[int, int, int, int]] = []
    end = 0
    while not table or max(table[-1][:2]) > 1:
        width = (columns + 1) // 2 + 2
        end += 12 * (rows + 3) * width
        table.append((rows, columns, width, end))
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    return np.empty(end), np.array(table, dtype=np.int64)


@kernel
@no_type_check
def _start(source, area, store, table, vectors):
    """The right-hand side b is the first residual; return its norm."""
    _clear(vectors.reshape(-1))
    _load(source, area, vectors[_RIGHT])
    _load(source, area, _level(store, table[0])[_SOURCE])
    return _norm(vectors[_RIGHT].reshape(-1))


@kernel
@no_type_check
def _iterate(store, table, vectors, goal, limit):
    """Conjugate gradients from 0; the residual and its preconditioned image are planes of the finest level."""
    level = _level(store, table[0])
    residual, image = level[_SOURCE].reshape(-1), level[_FIELD].reshape(-1)
    x, p, q = vectors[_POSITION].reshape(-1), vectors[_DIRECTION].reshape(-1), vectors[_IMAGE].reshape(-1)
    iteration, old = 0, np.inf
    while iteration < limit and _norm(residual) > goal:
        _cycle(store, table)
        new = dot(residual, image)
        beta, old = new / old, new
        for k in range(len(p)):
            p[k] = image[k] + beta * p[k]
        _multiply(level, vectors[_DIRECTION], vectors[_IMAGE])
        alpha = new / dot(p, q)
        for k in range(len(x)):
            x[k] += alpha * p[k]
        for k in range(len(x)):
            residual[k] -= alpha * q[k]
        iteration += 1
    return iteration


@kernel
@no_type_check
def _finish(store, table, vectors, solution):
    """Copy u, and return the norms of the true residual and of ε diag(A) u, the round-off in it."""
    level = _level(store, table[0])
    _multiply(level, vectors[_POSITION], vectors[_IMAGE])
    x, image, right = vectors[_POSITION].reshape(-1), vectors[_IMAGE].reshape(-1), vectors[_RIGHT].reshape(-1)
    diagonal = level[_DIAGONAL].reshape(-1)
    for k in range(len(x)):
        image[k] = right[k] - image[k]
    residual = _norm(image)
    for k in range(len(x)):
        image[k] = _ROUNDING * diagonal[k] * x[k]
    _unload(vectors[_POSITION], solution)
    return residual, _norm(image)


@kernel
@no_type_check
def _cycle(store, table):
    """One symmetric cycle for the plane _SOURCE of the finest level, from 0, into its plane _FIELD."""
    last = len(table) - 1
    level = _level(store, table[0])
    for k in range(last):
        red = level[_FIELD, 0].reshape(-1)
        inverse, source = level[_INVERSE, 0].reshape(-1), level[_SOURCE, 0].reshape(-1)
        for i in range(len(red)):
            red[i] = inverse[i] * source[i]
        for half in range(1 if k == 0 else 3):
            _relax(level, 1 - half % 2)
        coarse = _level(store, table[k + 1])
        _restrict(level, coarse[_SOURCE], table[k + 1])
        level = coarse
    level[_FIELD, 0, 1, 1] = level[_INVERSE, 0, 1, 1] * level[_SOURCE, 0, 1, 1]
    for k in range(last - 1, -1, -1):
        coarse, level = level, _level(store, table[k])
        _correct(level[_FIELD], coarse[_FIELD], table[k + 1])
        for half in range(2 if k == 0 else 4):
            _relax(level, 1 - half % 2)


@kernel
@no_type_check
def _relax(level, colour):
    field, inverse, source = level[_FIELD], level[_INVERSE, colour], level[_SOURCE, colour]
    for i in range(1, field.shape[1] - 2):
        for k in range(1, field.shape[2] - 1):
            field[colour, i, k] = inverse[i, k] * (source[i, k] + _inflow(level, field, colour, i, k))


@kernel
@no_type_check
def _inflow(level, field, colour, i, k):
    """Σ t u over the four neighbours of a cell; those above and below are at its own place k."""
    other, right = 1 - colour, k + ((i + 1 + colour) & 1)
    above, left = level[_ABOVE], level[_LEFT]
    flow = above[colour, i, k] * field[other, i - 1, k] + above[other, i + 1, k] * field[other, i + 1, k]
    return flow + left[colour, i, k] * field[other, i, right - 1] + left[other, i, right] * field[other, i, right]


@kernel
@no_type_check
def _multiply(level, field, out):
    for colour in range(2):
        diagonal = level[_DIAGONAL, colour]
        for i in range(1, field.shape[1] - 2):
            for k in range(1, field.shape[2] - 1):
                out[colour, i, k] = diagonal[i, k] * field[colour, i, k] - _inflow(level, field, colour, i, k)


@kernel
@no_type_check
def _restrict(level, coarse, shape):
    """Add up the residuals of the children: of the red ones, for the black ones were relaxed last and have none."""
    diagonal, field, source = level[_DIAGONAL, 0], level[_FIELD], level[_SOURCE, 0]
    for i in range(shape[0]):
        for j in range(shape[1]):
            residual = 0.0
            for row in range(2 * i + 1, 2 * i + 3):
                kept = source[row, j + 1] - diagonal[row, j + 1] * field[0, row, j + 1]
                residual += kept + _inflow(level, field, 0, row, j + 1)
            coarse[_place(i, j)] = residual


@kernel
@no_type_check
def _correct(field, coarse, shape):
    """Add the coarse field to the red children; the black ones are relaxed next, from the red ones alone."""
    for i in range(shape[0]):
        for j in range(shape[1]):
            value = coarse[_place(i, j)]
            field[0, 2 * i + 1, j + 1] += value
            field[0, 2 * i + 2, j + 1] += value


@kernel
@no_type_check
def _assemble(coefficient, ratio, store, table):
    _clear(store)
    level = _level(store, table[0])
    _discretize(coefficient, ratio, level)
    for k in range(1, len(table)):
        coarse = _level(store, table[k])
        _coarsen(level, coarse, table[k - 1])
        level = coarse
    for k in range(len(table)):
        _complete(_level(store, table[k]))


@kernel
@no_type_check
def _discretize(a, ratio, level):
    """The transmissibilities above and left of each cell; those to the boundary alone in the diagonal."""
    rows, columns = a.shape
    for i in range(rows):
        for j in range(columns):
            here, place = 2 * a[i, j], _place(i, j)
            if i > 0:
                level[_ABOVE][place] = ratio * here * a[i - 1, j] / (a[i, j] + a[i - 1, j])
            if j > 0:
                level[_LEFT][place] = here * a[i, j - 1] / (a[i, j] + a[i, j - 1]) / ratio
            ends = int(i == 0) + int(i == rows - 1), int(j == 0) + int(j == columns - 1)
            level[_DIAGONAL][place] = here * (ends[0] * ratio + ends[1] / ratio)


@kernel
@no_type_check
def _coarsen(fine, coarse, shape):
    """Half the sum of the fine transmissibilities; two thirds, and to the boundary all, for a cell without partner."""
    for i in range((shape[0] + 1) // 2):
        for j in range((shape[1] + 1) // 2):
            top, k, place = 2 * i + 1, j + 1, _place(i, j)
            low, end = top == shape[0], 2 * j + 1 == shape[1]
            above = fine[_ABOVE, 0, top, k] + fine[_ABOVE, 1, top, k]
            left = fine[_LEFT, 0, top, k] + fine[_LEFT, 1, top + 1, k]
            edge = fine[_DIAGONAL, 0, top, k] + fine[_DIAGONAL, 1, top, k]
            edge += fine[_DIAGONAL, 0, top + 1, k] + fine[_DIAGONAL, 1, top + 1, k]
            coarse[_ABOVE][place] = above * (2 / 3 if low else 0.5)
            coarse[_LEFT][place] = left * (2 / 3 if end else 0.5)
            coarse[_DIAGONAL][place] = edge * (1.0 if low or end else 0.5)


@kernel
@no_type_check
def _complete(level):
    """Add the transmissibilities to the diagonal, which held those to the boundary."""
    diagonal, inverse, above, left = level[_DIAGONAL], level[_INVERSE], level[_ABOVE], level[_LEFT]
    for colour in range(2):
        for i in range(1, diagonal.shape[1] - 2):
            shift = (i + 1 + colour) & 1
            for k in range(1, diagonal.shape[2] - 1):
                diagonal[colour, i, k] += above[colour, i, k] + above[1 - colour, i + 1, k]
                diagonal[colour, i, k] += left[colour, i, k] + left[1 - colour, i, k + shift]
                inverse[colour, i, k] = 1 / diagonal[colour, i, k] if diagonal[colour, i, k] != 0 else 0.0


@kernel
@no_type_check
def _level(store, entry):
    rows, width, end = entry[0] + 3, entry[2], entry[3]
    return store[end - 12 * rows * width : end].reshape((6, 2, rows, width))


@kernel
@no_type_check
def _place(i, j):
    return (i + j) & 1, i + 1, j // 2 + 1


@kernel
@no_type_check
def _load(field, scale, plane):
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            plane[_place(i, j)] = scale * field[i, j]


@kernel
@no_type_check
def _unload(plane, field):
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            field[i, j] = plane[_place(i, j)]


@kernel
@no_type_check
def _norm(x):
    return np.sqrt(dot(x, x))


@kernel
@no_type_check
def _clear(x):
    for k in range(len(x)):
        x[k] = 0.0
