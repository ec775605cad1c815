"""The deep operator network: outputs as sums of functions of the point, weighted by functions of the input."""

from collections.abc import Sequence
from math import pi, prod
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlft.grids import Grid
from mlft.surrogates.layers import Perceptron, ends_of, refuse_counts, refuse_shape, wraps_of
from mlft.surrogates.network import Network


@final
class DeepONet(Network):
    """A deep operator network: u ↦ Σ_j b_j(u) t_j(x) / √terms + c.

    The branch b is a perceptron of the input's values at the points of the grid, the trunk t one of the coordinates:
    cos(kθ) and sin(kθ), k = 1, …, waves, with θ = 2πx along a periodic axis and θ = πx along a bounded one (which has
    x as well), x in [0, 1]. Each output channel has terms and a constant c of its own.

    It commutes with no shifts, and takes no other grid than its own.

    Args:
        channels: channels of the inputs and of the outputs.
        points: points of the grid, an axis each.
        generator: the stream that the initial weights are drawn from.
        width: of the hidden rows of both perceptrons.
        depth: hidden rows of each.
        terms: j = 1, …, terms.
        waves: of each coordinate.
        periodic: whether every axis is periodic, or one truth value an axis.

    Raises:
        ValueError: for a number that is not positive, more than two axes, or more than 1,000 layers.

    Source: Lu, Jin, Pang, Zhang, Karniadakis 2021, Nature Machine Intelligence 3, 218–229, arXiv 1910.03193; periodic
    coordinates: Lu et al. 2022, arXiv 2111.05512, section 3.1.3.
    """

    def __init__(  # noqa: PLR0913 (the options of a network are its arguments)
        self,
        channels: tuple[int, int],
        points: Sequence[int],
        *,
        generator: torch.Generator,
        width: int = 128,
        depth: int = 3,
        terms: int = 64,
        waves: int = 8,
        periodic: bool | Sequence[bool] = True,
    ) -> None:
        super().__init__(channels, generator=generator)
        refuse_counts("a DeepONet", (*channels, *points, width, terms, waves), layers=depth)
        self.wraps = wraps_of(periodic, len(points))
        self.options = {"points": list(points), "width": width, "depth": depth, "terms": terms, "waves": waves}
        self.options["periodic"] = ends_of(self.wraps)
        self.channels, self.points, self.terms, self.waves = channels, tuple(points), terms, waves
        hidden, count = [width] * depth, terms * channels[1]
        features = 2 * waves * len(points) + self.wraps.count(False)
        self.branch = Perceptron([channels[0] * prod(points), *hidden, count], generator=generator)
        self.trunk = Perceptron([features, *hidden, count], generator=generator)
        self.constant = nn.Parameter(torch.zeros(channels[1]))

    @property
    def any_grid(self) -> bool:
        """False: the branch belongs to points."""
        return False

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return 64 terms of two perceptrons with three hidden rows of 128."""
        sizes = {"width": 128, "depth": 3, "terms": 64, "waves": 8}
        return {"points": list(grid.shape), **sizes, "periodic": ends_of(grid.wraps)}

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the outputs.

        Raises:
            ValueError: for another grid or other channels than its own.
        """
        refuse_shape("this DeepONet", inputs, self.channels[0], self.points)
        weights = self.branch(inputs.flatten(1)).unflatten(1, (self.channels[1], self.terms))
        functions = self.trunk(self._coordinates(inputs)).unflatten(1, (self.channels[1], self.terms))
        found = torch.einsum("ndj,xdj->ndx", weights, functions) * self.terms**-0.5
        return (found + self.constant[:, None]).unflatten(2, self.points)

    def _coordinates(self, like: Tensor) -> Float[Tensor, "x k"]:
        """Return the features of every point."""
        waves = torch.arange(1, self.waves + 1, device=like.device).to(like.dtype)
        features = []
        for axis, (points, wraps) in enumerate(zip(self.points, self.wraps, strict=True)):
            x = (torch.arange(points, device=like.device).to(like.dtype) + 0.5)[:, None] / points
            angles = (2 * pi if wraps else pi) * x * waves
            rows = torch.cat([angles.cos(), angles.sin(), *([] if wraps else [2 * x - 1])], dim=1)
            shape = [1] * len(self.points)
            shape[axis] = points
            features.append(rows.view(*shape, -1).expand(*self.points, -1))
        return torch.cat(features, dim=-1).flatten(0, -2)
