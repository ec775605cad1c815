"""Files of one sample, for programs in any language: `.npy`, `.json` and text, and texts with places to fill."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.grids import Grid
from mlft.problems.solved import real

Array = np.ndarray

TEXT = (".txt", ".csv", ".dat")
FORMATS = (".npy", ".json", *TEXT)
"""Endings of the files that are written and read without a template."""

PLACES = ("level", "cells", "lengths", "origin", "spacing", "input", "output", "values", "number")
"""What may stand between braces in a word of a command, and in a template."""

_PLACE = re.compile(r"(?<!\$)\{([a-z_]+)(?:\[(\d+)\])?\}")


class FormatError(ValueError):
    """A file of a program that is not what its ending says, or of another shape."""


@final
@dataclass(frozen=True)
class Filling:
    """What is put in one place: all of it, and its parts one by one."""

    whole: str
    parts: tuple[str, ...] = ()

    @staticmethod
    def of(parts: Sequence[object], between: str) -> "Filling":
        """Return parts, and as the whole all of them with something between."""
        words = tuple(map(str, parts))
        return Filling(between.join(words), words)


def fillings(sample: Float[Array, " c *grid"], grid: Grid, level: int) -> dict[str, Filling]:
    """Return what is put in the places for a sample: `{cells}` is 64x32 and `{cells[0]}` is 64, for example."""
    channels = ["\n".join(f"{value:.17g}" for value in channel.ravel()) for channel in sample]
    return {
        "level": Filling(str(level)),
        "cells": Filling.of(grid.cells, "x"),
        "lengths": Filling.of([f"{length:.17g}" for length in grid.lengths], "x"),
        "origin": Filling.of([f"{start:.17g}" for start in grid.origin], "x"),
        "spacing": Filling.of([f"{step:.17g}" for step in grid.spacing], "x"),
        "values": Filling.of(channels, "\n"),
        "number": Filling.of([f"{channel.flat[0]:.17g}" for channel in sample], " "),
    }


def fill(text: str, given: Mapping[str, Filling]) -> str:
    """Return a text with its places filled; other braces, and `${...}`, stay.

    Raises:
        ValueError: for a part that there is not.
    """

    def put(found: re.Match[str]) -> str:
        filling, part = given[found[1]], found[2]
        if part is None:
            return filling.whole
        if int(part) >= len(filling.parts):
            raise ValueError(f"{found[0]} has no filling: there are {len(filling.parts)} of {found[1]}")
        return filling.parts[int(part)]

    return _PLACE.sub(put, text)


def refuse_unknown_places(text: str, what: str) -> None:
    """Refuse a text with a place that nothing is known to fill.

    Raises:
        ValueError: naming it and those that are known.
    """
    unknown = [found[0] for found in _PLACE.finditer(text) if found[1] not in PLACES]
    if unknown:
        raise ValueError(f"{what} has {unknown[0]}, and what can be filled in is {', '.join(PLACES)}")


def write(sample: Float[Array, " c *grid"], grid: Grid, level: int, file: Path) -> None:
    """Write a sample as its file's ending says, in float64 to the last bit.

    `.npy`: (channels, *grid). `.json`: an object with the same under "input", and level, cells, lengths, origin and
    spacing.
    Text: a line of numbers for each line of the grid's last axis, channel after channel.
    """
    if file.suffix == ".npy":
        np.save(file, np.ascontiguousarray(sample))
    elif file.suffix == ".json":
        facts = {"level": level, "cells": grid.cells, "lengths": grid.lengths, "origin": grid.origin}
        facts["spacing"] = grid.spacing
        file.write_text(json.dumps({"input": sample.tolist(), **facts}))
    else:
        comma = "," if file.suffix == ".csv" else " "
        np.savetxt(file, sample.reshape(-1, sample.shape[-1]), fmt="%.17g", delimiter=comma)


def read(file: Path, grid: Grid) -> Float[Array, " k *grid"]:
    """Return the solution in a file, (channels, *grid); the axis of channels may be missing where there is one.

    Of text, lines of numbers, parted by commas or blanks, either a line for each line of the grid's last axis, or all
    numbers one below the other, channel after channel.

    Raises:
        FormatError: if it is not what its ending says.
        ShapeError: if it is of another shape.
    """
    try:
        if file.suffix == ".npy":
            values = np.load(file, allow_pickle=False)
        elif file.suffix == ".json":
            values = np.asarray(json.loads(file.read_bytes()))
        else:
            lines = [line.replace(",", " ") for line in file.read_text().splitlines() if line.strip()]
            values = np.loadtxt(lines, ndmin=2) if lines else np.empty((0, 0))
        values = real(values, f"numbers in {file.name}")
    except TypeError as error:
        raise FormatError(str(error)) from None
    except (ValueError, EOFError):
        raise FormatError(f"it is no {file.suffix} file of numbers") from None
    return _shaped(values, grid, text=file.suffix in TEXT)


class ShapeError(FormatError):
    """A solution of another shape than the grid's."""


def _shaped(values: Array, grid: Grid, *, text: bool) -> Array:
    shape, points = grid.shape, int(np.prod(grid.shape))
    if values.shape[-len(shape) :] == shape and values.ndim in (len(shape), len(shape) + 1):
        if values.size:
            return values.reshape(-1, *shape)
    elif text and values.size and values.size % points == 0 and (1 in values.shape or values.shape[1] == shape[-1]):
        return values.reshape(-1, *shape)
    wanted = ", ".join(map(str, ("channels", *shape)))
    raise ShapeError(f"a solution on {grid} has shape ({wanted}), got {values.shape}")
