"""HDF5 files, opened so that what is wrong with them is said in a sentence."""

import contextlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mlft.datasets.part import numbers
from mlft.errors import DataError, MlftError, plain

Array = np.ndarray


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Any]:
    """Open a file to read.

    Raises:
        MlftError: if h5py is not installed.
        DataError: for a file that is no HDF5, or only half of one.
    """
    h5py = needed()
    try:
        with h5py.File(file, "r") as found:
            yield found
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{file} is no HDF5 file, or half written: {plain(str(error), 120)}; copy or download it again"
        ) from None


def needed() -> Any:
    """Return h5py.

    Raises:
        MlftError: if it is not installed.
    """
    try:
        return import_module("h5py")
    except ImportError as error:
        raise MlftError("HDF5 files need the extra 'hdf5': pip install 'mlft[hdf5]'") from error


def values(found: Any, file: Path, at: Any = ()) -> Array:
    """Return the content of a dataset as float64, or what is at an index of it: no more than that is read.

    Raises:
        DataError: for what is no real numbers.
    """
    real = getattr(found, "dtype", np.dtype(object)).kind in "fiu"  # these are made float64 as they are read
    return numbers((found.astype(np.float64) if real else found)[at], f"{found.name.lstrip('/')!r}", file)


def text(value: object) -> str:
    """Return an attribute of HDF5 as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
