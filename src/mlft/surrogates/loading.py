"""A saved surrogate, brought back: its description is checked before room is made for its weights."""

import copy
from pathlib import Path
from typing import Annotated, Any, Literal, final

import pydantic
import torch
from torch import Tensor, nn

from mlft.errors import MlftError
from mlft.grids import Grid, Symmetry
from mlft.grids.symmetry import MOST
from mlft.surrogates.bundle import BundleError, read_bundle, reason
from mlft.surrogates.surrogate import SYMMETRY, Surrogate, made_network, table_of, tensors_of


def load(folder: Path | str, network: nn.Module | None = None) -> Surrogate:
    """Return the surrogate saved in a folder, on the CPU and in evaluation mode.

    On the machine that saved it, it predicts the same bits.

    Args:
        folder: where `Surrogate.save` wrote.
        network: for a network of your own, an instance of the same shapes; a copy of it gets the weights.

    Raises:
        BundleError: for a missing or damaged file, or weights that do not fit the network.
        ConfigError: for a network that is not in the registry, where none is given.
    """

    def wanted(config: dict[str, Any]) -> dict[str, Tensor]:
        with torch.device("cpu" if network is not None else "meta"):  # no room is made before the saved shapes are seen
            described = _described(folder, config, network)
            return tensors_of(described) | ({SYMMETRY: table_of(described)} if described.symmetries else {})

    tensors, config = read_bundle(Path(folder), wanted=wanted)
    surrogate = _described(folder, config, network)
    if surrogate.symmetries and not torch.equal(tensors[SYMMETRY], table_of(surrogate)):
        raise BundleError(f"the symmetries in the config.json of {folder} are not those of its weights: save it again")
    for name, tensor in tensors_of(surrogate).items():
        tensor.data = tensors[name]  # dtypes included; tied weights stay tied
    return surrogate.eval()


@final
class _GridForm(pydantic.BaseModel, strict=True):
    cells: list[int]
    lengths: list[float]
    centring: Literal["cell", "nodal"]
    periodic: bool | list[bool]
    origin: list[float] = []  # of those saved before there was one

    def grid(self) -> Grid:
        ends = self.periodic if isinstance(self.periodic, bool) else tuple(self.periodic)
        return Grid(tuple(self.cells), tuple(self.lengths), self.centring, ends, tuple(self.origin))


@final
class _SymmetryForm(pydantic.BaseModel, strict=True, extra="forbid"):
    flips: list[bool]
    swap: bool
    inputs: list[int]
    outputs: list[int]
    pinned: bool | list[bool]

    def symmetry(self) -> Symmetry:
        pinned = self.pinned if isinstance(self.pinned, bool) else tuple(self.pinned)
        return Symmetry(tuple(self.flips), self.swap, tuple(self.inputs), tuple(self.outputs), pinned)


@final
class _GroupForm(pydantic.BaseModel, strict=True, extra="forbid"):
    elements: Annotated[list[_SymmetryForm], pydantic.Field(min_length=1, max_length=MOST)]
    averaged: bool


@final
class _Form(pydantic.BaseModel, strict=True):
    network: str
    options: dict[str, Any]
    channels: Annotated[list[Annotated[int, pydantic.Field(ge=1)]], pydantic.Field(min_length=2, max_length=2)]
    grid: _GridForm
    symmetry: _GroupForm | None = None


def _described(folder: Path | str, config: dict[str, Any], network: nn.Module | None) -> Surrogate:
    """Return the untrained surrogate that a configuration describes, with a copy of the network where one is given."""
    try:
        form = _Form.model_validate(config)
        grid, (inputs, outputs) = form.grid.grid(), form.channels
        if network is not None:
            made: nn.Module = copy.deepcopy(network)
        else:
            made = made_network(
                form.network, (inputs, outputs), grid, generator=torch.Generator(), options=form.options
            )
        surrogate = Surrogate(made, (inputs, outputs), grid)
        if form.symmetry is not None:
            elements = [element.symmetry() for element in form.symmetry.elements]
            surrogate.tell(elements, averaged=form.symmetry.averaged)
        return surrogate
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        if isinstance(error, MlftError):
            raise
        raise BundleError(f"the config.json in {folder} describes no network: {reason(error)}") from error
