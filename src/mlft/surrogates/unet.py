"""The U-Net: a convolutional encoder and decoder in one and two dimensions."""

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from mlft.grids import Grid
from mlft.surrogates.layers import (
    Convolution,
    ends_of,
    extended,
    refuse_counts,
    refuse_shape,
    with_coordinates,
    wraps_of,
)
from mlft.surrogates.network import Network
from mlft.surrogates.patches import from_patches, patch_of, to_patches

_FEWEST = 4
"""Points that the default leaves on the coarsest grid."""


@final
class UNet(Network):
    """An encoder that halves the grid `depth` times, and a decoder that doubles it again and sees the encoder's fields.

    With b a block of two convolutions with windows of 3 points, each after a gelu, H the pointwise linear map of the
    points of a patch of 2 to one, and H' one the other way round,

        e₀ = b₀(lift u),  e_{i+1} = b_{i+1}(H_i e_i),  d_depth = e_depth,  d_i = b'_i(e_i, H'_i d_{i+1}),

    output = project d₀. Each halving doubles the channels, up to four times those of the finest grid.

    A periodic axis is continued periodically, and is told no coordinate: where its points are a multiple of 2^depth the
    network commutes with shifts by as many. A bounded one is continued by its end points and told its coordinate.
    Points that are no multiple are filled up at the far end in the same way, and cropped. With a patch over 1 the
    finest grid is coarser by that factor, its channels the points of a patch. The weights belong to grids of one
    spacing.

    Args:
        channels: channels of the inputs and of the outputs.
        generator: the stream that the initial weights are drawn from.
        width: channels on the finest grid.
        depth: times that the grid is halved.
        periodic: whether every axis is periodic, or one truth value an axis.
        axes: of the grid, one or two.
        patch: points of an axis that are one point of the network, as channels of it.

    Raises:
        ValueError: for a number that is not positive, more than two axes, or more than 1,000 layers.

    Source: Ronneberger, Fischer, Brox 2015, arXiv 1505.04597; for PDEs Gupta, Brandstetter 2022, arXiv 2209.15616.
    There halving is by a maximum, and doubling by a transposed convolution, which H' is.
    """

    def __init__(  # noqa: PLR0913 (the options of a network are its arguments)
        self,
        channels: tuple[int, int],
        *,
        generator: torch.Generator,
        width: int = 12,
        depth: int = 5,
        periodic: bool | Sequence[bool] = True,
        axes: int = 1,
        patch: int = 1,
    ) -> None:
        super().__init__(channels, generator=generator)
        self.wraps = wraps_of(periodic, axes)
        refuse_counts("a U-Net", (*channels, width, patch), layers=depth)
        self.options = {"width": width, "depth": depth, "periodic": ends_of(self.wraps), "axes": axes, "patch": patch}
        self.channels, self.depth, self.patch = channels, depth, patch
        widths = [min(2**i, 4) * width for i in range(min(depth, 2) + 1)] + [4 * width] * (depth - 2)
        points, inside = 2**axes, patch**axes

        def convolution(inside: int, out: int, window: int = 3, gain: float = 1.4) -> Convolution:
            return Convolution((inside, out), window, self.wraps, generator=generator, gain=gain)

        def block(inside: int, out: int) -> nn.ModuleList:
            return nn.ModuleList([convolution(inside, out), convolution(out, out)])

        self.lift = convolution(channels[0] * inside + self.wraps.count(False), width, gain=1.0)
        self.descend = nn.ModuleList(block(one, one) for one in widths)
        self.down = nn.ModuleList(convolution(points * a, b, 1) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(convolution(b, points * a, 1) for a, b in zip(widths, widths[1:], strict=False))
        self.ascend = nn.ModuleList(block(2 * one, one) for one in widths[:-1])
        self.project = convolution(width, channels[1] * inside, 1, gain=1.0)

    @property
    def any_grid(self) -> bool:
        """False: its windows are counted in points."""
        return False

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return 12 channels, and as many halvings as leave 4 points, 5 at most.

        Patches are those of `FNO`.
        """
        depth, patch = 1, patch_of(grid)
        while depth < 5 and min(grid.shape) // patch >= _FEWEST * 2 ** (depth + 1):
            depth += 1
        sizes = {"width": 12, "depth": depth, "periodic": ends_of(grid.wraps)}
        return {**sizes, "axes": grid.dimension, "patch": patch}

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the outputs on the grid of the inputs.

        Raises:
            ValueError: for a wrong number of axes or channels, or too few points on a periodic axis.
        """
        refuse_shape("this U-Net", inputs, self.channels[0], len(self.wraps))
        field = with_coordinates(to_patches(inputs, self.patch), self.wraps)
        coarse = field
        for axis, wraps in enumerate(self.wraps, 2):
            field = extended(field, axis, (0, -field.shape[axis] % 2**self.depth), wraps=wraps)
        field = self.lift(field)
        seen = []
        for block, down in zip(self.descend, [*self.down, None], strict=True):
            field = _through(block, field)
            if down is not None:
                seen.append(field)
                field = down(to_patches(field, 2))
        for block, up, one in reversed(list(zip(self.ascend, self.up, seen, strict=True))):
            field = _through(block, torch.cat([one, from_patches(up(field), 2, one)], dim=1))
        field = self.project(gelu(field))
        for axis in range(2, inputs.ndim):
            field = field.narrow(axis, 0, coarse.shape[axis])
        return from_patches(field, self.patch, inputs)


def _through(block: nn.Module, field: Tensor) -> Tensor:
    """Return the field after the convolutions of a block."""
    for convolution in block.children():
        field = convolution(gelu(field))
    return field
