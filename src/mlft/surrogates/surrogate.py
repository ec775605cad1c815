"""A network between two normalisers, in physical units: predicts, is saved and is loaded."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mlft.errors import ConfigError, unknown_name
from mlft.grids import Grid, Symmetry
from mlft.grids.symmetry import numbers_of, refuse_no_group
from mlft.surrogates.average import Average
from mlft.surrogates.bundle import write_bundle
from mlft.surrogates.network import Network, precision
from mlft.surrogates.normaliser import Normaliser
from mlft.surrogates.shipped import SURROGATES

Array = np.ndarray

_POINTS_AT_ONCE = 2**14
"""Of a prediction: on one core a sample of 256 points took 236 µs so, 271 at twice as many, 267 at a quarter."""

_LABELS = 2048
"""That a network fits something to, at most."""

SYMMETRY = "symmetry"
"""The name of the group among the weights of a saved surrogate."""

MOST_PARAMETERS = 10**9
"""Of a network of the registry, 4 GB in float32; its training takes some five times that."""


@final
class Surrogate(nn.Module):
    """The solution map learned: decode(network(encode(inputs))), in physical units.

    Told of a group G of symmetries, it predicts their average, with which it commutes whatever the weights are,

        F(x) = 1/|G| Σ_g g⁻¹ f(g x),   F(g x) = g F(x),   f = decode ∘ network ∘ encode,

    at the price of |G| evaluations. In training mode it is f alone: there a stage takes a random g x and g y.

    The network may be one of the registry or any `nn.Module` of your own that maps (samples, channels_in, *grid) to
    (samples, channels_out, *grid).

    Attributes:
        network: the network; it computes in the dtype of its parameters.
        input_normaliser: shift and scale of the inputs; the identity until fitted.
        output_normaliser: shift and scale of the outputs.
        channels: channels of the inputs and of the outputs.
        grid: the grid that the surrogate lives on.
        symmetries: the group, the identity in it; none unless it is told.
        averaged: whether predictions are averaged over the group.
        shifts: periodic axes along which fields are shifted in training, by any number of points, where the network
            does not commute with that; not saved.
        scaling: powers by which each solution channel follows multiples of the inputs (`mlft.grids.Scaling`), for
            training alone; none where it does not; not saved.

    Source: for the average, Yarotsky 2022, Universal approximations of invariant maps, Constructive Approximation 55,
    arXiv 1804.10306; for operators on the symmetries of a grid, Helwig et al. 2023, arXiv 2306.05697.
    """

    def __init__(self, network: nn.Module, channels: tuple[int, int], grid: Grid) -> None:
        super().__init__()
        self.network = network
        self.input_normaliser = Normaliser(channels[0])
        self.output_normaliser = Normaliser(channels[1])
        self.channels = channels
        self.grid = grid
        self.symmetries: tuple[Symmetry, ...] = ()
        self.averaged = True
        self.shifts: tuple[int, ...] = ()
        self.scaling: tuple[float, ...] = ()

    def tell(
        self,
        symmetries: Sequence[Symmetry],
        *,
        averaged: bool = True,
        shifts: Sequence[int] = (),
        scaling: Sequence[float] = (),
    ) -> None:
        """Tell of the symmetries of the solution map: a group, as `mlft.grids.group` makes it, or none.

        Args:
            symmetries: of the inputs and outputs on its grid.
            averaged: whether to average predictions over them; else they are for training alone.
            shifts: periodic axes along which the map commutes with shifts; for training alone.
            scaling: power by which each solution channel follows multiples of the inputs; for training alone.

        Raises:
            ValueError: for maps that do not live on its grid and channels, or are no group, an axis that is not
                periodic, or another number of powers than of solution channels.
        """
        refuse_no_group(symmetries, self.grid, self.channels)
        if not set(shifts) <= {axis for axis, wraps in enumerate(self.grid.wraps) if wraps}:
            raise ValueError(f"fields are shifted along periodic axes of {self.grid!r}, got {list(shifts)}")
        if len(scaling) not in (0, self.channels[1]):
            raise ValueError(f"each of {self.channels[1]} solution channels has a power, got {list(scaling)}")
        self.shifts, self.scaling = tuple(shifts), tuple(scaling)
        self.symmetries, self.averaged = tuple(symmetries), averaged

    def tell_as(self, other: "Surrogate") -> None:
        """Tell what another surrogate of the same grid and channels was told.

        Raises:
            ValueError: as `tell`.
        """
        self.tell(other.symmetries, averaged=other.averaged, shifts=other.shifts, scaling=other.scaling)

    def fit_normalisers(self, inputs: Float[Array, "n _c *grid"], outputs: Float[Array, "n _d *grid"]) -> None:
        """Fit both normalisers to samples, and then what a network fits to labels; see `Network.fit_labels`.

        Of more than 2,048 samples the network sees the first: the cost of principal components grows with the cube.
        """
        self.input_normaliser.fit(inputs)
        self.output_normaliser.fit(outputs)
        if isinstance(self.network, Network):
            shift = self.output_normaliser.shift
            labels = torch.as_tensor(outputs[:_LABELS], dtype=shift.dtype, device=shift.device)
            self.network.fit_labels(self.output_normaliser.encode(labels))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that the network computes in; see `mlft.surrogates.network.precision`."""
        return precision(self.network)

    def forward(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the outputs in the dtype of the inputs; differentiable.

        Inputs are scaled in their own precision, and only then brought to the network's; outputs the other way round.

        Raises:
            ValueError: for a wrong number of channels, or a network that returns another grid.
        """
        if self.training or not self.averaged or len(self.symmetries) < 2:
            return self._once(inputs)
        tracing, count = torch.compiler.is_compiling(), len(self.symmetries)
        together = count if tracing else max(1, _POINTS_AT_ONCE // max(1, inputs[:, 0].numel()))
        total = torch.zeros_like(inputs[:, :1])
        for start in range(0, count, together):
            elements = self.symmetries[start : start + together]
            outputs = self._once(torch.cat([element.of_inputs(inputs) for element in elements]))
            parts = outputs.unflatten(0, (len(elements), inputs.shape[0]))
            for number, element in enumerate(elements):
                total = total + element.inverse.of_outputs(parts[number])
        return total / len(self.symmetries)

    def _once(self, inputs: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n d *grid"]:
        """Return the outputs of one evaluation."""
        scaled = self.network(self.input_normaliser.encode(inputs).to(self.dtype))
        if scaled.shape[2:] != inputs.shape[2:]:
            raise ValueError(f"the network made shape {tuple(scaled.shape)} of inputs {tuple(inputs.shape)}")
        return self.output_normaliser.decode(scaled.to(inputs.dtype))

    def predict(self, inputs: Float[Array, "_n _c *_grid"], grid: Grid | None = None) -> Float[Array, "_n _d *_grid"]:
        """Return the outputs for inputs on the surrogate's grid, in float64, some samples at a time.

        Runs on the device of the weights, in evaluation mode, without gradients.

        Args:
            inputs: (samples, channels, *grid).
            grid: another grid of the same box that they are on, for a network that takes any.

        Raises:
            ConfigError: for another grid where the network takes none, or one of another box, centring or periodicity.
            ValueError: for a wrong shape, a grid with too few points, or inputs that are not finite.
        """
        if grid is not None and grid != self.grid:
            self._refuse_grid(grid)
        shape = (grid or self.grid).shape
        self._check(inputs, shape)
        rows = max(1, _POINTS_AT_ONCE // int(np.prod(shape)))
        outputs = np.empty((len(inputs), self.channels[1], *shape))
        training = [module for module in self.modules() if module.training]
        if training:
            self.eval()
        try:
            for start in range(0, len(inputs), rows):
                outputs[start : start + rows] = self._predict(inputs[start : start + rows])
        finally:
            for module in training:
                module.training = True
        return outputs

    def parts(self) -> "tuple[Surrogate, ...]":
        """Return a surrogate for each member of an average, with this one's normalisers and symmetries.

        They share its weights.
        """
        if not isinstance(self.network, Average):
            return (self,)
        parts = []
        for network in self.network.members:
            part = Surrogate(network, self.channels, self.grid)
            part.input_normaliser, part.output_normaliser = self.input_normaliser, self.output_normaliser
            part.tell_as(self)
            parts.append(part)
        return tuple(parts)

    def __repr__(self) -> str:
        """Return it in a line: the network, its channels, the grid, the size of its group."""
        group = f", averaged over {len(self.symmetries)} symmetries" if self.averaged and self.symmetries else ""
        return f"Surrogate({_name(self.network)}, channels {self.channels}, {self.grid} cells{group})"

    def export(self, file: Path | str) -> None:
        """Write the surrogate into a file that others read without mlft, by its ending: .pt2 or .onnx.

        A .pt2 is a `torch.export` archive, a .onnx one file that ONNX runtimes read. Both take and return arrays in the
        solver's own units, and what symmetries average is averaged in them.

        Raises:
            ConfigError: for another ending.
            ImportError: for .onnx without the extra `onnx`.
        """
        from mlft.surrogates.export import export_onnx, export_torch

        ways = {".pt2": export_torch, ".onnx": export_onnx}
        way = ways.get(Path(file).suffix)
        if way is None:
            raise ConfigError(f"a surrogate is exported to a file that ends in .pt2 (PyTorch) or .onnx, got {file}")
        way(self, file)

    def save(self, folder: Path | str, *, card: str = "") -> None:
        """Write the surrogate into a folder: model.safetensors, config.json and README.md.

        An interrupted save leaves the old surrogate or the new one, never a mixture. No pickle.

        Args:
            folder: made if it is not there.
            card: the text of README.md; a short one by default.
        """
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors_of(self).items()}
        registered = isinstance(self.network, Network)
        config = {
            "network": _name(self.network),
            "options": self.network.options if registered else {},
            "channels": list(self.channels),
            "grid": dataclasses.asdict(self.grid),
        }
        if self.symmetries:
            elements = [dataclasses.asdict(element) for element in self.symmetries]
            config["symmetry"] = {"elements": elements, "averaged": self.averaged}
            tensors[SYMMETRY] = table_of(self)
        write_bundle(Path(folder), tensors, config, card=card or _card(config))

    def _refuse_grid(self, grid: Grid) -> None:
        if dataclasses.replace(grid, cells=self.grid.cells) != self.grid:
            raise ConfigError(
                f"this surrogate lives on {self.grid!r}; another grid differs in its cells alone, got {grid!r}"
            )
        names = fixed_networks(self.network)
        if names:
            raise ConfigError(
                f"{' and '.join(names)} in this surrogate {'takes' if len(names) == 1 else 'take'} no other grid than "
                f"the one that was trained on, {self.grid} cells, got {grid} cells: bring inputs to it with "
                "mlft.restrict or mlft.prolong, or train a network that takes any grid (surrogate 'fno')"
            )

    def _check(self, inputs: Array, shape: tuple[int, ...]) -> None:
        expected = (self.channels[0], *shape)
        if inputs.shape[1:] != expected:
            wanted = ", ".join(map(str, expected))
            raise ValueError(f"this surrogate takes inputs of shape (samples, {wanted}), got {inputs.shape}")
        finite = np.isfinite(inputs.reshape(len(inputs), int(np.prod(expected)))).all(axis=1)
        if not finite.all():
            bad = np.flatnonzero(~finite)
            raise ValueError(f"inputs must be finite; {len(bad)} of {len(inputs)} are not, first sample {bad[0]}")

    @torch.no_grad()
    def _predict(self, inputs: Array) -> Array:
        like = self.input_normaliser.shift
        outputs = self(torch.tensor(inputs, dtype=like.dtype, device=like.device))
        return outputs.cpu().numpy()


def build(
    name: str,
    channels: tuple[int, int],
    grid: Grid,
    *,
    generator: torch.Generator,
    options: dict[str, Any] | None = None,
) -> Surrogate:
    """Return an untrained surrogate with a network of the registry, its normalisers not fitted yet.

    Args:
        name: the network's name in `SURROGATES`.
        channels: channels of the inputs and of the outputs.
        grid: the grid it will live on; it also chooses the options that are not given.
        generator: the stream that the initial weights are drawn from.
        options: options of the network that replace `Network.defaults(grid)`.

    Raises:
        ConfigError: for a name or an option that is not known, or more than 1e9 parameters.
        ValueError: for options that the network or the grid does not allow.
    """
    with torch.device("meta"):  # counts without making
        planned = made_network(name, channels, grid, generator=generator, options=options or {})
    count = sum(parameter.numel() for parameter in planned.parameters())
    if count > MOST_PARAMETERS:
        raise ConfigError(
            f"a network '{name}' with {options} has {count:.3g} parameters; at most {MOST_PARAMETERS:.3g} are made: "
            "give fewer modes, or a smaller width or depth"
        )
    network = made_network(name, channels, grid, generator=generator, options=options or {})
    with torch.no_grad():
        network(torch.zeros(1, channels[0], *grid.shape))  # refuses what does not fit the grid now, not in training
    return Surrogate(network, channels, grid)


def made_network(
    name: str, channels: tuple[int, int], grid: Grid, *, generator: torch.Generator, options: dict[str, Any]
) -> Network:
    """Return an untrained network of the registry, for channels on a grid.

    Raises:
        ConfigError: for a name or an option that is not known.
    """
    if name not in SURROGATES:
        error = unknown_name("network", name, list(SURROGATES))
        raise ConfigError(f"{error} A saved network of your own needs load(folder, network).")
    known = SURROGATES[name].defaults(grid)
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, list(known))
    return SURROGATES[name](channels, generator=generator, **{**known, **options})


def table_of(surrogate: Surrogate) -> Tensor:
    """Return its symmetries as numbers."""
    return numbers_of(surrogate.symmetries, averaged=surrogate.averaged)


def tensors_of(surrogate: Surrogate) -> dict[str, Tensor]:
    """Return the tensors of its state; a network of the user's own may add entries that are none, as a description."""
    state = surrogate.state_dict(keep_vars=True)
    return {name: entry for name, entry in state.items() if isinstance(entry, Tensor)}


def registered(network: nn.Module) -> str | None:
    """Return the name of a network in the registry; None of one of your own."""
    return next((name for name, cls in SURROGATES.items() if type(network) is cls), None)


def _name(network: nn.Module) -> str:
    return registered(network) or f"{type(network).__module__}.{type(network).__qualname__}"


def fixed_networks(network: nn.Module) -> list[str]:
    """Return the names of the networks in a surrogate's network that take no other grid than their own; none if all do.

    One of your own is not known to.
    """
    if not isinstance(network, Network):
        return [_name(network)]
    alone = [one for one in _networks(network) if len(_networks(one)) == 1]
    return sorted({_name(one) for one in alone if not one.any_grid})


def _networks(network: nn.Module) -> list[Network]:
    """Return a network and those that it is made of."""
    return [one for one in network.modules() if isinstance(one, Network)]


def _card(config: dict[str, Any]) -> str:
    inputs, outputs = config["channels"]
    cells = "x".join(map(str, config["grid"]["cells"]))
    return (
        f"# Surrogate\n\nA `{config['network']}` network from {inputs} to {outputs} channels on {cells} cells, made by "
        f"mlft.\nLoad it with `mlft.surrogates.load(folder)`; options: `{config['options']}`.\n"
    )
