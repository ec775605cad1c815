"""Several networks in a sum, each between normalisers of its own."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, final

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlft.grids import Grid
from mlft.surrogates.network import Network, precision
from mlft.surrogates.normaliser import Normaliser
from mlft.surrogates.shipped import SURROGATES

MOST_TERMS = 64


@final
class _Form(pydantic.BaseModel, strict=True):
    network: str
    options: dict[str, Any]


_FORMS = pydantic.TypeAdapter(Annotated[list[_Form], pydantic.Field(min_length=1, max_length=MOST_TERMS)])


@final
class Total(Network):
    """The sum Σ_i D_i f_i(E_i x) of networks of the registry, with E_i and D_i the encoder and decoder of normalisers.

    Inputs and outputs are in physical units where the normalisers are fitted, and scaled ones where they are not.

    Args:
        channels: of the inputs and of the outputs.
        generator: the stream that the initial weights are drawn from.
        terms: for each its name in `SURROGATES` ("network") and its "options".

    Raises:
        ValueError: for no terms, more than 64, or a term that is a sum itself.
        ConfigError: for an unknown name.

    Source: Lye, Mishra, Molinaro 2021, A multi-level procedure for enhancing accuracy of machine learning algorithms,
    European Journal of Applied Mathematics 32, arXiv 1909.09448.
    """

    def __init__(
        self, channels: tuple[int, int], *, generator: torch.Generator, terms: Sequence[Mapping[str, Any]]
    ) -> None:
        super().__init__(channels, generator=generator)
        known = _FORMS.validate_python(list(terms))
        kinds = [SURROGATES[one.network] for one in known]
        if Total in kinds:
            raise ValueError("a sum is no term of a sum")
        self._networks = [one.network for one in known]
        self.terms = nn.ModuleList(
            kind(channels, generator=generator, **one.options) for kind, one in zip(kinds, known, strict=True)
        )
        self.encoders = nn.ModuleList(Normaliser(channels[0]) for _ in known)
        self.decoders = nn.ModuleList(Normaliser(channels[1]) for _ in known)

    @property
    def options(self) -> dict[str, Any]:  # type: ignore[override] # those of an average change
        """The terms: network and options."""
        pairs: Any = zip(self._networks, self.terms, strict=True)
        return {"terms": [{"network": name, "options": one.options} for name, one in pairs]}

    @property
    def precision(self) -> torch.dtype:
        """Double: normalisers take the constant off that fields stand on."""
        return torch.float64

    @property
    def any_grid(self) -> bool:
        """Whether all terms do."""
        return all(isinstance(one, Network) and one.any_grid for one in self.terms)

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return two Fourier operators."""
        return {"terms": [{"network": "fno", "options": SURROGATES["fno"].defaults(grid)}] * 2}

    def fit_labels(self, labels: Float[Tensor, "n d *grid"]) -> None:
        """Let every term take what it fits in closed form."""
        terms: list[Any] = list(self.terms)
        for one in terms:
            one.fit_labels(labels)

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the sum, in the precision of the inputs."""
        parts: list[Any] = []
        for one, encoder, decoder in zip(self.terms, self.encoders, self.decoders, strict=True):
            encoded = encoder.encode(inputs).to(precision(one))  # type: ignore[operator] # a Normaliser
            parts.append(decoder.decode(one(encoded).to(inputs.dtype)))  # type: ignore[operator]
        return torch.stack(parts).sum(dim=0)
