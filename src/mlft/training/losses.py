"""What a stage minimises: a function of predictions and labels that gives each sample its loss."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
"""(predictions, labels), both (n, k, *grid), to a loss for each sample, (n,)."""


def relative_l2(predictions: Float[Tensor, "n k *grid"], labels: Float[Tensor, "n k *grid"]) -> Float[Tensor, " n"]:
    """Return ‖prediction − label‖ / ‖label‖ of each sample on a uniform grid; the label 0 counts as of norm 1."""
    difference, scale = (predictions - labels).flatten(1).norm(dim=1), labels.flatten(1).norm(dim=1)
    return difference / torch.where(scale > 0, scale, torch.ones_like(scale))
