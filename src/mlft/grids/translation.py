"""Shifts of fields along a periodic axis by whole points: symmetries without number, of which a few stand for all."""

from dataclasses import dataclass
from math import gcd
from typing import TypeVar, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mlft.grids.grid import Grid

Field = TypeVar("Field", Float[np.ndarray, "_n _c *_grid"], Float[Tensor, "_n _c *_grid"])


@final
@dataclass(frozen=True)
class Translation:
    """A shift of inputs and solutions along a periodic axis, (g u)(x_i) = u(x_{i − points}).

    Attributes:
        axis: of the grid.
        points: whole ones.

    >>> Translation(0, 1).of_inputs(np.array([[[1.0, 2.0, 3.0]]])).tolist()
    [[[3.0, 1.0, 2.0]]]
    """

    axis: int
    points: int

    def of_inputs(self, field: Field) -> Field:
        """Return g x for fields of the input channels."""
        if isinstance(field, Tensor):
            return torch.roll(field, self.points, self.axis + 2)
        return np.roll(field, self.points, self.axis + 2)

    def of_outputs(self, field: Field) -> Field:
        """Return g y for fields of the solution channels."""
        return self.of_inputs(field)

    @property
    def slug(self) -> str:
        """The map in lower-case letters and digits."""
        return f"shift-{self.axis}-by-{self.points}"

    def __str__(self) -> str:
        """Return the map in words, with all that it makes together with itself."""
        return f"shifts along axis {self.axis}"


def translations(grid: Grid) -> tuple[Translation, ...]:
    """Return for each periodic axis a shift that makes all of that axis: by points that share no factor with it.

    >>> [(one.axis, one.points) for one in translations(Grid((12, 9), periodic=(True, False)))]
    [(0, 5)]
    """
    found = []
    for axis, (points, wraps) in enumerate(zip(grid.shape, grid.wraps, strict=True)):
        if wraps and points > 1:
            by = next(n for n in range(points // 3 + 1, points + 1) if gcd(n, points) == 1)
            found.append(Translation(axis, by % points))
    return tuple(found)


def shifted(field: Float[Tensor, "n c *grid"], axis: int, by: Int[Tensor, " n"]) -> Float[Tensor, "n c *grid"]:
    """Return fields of a periodic axis, each shifted by its own number of points.

    >>> shifted(torch.tensor([[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]]), 0, torch.tensor([0, 1])).flatten(1).tolist()
    [[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]]
    """
    points = field.shape[axis + 2]
    shape = [1] * field.ndim
    shape[0], shape[axis + 2] = len(field), points
    rows = (torch.arange(points, device=field.device) - by[:, None].to(field.device)) % points
    return torch.gather(field, axis + 2, rows.view(shape).expand(field.shape))
