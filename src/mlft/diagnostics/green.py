"""The Green's function that a map has learned, taken out of any callable by unit inputs or by its Jacobian.

A linear map u = W f has the columns W e_j. For data of piecewise linear forces W = G M, with the Green's function at
the nodes and the mass matrix, so that G is W M⁻¹; W/h, the kernel of point loads, is wrong by −h/6 on its diagonal. A
map that is not linear has no Green's function, and is refused with its defect.

Source: Queiruga, Gutman-Solo, Jiang 2025, arXiv 2506.15199, for probing with unit inputs; the numbers are of this
package.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from mlft.diagnostics.learners import Map
from mlft.diagnostics.operators import mass
from mlft.errors import MlftError
from mlft.grids import Grid

Array = np.ndarray


@final
class NotLinearError(MlftError):
    """A map that has no Green's function.

    Attributes:
        defect: how far it is from linear, relative.
    """

    def __init__(self, message: str, *, defect: float) -> None:
        super().__init__(message)
        self.defect = defect


@final
class SingularOperatorError(MlftError):
    """An operator that has no inverse.

    Attributes:
        rank: its numerical rank.
        reciprocal_condition: smallest over largest singular value.
    """

    def __init__(self, message: str, *, rank: int, reciprocal_condition: float) -> None:
        super().__init__(message)
        self.rank = rank
        self.reciprocal_condition = reciprocal_condition


@final
@dataclass(frozen=True)
class Likeness:
    """A matrix beside the true operator A, in relative Frobenius norms; P projects onto the training span.

    Attributes:
        relative: ‖Ŵ − A‖ / ‖A‖.
        predicted: ‖A(I − P)‖ / ‖A‖, what theory gives for a linear map from W⁰ = 0; NaN without a span.
        inside: ‖(Ŵ − A)P‖ / ‖A‖; NaN without a span.
        asymmetry: ‖Ĝ − Ĝᵀ‖ / ‖Ĝ‖ of the kernel Ĝ.
        peak: mean distance, in points, between the largest entries of the columns of Ŵ and of A.
    """

    relative: float
    predicted: float
    inside: float
    asymmetry: float
    peak: float


@final
@dataclass(frozen=True)
class Inverse:
    """The inverse of an operator at its interior nodes.

    Attributes:
        matrix: A⁻¹ of the interior block.
        weighted: M A⁻¹, the stiffness matrix where A = K⁻¹M.
        reciprocal_condition: of the interior block.
        off_stencil: share of the Frobenius norm of A⁻¹ off its three middle diagonals; 0.177 for A = K⁻¹M on fine
            grids, where it is M⁻¹K, whose entries decay by 0.268 a diagonal.
        weighted_off_stencil: the same of M A⁻¹; 0 for A = K⁻¹M.
    """

    matrix: Float[Array, "inner inner"]
    weighted: Float[Array, "inner inner"]
    reciprocal_condition: float
    off_stencil: float
    weighted_off_stencil: float


def probe(
    model: Map,
    shape: Sequence[int],
    *,
    amplitude: float = 1.0,
    columns: Sequence[int] | None = None,
    base: Float[Array, "1 c *grid"] | None = None,
) -> Float[Array, "p k"]:
    """Return Ŵ with the columns [model(base + a e_j) − model(base)] / a.

    Unit inputs lie far outside most training spans: a harsh probe, and an honest one.

    Args:
        model: (n, channels, *grid) to (n, channels, *grid).
        shape: (channels, *grid) of an input.
        amplitude: a.
        columns: the j that are asked for, counted through the flattened input; all by default.
        base: zero by default.

    Raises:
        ValueError: for an amplitude that is 0 or not finite, or a model that does not return a finite field an input.
    """
    if not np.isfinite(amplitude) or amplitude == 0:
        raise ValueError(f"the amplitude of a probe is finite and not 0, got {amplitude!r}")
    size = int(np.prod(shape))
    chosen = np.arange(size) if columns is None else np.asarray(columns)
    start = np.zeros((1, *shape)) if base is None else base
    units = np.zeros((len(chosen), size))
    units[np.arange(len(chosen)), chosen] = amplitude
    outputs = _call(model, np.concatenate([start, start + units.reshape(-1, *shape)]))
    return (outputs[1:] - outputs[0]).T / amplitude


def jacobian(
    model: Map, at: Float[Array, "n c *grid"], *, step: float = 1e-4, columns: Sequence[int] | None = None
) -> Float[Array, "p k"]:
    """Return the Jacobian by central differences, averaged over the fields `at`.

    Exact for maps of degree 2; for a network in single precision take a step of about 1e-2 times its inputs.

    Raises:
        ValueError: as `probe`.
    """
    total: Array | float = 0.0
    for field in at:
        forward, backward = (
            probe(model, at.shape[1:], amplitude=a, columns=columns, base=field[None]) for a in (step, -step)
        )
        total = total + (forward + backward) / 2
    return np.asarray(total) / len(at)


def module_jacobian(module: nn.Module, at: Float[Array, "n c *grid"]) -> Float[Array, "p q"]:
    """Return the Jacobian of a network by automatic differentiation, averaged over the fields `at`; exact.

    Raises:
        torch's own errors for a network that cannot be differentiated.
    """
    like = next(iter(module.parameters()))
    fields = torch.as_tensor(at, dtype=like.dtype, device=like.device)
    rows = [torch.autograd.functional.jacobian(lambda f: module(f[None])[0], field) for field in fields]
    mean = torch.stack(rows).mean(0)
    q = int(np.prod(at.shape[1:]))
    return mean.reshape(-1, q).detach().cpu().double().numpy()


def amplitude_defects(
    model: Map, shape: Sequence[int], amplitudes: Sequence[float], *, columns: Sequence[int] | None = None
) -> dict[float, float]:
    """Return ‖Ŵ(a) − Ŵ(2a)‖ / ‖Ŵ(a)‖ for each amplitude a of unit inputs; 0 for a linear map.

    Raises:
        ValueError: as `probe`.
    """
    found = {}
    for a in amplitudes:
        once, twice = (probe(model, shape, amplitude=factor * a, columns=columns) for factor in (1, 2))
        found[float(a)] = float(np.linalg.norm(once - twice) / (np.linalg.norm(once) or 1.0))
    return found


def superposition_defect(model: Map, inputs: Float[Array, "n c *grid"]) -> float:
    """Return the root mean square of S(f + g) − S(f) − S(g) + S(0) over that of S(f + g) − S(0); 0 for an affine map.

    f and g are the first and second half of the inputs: the defect where the map is at home.

    Raises:
        ValueError: for fewer than 2 inputs, or a model that does not return a finite field an input.
    """
    half = len(inputs) // 2
    if not half:
        raise ValueError("the defect of superposition needs at least 2 inputs, got 1")
    f, g = inputs[:half], inputs[half : 2 * half]
    zero, left, right, both = (_call(model, fields) for fields in (0 * f[:1], f, g, f + g))
    return float(np.linalg.norm(both - left - right + zero) / (np.linalg.norm(both - zero) or 1.0))


def extract(
    model: Map,
    shape: Sequence[int],
    *,
    amplitude: float = 1.0,
    tolerance: float = 0.05,
    inputs: Float[Array, "n c *grid"] | None = None,
) -> Float[Array, "p q"]:
    """Return the matrix of a linear map, refusing one that is not linear.

    Args:
        model: (n, channels, *grid) to (n, channels, *grid).
        shape: (channels, *grid) of an input.
        amplitude: of the unit inputs.
        tolerance: largest defect allowed.
        inputs: where to measure the defect, by superposition; without them, by unit inputs of twice the amplitude.

    Raises:
        NotLinearError: if the defect is larger.
        ValueError: as `probe`.
    """
    if inputs is None:
        defect = amplitude_defects(model, shape, [amplitude])[float(amplitude)]
        where = f"between unit inputs of the amplitudes {amplitude:g} and {2 * amplitude:g}"
    else:
        defect, where = superposition_defect(model, inputs), f"over {len(inputs) // 2} sums of two inputs"
    if not defect <= tolerance:
        raise NotLinearError(
            f"a map that is not linear has no Green's function: the defect is {defect:.3g} {where}, at most "
            f"{tolerance:g} is allowed; take its Jacobian at a state of interest instead",
            defect=defect,
        )
    return probe(model, shape, amplitude=amplitude)


def kernel(
    matrix: Float[Array, "_p _q"], grid: Grid, convention: Literal["hat", "lumped"] = "hat"
) -> Float[Array, "nodes nodes"]:
    """Return the Green's function at the nodes: Ŵ M⁻¹ for data of hats (on a line), Ŵ / weights for point loads.

    Raises:
        ValueError: for a matrix that does not belong to the grid, or hats on a grid that is not nodal on a line.
    """
    _check_belongs(matrix, grid)
    return matrix / grid.weights.ravel() if convention == "lumped" else np.linalg.solve(mass(grid), matrix.T).T


def likeness(
    matrix: Float[Array, "_p _q"],
    operator: Float[Array, "p q"],
    *,
    weights: Float[Array, " q"] | None = None,
    known: Float[Array, "q r"] | None = None,
) -> Likeness:
    """Return how like the true operator a matrix is.

    Args:
        matrix: Ŵ.
        operator: A.
        weights: of the quadrature, for the symmetry of the kernel Ŵ/weights; ones by default. NaN where p ≠ q.
        known: orthonormal basis of the training span, a column a direction.

    Raises:
        ValueError: for matrices of two shapes.
    """
    if matrix.shape != operator.shape:
        raise ValueError(
            f"a matrix of shape {matrix.shape} cannot be like an operator of shape {operator.shape}: probe the map on "
            "the grid of the operator, with as many columns"
        )
    size = float(np.linalg.norm(operator))
    green = matrix / (np.ones(matrix.shape[1]) if weights is None else weights)
    square = matrix.shape[0] == matrix.shape[1]
    asymmetry = float(np.linalg.norm(green - green.T) / np.linalg.norm(green)) if square else float("nan")
    columns = np.abs(operator).max(axis=0) > 1e-12 * np.abs(operator).max()  # those of boundary nodes may be zero
    peaks = [np.abs(w[:, columns]).argmax(axis=0) for w in (matrix, operator)]
    predicted, inside = float("nan"), float("nan")
    if known is not None:
        predicted = float(np.linalg.norm(operator - operator @ known @ known.T)) / size
        inside = float(np.linalg.norm((matrix - operator) @ known)) / size
    return Likeness(
        float(np.linalg.norm(matrix - operator)) / size,
        predicted,
        inside,
        asymmetry,
        float(np.mean(np.abs(peaks[0] - peaks[1]))),
    )


def kinks(matrix: Float[Array, "nodes nodes"]) -> Float[Array, " inner"]:
    """Return, for each interior column j, the share of its squared second differences in the rows j − 1, j, j + 1.

    1 for a Green's function of −u″: its columns are tents, straight but for the kink at their own node.
    """
    second = np.diff(matrix, 2, axis=0)[:, 1:-1] ** 2
    rows = np.arange(len(second))
    near = np.where(np.abs(rows[:, None] - rows) <= 1, second, 0.0).sum(axis=0)
    return near / second.sum(axis=0)


def invert(matrix: Float[Array, "_p _q"], grid: Grid, *, tolerance: float = 1e-10) -> Inverse:
    """Return the inverse at the interior nodes of a line, which should be the differential operator.

    Args:
        matrix: Ŵ, rows and columns of the boundary nodes included.
        grid: nodal and bounded, on a line.
        tolerance: smallest reciprocal condition number allowed.

    Raises:
        SingularOperatorError: with the rank and the reciprocal condition number.
        ValueError: for a matrix that does not belong to the grid, or a grid that is not nodal and bounded on a line.
    """
    _check_belongs(matrix, grid)
    inner = slice(1, -1)
    weights, block = mass(grid)[inner, inner], matrix[inner, inner]
    values = np.linalg.svd(block, compute_uv=False)
    ratio = float(values[-1] / values[0]) if values[0] > 0 else 0.0
    rank = int(np.sum(values > tolerance * values[0]))
    if rank < len(values):
        raise SingularOperatorError(
            f"the operator has no inverse: its interior block has rank {rank} of {len(values)} and the reciprocal "
            f"condition number {ratio:.1e}, less than {tolerance:g}; train it on inputs that span the grid",
            rank=rank,
            reciprocal_condition=ratio,
        )
    inverse = np.linalg.inv(block)
    weighted = weights @ inverse
    return Inverse(inverse, weighted, ratio, _off_stencil(inverse), _off_stencil(weighted))


def _check_belongs(matrix: Array, grid: Grid) -> None:
    points = int(np.prod(grid.shape))
    if matrix.shape != (points, points):
        raise ValueError(f"an operator on {grid} cells has shape {(points, points)}, got {matrix.shape}")


def _off_stencil(matrix: Array) -> float:
    rows = np.arange(len(matrix))
    off = np.abs(rows[:, None] - rows) > 1
    return float(np.linalg.norm(matrix[off]) / np.linalg.norm(matrix))


def _call(model: Map, fields: Array) -> Array:
    """Return the flattened outputs of a model, checked."""
    outputs = model(fields)
    if not isinstance(outputs, np.ndarray) or outputs.ndim < 2 or len(outputs) != len(fields):
        got = f"an array of shape {outputs.shape}" if isinstance(outputs, np.ndarray) else f"a {type(outputs).__name__}"
        raise ValueError(
            f"a map takes (n, channels, *grid) and returns an array with a row a field; for {len(fields)} fields of "
            f"shape {fields.shape[1:]} it returned {got}"
        )
    if not np.isfinite(outputs).all():
        raise ValueError("the map returned values that are not finite: probe it with a smaller amplitude")
    return outputs.reshape(len(outputs), -1)
