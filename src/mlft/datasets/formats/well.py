"""The HDF5 files of The Well: fields by their tensor order, boundary conditions, dimensions; in float32.

A map from an input to a solution is written as constant fields and fields of one time; a loader of The Well takes it as
`WellDataset(path=..., n_steps_input=0, n_steps_output=1)`, with the input in `constant_fields`. Of files with several
times the first is the input, with all constant fields and scalars beside it, and the last the solution.

Source: Ohana et al. 2024, The Well, arXiv 2412.00568, and its specification, https://polymathic-ai.org/the_well.
"""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from mlft.datasets.dataset import of_arrays
from mlft.datasets.formats.hdf5 import needed, opened, text, values
from mlft.datasets.formats.single import on_own_grid, single
from mlft.datasets.ground import Hints, ground
from mlft.datasets.part import META, Part, meta_of
from mlft.errors import DataError

Array = np.ndarray

_AXES = ("x", "y")


def is_one(found: Any) -> bool:
    """Return whether an open HDF5 file has the layout of The Well."""
    return "dimensions" in found and "n_spatial_dims" in found.attrs


def read(file: Path, hints: Hints) -> list[Part]:
    """Return the rows of a file.

    Raises:
        DataError: for a file that lacks what the specification has.
    """
    with opened(file) as found:
        try:
            told = meta_of(found.attrs.get(META), file)
            axes = [text(name) for name in found["dimensions"].attrs["spatial_dims"]]
            points = [found["dimensions"][axis][()] for axis in axes]
            rows, shape = int(found.attrs["n_trajectories"]), tuple(len(x) for x in points)
            periodic = [axis in _periodic(found["boundary_conditions"]) for axis in axes]
            constant, varying = _fields(found, file, rows, shape)
        except KeyError as error:
            raise DataError(
                f"{file} has the head of a file of The Well, and lacks a part of it: {error.args[0]}; see "
                "https://polymathic-ai.org/the_well for its format"
            ) from None
    if not varying:
        raise DataError(f"{file}: no field varies in time, so that there is no solution to learn")
    grid, assumed = told.pop("grid", None), tuple[str, ...]()
    if grid is None:
        grid, assumed = ground(shape, hints, where=file, coordinates=points, periodic=periodic)
    first = {} if next(iter(varying.values())).shape[1] == 1 else {name: f[:, 0] for name, f in varying.items()}
    given, solved = constant | first, {name: f[:, -1] for name, f in varying.items()}
    if not given:
        raise DataError(f"{file}: one time and no constant field: there is no input to learn from")
    names = {"input_channels": tuple(given), "solution_channels": tuple(solved)}
    part = of_arrays(np.stack([*given.values()], 1), np.stack([*solved.values()], 1), grid, where=str(file))
    return [Part(grid, part.inputs, part.solutions, assumed=assumed, source=str(file), **(names | told))]


def write(folder: Path, stem: str, part: Part) -> dict[Path, bytes]:
    """Return the file of a part, in the folders where a `WellDataset` looks for it, and its content.

    Raises:
        DataError: for values beyond single precision.
    """
    h5py, part, buffer = needed(), on_own_grid(part), io.BytesIO()
    axes = _AXES[: part.grid.dimension]
    fields = {"inputs": single(part.inputs, "inputs"), "solutions": single(part.solutions, "solutions")}
    with h5py.File(buffer, "w") as made:
        made.attrs["dataset_name"], made.attrs["grid_type"] = stem, "cartesian"
        made.attrs["n_spatial_dims"], made.attrs["n_trajectories"] = len(axes), len(part)
        made.attrs["simulation_parameters"] = _texts([])
        made.attrs[META] = part.meta
        _dimensions(made, part, axes)
        _boundaries(made, part, axes)
        made.create_group("scalars").attrs["field_names"] = _texts([])
        group = made.create_group("t0_fields")
        group.attrs["field_names"] = _texts([*_named("input", part), *_named("solution", part)])
        for kind, values_ in fields.items():
            for name, channel in zip(_named(kind[:-1], part), np.moveaxis(values_, 1, 0), strict=True):
                steady = kind == "inputs"
                one = group.create_dataset(name, data=channel if steady else channel[:, None])
                one.attrs["dim_varying"] = np.ones(len(axes), dtype=bool)
                one.attrs["sample_varying"], one.attrs["time_varying"] = True, not steady
        for order in (1, 2):
            made.create_group(f"t{order}_fields").attrs["field_names"] = _texts([])
    place = folder / stem / "data" / (part.stream or "train")
    return {place / f"{stem}.hdf5": buffer.getvalue()}


