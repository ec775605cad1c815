"""Shift and scale of a field's channels: fitted in float64, carried inside the surrogate."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

Array = np.ndarray
Moments = tuple[int, Array, Array]

_CHUNK = 2**22
_ROUND_OFF = 64 * np.finfo(np.float64).eps


@final
class Normaliser(nn.Module):
    """One shift and one scale a channel: encode(u) = (u − shift)/scale, and decode, its inverse.

    The identity until it is fitted. Both numbers are float64 buffers and travel with the weights.

    Raises:
        ValueError: for fewer than 1 channel.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"a normaliser needs at least 1 channel, got {channels}")
        self.register_buffer("shift", torch.zeros(channels, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(channels, dtype=torch.float64))

    def fit(self, *batches: Float[Array, "_n _c *_grid"]) -> None:
        """Set shift and scale to the mean and the standard deviation of each channel, over all samples and points.

        Several batches are merged as if they were one; their grids may differ, and every point weighs the same. A
        channel that is constant to round-off keeps the scale 1. Both numbers are rounded to float32 where that moves
        them by less than a thousandth of the scale: so the surrogate encodes alike in both precisions.

        Raises:
            ValueError: for no values at all, a wrong number of channels, or values that are not finite.

        Source: Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", The American Statistician
        37(3), eq. 2.1.
        """
        channels = len(self.shift)
        moments: Moments = (0, np.zeros(channels), np.zeros(channels))
        for batch in batches:
            _check_channels(batch, channels)
            rows = max(1, _CHUNK // max(1, batch[:1].size))
            for start in range(0, len(batch), rows):
                moments = _merge(moments, _moments(batch[start : start + rows]))
        count, mean, squares = moments
        if not count:
            raise ValueError("a normaliser cannot be fitted to no values at all: give at least one sample")
        deviation = np.sqrt(squares / count)
        scale = np.where(deviation > _ROUND_OFF * np.abs(mean), deviation, 1.0)
        self.shift.copy_(torch.from_numpy(_rounded(mean, tolerance=1e-3 * scale)))
        self.scale.copy_(torch.from_numpy(_rounded(scale, tolerance=1e-3 * scale)))

    def encode(self, field: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n c *grid"]:
        """Return the scaled field, (field − shift)/scale.

        Raises:
            ValueError: for a wrong number of channels, as `decode`.
        """
        return (field - _column(self.shift, field)) / _column(self.scale, field)

    def decode(self, scaled: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n c *grid"]:
        """Return the field in its own units, scaled·scale + shift."""
        return scaled * _column(self.scale, scaled) + _column(self.shift, scaled)


def _column(values: Tensor, field: Tensor) -> Tensor:
    """Return the values of the channels, in the dtype of a field and shaped to meet it."""
    _check_channels(field, len(values))
    return values.to(field.dtype).view(-1, *[1] * (field.ndim - 2))


def _check_channels(field: Tensor | Array, channels: int) -> None:
    if field.ndim < 3 or field.shape[1] != channels:
        raise ValueError(f"this normaliser takes fields (samples, {channels}, *grid), got shape {tuple(field.shape)}")


def _moments(batch: Array) -> Moments:
    """Return number of values, mean and summed squared deviations of each channel of one batch."""
    rows = np.moveaxis(np.asarray(batch, dtype=np.float64), 1, 0).reshape(batch.shape[1], -1)
    if not rows.shape[1]:
        return 0, np.zeros(len(rows)), np.zeros(len(rows))
    if not np.isfinite(rows).all():
        bad = [channel for channel, row in enumerate(rows) if not np.isfinite(row).all()]
        raise ValueError(f"a normaliser cannot be fitted to values that are not finite: see channels {bad}")
    mean = rows.mean(axis=1)
    return rows.shape[1], mean, ((rows - mean[:, None]) ** 2).sum(axis=1)


def _merge(left: Moments, right: Moments) -> Moments:
    total = left[0] + right[0]
    if not total:
        return left
    difference = right[1] - left[1]
    mean = left[1] + difference * (right[0] / total)
    return total, mean, left[2] + right[2] + difference**2 * (left[0] * right[0] / total)


def _rounded(values: Array, *, tolerance: Array) -> Array:
    """Return the values rounded to float32, but those as they are that this would move by more than `tolerance`."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype(np.float32).astype(np.float64)
    return np.where(np.abs(rounded - values) <= tolerance, rounded, values)
