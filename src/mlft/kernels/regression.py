"""Kernel ridge regression, and its leave-one-out errors in closed form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

RIDGES = tuple(10.0**e for e in range(-8, 2))
"""Ridges tried by `choose_ridge`, in units of tr(K)/n."""


@final
@dataclass(frozen=True)
class Solution:
    """A kernel matrix with a ridge, factored.

    Attributes:
        inverse: (K + λI)⁻¹.
        ridge: λ, absolute.
        condition: an estimate of the condition number of K + λI; inf where even the ridge leaves it singular.
        raised: whether the ridge asked for was too small and had to be raised.
    """

    inverse: Float[Tensor, "n n"]
    ridge: float
    condition: float
    raised: bool


def solve(kernel: Float[Tensor, "n n"], ridge: float = 1e-8) -> Solution:
    """Return (K + λI)⁻¹ with λ = ridge · tr(K)/n, raised tenfold until the Cholesky factorisation exists.

    Raises:
        ValueError: for a kernel that is not finite, or a ridge that is negative.
    """
    if not torch.isfinite(kernel).all():
        raise ValueError("the kernel matrix has values that are not finite: the surrogate's outputs or weights are not")
    if not ridge >= 0:
        raise ValueError(f"a ridge must be 0 or more, got {ridge}")
    n, asked = len(kernel), ridge
    mean = float(kernel.trace()) / n or 1.0
    while True:
        shifted = kernel + ridge * mean * torch.eye(n, dtype=kernel.dtype)
        factor, failed = torch.linalg.cholesky_ex(shifted)
        if not failed:
            diagonal = factor.diagonal()
            condition = float((diagonal.max() / diagonal.min()) ** 2)
            return Solution(torch.cholesky_inverse(factor), ridge * mean, condition, ridge > asked)
        ridge = max(10 * ridge, 1e-14)


def regress(solution: Solution, targets: Float[Tensor, "n t"], cross: Float[Tensor, "k n"]) -> Float[Tensor, "k t"]:
    """Return the predictions K(x, X)(K(X, X) + λI)⁻¹ y for the rows x of the cross kernel."""
    return cross @ (solution.inverse @ targets)


def leave_out(solution: Solution, targets: Float[Tensor, "n t"], *, block: int = 1) -> Float[Tensor, "n t"]:
    """Return y − the prediction of a regression that has not seen the rows of that sample.

    With A = K + λI and α = A⁻¹ y, the residual of the rows B of a sample is [(A⁻¹)_BB]⁻¹ α_B; for one row a sample,
    α_i / (A⁻¹)_ii. Exact: the same as refitting without the sample.

    Args:
        solution: from `solve`.
        targets: y, a row for each row of the kernel, any number of columns.
        block: consecutive rows that belong to one sample.

    Raises:
        ValueError: if the rows are not a multiple of the block.

    Source: Cook, Weisberg 1982, "Residuals and Influence in Regression", section 2.2; Wahba 1990, theorem 4.2.1.
    """
    n = len(targets)
    if n % block:
        raise ValueError(f"{n} rows are not a multiple of {block} rows a sample")
    weights = (solution.inverse @ targets).view(n // block, block, -1)
    samples = torch.arange(n // block)
    own = solution.inverse.view(n // block, block, n // block, block)[samples, :, samples]
    return torch.linalg.solve(own, weights).reshape(n, -1)


def choose_ridge(
    kernel: Float[Tensor, "n n"],
    targets: Float[Tensor, "n t"],
    *,
    block: int = 1,
    ridges: Sequence[float] = RIDGES,
) -> tuple[Solution, Float[Tensor, "n t"]]:
    """Return the solution whose leave-one-sample-out error is the least over the ridges, and those errors.

    The ridges are in units of tr(K)/n; ties go to the larger one.
    """
    best: tuple[float, Solution, Tensor] | None = None
    for ridge in sorted(ridges, reverse=True):
        solution = solve(kernel, ridge)
        errors = leave_out(solution, targets, block=block)
        size = float(errors.square().mean())
        if best is None or size < best[0]:
            best = size, solution, errors
    assert best is not None
    return best[1], best[2]


def left_out(
    kernel: Float[Tensor, "n n"],
    targets: Float[Tensor, "n t"],
    *,
    ridges: Sequence[float] = RIDGES,
    centred: bool = False,
) -> Iterator[tuple[float, Float[Tensor, "n t"]]]:
    """Yield for each ridge what regressions that have not seen a sample leave of it, a row a sample.

    With K = Q diag(w) Qᵀ, computed once, the residual of row i is (r_i) / (1 − h_ii), where r = Q diag(λ/(w + λ)) Qᵀ y
    and 1 − h_ii = Σ_j Q_ij² λ/(w_j + λ). The ridges are in units of tr(K)/n.

    Where the mean over the samples was taken off, it is fitted too, and a sample that is left out tells none of it:
    then the sums are over the directions that are orthogonal to (1, …, 1), and the residuals are exact.

    Args:
        kernel: K.
        targets: y, a row a sample.
        ridges: tried.
        centred: whether the mean was taken off the samples that K is of, and off the targets, so that both sum to 0.

    Source: as `leave_out`.
    """
    if centred and len(kernel) > 1:
        basis = torch.linalg.qr(torch.cat([torch.ones_like(kernel[:, :1]), torch.eye(*kernel.shape).to(kernel)], 1))[0]
        basis = basis[:, 1 : len(kernel)]
        values, turned_vectors = torch.linalg.eigh(basis.T @ kernel @ basis)
        vectors = basis @ turned_vectors
    else:
        values, vectors = torch.linalg.eigh(kernel)
    turned, mean = vectors.T @ targets, float(kernel.trace()) / len(kernel) or 1.0
    for ridge in ridges:
        shares = ridge * mean / (values.clamp(min=0) + ridge * mean)
        yield ridge, vectors @ (shares[:, None] * turned) / (vectors.square() @ shares)[:, None]
