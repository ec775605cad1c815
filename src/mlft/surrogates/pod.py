"""The deep operator network whose trunk is the principal components of the labels."""

from collections.abc import Sequence
from math import prod
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from mlft.grids import Grid
from mlft.surrogates.layers import Perceptron, refuse_counts, refuse_shape
from mlft.surrogates.network import Network


@final
class PODDeepONet(Network):
    """A deep operator network whose functions of the point are fitted in closed form: u ↦ m + Σ_j b_j(u) σ_j φ_j.

    m is the mean of the labels of the first stage of a training, φ_j their principal components (all output channels
    together, orthonormal) and σ_j the deviation of the labels along them; b is a perceptron of the input's values. So
    every output is in the span of those labels. Until it is fitted it is 0; later stages keep the components.

    It commutes with no shifts, and takes no other grid than its own.

    Args:
        channels: channels of the inputs and of the outputs.
        points: points of the grid, an axis each.
        generator: the stream that the initial weights are drawn from.
        width: of the hidden rows of the branch.
        depth: hidden rows.
        terms: components, at most; fewer labels leave the others 0.

    Attributes:
        mean: m, flattened.
        components: σ_j φ_j, a row each.

    Raises:
        ValueError: for a number that is not positive, or more than 1,000 layers.

    Source: Lu et al. 2022, "A comprehensive and fair comparison of two neural operators", arXiv 2111.05512, section
    3.1.4.
    """

    mean: Tensor
    components: Tensor

    def __init__(  # noqa: PLR0913 (the options of a network are its arguments)
        self,
        channels: tuple[int, int],
        points: Sequence[int],
        *,
        generator: torch.Generator,
        width: int = 128,
        depth: int = 3,
        terms: int = 64,
    ) -> None:
        super().__init__(channels, generator=generator)
        refuse_counts("a POD-DeepONet", (*channels, *points, width, terms), layers=depth)
        self.options = {"points": list(points), "width": width, "depth": depth, "terms": terms}
        self.channels, self.points = channels, tuple(points)
        values = channels[1] * prod(points)
        self.branch = Perceptron([channels[0] * prod(points), *[width] * depth, terms], generator=generator)
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("components", torch.zeros(terms, values))

    @property
    def any_grid(self) -> bool:
        """False: its numbers belong to points."""
        return False

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return 64 components and a branch with three hidden rows of 128."""
        return {"points": list(grid.shape), "width": 128, "depth": 3, "terms": 64}

    def fit_labels(self, labels: Float[Tensor, "n d *grid"]) -> None:
        """Take mean and components of scaled labels.

        Raises:
            ValueError: for another grid or other channels than its own.
        """
        refuse_shape("the trunk of this POD-DeepONet", labels, self.channels[1], self.points)
        rows = labels.flatten(1)
        mean = rows.mean(dim=0)
        _, sizes, directions = torch.linalg.svd(rows - mean, full_matrices=False)
        found = (sizes[:, None] * directions)[: len(self.components)] * len(rows) ** -0.5
        self.mean.copy_(mean)
        self.components.zero_()[: len(found)].copy_(found)

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the outputs.

        Raises:
            ValueError: for another grid or other channels than its own.
        """
        refuse_shape("this POD-DeepONet", inputs, self.channels[0], self.points)
        found = torch.addmm(self.mean, self.branch(inputs.flatten(1)), self.components)
        return found.unflatten(1, (self.channels[1], *self.points))
