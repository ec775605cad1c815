"""The tensor dictionaries of neuraloperator: `x` and `y` in a .pt file, (rows, channels, *grid), in float32.

Source: neuraloperator, `neuralop.data.datasets.pt_dataset`: `{name}_train_{points}.pt` and `{name}_test_{points}.pt`.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from mlft.datasets.dataset import of_arrays
from mlft.datasets.formats.single import on_own_grid, single
from mlft.datasets.ground import Hints
from mlft.datasets.part import META, Part, meta_of
from mlft.errors import DataError, plain

Array = np.ndarray


def read(file: Path, hints: Hints) -> list[Part]:
    """Return the rows of a dictionary with tensors `x` and `y`, loaded without running any code (`weights_only`).

    Raises:
        DataError: for other content, a file that is damaged or needs code to be run, or tensors of three axes of which
            it cannot be told whether one is of channels.
    """
    import torch

    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise DataError(
            f"{file} cannot be read as tensors alone, it is damaged or holds objects: {plain(str(error), 120)}; write "
            "torch.save({'x': inputs, 'y': solutions}, file)"
        ) from None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), torch.Tensor) for name in "xy"):
        held = ", ".join(map(str, found)) if isinstance(found, dict) else type(found).__name__
        raise DataError(
            f"{file} holds {plain(held, 80)}; a dictionary with tensors x (inputs) and y (solutions) is expected"
        )
    told = meta_of(found.get(META), file)
    inputs, solutions = (_array(found[name]) for name in "xy")
    if not told:
        inputs, solutions = _with_channels(inputs, solutions, hints, file)
    part = of_arrays(inputs, solutions, told.pop("grid", None), hints, where=str(file))
    return [Part(part.grid, part.inputs, part.solutions, assumed=part.assumed, source=str(file), **told)]


def write(folder: Path, stem: str, part: Part) -> dict[Path, bytes]:
    """Return the file of a part, named as neuraloperator looks for it, and its content.

    Its loader, `PTDataset`, takes it with `channels_squeezed=False`.

    Raises:
        DataError: for values beyond single precision.
    """
    import torch

    part, buffer = on_own_grid(part), io.BytesIO()
    fields = {"x": single(part.inputs, "inputs"), "y": single(part.solutions, "solutions")}
    torch.save({name: torch.from_numpy(values) for name, values in fields.items()} | {META: part.meta}, buffer)
    name, points = stem.rpartition("_level")[0] or stem, part.grid.shape[0]
    return {folder / f"{name}_{part.stream or 'train'}_{points}.pt": buffer.getvalue()}


def _array(tensor: Any) -> Array:
    return np.asarray(tensor.detach().resolve_conj().resolve_neg().numpy())


def _with_channels(inputs: Array, solutions: Array, hints: Hints, file: Path) -> tuple[Array, Array]:
    """Return arrays with an axis of channels, which neuraloperator's own files leave out where there is one channel."""
    if inputs.ndim != solutions.ndim or inputs.ndim == 4:
        return inputs, solutions
    squeezed = hints.channel_axis is False or inputs.ndim == 2
    if inputs.ndim == 3 and hints.channel_axis is None:
        left, right = inputs.shape[1:], solutions.shape[1:]
        squeezed = left == right and left[0] == left[1]
        if left == right and not squeezed and left[0] != 1:
            raise DataError(
                f"{file}: x has shape {inputs.shape}: {left[0]} channels on one axis, or one channel on two axes? Say "
                "channel_axis=True or channel_axis=False (--channel-axis, --no-channel-axis)"
            )
    return (inputs[:, None], solutions[:, None]) if squeezed else (inputs, solutions)
