"""What a stage minimises: a function of predictions and labels that gives each sample its loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from mlft.grids import Grid

Loss = Callable[[Tensor, Tensor], Tensor]
"""(predictions, labels), both (n, k, *grid), to a loss for each sample, (n,)."""


def relative_l2(predictions: Float[Tensor, "n k *grid"], labels: Float[Tensor, "n k *grid"]) -> Float[Tensor, " n"]:
    """Return ‖prediction − label‖ / ‖label‖ of each sample on a uniform grid; the label 0 counts as of norm 1."""
    difference, scale = (predictions - labels).flatten(1).norm(dim=1), labels.flatten(1).norm(dim=1)
    return difference / torch.where(scale > 0, scale, torch.ones_like(scale))


@final
@dataclass(frozen=True)
class RelativeH1:
    """‖e‖₁ / ‖u‖₁ of each sample, e = prediction − label, with ‖v‖₁² = ‖v‖² + Σ_a L_a² ‖D_a v‖², channels added.

    D_a is the difference of neighbours over the spacing on axis a, around the corner where the grid is periodic, and
    L_a the length of the axis, so that the two parts have one unit. Norms are means over points, and over differences;
    the label 0 counts as of norm 1. Such a loss weighs small scales more (Czarnecki et al. 2017, Sobolev training).
    """

    grid: Grid

    def __call__(
        self, predictions: Float[Tensor, "n k *grid"], labels: Float[Tensor, "n k *grid"]
    ) -> Float[Tensor, " n"]:
        """Return the loss of each sample."""
        scale = self._square(labels)
        ratio = self._square(predictions - labels) / torch.where(scale > 0, scale, torch.ones_like(scale))
        return ratio.clamp_min(torch.finfo(ratio.dtype).tiny).sqrt()  # at 0 the root has no slope

    def _square(self, field: Tensor) -> Tensor:
        """Return ‖v‖₁² of each sample."""
        total = field.flatten(2).square().mean(2)
        for axis, cells in enumerate(self.grid.cells):
            if self.grid.periodic:
                steps = torch.roll(field, -1, dims=axis + 2) - field
            else:
                steps = torch.diff(field, dim=axis + 2)
            total = total + cells**2 * steps.flatten(2).square().mean(2)  # L / h = cells
        return total.sum(1)


def loss_of(name: str, grid: Grid) -> Loss:
    """Return the loss of a name of `Training.loss`, for fields on a grid."""
    return RelativeH1(grid) if name == "h1" else relative_l2
