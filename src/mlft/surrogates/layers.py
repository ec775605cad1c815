"""What several networks are made of: convolutions that know the boundary, and perceptrons."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from numbers import Integral
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, gelu

from mlft.grids.grid import axiswise
from mlft.surrogates.network import normal

MOST = 1000
"""Layers of a network, or levels of it, at most."""


def refuse_counts(what: str, numbers: Sequence[int], *, layers: int = 1) -> None:
    """Refuse what are no positive whole numbers, and more than 1,000 layers.

    Raises:
        ValueError: for either.
    """
    if not all(isinstance(n, Integral) and n >= 1 for n in (*numbers, layers)) or layers > MOST:
        raise ValueError(
            f"{what} needs positive whole numbers throughout and {MOST} layers at most, got {[*numbers]} "
            f"and {layers} layers"
        )


def refuse_shape(what: str, inputs: Tensor, channels: int, points: Sequence[int] | int) -> None:
    """Refuse inputs of other channels, of another number of axes, or of other points than known ones.

    Args:
        what: the network, in words.
        inputs: what it was given.
        channels: that it takes.
        points: of its grid, or the number of its axes.

    Raises:
        ValueError: for any of these.
    """
    fits = inputs.ndim == points + 2 if isinstance(points, int) else tuple(inputs.shape[2:]) == tuple(points)
    if inputs.ndim < 3 or inputs.shape[1] != channels or not fits:
        grid = f"a grid of {points} axes" if isinstance(points, int) else f"{'x'.join(map(str, points))} points"
        raise ValueError(f"{what} takes inputs of {channels} channels on {grid}, got shape {tuple(inputs.shape)}")


def wraps_of(periodic: bool | Sequence[bool], axes: int) -> tuple[bool, ...]:
    """Return whether each of one or two axes is periodic.

    Raises:
        ValueError: for another number of axes, or of truth values.
    """
    found = axiswise(periodic, axes)
    if axes not in (1, 2) or len(found) != axes:
        raise ValueError(
            f"a grid has one or two axes, and periodic is said of all or of each; got {axes} and {periodic}"
        )
    return found


def ends_of(wraps: tuple[bool, ...]) -> bool | list[bool]:
    """Return in plain values what `wraps_of` takes."""
    return list(wraps) if len(set(wraps)) > 1 else wraps[0]


def extended(
    field: Float[Tensor, "*shape"], axis: int, sides: tuple[int, int], *, wraps: bool, zero: bool = False
) -> Float[Tensor, "*more"]:
    """Return a field with further points before and after one axis: periodic ones, or the end points again, or zeros.

    Raises:
        ValueError: for more points than a periodic axis has.

    >>> [extended(torch.arange(3.0).view(1, 1, 3), 2, (1, 2), wraps=w).flatten().tolist() for w in (True, False)]
    [[2.0, 0.0, 1.0, 2.0, 0.0, 1.0], [0.0, 0.0, 1.0, 2.0, 2.0, 2.0]]
    """
    before, after = sides
    points = field.shape[axis]
    if wraps:
        if max(sides) > points:
            raise ValueError(f"a window reaches {max(sides)} points beyond a periodic axis that has {points} in all")
        first, last = field.narrow(axis, points - before, before), field.narrow(axis, 0, after)
    else:
        first, last = (_repeated(field.narrow(axis, at, 1), axis, n) for at, n in ((0, before), (points - 1, after)))
        first, last = (torch.zeros_like(end) if zero else end for end in (first, last))
    return torch.cat([first, field, last], dim=axis) if before or after else field


def _repeated(slice_: Tensor, axis: int, times: int) -> Tensor:
    shape = list(slice_.shape)
    shape[axis] = times
    return slice_.expand(shape)


def with_coordinates(field: Float[Tensor, "n c *grid"], wraps: Sequence[bool]) -> Float[Tensor, "n d *grid"]:
    """Return a field with the coordinate of each bounded axis, between −1 and 1, as a further channel."""
    channels = [field]
    for axis in (axis for axis, one in enumerate(wraps, 2) if not one):
        points = field.shape[axis]
        coordinate = (2 * torch.arange(points, device=field.device).to(field.dtype) + 1) / points - 1
        shape = [1] * field.ndim
        shape[axis] = points
        channels.append(coordinate.view(shape).expand(field.shape[0], 1, *field.shape[2:]))
    return torch.cat(channels, dim=1) if len(channels) > 1 else field


@final
class Convolution(nn.Module):
    """A convolution with a small window on each axis, plus a bias; as many points out as in.

    Beyond a periodic axis it sees the other end, beyond a bounded one the end point again, or zeros.

    Args:
        channels: in and out.
        window: points of the kernel on each axis, an odd number.
        wraps: whether each axis is periodic.
        generator: the stream that the initial kernel is drawn from.
        gain: deviation of the initial kernel times the square root of what it sums.
        zero: whether a bounded axis continues by zero.
    """

    def __init__(  # noqa: PLR0913 (what makes a convolution)
        self,
        channels: tuple[int, int],
        window: int,
        wraps: tuple[bool, ...],
        *,
        generator: torch.Generator,
        gain: float = 1.0,
        zero: bool = False,
    ) -> None:
        super().__init__()
        self.wraps, self.reach, self.zero = wraps, window // 2, zero
        shape = (channels[1], channels[0], *[window] * len(wraps))
        self.weight = nn.Parameter(normal(*shape, scale=gain * prod(shape[1:]) ** -0.5, generator=generator))
        self.bias = nn.Parameter(torch.zeros(channels[1]))

    def forward(self, field: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the convolved field.

        Channels are last in memory, and while gradients are taken a window on a line is a product of matrices: the
        backward pass of a U-Net is one and a half times as fast for it. Without gradients one call is the sooner.
        """
        if len(self.wraps) == 1 and not torch.is_grad_enabled():
            return conv1d(self._wide(field, 2), self.weight, self.bias)
        wide = self._wide(field.movedim(1, -1), 1)
        if len(self.wraps) == 2:
            return conv2d(wide.movedim(-1, 1), self.weight, self.bias)
        points = field.shape[2]
        windows = torch.cat([wide.narrow(1, i, points) for i in range(2 * self.reach + 1)], dim=-1)
        rows = torch.addmm(self.bias, windows.flatten(0, 1), self.weight.permute(2, 1, 0).flatten(0, 1))
        return rows.unflatten(0, windows.shape[:2]).movedim(-1, 1)

    def _wide(self, field: Tensor, first: int) -> Tensor:
        """Return a field with the points that windows reach beyond its axes, the first of which is given."""
        for axis, wraps in enumerate(self.wraps, first):
            field = extended(field, axis, (self.reach, self.reach), wraps=wraps, zero=self.zero)
        return field


@final
class Perceptron(nn.Module):
    """Linear maps of rows with a gelu between each two.

    Args:
        widths: of the rows: in, hidden ones, out.
        generator: the stream that the initial weights are drawn from.
        gain: of the last map: deviation of its outputs for inputs of deviation 1.
    """

    def __init__(self, widths: Sequence[int], *, generator: torch.Generator, gain: float = 1.0) -> None:
        super().__init__()
        gains = [2**0.5] * (len(widths) - 2) + [gain]
        self.weights = nn.ParameterList(
            normal(rows, columns, scale=size * rows**-0.5, generator=generator)
            for (rows, columns), size in zip(pairwise(widths), gains, strict=True)
        )
        self.biases = nn.ParameterList(torch.zeros(columns) for columns in widths[1:])

    def forward(self, rows: Float[Tensor, "n c"]) -> Float[Tensor, "n d"]:
        """Return the outputs."""
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            rows = torch.addmm(bias, gelu(rows) if i else rows, weight)
        return rows
