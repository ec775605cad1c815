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

_MUON: dict[str, Any] = {"optimizer": "muon", "decay": 0.002}

CANDIDATES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "linear": ("linear", {}),
    "kernel": ("kernel", {}),
    "fno-muon": ("fno", _MUON),
    "unet-muon": ("unet", _MUON),
}
"""Network, and what its training has of its own, by name; the cheap ones first.

Test errors over those of `fno` on the seed that they were chosen on, exact labels, with the symmetries of the problem,
of 64 and 256 labels: `fno-muon` 0.72 and 0.70 (`burgers`), 1.03 and 0.85 (`schrodinger`); `unet-muon` 0.39 and 0.41
(`burgers`), 0.24 and 0.27 (`schrodinger`); by Adam the U-Net has 0.57 and 0.83, 0.40 and 0.36. `fno` by Adam was the
best in none of 67 cells, and is no candidate.
"""

QUICK = ("linear", "kernel", "fno-muon")
"""Those that a pilot trains: a U-Net takes three times as long as these."""

MOST_MEMBERS = 12
"""Their weights are found by trying every set of members."""


@final
class _Member(pydantic.BaseModel, strict=True):
    network: str
    options: dict[str, Any]
    name: Annotated[str, pydantic.Field(pattern=r"^[\w-]*$")] = ""
    training: dict[str, Any] = {}


_MEMBERS = pydantic.TypeAdapter(Annotated[list[_Member], pydantic.Field(min_length=1, max_length=MOST_MEMBERS)])


@final
class Average(Network):
    """The average Σ w_i f_i(x) of networks of the registry, each computing in its own precision.

    Untrained, its members are the candidates of a training that drops those that cannot win and weighs the others by
    their error on held-out samples (`mlft.learners.choice`). Members of weight 0 are gone after it.

    Args:
        channels: of the inputs and of the outputs.
        generator: the stream that the initial weights are drawn from.
        members: for each its name in `SURROGATES` ("network") and its "options"; a "name" where that is another one,
            and what its "training" has of its own, by the names of `mlft.training.Training`.

    Attributes:
        names: of the members.
        trainings: what the training of each has of its own.
        weights: of the members, all alike until they are chosen.

    Raises:
        ValueError: for no members, more than 12, a member that is an average, or two of one name.
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
        self.names = [member.name or member.network for member in known]
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"the members of an average have names of their own, got {', '.join(self.names)}")
        self.trainings = [member.training for member in known]
        self._networks = [member.network for member in known]
        self.register_buffer("weights", torch.full((len(known),), 1 / len(known), dtype=torch.float64))
        self.members = nn.ModuleList(
            kind(channels, generator=generator, **member.options) for kind, member in zip(kinds, known, strict=True)
        )

    @property
    def options(self) -> dict[str, Any]:  # type: ignore[override] # they change with the members
        """The members: network and options, name and training."""
        members: list[Any] = list(self.members)
        rows = zip(self._networks, (one.options for one in members), self.names, self.trainings, strict=True)
        return {"members": [dict(zip(_Member.model_fields, row, strict=True)) for row in rows]}

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
        return {
            "members": [
                {"network": network, "options": SURROGATES[network].defaults(grid), "name": name, "training": training}
                for name, (network, training) in CANDIDATES.items()
            ]
        }

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
        if len(weights) != len(self.names):
            raise ValueError(f"an average of {len(self.names)} members has as many weights, got {len(weights)}")
        kept = [row for row, weight in enumerate(weights) if weight > 0]
        self.names = [self.names[row] for row in kept]
        self.trainings = [self.trainings[row] for row in kept]
        self._networks = [self._networks[row] for row in kept]
        self.members = nn.ModuleList(self.members[row] for row in kept)
        self.weights = self.weights.new_tensor([weights[row] for row in kept])

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the average of the outputs, in the precision of the inputs."""
        parts = [
            weight.to(inputs.dtype) * one(inputs.to(precision(one))).to(inputs.dtype)
            for one, weight in zip(self.members, self.weights.unbind(), strict=True)
        ]
        return torch.stack(parts).sum(dim=0)
