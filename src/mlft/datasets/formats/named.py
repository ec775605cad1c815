"""Rows with named axes, coordinates and units: an `xarray.Dataset`, and netCDF and zarr files of one, in float64."""

import io
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from mlft.datasets.dataset import of_arrays
from mlft.datasets.ground import Hints, ground, like
from mlft.datasets.part import Part, numbers
from mlft.errors import DataError, MlftError, plain
from mlft.grids import Grid

if TYPE_CHECKING:
    import xarray

Array = np.ndarray

_AXES = ("x", "y")
_UNIT = re.compile(r"(.*\S)\s*\[([^\[\]]*)\]")
_AXES_OF = "DIMENSION_LIST"
"""The attribute by which HDF5 tells the named axes of a dataset."""
_NAMES = {"input": ("input", "inputs"), "solution": ("solution", "solutions", "output", "outputs")}


def as_xarray(part: Part, prediction: Float[Array, "n k *finest"] | None = None) -> "xarray.Dataset":
    """Return rows as a dataset: `input`, `solution` and, where it is given, `prediction` on the grid of the inputs.

    Axes are `sample` (the draw), `input_channel`, `solution_channel`, and `x` and `y`, or, for what is on the finest
    grid beside solutions of a coarser one, `x_finest` and `y_finest`. Coordinates say whether values are averages over
    cells or at points. The attributes are what is told about the rows.

    Raises:
        MlftError: if xarray is not installed.
    """
    xarray, finest = _xarray(), like(part.grid, part.inputs.shape[2:], part.source)
    fields = {"input": part.inputs, "solution": part.solutions}
    fields |= {} if prediction is None else {"prediction": prediction}
    coarse = finest != part.grid
    places = {name: "_finest" if coarse and name != "solution" else "" for name in fields}
    names = {"input": part.input_channels, "solution": part.solution_channels}
    variables = {name: _variable(name, field, names[_kind(name)], places[name]) for name, field in fields.items()}
    said = {"long_name": f"index in the stream {part.stream}"} if part.stream else {}
    draws = range(len(part)) if part.draws is None else part.draws
    coordinates: dict[str, Any] = {"sample": ("sample", list(draws), said)}
    for kind in ("input", "solution"):
        count = fields[kind].shape[1]
        given = names[kind] if len(names[kind]) == count else tuple(map(str, range(count)))
        coordinates[f"{kind}_channel"] = [split(name)[0] for name in given]
    for suffix in sorted(set(places.values())):
        coordinates |= _coordinates(finest if suffix else part.grid, suffix)
    return xarray.Dataset(variables, coordinates, dict(part.about) | ({"stream": part.stream} if part.stream else {}))


def split(channel: str) -> tuple[str, str]:
    """Return the name of a channel and its unit, which is empty where it has none.

    >>> split("velocity [m/s]"), split("velocity")
    (('velocity', 'm/s'), ('velocity', ''))
    """
    found = _UNIT.fullmatch(channel)
    return (found[1], found[2]) if found else (channel, "")


def is_one(found: Any) -> bool:
    """Return whether an open HDF5 file is netCDF-4 with an input and a solution: fields with named axes."""
    fields = [next((found[name] for name in names if name in found), None) for names in _NAMES.values()]
    return all(_AXES_OF in getattr(field, "attrs", ()) for field in fields)


def read(file: Path, hints: Hints) -> list[Part]:
    """Return the rows of a netCDF file or a zarr folder with variables `input` and `solution`, samples first.

    Raises:
        MlftError: if xarray, or what reads netCDF-4 for it, is not installed.
        DataError: for other variables or axes, or a damaged file.
    """
    xarray, engine = _xarray(), _engine(file)
    try:
        with xarray.open_dataset(io.BytesIO(file.read_bytes()) if engine == "scipy" else file, engine=engine) as found:
            found.load()
    except Exception as error:  # what a backend raises for a damaged file is its own affair
        raise DataError(f"{file} cannot be read by xarray: {plain(f'{type(error).__name__}: {error}', 160)}") from None
    return [of_xarray(found, hints, where=str(file))]


def of_xarray(found: "xarray.Dataset", hints: Hints, *, where: str) -> Part:
    """Return the rows of a dataset with variables `input` and `solution`.

    Raises:
        DataError: for other variables or axes.
    """
    fields = {kind: _field(found, kind, where) for kind in _NAMES}
    (inputs, _, given), (solutions, axes, solved) = fields["input"], fields["solution"]
    known = [found.coords[axis] for axis in axes] if all(axis in found.coords for axis in axes) else None
    grid, assumed = _grid(known, solutions.shape[2:], hints, where)
    part = of_arrays(inputs, solutions, grid, where=where)
    sample = found[_variable_of(found, "solution", where)].dims[0]
    draws = (
        tuple(int(i) for i in found.coords[sample].values) if sample == "sample" and sample in found.coords else None
    )
    return replace(
        part,
        draws=draws,
        stream=str(found.attrs.get("stream", "")),
        input_channels=given,
        solution_channels=solved,
        about={str(name): value for name, value in found.attrs.items() if name != "stream"},
        assumed=assumed,
    )