def _periodic(conditions: Any) -> set[str]:
    """Return the axes that conditions of a file say are periodic."""
    found = [bc.attrs for bc in conditions.values() if text(bc.attrs["bc_type"]).upper() == "PERIODIC"]
    return {text(axis) for told in found for axis in told["associated_dims"]}


def _texts(names: list[str]) -> Array:
    return np.array(names, dtype=needed().string_dtype())


def _dimensions(made: Any, part: Part, axes: tuple[str, ...]) -> None:
    group = made.create_group("dimensions")
    group.attrs["spatial_dims"] = _texts([*axes])
    group["time"] = np.zeros(1, dtype=np.float32)
    for axis, points in zip(axes, part.grid.points, strict=True):
        group[axis] = points.astype(np.float32)
    for name in ("time", *axes):
        group[name].attrs["sample_varying"], group[name].attrs["time_varying"] = False, name == "time"


def _boundaries(made: Any, part: Part, axes: tuple[str, ...]) -> None:
    """Write the ends of each axis: periodic, or open, since a grid does not say what holds there."""
    group = made.create_group("boundary_conditions")
    for axis, n, wraps in zip(axes, part.grid.shape, part.grid.wraps, strict=True):
        kind = "PERIODIC" if wraps else "OPEN"
        one, mask = group.create_group(f"{axis}_{kind.lower()}"), np.zeros(n, dtype=bool)
        mask[[0, -1]] = True
        one["mask"] = mask
        one.attrs["associated_dims"], one.attrs["associated_fields"] = _texts([axis]), _texts([])
        one.attrs["bc_type"] = kind
        one.attrs["sample_varying"] = one.attrs["time_varying"] = False


def _named(kind: str, part: Part) -> list[str]:
    """Return a name for each channel of a kind, unlike those of the other kind."""
    channels, count = (
        (part.input_channels, part.inputs.shape[1])
        if kind == "input"
        else (part.solution_channels, part.solutions.shape[1])
    )
    names = [re.sub(r"\W+", "_", name.partition(" [")[0]) for name in channels]
    return [f"{kind}_{name}" for name in (names if len(set(names)) == count else map(str, range(count)))]


def _fields(found: Any, file: Path, rows: int, shape: tuple[int, ...]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return constant fields (rows, *grid) and varying ones (rows, times, *grid), by the names of their channels.

    Of varying ones at the first time and at the last.
    """
    constant: dict[str, Array] = {}
    varying: dict[str, Array] = {}
    for order in range(3):
        group = found[f"t{order}_fields"]
        for name in map(text, group.attrs["field_names"]):
            field = _whole(group[name], file, rows, shape, order)
            parts = field.reshape(*field.shape[: field.ndim - order], -1) if order else field[..., None]
            told = (name,) if not order else tuple(f"{name}_{i}" for i in range(parts.shape[-1]))
            into = varying if group[name].attrs["time_varying"] else constant
            into |= {each: parts[..., i] for i, each in enumerate(told)}
    for name in map(text, found["scalars"].attrs["field_names"]):
        scalar = found["scalars"][name]
        if scalar.attrs["sample_varying"] and not scalar.attrs["time_varying"]:
            flat = values(scalar, file).reshape(rows, *[1] * len(shape))
            constant[name] = np.broadcast_to(flat, (rows, *shape))
    return constant, varying


def _ends(field: Any) -> Any:
    """Return the index of the first and the last time of a field, of all there is where it has no times."""
    if not field.attrs["time_varying"]:
        return ()
    rows = int(bool(field.attrs["sample_varying"]))
    return (*[slice(None)] * rows, sorted({0, field.shape[rows] - 1}))


def _whole(field: Any, file: Path, rows: int, shape: tuple[int, ...], order: int) -> Array:
    """Return a field with the axes that it leaves out: rows, and axes of space along which it is constant."""
    found = values(field, file, _ends(field))
    found = found if field.attrs["sample_varying"] else found[None]
    times = int(bool(field.attrs["time_varying"]))
    for axis, varies in enumerate(field.attrs["dim_varying"]):
        found = found if varies else np.expand_dims(found, 1 + times + axis)
    tensor = found.shape[found.ndim - order :] if order else ()
    full = (rows, *found.shape[1 : 1 + times], *shape, *tensor)
    try:
        return np.broadcast_to(found, full)
    except ValueError:
        raise DataError(
            f"{file}: {field.name.lstrip('/')} has shape {field.shape}, and {rows} rows of {shape} points are expected"
        ) from None
