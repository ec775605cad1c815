"""What a network of the registry must offer, so that a saved surrogate can be rebuilt."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlft.grids import Grid


class Network(nn.Module, ABC):
    """A network (samples, channels_in, *grid) → (samples, channels_out, *grid) that knows how it was made.

    Its constructor must do on the meta device too (shapes, no numbers): a saved network is compared there first.
    A network of your own need not be one: any `nn.Module` with these shapes can stand in a `Surrogate`.

    Attributes:
        options: the keyword arguments that it was built with, as plain values.
    """

    options: dict[str, Any]

    @abstractmethod
    def __init__(self, channels: tuple[int, int], *, generator: torch.Generator, **options: Any) -> None:
        super().__init__()

    @property
    def precision(self) -> torch.dtype:
        """The dtype that it computes in: that of its first parameter."""
        return _first(self)

    @property
    def any_grid(self) -> bool:
        """Whether the same weights take other grids than the one they were trained on."""
        return True

    @property
    def equivariant(self) -> bool:
        """Whether it commutes with shifts along periodic axes by any number of points."""
        return False

    def fit_labels(self, labels: Float[Tensor, "n d *grid"]) -> None:  # noqa: B027 (most have nothing to fit)
        """Take from scaled labels what is fitted in closed form, before the first stage trains the rest.

        What it sets is buffers, of shapes that the options tell.
        """

    @staticmethod
    @abstractmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return every option with a value that suits a grid, for hundreds to thousands of samples."""


def normal(*shape: int, scale: float, generator: torch.Generator) -> Float[Tensor, "*_shape"]:
    """Return scale times standard normal numbers; on the meta device the shape alone.

    To calculate there torch imports its compiler, which takes as long as the import of torch itself, and a saved
    network is compared there before it is loaded.
    """
    if torch.get_default_device().type == "meta":
        return torch.empty(shape)
    return torch.randn(shape, generator=generator) * scale


def precision(network: nn.Module) -> torch.dtype:
    """Return the dtype that a network computes in: of one of your own that of its first parameter, else float32.

    Of complex numbers it is that of their parts.
    """
    return network.precision if isinstance(network, Network) else _first(network)


def _first(network: nn.Module) -> torch.dtype:
    kinds = (p.dtype for p in network.parameters() if p.is_floating_point() or p.is_complex())
    return next((kind.to_real() for kind in kinds), torch.float32)