def write(folder: Path, stem: str, part: Part) -> dict[Path, bytes]:
    """Return the netCDF file of a part (version 3, as scipy writes it), and its content.

    Raises:
        MlftError: if xarray is not installed.
    """
    content = as_xarray(part).to_netcdf(engine="scipy", format="NETCDF3_64BIT")
    return {folder / f"{stem}.nc": bytes(content)}


def _xarray() -> Any:
    try:
        import xarray
    except ImportError as error:
        raise MlftError("named axes need the extra 'xarray': pip install 'mlft[xarray]'") from error
    return xarray


def _engine(file: Path) -> str:
    """Return what xarray reads a file with: a folder is zarr, netCDF 3 begins with CDF, netCDF-4 is HDF5."""
    if file.is_dir():
        return "zarr"
    with file.open("rb") as opened:
        if opened.read(3) == b"CDF":
            return "scipy"
    try:
        import_module("h5netcdf")
    except ImportError as error:
        raise MlftError("netCDF-4 needs the extra 'xarray': pip install 'mlft[xarray]'") from error
    return "h5netcdf"


def _kind(name: str) -> str:
    return "input" if name == "input" else "solution"


def _variable(
    name: str, field: Array, channels: tuple[str, ...], suffix: str
) -> tuple[tuple[str, ...], Array, dict[str, str]]:
    axes = tuple(axis + suffix for axis in _AXES[: field.ndim - 2])
    units = {split(channel)[1] for channel in channels} - {""}
    shared = {"units": units.pop()} if len(units) == 1 else {}
    return ("sample", f"{_kind(name)}_channel", *axes), field, {"long_name": name, **shared}


def _coordinates(grid: Grid, suffix: str) -> dict[str, Any]:
    """Return the points of a grid by axis, and how values stand on them."""
    means = "average over the cell about the point" if grid.centring == "cell" else "value at the point"
    return {
        axis + suffix: (
            axis + suffix,
            points,
            {
                "centring": grid.centring,
                "values": means,
                "ends": "periodic" if wraps else "bounded",
                "spacing": spacing,
                "length": length,
                "origin": origin,
            },
        )
        for axis, points, wraps, spacing, length, origin in zip(
            _AXES, grid.points, grid.wraps, grid.spacing, grid.lengths, grid.origin, strict=False
        )
    }


def _variable_of(found: "xarray.Dataset", kind: str, where: str) -> str:
    name = next((name for name in _NAMES[kind] if name in found.data_vars), None)
    if name is None:
        there = ", ".join(map(str, found.data_vars)) or "none"
        raise DataError(
            f"{where} has the variables {there}, and no `{kind}`: rename them, data.rename({{...: '{kind}'}}), or give "
            "arrays to mlft.Dataset.from_arrays"
        )
    return name


def _field(found: "xarray.Dataset", kind: str, where: str) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    """Return a variable as (rows, channels, *grid), its axes of space, and the names of its channels."""
    name = _variable_of(found, kind, where)
    variable = found[name]
    dims = [str(dim) for dim in variable.dims]
    channel = next((dim for dim in dims if "channel" in dim or dim == "variable"), None)
    sample = "sample" if "sample" in dims else dims[0] if dims else ""
    space = tuple(dim for dim in dims if dim not in (sample, channel))
    if not space or sample == channel:
        raise DataError(
            f"{where}: `{name}` has the axes {dims}; sample, a channel and one or two of space are expected"
        )
    ordered = variable.transpose(sample, *([channel] if channel else []), *space)
    values = numbers(ordered.values, f"`{name}`", where)
    units = f" [{variable.attrs['units']}]" if variable.attrs.get("units") else ""
    told = [str(one) for one in found.coords[channel].values] if channel in found.coords else []
    named = () if all(one.isdecimal() for one in told) else tuple(f"{one}{units}" for one in told)
    return (values if channel else values[:, None]), space, named


def _grid(axes: list[Any] | None, points: tuple[int, ...], hints: Hints, where: str) -> tuple[Grid, tuple[str, ...]]:
    """Return the grid that coordinates tell, and what of it is assumed."""
    told: Mapping[str, Any] = axes[0].attrs if axes else {}
    if axes and {"centring", "ends", "length"} <= set(told):
        wraps = tuple(axis.attrs["ends"] == "periodic" for axis in axes)
        nodal, lengths = told["centring"] == "nodal", tuple(float(axis.attrs["length"]) for axis in axes)
        origin = tuple(float(axis.attrs.get("origin", 0.0)) for axis in axes)
        cells = tuple(n - (nodal and not wrap) for n, wrap in zip(points, wraps, strict=True))
        return Grid(cells, lengths, told["centring"], wraps, origin), ()
    return ground(points, hints, where=where, coordinates=[axis.values for axis in axes] if axes else None)
