"""The Green's function that a linear map has learned: its kernel at the nodes, its inverse, its kinks.

For data of piecewise linear forces W = G M, with the Green's function at the nodes and the mass matrix, so that G is
W M⁻¹; W/h, the kernel of point loads, is wrong by −h/6 on its diagonal. A map that is not linear has no Green's
function, and is refused with its defect.

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

from mlft.diagnostics.green import probe, superposition_defect
from mlft.diagnostics.maps import Map
from mlft.errors import MlftError
from mlft.grids import Grid
from mlft.laboratory.operators import mass

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
