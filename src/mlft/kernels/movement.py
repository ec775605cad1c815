"""How far training left the kernel regime: movement of the kernel, and its alignment with the targets."""

import torch
from jaxtyping import Float
from torch import Tensor


def movement(before: Float[Tensor, "n n"], after: Float[Tensor, "n n"]) -> float:
    """Return ‖K_after − K_before‖_F / ‖K_before‖_F: 0 in the kernel regime; lazily trained networks stay under 0.1."""
    return float((after - before).norm() / before.norm())


def alignment(kernel: Float[Tensor, "n n"], targets: Float[Tensor, "n t"]) -> float:
    """Return ⟨K, Y Yᵀ⟩ / (‖K‖_F ‖Y Yᵀ‖_F), between 0 and 1: how much of the targets lies in the kernel's main modes.

    Source: Cristianini, Shawe-Taylor, Elisseeff, Kandola 2001, "On kernel-target alignment", eq. 1.
    """
    outer = targets @ targets.T
    scale = kernel.norm() * outer.norm()
    return float((kernel * outer).sum() / scale) if scale else 0.0


def distance(before: Float[Tensor, "n n"], after: Float[Tensor, "n n"]) -> float:
    """Return 1 − ⟨K, K′⟩ / (‖K‖ ‖K′‖), the kernel distance that does not see a change of scale.

    Source: Fort et al. 2020, arXiv 2010.15110, eq. 4.
    """
    return 1.0 - float(torch.sum(before * after) / (before.norm() * after.norm()))
