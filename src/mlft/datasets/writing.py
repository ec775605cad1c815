"""From parts to files of a format, each written whole or not at all; nothing is overwritten unasked."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from mlft.datasets.part import Part
from mlft.errors import DataError, unknown_name
from mlft.files import write_new, write_whole, writing

FORMATS: Mapping[str, str] = {
    "npz": "mlft.datasets.formats.npz",
    "neuralop": "mlft.datasets.formats.neuralop",
    "pdebench": "mlft.datasets.formats.pdebench",
    "well": "mlft.datasets.formats.well",
    "xarray": "mlft.datasets.formats.named",
}
"""The formats that are written, by name."""

Writer = Callable[[Path, str, Part], dict[Path, bytes]]


def write(
    parts: Sequence[Part], folder: str | Path, *, to: str, name: str = "data", force: bool = False
) -> tuple[Path, ...]:
    """Write parts into a folder, a file each, and return the files.

    Files are named by the data set, the part's level and its stream.

    Args:
        parts: coarsest first.
        folder: made if it is not there.
        to: a name in `FORMATS`.
        name: of the data set.
        force: overwrite files that are there.

    Raises:
        ConfigError: for an unknown format.
        DataError: if a file is there, or a part does not fit the format; nothing is written then.
        StoreError: if the disk is full, or the folder cannot be written.
    """
    folder, writer = Path(folder), writer_of(to)
    grids = sorted({part.grid for part in parts}, key=lambda grid: grid.cells)
    made: dict[Path, bytes] = {}
    for part in parts:
        level = f"_level{grids.index(part.grid)}"
        stream = "" if to in ("neuralop", "well") or not part.stream else f"_{part.stream}"
        made |= writer(folder, f"{name}{stream}{level}", part)
    for file in made:
        if file.exists() and not force:
            raise DataError(f"{file} is there already: give another folder, or force=True (--force) to overwrite it")
    with writing(folder):
        for file, content in made.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            if force:
                write_whole(file, content)
            elif not write_new(file, content):
                raise DataError(f"{file} was written by another process meanwhile: give another folder")
    return tuple(made)


def writer_of(to: str) -> Writer:
    """Return what makes the files of a format.

    Raises:
        ConfigError: for an unknown one, naming the nearest.
    """
    if to not in FORMATS:
        raise unknown_name("format", to, list(FORMATS))
    return import_module(FORMATS[to]).write
