"""The empirical neural tangent kernel K(x, x′) = J(x) J(x′)ᵀ: block, trace, and products without the matrix."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from mlft.kernels.features import KernelError, Linearised

MEMORY = 2 * 2**30
"""Bytes that a kernel may take unless told otherwise."""

_FLOAT = 8


def block_kernel(
    net: Linearised,
    left: Float[Tensor, "n c *grid"],
    left_probes: Float[Tensor, "n q m"],
    right: Float[Tensor, "k c *grid"] | None = None,
    right_probes: Float[Tensor, "k r m"] | None = None,
    *,
    memory: int = MEMORY,
) -> Float[Tensor, "nq kr"]:
    """Return the kernel between (sample, probe) pairs, K[(i,a),(j,b)] = w_aᵀ J(x_i) J(x_j)ᵀ w_b; rows run over a first.

    With one-hot probes on every output it is the full kernel; a few random outputs a sample are a faithful and much
    cheaper stand-in for Fourier and convolutional networks, whose kernel is far from diagonal in the outputs.
    The features are computed in pieces that fit the memory; the result does not depend on the pieces, but for
    round-off.

    Args:
        net: the linearised surrogate.
        left: inputs of the rows.
        left_probes: probes of the rows, see `Linearised.features`.
        right: inputs of the columns; the rows' by default, and then only half of the pieces are computed.
        right_probes: probes of the columns.
        memory: bytes allowed for the matrix and the features together.

    Raises:
        KernelError: if the matrix and the smallest pieces do not fit, with the bytes that are needed.

    Source: Jacot, Gabriel, Hongler 2018, arXiv 1806.07572, eq. 4.
    """
    same = right is None or right_probes is None
    x, w = (left, left_probes) if right is None or right_probes is None else (right, right_probes)
    rows, columns = left_probes.shape[:2].numel(), w.shape[:2].numel()
    step = _samples_at_once(net, max(left_probes.shape[1], w.shape[1]), rows * columns, memory)
    kernel = torch.empty(rows, columns, dtype=torch.float64)
    for i, of_left in _pieces(net, left, left_probes, step):
        for j, of_right in _pieces(net, x, w, step, upto=i.start if same else None):
            kernel[_rows(i, left_probes), _rows(j, w)] = of_left @ of_right.T
        if same:
            kernel[_rows(i, left_probes), _rows(i, left_probes)] = of_left @ of_left.T
    if same:
        kernel = torch.tril(kernel)
        kernel += torch.tril(kernel, -1).T
    return kernel


def trace_kernel(
    net: Linearised,
    left: Float[Tensor, "n c *grid"],
    right: Float[Tensor, "k c *grid"] | None = None,
    *,
    probes: Float[Tensor, "q m"],
    memory: int = MEMORY,
) -> Float[Tensor, "n k"]:
    """Return an estimate of tr(J(x_i) J(x_j)ᵀ) / m, the scalar kernel of a network with m exchangeable outputs.

    Σ_w wᵀ J(x_i) J(x_j)ᵀ w / m over the probes w of `trace_probes`: exact on the space of the smooth ones, estimated
    on its complement by the Gaussian ones; unbiased. The right kernel for dense networks only.

    Raises:
        KernelError: if it does not fit the memory.

    Source: Hutchinson 1989; the deflation as in Hutch++ (Meyer, Musco, Musco, Woodruff 2021, arXiv 2010.09649).
    """
    kernel: Tensor | float = 0.0
    for probe in probes:
        x = probe.expand(len(left), 1, -1)
        y = None if right is None else probe.expand(len(right), 1, -1)
        kernel = kernel + block_kernel(net, left, x, right, y, memory=memory)
    return torch.as_tensor(kernel) / net.outputs


def trace_probes(m: int, *, cosines: int, randoms: int, generator: torch.Generator) -> Float[Tensor, "q m"]:
    """Return vectors w with E Σ w wᵀ = I on R^m: orthonormal cosines, and scaled Gaussians in their complement.

    Raises:
        ValueError: if both numbers are 0, or one is negative.
    """
    if cosines < 0 or randoms < 0 or not cosines + randoms:
        raise ValueError(f"at least one probe is needed, got {cosines=} and {randoms=}")
    cosines = min(cosines, m)
    j = torch.arange(m, dtype=torch.float64) + 0.5
    smooth = torch.cos(math.pi / m * torch.arange(cosines, dtype=torch.float64)[:, None] * j)
    smooth /= smooth.norm(dim=1, keepdim=True)
    if not randoms or cosines == m:
        return smooth
    noise = torch.randn(randoms, m, generator=generator, dtype=torch.float64)
    noise -= (noise @ smooth.T) @ smooth
    return torch.cat([smooth, noise / randoms**0.5])


def kernel_product(
    net: Linearised, inputs: Float[Tensor, "n c *grid"], vector: Float[Tensor, "n m"], *, batch: int = 64
) -> Float[Tensor, "n m"]:
    """Return the full kernel of the inputs times a vector, J Jᵀ w, without the matrix: one pull and one push."""
    pieces = list(range(0, len(inputs), batch))
    moved = torch.stack([net.pull(inputs[i : i + batch], vector[i : i + batch]) for i in pieces]).sum(0)
    return torch.cat([net.push(inputs[i : i + batch], moved) for i in pieces])


def spectrum(
    net: Linearised, inputs: Float[Tensor, "n c *grid"], count: int, *, steps: int, generator: torch.Generator
) -> Float[Tensor, " k"]:
    """Return the `count` largest eigenvalues of the full kernel of the inputs, by Lanczos with products only.

    Full reorthogonalisation; `steps` products. Ritz values are lower bounds, and the largest converge first.

    Raises:
        ValueError: for fewer steps than eigenvalues.

    Source: Golub, Van Loan, "Matrix Computations", 4th edition, section 10.1.
    """
    size = len(inputs) * net.outputs
    steps = min(steps, size)
    if steps < count:
        raise ValueError(f"{count} eigenvalues need at least as many Lanczos steps, got {steps}")
    q = torch.randn(size, generator=generator, dtype=torch.float64)
    basis, diagonal, off = [q / q.norm()], [], []
    for _ in range(steps):
        w = kernel_product(net, inputs, basis[-1].view(len(inputs), -1)).reshape(-1)
        diagonal.append(torch.dot(w, basis[-1]))
        spanned = torch.stack(basis)
        for _ in range(2):
            w = w - spanned.T @ (spanned @ w)
        off.append(w.norm())
        if off[-1] <= 1e-12 * diagonal[0].abs():
            break
        basis.append(w / off[-1])
    n = len(diagonal)
    matrix = torch.diag(torch.stack(diagonal))
    if n > 1:
        matrix = matrix + torch.diag(torch.stack(off[: n - 1]), 1) + torch.diag(torch.stack(off[: n - 1]), -1)
    return torch.linalg.eigvalsh(matrix).flip(0)[:count]


def _samples_at_once(net: Linearised, probes: int, entries: int, memory: int) -> int:
    """Return how many samples' features fit twice beside the matrix, with the copies that `vjp` makes."""
    matrix, sample = _FLOAT * entries, 4 * _FLOAT * net.size * probes
    needed = matrix + sample
    if needed > memory:
        raise KernelError(
            f"the kernel needs at least {needed / 2**30:.3g} GiB ({matrix / 2**30:.3g} for the matrix, "
            f"{sample / 2**30:.3g} for the features of one sample), {memory / 2**30:.3g} GiB are allowed; "
            "take fewer samples or probes, or allow more memory",
            needed=needed,
            limit=memory,
        )
    return int((memory - matrix) // sample)


def _pieces(
    net: Linearised, inputs: Tensor, probes: Tensor, step: int, upto: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    end = len(inputs) if upto is None else upto
    for start in range(0, end, step):
        piece = slice(start, min(start + step, end))
        yield piece, net.features(inputs[piece], probes[piece]).flatten(0, 1)


def _rows(piece: slice, probes: Tensor) -> slice:
    return slice(piece.start * probes.shape[1], piece.stop * probes.shape[1])
