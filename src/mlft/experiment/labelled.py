"""Samples of a run with named axes, coordinates and units: an `xarray.Dataset`."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlft.errors import MlftError
from mlft.experiment.outcome import Outcome
from mlft.grids import Grid

if TYPE_CHECKING:
    import xarray

Array = np.ndarray

_AXES = ("x", "y")
_UNIT = re.compile(r"(.*\S)\s*\[([^\[\]]*)\]")


def dataset(
    told: Outcome, level: int, indices: Sequence[int], fields: Mapping[str, Array], *, stream: str
) -> "xarray.Dataset":
    """Return fields of the samples of one level as a dataset.

    Args:
        told: the run that they are of.
        level: whose solutions they are.
        indices: of the samples in their stream.
        fields: "input" and "prediction" on the finest grid, "solution" on the level's.
        stream: where the samples are from.

    Raises:
        MlftError: if xarray is not installed.
    """
    try:
        import xarray
    except ImportError as error:
        raise MlftError("named axes need the extra 'xarray': pip install 'mlft[xarray]'") from error
    coarse = level < len(told.levels) - 1
    places = {name: "_finest" if coarse and name != "solution" else "" for name in fields}
    variables = {name: _variable(told, name, field, places[name]) for name, field in fields.items()}
    coordinates: dict[str, Any] = {"sample": ("sample", list(indices), {"long_name": f"index in the stream {stream}"})}
    for kind, names in _channels(told, fields).items():
        coordinates[f"{kind}_channel"] = [split(name)[0] for name in names]
    for suffix in sorted(set(places.values())):
        coordinates |= _coordinates(_grid(told, level) if not suffix else told.grid, suffix)
    return xarray.Dataset(variables, coordinates, _attributes(told, level, stream))


def _grid(told: Outcome, level: int) -> Grid:
    return replace(told.grid, cells=tuple(map(int, told.levels[level].grid.split("x"))))


def split(channel: str) -> tuple[str, str]:
    """Return the name of a channel and its unit, which is empty where it has none.

    >>> split("velocity [m/s]"), split("velocity")
    (('velocity', 'm/s'), ('velocity', ''))
    """
    found = _UNIT.fullmatch(channel)
    return (found[1], found[2]) if found else (channel, "")


def _kind(name: str) -> str:
    return "input" if name == "input" else "solution"


def _channels(told: Outcome, fields: Mapping[str, Array]) -> dict[str, tuple[str, ...]]:
    """Return the names of the channels of inputs and of solutions: the problem's, or their numbers."""
    found = {}
    for name, field in fields.items():
        given, count = told.channels.get(f"{_kind(name)}s", ()), field.shape[1]
        found[_kind(name)] = given if len(given) == count else tuple(map(str, range(count)))
    return found


def _variable(told: Outcome, name: str, field: Array, suffix: str) -> tuple[tuple[str, ...], Array, dict[str, str]]:
    axes = tuple(axis + suffix for axis in _AXES[: told.grid.dimension])
    units = {split(channel)[1] for channel in told.channels.get(f"{_kind(name)}s", ())} - {""}
    shared = {"units": units.pop()} if len(units) == 1 else {}
    return ("sample", f"{_kind(name)}_channel", *axes), field, {"long_name": name, **shared}


def _coordinates(grid: Grid, suffix: str) -> dict[str, Any]:
    """Return the points of a grid by axis, and how values stand on them."""
    ends = "periodic" if grid.periodic else "bounded"
    means = "average over the cell about the point" if grid.centring == "cell" else "value at the point"
    return {
        axis + suffix: (
            axis + suffix,
            points,
            {"centring": grid.centring, "values": means, "ends": ends, "spacing": spacing, "length": length},
        )
        for axis, points, spacing, length in zip(_AXES, grid.points, grid.spacing, grid.lengths, strict=False)
    }


def _attributes(told: Outcome, level: int, stream: str) -> dict[str, str | int | float]:
    """Return what the samples are of, in numbers and texts alone, which every file format keeps."""
    return {
        "problem": told.problem,
        "equation": told.equation,
        "options": json.dumps(told.config.get("options", {})),
        "strategy": told.strategy,
        "budget": told.budget.asked,
        "seed": told.seed,
        "stream": stream,
        "level": level,
        "levels": len(told.levels),
        "grid": told.levels[level].grid,
        "mlft_version": told.version,
    }
