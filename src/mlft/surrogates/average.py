"""Several networks at once: their weighted average, and the candidates that one is chosen from."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, final

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlft.grids import Grid
from mlft.surrogates.network import Network, precision
from mlft.surrogates.shipped import SURROGATES

CANDIDATES = ("linear", "kernel", "fno")
"""By name, the cheap ones first."""

MOST_MEMBERS = 32


@final
class _Member(pydantic.BaseModel, strict=True):
    network: str
    options: dict[str, Any]


_MEMBERS = pydantic.TypeAdapter(Annotated[list[_Member], pydantic.Field(min_length=1, max_length=MOST_MEMBERS)])


@final
class Average(Network):
    """The average Σ w_i f_i(x) of networks of the registry, each computing in its own precision.

    Untrained, its members are the candidates of a training that drops those that cannot win and weighs the others by
    their error on held-out samples (`mlft.learners.choice`). Members of weight 0 are gone after it.

    Args:
        channels: of the inputs and of the outputs.
        generator: the stream that the initial weights are drawn from.
        members: for each its name in `SURROGATES` ("network") and its "options".

    Attributes:
        names: of the members, in `SURROGATES`.
        weights: of the members, all alike until they are chosen.

    Raises:
        ValueError: for no members or more than 32, or a member that is an average.
        ConfigError: for an unknown name.
    """

    weights: Tensor

    def __init__(
        self, channels: tuple[int, int], *, generator: torch.Generator, members: Sequence[Mapping[str, Any]]
    ) -> None:
        super().__init__(channels, generator=generator)
        known = _MEMBERS.validate_python(list(members))
        kinds = [SURROGATES[member.network] for member in known]
        if Average in kinds:
            raise ValueError("an average is no member of an average")
        self.names = [member.network for member in known]
        self.register_buffer("weights", torch.full((len(known),), 1 / len(known), dtype=torch.float64))
        self.members = nn.ModuleList(
            kind(channels, generator=generator, **member.options) for kind, member in zip(kinds, known, strict=True)
        )

    @property
    def options(self) -> dict[str, Any]:  # type: ignore[override] # they change with the members
        """The members: name and options."""
        members: list[Any] = list(self.members)
        rows = zip(self.names, members, strict=True)
        return {"members": [{"network": name, "options": one.options} for name, one in rows]}

    @property
    def precision(self) -> torch.dtype:
        """The highest of its members'."""
        return max((precision(one) for one in self.members), key=lambda dtype: torch.finfo(dtype).bits)

    @property
    def any_grid(self) -> bool:
        """Whether all members do."""
        return all(isinstance(one, Network) and one.any_grid for one in self.members)

    @staticmethod
    def defaults(grid: Grid) -> dict[str, Any]:
        """Return the candidates with their own defaults."""
        return {"members": [{"network": name, "options": SURROGATES[name].defaults(grid)} for name in CANDIDATES]}

    def fit_labels(self, labels: Float[Tensor, "n d *grid"]) -> None:
        """Let every member take what it fits in closed form."""
        members: list[Any] = list(self.members)
        for one in members:
            one.fit_labels(labels)

    def keep(self, weights: Sequence[float]) -> None:
        """Give the members new weights, and drop those of weight 0.

        Raises:
            ValueError: for another number of weights.
        """
        rows = [row for row in zip(self.names, list(self.members), weights, strict=True) if row[2] > 0]
        self.names, self.members = [name for name, _, _ in rows], nn.ModuleList(one for _, one, _ in rows)
        self.weights = self.weights.new_tensor([weight for _, _, weight in rows])

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the average of the outputs, in the precision of the inputs."""
        parts = [
            weight.to(inputs.dtype) * one(inputs.to(precision(one))).to(inputs.dtype)
            for one, weight in zip(self.members, self.weights.unbind(), strict=True)
        ]
        return torch.stack(parts).sum(dim=0)
