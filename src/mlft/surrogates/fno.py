"""The Fourier neural operator in one and two dimensions."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from mlft.grids import Grid
from mlft.grids.grid import axiswise
from mlft.surrogates.network import Network, normal
from mlft.surrogates.patches import from_patches, patch_of, to_patches
from mlft.surrogates.spectral import SpectralLayer, transform

MOST_LAYERS = 1000
MOST_STENCIL = 16

_PERIODIC = (1, 1)
_BOUNDED = (5, 4)


@final
class FNO(Network):
    """A Fourier neural operator: lift the channels pointwise, convolve `depth` times, project pointwise.

    v₀ = lift(u), v_{i+1} = layer_i(gelu(v_i)) (no gelu before the first), output = project(v_depth); `lift` and
    `project` are two pointwise linear maps with a gelu between them, the layers are `SpectralLayer`s.

    Along a periodic axis the network commutes with shifts and is told no coordinate. Of a bounded axis it is given the
    coordinate (j + ½)/points as a further channel, and the period of its waves is 5/4 of the axis: each layer continues
    its field by zero over a quarter of the box, so that opposite boundaries do not touch.

    The same weights take any grid with at least 2·modes points on each axis, and give the same function there as far
    as the grid carries the waves of the inputs and those that gelu adds.

    With patches over 1 the network works on a grid that is coarser by that factor, whose channels are the points of a
    patch: a step costs about patch² times less in the plane. It then commutes with shifts by patches, and its weights
    belong to grids of one spacing. On 128² points of a wave equation (`helmholtz`, 300 samples) patches of 4 took a
    minute to an error of 0.0085.

    With a stencil over 0 each layer also sees differences of neighbouring points (`SpectralLayer`), which its few waves
    do not carry: fronts. Its weights then belong to grids of one spacing, too.

    Args:
        channels: channels of the inputs and of the outputs.
        modes: waves kept on each axis, |k| < modes; one or two axes.
        generator: the stream that the initial weights are drawn from.
        width: channels inside.
        depth: spectral layers.
        periodic: whether every axis is periodic, or one truth value an axis.
        patch: points of an axis that are one point of the network, as channels of it.
        stencil: points to either side of a point whose differences from it a layer sees.

    Raises:
        ValueError: for a number that is not positive, more than two axes, or more than 1,000 layers.

    Source: Li et al. 2020, arXiv 2010.08895. Continuation by zero: there as padding; here without padded points.
    """

    def __init__(  # noqa: PLR0913 (the options of a network are its arguments)
        self,
        channels: tuple[int, int],
        modes: Sequence[int],
        *,
        generator: torch.Generator,
        width: int = 32,
        depth: int = 4,
        periodic: bool | Sequence[bool] = True,
        patch: int = 1,
        stencil: int = 0,
    ) -> None:
        super().__init__(channels, generator=generator)
        modes = tuple(modes)
        numbers = (*channels, *modes, width, depth, patch)
        if len(modes) not in (1, 2) or not all(isinstance(n, Integral) and n >= 1 for n in numbers):
            raise ValueError(
                "an FNO has one or two axes and needs positive whole numbers throughout, "
                f"got {channels=}, {modes=}, {width=}, {depth=}, {patch=}"
            )
        if depth > MOST_LAYERS:
            raise ValueError(f"an FNO has {MOST_LAYERS} layers at most, got {depth=}")
        if stencil not in range(MOST_STENCIL + 1):
            raise ValueError(f"the stencil of an FNO has 0 to {MOST_STENCIL} points, got {stencil}")
        self.wraps = axiswise(periodic, len(modes))
        if len(self.wraps) != len(modes):
            raise ValueError(f"periodic is said of all axes or of each of {len(modes)}, got {periodic}")
        ends = list(self.wraps) if len(set(self.wraps)) > 1 else self.wraps[0]
        self.options = {"modes": list(modes), "width": width, "depth": depth, "periodic": ends, "patch": patch}
        self.options["stencil"] = stencil
        self.channels, self.modes, self.patch = channels, modes, patch
        points = patch ** len(modes)
        lifted = channels[0] * points + self.wraps.count(False)
        self.lift = _Pointwise((lifted, width, width), generator=generator)
        self.layers = nn.ModuleList(
            SpectralLayer(width, modes, generator=generator, stencil=stencil, wraps=self.wraps) for _ in range(depth)
        )
        self.project = _Pointwise((width, width, channels[1] * points), generator=generator)

    @property
    def any_grid(self) -> bool:
        """Whether it has neither patches nor a stencil: those belong to grids of one spacing."""
        return self.patch == 1 and not self.options["stencil"]

    @property
    def equivariant(self) -> bool:
        """Whether it has no patches: shifts by less than a patch are others to it."""
        return self.patch == 1

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return 16 modes and width 32 in one dimension, 12 modes and width 24 in two, fewer modes on small grids.

        In the plane patches leave 32 to 95 cells on a side: 1 up to 95 cells, 2 up to 191, 4 up to 383.
        """
        modes, width = ((16,), 32) if grid.dimension == 1 else ((12, 12), 24)
        patch = patch_of(grid)
        fitting = [min(m, -(-n // patch) // 2) for m, n in zip(modes, grid.shape, strict=True)]
        return {"modes": fitting, "width": width, "depth": 4, "periodic": grid.periodic, "patch": patch, "stencil": 0}

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the outputs on the grid of the inputs.

        Raises:
            ValueError: for a wrong number of axes or channels, or fewer than 2·modes points on an axis.
        """
        dimension = len(self.modes)
        if inputs.ndim != dimension + 2 or inputs.shape[1] != self.channels[0]:
            raise ValueError(
                f"this FNO takes inputs of {self.channels[0]} channels on {dimension} axes, "
                f"(samples, {self.channels[0]}, *grid); got shape {tuple(inputs.shape)}"
            )
        field = to_patches(inputs, self.patch).permute(*range(2, inputs.ndim), 0, 1)
        axes = tuple(
            transform(field, axis, modes=modes, period=_PERIODIC if wraps else _BOUNDED)
            for axis, (modes, wraps) in enumerate(zip(self.modes, self.wraps, strict=True))
        )
        field = self.lift(_with_coordinates(field, self.wraps))
        for i, layer in enumerate(self.layers):
            field = layer(gelu(field) if i else field, axes)
        field = self.project(gelu(field))
        field = field.permute(dimension, dimension + 1, *range(dimension)).contiguous()
        return from_patches(field, self.patch, inputs)


@final
class _Pointwise(nn.Module):
    """Two linear maps of the channels with a gelu between them."""

    def __init__(self, widths: tuple[int, int, int], *, generator: torch.Generator) -> None:
        super().__init__()
        first, hidden, last = widths
        self.first = nn.Parameter(normal(first, hidden, scale=first**-0.5, generator=generator))
        self.first_bias = nn.Parameter(torch.zeros(hidden))
        self.last = nn.Parameter(normal(hidden, last, scale=hidden**-0.5, generator=generator))
        self.last_bias = nn.Parameter(torch.zeros(last))

    def forward(self, field: Float[Tensor, "*grid n c"]) -> Float[Tensor, "*grid n d"]:
        hidden = gelu(torch.addmm(self.first_bias, field.flatten(0, -2), self.first))
        return torch.addmm(self.last_bias, hidden, self.last).view(*field.shape[:-1], len(self.last_bias))


def _with_coordinates(field: Float[Tensor, "*grid n c"], wraps: tuple[bool, ...]) -> Float[Tensor, "*grid n d"]:
    """Return the field with the coordinate of each bounded axis, in [0, 1], as a further channel."""
    channels = [field]
    for axis in (axis for axis, one in enumerate(wraps) if not one):
        points = field.shape[axis]
        coordinate = (torch.arange(points, device=field.device).to(field.dtype) + 0.5) / points
        shape = [1] * field.ndim
        shape[axis] = points
        channels.append(coordinate.view(shape).expand(*field.shape[:-1], 1))
    return torch.cat(channels, dim=-1) if len(channels) > 1 else field
