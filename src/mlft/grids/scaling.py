"""Multiples of inputs that solutions follow by a power: a symmetry of maps that have no size of their own."""

from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mlft.grids.symmetry import Symmetry
from mlft.grids.translation import Translation

Field = TypeVar("Field", Float[np.ndarray, "_n _c *_grid"], Float[Tensor, "_n _c *_grid"])


@final
@dataclass(frozen=True)
class Scaling:
    """A multiple of inputs and solutions, (g x) = c x and (g y)_k = c^{p_k} y_k for each channel k of the solutions.

    Linear maps have p = 1, as have the Euler equations in conserved quantities; −div(a ∇u) = f has p = −1 in a.

    Attributes:
        factor: c, positive.
        powers: p, one a channel of the solutions.

    >>> Scaling(2.0, (-1.0,)).of_outputs(np.array([[[4.0, 6.0]]])).tolist()
    [[[2.0, 3.0]]]
    """

    factor: float
    powers: tuple[float, ...]

    def of_inputs(self, field: Field) -> Field:
        """Return g x for fields of the input channels."""
        return field * self.factor

    def of_outputs(self, field: Field) -> Field:
        """Return g y for fields of the solution channels."""
        factors = self.factor ** np.array(self.powers).reshape(-1, *[1] * (field.ndim - 2))
        return field * (torch.from_numpy(factors).to(field) if isinstance(field, Tensor) else factors)

    @property
    def slug(self) -> str:
        """The map in lower-case letters and digits."""
        return f"times-{self.factor:g}".replace(".", "-")

    def __str__(self) -> str:
        """Return the map in words, with all that differ from it in the factor."""
        powers = ", ".join(f"{power:g}" for power in dict.fromkeys(self.powers))
        return f"multiples of the input (power {powers} in the solution)"


Map = Symmetry | Translation | Scaling
"""A map of inputs and solutions that a solver may commute with."""


def rescaled(
    inputs: Float[Tensor, "n c *grid"],
    outputs: Float[Tensor, "n k *grid"],
    powers: tuple[float, ...],
    like: Int[Tensor, " n"],
) -> tuple[Float[Tensor, "n c *grid"], Float[Tensor, "n k *grid"]]:
    """Return pairs, each multiplied so that its input has the size of another one of them; zero inputs stay.

    Args:
        inputs: of the pairs.
        outputs: of the pairs.
        powers: of `Scaling`.
        like: for each pair which other one.

    >>> x, y = torch.tensor([[[1.0]], [[4.0]]]), torch.tensor([[[3.0]], [[5.0]]])
    >>> [part.flatten().tolist() for part in rescaled(x, y, (2.0,), torch.tensor([1, 0]))]
    [[4.0, 1.0], [48.0, 0.3125]]
    """
    size = inputs.flatten(1).square().mean(1).sqrt()
    other = size[like]
    factor = torch.where((size > 0) & (other > 0), other / size, torch.ones_like(size))
    one = factor.view(-1, *[1] * (inputs.ndim - 1))
    powered = factor[:, None] ** factor.new_tensor(powers)
    return inputs * one, outputs * powered.view(*powered.shape, *[1] * (outputs.ndim - 2))
