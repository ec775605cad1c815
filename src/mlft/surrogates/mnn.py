"""The multiscale network with the structure of an H²-matrix."""

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, relu

from mlft.grids import Grid
from mlft.surrogates.layers import Convolution, ends_of, refuse_counts, refuse_shape, wraps_of
from mlft.surrogates.network import Network
from mlft.surrogates.patches import from_patches, to_patches

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": gelu, "relu": relu}

_REACH = (2, 3)
"""Boxes that interact to either side: on the coarsest level, and on the others; 1 for the adjacent ones."""


@final
class MNNH2(Network):
    """The MNN-H²: restrict to boxes level by level, let boxes of a level interact, interpolate back; and neighbours.

    A linear map with the structure of an H²-matrix is u ↦ Σ_l U_L ⋯ U_l M_l V_l ⋯ V_L u + A u: V restricts to `rank`
    numbers a box, from a level to the one with half as many boxes, M_l lets each box see those within 3 (within 2 on
    the coarsest level), U interpolates, A lets boxes on the finest level see their neighbours. Each is a convolution.
    Here every M_l, and A, becomes `layers` convolutions with an activation after each (none after the last of A).

    Boxes hold `patch` points of an axis on the finest level. A last box that is not full, and a last one without its
    twin, are filled up with zeros, and so is the space beyond bounded axes. Along a periodic axis whose points are a
    multiple of patch·2^(levels−1) it commutes with shifts by as many. It is told no coordinate, and its weights belong
    to grids of one spacing.

    Args:
        channels: channels of the inputs and of the outputs.
        generator: the stream that the initial weights are drawn from.
        patch: points of an axis that are one box on the finest level.
        levels: of boxes; each has half as many on an axis as the one before.
        rank: numbers that stand for a box.
        layers: convolutions of a level.
        activation: "gelu" or "relu".
        periodic: whether every axis is periodic, or one truth value an axis.
        axes: of the grid, one or two.

    Raises:
        ValueError: for a number that is not positive, an unknown activation, more than two axes, or more than 1,000
            levels or layers.

    Source: Fan, Feliu-Fabà, Lin, Ying, Zepeda-Núñez 2018, "A multiscale neural network based on hierarchical nested
    bases", arXiv 1808.02376. There activations are ReLUs, and inputs and outputs have one channel.
    """

    def __init__(  # noqa: PLR0913 (the options of a network are its arguments)
        self,
        channels: tuple[int, int],
        *,
        generator: torch.Generator,
        patch: int = 4,
        levels: int = 4,
        rank: int = 24,
        layers: int = 4,
        activation: str = "gelu",
        periodic: bool | Sequence[bool] = True,
        axes: int = 1,
    ) -> None:
        super().__init__(channels, generator=generator)
        self.wraps = wraps_of(periodic, axes)
        refuse_counts("an MNN-H²", (*channels, patch, rank, levels), layers=max(levels, layers) if layers else 0)
        if activation not in ACTIVATIONS:
            raise ValueError(f"an MNN-H² has an activation of {', '.join(ACTIVATIONS)}, got {activation!r}")
        self.options = {"patch": patch, "levels": levels, "rank": rank, "layers": layers, "activation": activation}
        self.options |= {"periodic": ends_of(self.wraps), "axes": axes}
        self.channels, self.patch, self.activation = channels, patch, activation
        box, twins = patch**axes, 2**axes

        def convolution(inside: int, out: int, reach: int = 0, gain: float = 1.0) -> Convolution:
            return Convolution((inside, out), 2 * reach + 1, self.wraps, generator=generator, gain=gain, zero=True)

        def interaction(widths: list[int], reach: int) -> nn.ModuleList:
            return nn.ModuleList(
                convolution(a, b, reach, gain=1.4) for a, b in zip(widths[:-1], widths[1:], strict=True)
            )

        first = convolution(box * channels[0], rank)
        self.restrict = nn.ModuleList([first, *(convolution(twins * rank, rank) for _ in range(levels - 1))])
        reaches = [_REACH[1]] * (levels - 1) + [_REACH[0]]
        self.interact = nn.ModuleList(interaction([rank] * (layers + 1), reach) for reach in reaches)
        last = convolution(rank, box * channels[1], gain=levels**-0.5)
        self.interpolate = nn.ModuleList([last, *(convolution(rank, twins * rank) for _ in range(levels - 1))])
        near = max(box * channels[0], box * channels[1])
        self.adjacent = interaction([box * channels[0], *[near] * (layers - 1), box * channels[1]], 1)

    @property
    def any_grid(self) -> bool:
        """False: its boxes are counted in points."""
        return False

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return boxes of 4 points, or of 5 where those divide the grid better, and levels down to 3 or 4 boxes.

        Rank 24 in one dimension and 16 in two; four convolutions a level.
        """
        points = min(grid.shape)
        most = max(1, points // 4)
        patch = next((m for m in (4, 5) if m <= most and _exact(points, m)), min(4, most))
        boxes, levels = -(-points // patch), 1
        while boxes > 4:
            boxes, levels = -(-boxes // 2), levels + 1
        rank = 24 if grid.dimension == 1 else 16
        sizes = {"patch": patch, "levels": levels, "rank": rank, "layers": 4, "activation": "gelu"}
        return {**sizes, "periodic": ends_of(grid.wraps), "axes": grid.dimension}

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the outputs on the grid of the inputs.

        Raises:
            ValueError: for a wrong number of axes or channels, or fewer boxes on a periodic axis than a window reaches.
        """
        refuse_shape("this MNN-H²", inputs, self.channels[0], len(self.wraps))
        boxes = to_patches(inputs, self.patch)
        levels = [self.restrict[0](boxes)]
        for restrict in self.restrict[1:]:
            levels.append(restrict(to_patches(levels[-1], 2)))
        found = self._through(self.interact[-1], levels[-1])
        for i in reversed(range(len(levels) - 1)):
            finer = self._through(self.interact[i], levels[i])
            found = finer + from_patches(self.interpolate[i + 1](found), 2, finer)
        near = self._through(self.adjacent, boxes, linear=True)
        return from_patches(self.interpolate[0](found) + near, self.patch, inputs)

    def _through(self, layers: nn.Module, field: Tensor, *, linear: bool = False) -> Tensor:
        """Return the field after the convolutions of a level, the last one without its activation if `linear`."""
        activate, convolutions = ACTIVATIONS[self.activation], list(layers.children())
        for i, convolution in enumerate(convolutions):
            field = convolution(field)
            if not linear or i + 1 < len(convolutions):
                field = activate(field)
        return field


def _exact(points: int, patch: int) -> bool:
    """Return whether boxes of so many points, halved down to 4 at most, are all full."""
    if points % patch:
        return False
    boxes = points // patch
    while boxes > 4 and not boxes % 2:
        boxes //= 2
    return boxes <= 4
