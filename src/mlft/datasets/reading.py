"""From files to a data set: the format is told by the content, one file after the other."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from mlft.datasets.dataset import Dataset, of_parts
from mlft.datasets.ground import NONE, Hints
from mlft.datasets.part import Part
from mlft.errors import DataError

Reader = Callable[[Path, Hints], list[Part]]

KNOWN = (
    "NumPy archives (.npz), tensor dictionaries of neuraloperator (.pt), HDF5 of PDEBench and of The Well, netCDF "
    "(3, and 4 of HDF5) and zarr with named axes"
)
_HDF5, _NETCDF, _PICKLE = b"\x89HDF\r\n\x1a\n", b"CDF", b"\x80"
_FILES = (".npz", ".pt", ".hdf5", ".h5", ".nc", ".nc4")


def read(*files: str | Path, name: str | None = None, hints: Hints = NONE, drop: bool = False) -> Dataset:
    """Return the data set in files or folders: of one grid one level, of several grids a level each.

    Files that mlft exported say which of their rows are of one draw. Of others row i of every level is the same draw.

    Args:
        files: a file each, or folders with files beneath them.
        name: in the record of a fit; by default that of the first file or folder.
        hints: what the files may not say.
        drop: leave rows out that are not finite, in place of refusing them.

    Raises:
        DataError: naming the file, what is wrong with it, and what is expected.
        MlftError: if a format needs an extra that is not installed.
    """
    paths = [path for file in files for path in _found(Path(file))]
    parts = [part for path in paths for part in reader_of(path)(path, hints)]
    return of_parts(_coupled(parts, hints.coupled), name=name or f"{Path(files[0]).stem}-data", drop=drop)


def reader_of(file: Path) -> Reader:
    """Return what reads a file, by its content.

    Raises:
        DataError: for a file that is not there, is empty, or is of no known format.
    """
    return import_module(f"mlft.datasets.formats.{_format(file)}").read


def _format(file: Path) -> str:
    if file.is_dir():
        return "named"
    try:
        with file.open("rb") as opened:
            head = opened.read(8)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from None
    if not head:
        raise DataError(f"{file} is empty: copy or download it again")
    if head.startswith(b"PK"):
        return _in_archive(file)
    if head == _HDF5:
        return _in_hdf5(file)
    if head.startswith(_NETCDF):
        return "named"
    if head.startswith(_PICKLE):
        return "neuralop"
    raise DataError(f"{file} is of no known format: known are {KNOWN}; give arrays to mlft.Dataset.from_arrays")


def _in_archive(file: Path) -> str:
    """Return the format of a zip archive: of NumPy, or of torch."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        raise DataError(
            f"{file} is half an archive: it was not written to its end; copy or download it again"
        ) from None
    return "neuralop" if any(name.endswith("data.pkl") for name in names) else "npz"


def _in_hdf5(file: Path) -> str:
    from mlft.datasets.formats import named, pdebench, well
    from mlft.datasets.formats.hdf5 import opened

    with opened(file) as found:
        if named.is_one(found):
            return "named"
        if well.is_one(found):
            return "well"
        if pdebench.is_one(found):
            return "pdebench"
        there = ", ".join(found) or "nothing"
    raise DataError(
        f"{file} is HDF5 with {there} in it, of no layout that is known: PDEBench has `tensor` or `x-coordinate`, The "
        "Well `dimensions` and `t0_fields`, netCDF-4 `input` and `solution` with named axes; give arrays to "
        "mlft.Dataset.from_arrays"
    )


def _found(path: Path) -> Iterator[Path]:
    """Yield a file, or the files beneath a folder in the order of their names; a zarr folder is a file."""
    if not path.is_dir() or _is_zarr(path):
        yield path
        return
    found = [one for one in sorted(path.rglob("*")) if one.suffix in _FILES or (one.is_dir() and _is_zarr(one))]
    if not found:
        raise DataError(f"{path} has no file of a known format in it: known are {KNOWN}")
    yield from found


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def _coupled(parts: Sequence[Part], coupled: bool) -> list[Part]:
    """Return parts whose rows are numbered: those of one grid one after the other, each grid from the start."""
    if not coupled or any(part.draws is not None for part in parts):
        return list(parts)
    found, last = [], dict[tuple[int, ...], int]()
    for part in parts:
        start = last.get(part.grid.cells, 0)
        last[part.grid.cells] = start + len(part)
        found.append(replace(part, draws=tuple(range(start, start + len(part)))))
    return found
