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
    images: int = 1,
) -> Iterator[tuple[float, Float[Tensor, "n t"]]]:
    """Yield for each ridge what regressions that have seen no image of a sample leave of all its images.

    A constant is fitted too, without a ridge. Let the columns of V be an orthonormal basis of what is orthogonal to
    (1, …, 1), with Vᵀ K V = diag(w), computed once, and R = V diag(λ/(w + λ)) Vᵀ. The residuals of the rows B of a
    sample are (R_BB)⁻¹ (R y)_B; of one row, r_i / R_ii with r = R y. Exact: as refitting without these rows at
    the same λ. Where R_BB is singular in float64 they are not finite. Of one sample alone its targets are what is left.

    The ridges are in units of tr(K)/n.

    Args:
        kernel: K.
        targets: y, a row for each row of K.
        ridges: tried.
        images: of each sample; the rows are the first image of every sample, then the second of every one, and so on.

    Raises:
        ValueError: if the rows are not a multiple of the images.

    Source: as `leave_out`; for the constant, Wahba 1990, section 1.3.
    """
    n, mean = len(targets), float(kernel.trace()) / len(kernel) or 1.0
    if n % images:
        raise ValueError(f"{n} rows are not a multiple of {images} images a sample")
    if n == images:
        yield from ((ridge, targets) for ridge in ridges)
        return
    values, vectors = _across(kernel, mean)
    coordinates, own = vectors.T @ targets, _by_sample(vectors, images)
    for ridge in ridges:
        shares = ridge * mean / (values + ridge * mean)
        rest = _by_sample(vectors @ (shares[:, None] * coordinates), images)
        left, _ = torch.linalg.solve_ex((own * shares) @ own.mT, rest)
        yield ridge, left.transpose(0, 1).flatten(0, 1)


def _across(kernel: Tensor, mean: float) -> tuple[Tensor, Tensor]:
    """Return w, 0 where it is round-off, and V; the mean is tr(K)/n, or 1 of a kernel that is 0."""
    means = kernel.mean(dim=0)
    centred = kernel - means[:, None] - means + means.mean()
    values, vectors = torch.linalg.eigh(centred + 2 * mean)  # (1, …, 1) comes last, at 2 tr(K)
    values, vectors = values[:-1], vectors[:, :-1]
    round_off = 4 * len(kernel) * mean * torch.finfo(values.dtype).eps
    return torch.where(values > round_off, values, 0.0), vectors


def _by_sample(rows: Tensor, images: int) -> Tensor:
    """Return the rows of each sample."""
    return rows.unflatten(0, (images, -1)).transpose(0, 1)
