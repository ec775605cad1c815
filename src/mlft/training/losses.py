"""What a stage minimises: a function of predictions and labels that gives each sample its loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from mlft.grids import Grid
from mlft.surrogates import Normaliser

Loss = Callable[[Tensor, Tensor], Tensor]
"""(predictions, labels), both (n, k, *grid), to a loss for each sample, (n,)."""


def relative_l2(predictions: Float[Tensor, "n k *grid"], labels: Float[Tensor, "n k *grid"]) -> Float[Tensor, " n"]:
    """Return ‖prediction − label‖ / ‖label‖ of each sample on a uniform grid; the label 0 counts as of norm 1."""
    return _relative((predictions - labels).flatten(1).norm(dim=1), labels.flatten(1).norm(dim=1))


@final
@dataclass(frozen=True)
class Scaled:
    """The sizes that channels are measured in, so that the smallest is learned as the largest is.

    Attributes:
        sizes: s_c, of each channel; the standard deviation of its values.
        unit: a factor of the loss: its size before training is about 1 whatever constant the labels stand on, as an
            optimizer that divides by √v + ε needs. It moves no minimum.
    """

    sizes: tuple[float, ...]
    unit: float = 1.0

    @classmethod
    def of(cls, normaliser: Normaliser) -> "Scaled":
        """Return the sizes of a fitted normaliser; the unit is (1/k Σ_c (1 + (mean_c / s_c)²))^½."""
        mean, size = normaliser.shift, normaliser.scale
        return cls(tuple(size.tolist()), float((1 + (mean / size) ** 2).mean().sqrt()))

    def __call__(self, field: Float[Tensor, "n k *grid"]) -> Float[Tensor, "n k *grid"]:
        """Return a field in units of the sizes."""
        return field / field.new_tensor(self.sizes).view(-1, *[1] * (field.ndim - 2))


@final
@dataclass(frozen=True)
class RelativeL2:
    """unit · ‖(prediction − label)/s‖ / ‖label/s‖ of each sample; of one channel, unit times the relative L2 error."""

    scaled: Scaled

    def __call__(
        self, predictions: Float[Tensor, "n k *grid"], labels: Float[Tensor, "n k *grid"]
    ) -> Float[Tensor, " n"]:
        """Return the loss of each sample."""
        off, size = (self.scaled(field).flatten(1).norm(dim=1) for field in (predictions - labels, labels))
        return self.scaled.unit * _relative(off, size)


@final
@dataclass(frozen=True)
class RelativeH1:
    """unit · ‖e/s‖₁ / ‖u/s‖₁ of each sample, e = prediction − label, ‖v‖₁² = ‖v‖² + Σ_a L_a² ‖D_a v‖², channels added.

    D_a is the difference of neighbours over the spacing on axis a, around the corner where the axis is periodic, and
    L_a the length of the axis, so that the two parts have one unit. Norms are means over points, and over differences;
    the label 0 counts as of norm 1. Such a loss weighs small scales more (Czarnecki et al. 2017, Sobolev training).
    """

    grid: Grid
    scaled: Scaled

    def __call__(
        self, predictions: Float[Tensor, "n k *grid"], labels: Float[Tensor, "n k *grid"]
    ) -> Float[Tensor, " n"]:
        """Return the loss of each sample."""
        ratio = _relative(self._square(self.scaled(predictions - labels)), self._square(self.scaled(labels)))
        return self.scaled.unit * ratio.clamp_min(torch.finfo(ratio.dtype).tiny).sqrt()  # at 0 the root has no slope

    def _square(self, field: Tensor) -> Tensor:
        """Return ‖v‖₁² of each sample."""
        total = field.flatten(2).square().mean(2)
        for axis, cells in enumerate(self.grid.cells):
            if self.grid.wraps[axis]:
                steps = torch.roll(field, -1, dims=axis + 2) - field
            else:
                steps = torch.diff(field, dim=axis + 2)
            total = total + cells**2 * steps.flatten(2).square().mean(2)  # L / h = cells
        return total.sum(1)


def loss_of(name: str, grid: Grid, normaliser: Normaliser) -> Loss:
    """Return the loss of a name of `Training.loss`, for fields on a grid whose normaliser is fitted."""
    scaled = Scaled.of(normaliser)
    return RelativeH1(grid, scaled) if name == "h1" else RelativeL2(scaled)


def _relative(part: Tensor, whole: Tensor) -> Tensor:
    return part / torch.where(whole > 0, whole, torch.ones_like(whole))
