"""Muon: matrices move along their orthogonalised momentum, all other weights by Adam."""

from collections.abc import Iterable, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.adamw import adamw

_SHORTEST = 8
"""Rows and columns that a matrix must have: one with fewer is all but a vector."""

_MOMENTUM, _RMS = 0.95, 0.2
_COEFFICIENTS, _TURNS = (3.4445, -4.7750, 2.0315), 5
_BETAS, _EPS = (0.9, 0.999), 1e-8


@final
class Muon(torch.optim.Optimizer):
    """Momentum whose singular values are made alike.

    With g the gradient of a matrix of r rows and c columns, m its momentum and U S Vᵀ the singular values of what
    Nesterov looks ahead to, m ← 0.95 m + 0.05 g and

        w ← (1 − rate·decay) w − rate · 0.2 √max(r, c) · U Vᵀ,      U S Vᵀ = 0.95 m + 0.05 g,

    so that a step has the size of one of Adam's (a root mean square of 0.2 times the rate). U Vᵀ is made by five turns
    of an iteration, with all singular values in about [0.7, 1.2] in the end.

    A weight of more axes is a matrix by its last axis, all others being rows: the complex matrices of all waves of a
    spectral layer are one. Where the last axis has fewer than 8 entries, as the window of a convolution, the first axis
    is the rows. Vectors, numbers, complex weights and matrices with a side under 8 go by Adam.

    Args:
        parameters: what is trained.
        lr: the learning rate.
        weight_decay: of all weights, in a step by so many times the rate.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the size of a step, and
    decay: Liu et al. 2025, "Muon is scalable for LLM training", arXiv 2502.16982, eq. 4.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moving = [(p, matrix_shape(p)) for p in group["params"] if p.grad is not None]
            matrices = {p: shape for p, shape in moving if shape is not None}
            rest = [p for p, shape in moving if shape is None]
            if matrices:
                self._turn(matrices, lr=group["lr"], decay=group["weight_decay"])
            if rest:
                self._adam(rest, lr=group["lr"], decay=group["weight_decay"])

    def _turn(self, shapes: dict[Tensor, tuple[int, int]], *, lr: float, decay: float) -> None:
        """Move matrices."""
        matrices = list(shapes)
        momenta, gradients = self._remembered(matrices, "exp_avg"), _gradients(matrices)
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, _MOMENTUM)
        turned = orthogonal([one.reshape(shape) for one, shape in zip(ahead, shapes.values(), strict=True)])
        torch._foreach_mul_(matrices, 1 - lr * decay)
        torch._foreach_mul_(turned, [-lr * _RMS * max(shape) ** 0.5 for shape in shapes.values()])
        torch._foreach_add_(matrices, [one.reshape(p.shape) for one, p in zip(turned, matrices, strict=True)])

    def _adam(self, rest: list[Tensor], *, lr: float, decay: float) -> None:
        """Move all else."""
        means, squares = self._remembered(rest, "exp_avg"), self._remembered(rest, "exp_avg_sq")
        for p in rest:
            if "step" not in self.state[p]:
                self.state[p]["step"] = torch.zeros(())
        adamw(
            rest,
            _gradients(rest),
            means,
            squares,
            [],
            [self.state[p]["step"] for p in rest],
            fused=all(p.device.type == "cpu" and p.is_floating_point() for p in rest),
            has_complex=any(map(torch.is_complex, rest)),
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=lr,
            weight_decay=decay,
            eps=_EPS,
            maximize=False,
        )

    def _remembered(self, parameters: list[Tensor], key: str) -> list[Tensor]:
        for p in parameters:
            if key not in self.state[p]:
                self.state[p][key] = torch.zeros_like(p)
        return [self.state[p][key] for p in parameters]


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]


def matrix_shape(parameter: Tensor) -> tuple[int, int] | None:
    """Return rows and columns of a weight that is taken for a matrix, None for one that is not.

    >>> [matrix_shape(torch.zeros(shape)) for shape in ((16, 32, 64), (24, 12, 3), (1, 32), (32,))]
    [(512, 64), (24, 36), None, None]
    """
    if parameter.ndim < 2 or parameter.is_complex():
        return None
    columns = parameter.shape[-1]
    if columns < _SHORTEST:
        columns = parameter.numel() // max(1, len(parameter))
    shape = parameter.numel() // max(1, columns), columns
    return shape if min(shape) >= _SHORTEST else None


def orthogonal(matrices: Sequence[Float[Tensor, "_r _c"]]) -> list[Tensor]:
    """Return about U Vᵀ for each U S Vᵀ: their singular values by s ← a s + b s³ + c s⁵, five times, from a norm of 1.

    The polynomials are those of the smaller Gram matrix, all of one size together.
    """
    tall = [one if len(one) >= one.shape[1] else one.mT for one in matrices]
    scaled = list(torch._foreach_div(tall, torch._foreach_add(torch._foreach_norm(tall), 1e-12)))
    alike: dict[int, list[int]] = {}
    for i, one in enumerate(scaled):
        alike.setdefault(one.shape[1], []).append(i)
    for rows in alike.values():
        totals = _polynomials(torch.stack([scaled[i].mT @ scaled[i] for i in rows]))
        for i, total in zip(rows, totals, strict=True):
            scaled[i] = scaled[i] @ total
    return [new if len(one) >= one.shape[1] else new.mT for new, one in zip(scaled, matrices, strict=True)]


def _polynomials(gram: Float[Tensor, "n c c"]) -> Float[Tensor, "n c c"]:
    """Return what matrices are multiplied by in the end, from their Gram matrices."""
    a, b, c = _COEFFICIENTS
    total = None
    for _ in range(_TURNS):
        factor = torch.baddbmm(b * gram, gram, gram, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        gram = factor @ gram @ factor
        total = factor if total is None else total @ factor
    assert total is not None
    return total
