"""The HDF5 files of PDEBench: one input and one solution field (`nu`, `tensor`), or fields in time.

Of fields in time the first is the input and the last the solution.

Source: Takamoto et al. 2022, PDEBench, arXiv 2210.07182, and its readers: `nu` (rows, x, …) and `tensor` (rows, time,
x, …) of Darcy flow; `tensor` alone of 1D equations; `density`, `pressure`, `Vx`, … (rows, time, x, …) of fluids;
groups `0000`, `0001`, …, each with `data` (time, x, …, channels), of reaction and diffusion.
"""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from mlft.datasets.dataset import of_arrays
from mlft.datasets.formats.hdf5 import needed, opened, text, values
from mlft.datasets.formats.single import on_own_grid
from mlft.datasets.ground import Hints, ground
from mlft.datasets.part import META, Part, meta_of
from mlft.errors import DataError

Array = np.ndarray

_AXES = ("x-coordinate", "y-coordinate", "z-coordinate")
_OTHERS, _ORDER = (*_AXES, "t-coordinate"), "fields"


def is_one(found: Any) -> bool:
    """Return whether an open HDF5 file has the layout of PDEBench."""
    return "tensor" in found or _AXES[0] in found or bool(_groups(found))


def read(file: Path, hints: Hints) -> list[Part]:
    """Return the rows of a file.

    Raises:
        DataError: for another layout, or fields that do not fit each other.
    """
    with opened(file) as found:
        inputs, solutions, names = _fields(found, file)
        told = meta_of(found.attrs.get(META), file)
        points = [found[axis][()] for axis in _AXES if axis in found]
    grid, assumed = told.pop("grid", None), tuple[str, ...]()
    if grid is None:
        axes = points if len(points) == solutions.ndim - 2 else None
        grid, assumed = ground(solutions.shape[2:], hints, where=file, coordinates=axes)
    part = of_arrays(inputs, solutions, grid, where=str(file))
    told = {"input_channels": names[0], "solution_channels": names[1]} | told
    return [Part(grid, part.inputs, part.solutions, assumed=assumed, source=str(file), **told)]


def write(folder: Path, stem: str, part: Part) -> dict[Path, bytes]:
    """Return the file of a part, and its content, in float64, which PDEBench's readers make float32.

    One channel in and one out are `nu` and `tensor`, as of Darcy flow. As many channels in as out are fields by name,
    with the input at the first of two times and the solution at the second.

    Raises:
        DataError: for other numbers of channels.
    """
    h5py, part, buffer = needed(), on_own_grid(part), io.BytesIO()
    ins, outs = part.inputs.shape[1], part.solutions.shape[1]
    if ins != outs:
        raise DataError(
            f"a file of PDEBench has one field in and one out, or the same fields in and out; here are {ins} channels "
            f"of inputs and {outs} of solutions: write npz, neuralop, well or xarray"
        )
    with h5py.File(buffer, "w") as made:
        for axis, points in zip(_AXES, part.grid.points, strict=False):
            made[axis] = points
        if ins == 1:
            made["nu"], made["tensor"] = part.inputs[:, 0], part.solutions
        else:
            names = made.attrs[_ORDER] = _named(part)
            for name, pair in zip(names, np.stack([part.inputs, part.solutions], 2).swapaxes(0, 1), strict=True):
                made[name] = pair
            made["t-coordinate"] = np.array([0.0, 1.0])
        made.attrs[META] = part.meta
    return {folder / f"{stem}.hdf5": buffer.getvalue()}


def _named(part: Part) -> list[str]:
    """Return a name for each channel that a dataset may have."""
    names = [re.sub(r"\W+", "_", name.partition(" [")[0]) for name in part.solution_channels]
    count = part.solutions.shape[1]
    wanted = names if len(set(names)) == count else [f"field_{i}" for i in range(count)]
    return [name if name not in ("nu", "tensor") else f"{name}_" for name in wanted]


def _fields(found: Any, file: Path) -> tuple[Array, Array, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return inputs, solutions and the names of their channels."""
    none: tuple[str, ...] = ()
    groups = _groups(found)
    if groups:
        rows = np.stack([np.stack([values(found[g]["data"], file, t) for t in (0, -1)]) for g in groups])
        rows = np.moveaxis(rows, -1, 2)
        return rows[:, 0], rows[:, 1], (none, none)
    if "tensor" in found:
        tensor = found["tensor"]
        if "nu" in found and getattr(found["nu"], "ndim", 0) >= 2:
            nu = values(found["nu"], file)
            solution = values(tensor, file, np.s_[:, -1] if tensor.ndim > nu.ndim else ())
            return nu[:, None], solution[:, None], (none, none)
        _refuse_one_time(tensor.shape, "tensor", file)
        return values(tensor, file, np.s_[:, :1]), values(tensor, file, np.s_[:, -1:]), (none, none)
    names = tuple(_ordered(found))
    if not names:
        raise DataError(
            f"{file} has {', '.join(found) or 'nothing'} in it; PDEBench's files have `tensor`, or fields by name, "
            "(rows, time, x, ...), or groups with `data`"
        )
    shapes = {name: found[name].shape for name in names}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{file}: fields have unlike shapes, {shapes}: all are (rows, time, x, ...)")
    _refuse_one_time(shapes[names[0]], names[0], file)
    first, last = (np.stack([values(found[name], file, np.s_[:, t]) for name in names], axis=1) for t in (0, -1))
    return first, last, (names, names)


def _refuse_one_time(shape: tuple[int, ...], name: str, file: Path) -> None:
    if len(shape) < 3 or shape[1] < 2:
        raise DataError(
            f"{file}: {name} has shape {shape}; without `nu`, (rows, time, x, ...) with two times at least is "
            "expected: the first is the input, the last the solution"
        )


def _ordered(found: Any) -> list[str]:
    """Return the names of fields, in the order of the channels where the file says it."""
    if _ORDER in found.attrs:
        return [text(name) for name in found.attrs[_ORDER]]
    return [name for name in found if name not in _OTHERS and getattr(found[name], "ndim", 0) >= 3]


def _groups(found: Any) -> list[str]:
    return [name for name in found if "data" in getattr(found[name], "keys", tuple)()]
