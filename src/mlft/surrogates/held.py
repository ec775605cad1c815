"""A network that is told how fine a label is, and asked for the finest."""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from mlft.grids import Grid
from mlft.surrogates.network import Network, precision
from mlft.surrogates.shipped import SURROGATES


@final
class Held(Network):
    """x ↦ f(x, ξ) with f a network of the registry whose last input channel is a number ξ, held at one value.

    Args:
        channels: of the inputs, without ξ, and of the outputs.
        generator: the stream that the initial weights are drawn from.
        network: the name of f in `SURROGATES`.
        options: of f.
        value: ξ, as f sees it.

    Raises:
        ValueError: if f is of this kind itself.
        ConfigError: for an unknown name.
    """

    def __init__(  # noqa: PLR0913 (the options of a network are its arguments)
        self,
        channels: tuple[int, int],
        *,
        generator: torch.Generator,
        network: str,
        options: dict[str, Any],
        value: float = 1.0,
    ) -> None:
        super().__init__(channels, generator=generator)
        kind = SURROGATES[network]
        if kind is Held:
            raise ValueError("a network that is held at a number holds none of its kind")
        self._name = network
        self.network: Network = kind((channels[0] + 1, channels[1]), generator=generator, **options)
        self.value = float(value)

    @property
    def options(self) -> dict[str, Any]:  # type: ignore[override] # those of an average change
        """Name and options of f, and ξ."""
        return {"network": self._name, "options": self.network.options, "value": self.value}

    @property
    def precision(self) -> torch.dtype:
        """That of f."""
        return precision(self.network)

    @property
    def any_grid(self) -> bool:
        """Whether f does."""
        return self.network.any_grid

    @property
    def equivariant(self) -> bool:
        """Whether f commutes with shifts."""
        return self.network.equivariant

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return a Fourier operator, and ξ = 1."""
        return {"network": "fno", "options": SURROGATES["fno"].defaults(grid), "value": 1.0}

    def fit_labels(self, labels: Float[Tensor, "n d *grid"]) -> None:
        """Let f take what it fits in closed form."""
        self.network.fit_labels(labels)

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return f(x, ξ)."""
        number = torch.full_like(inputs[:, :1], self.value)
        outputs: Tensor = self.network(torch.cat([inputs, number], dim=1))
        return outputs
