"""Inputs from a file of NumPy, and predictions into one: nothing is unpickled, nothing overwritten unasked."""

import io
from pathlib import Path

import numpy as np

from mlft.errors import ConfigError
from mlft.files import read_file, write_new, write_whole, writing

Array = np.ndarray

_MAGIC = b"\x93NUMPY"


def read_inputs(file: Path) -> Array:
    """Return the fields in a file of NumPy (.npy), in float64; their values and their grid are not looked at.

    Raises:
        ConfigError: for a file that cannot be read or is none, that holds objects, or numbers other than float32 or
            float64, or fewer than its head says, or no samples of fields.
    """
    try:
        content = read_file(file)
    except OSError as error:
        raise ConfigError(f"the inputs {file} cannot be read: {error.strerror or error}") from None
    if not content.startswith(_MAGIC):
        raise ConfigError(f"{file} is no array of NumPy: write the inputs with numpy.save({file.name!r}, inputs)")
    try:
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OverflowError, MemoryError, SyntaxError, TypeError) as error:
        raise ConfigError(f"{file} cannot be read as an array of numbers: {str(error).splitlines()[0]}") from None
    if found.dtype.kind != "f" or found.dtype.itemsize not in (4, 8):
        raise ConfigError(
            f"{file} holds {found.dtype.name}, and inputs are float64 or float32: write inputs.astype('float64') where "
            "nothing is lost by that"
        )
    if found.ndim < 3 or not len(found):
        raise ConfigError(
            f"{file} holds an array of shape {found.shape}, and inputs have (samples, channels, *grid), with at least "
            "one sample"
        )
    return np.asarray(found, dtype=np.float64)


def refuse_place(out: Path, *, suffix: str, force: bool) -> None:
    """Refuse a place that predictions cannot go to, before they are made.

    Raises:
        ConfigError: for another suffix, a folder that is not there, or a file that is, unless it may be overwritten.
    """
    if out.suffix != suffix:
        raise ConfigError(f"predictions go to a {suffix} file here, got --out {out}: name it {out.stem}{suffix}")
    if not out.parent.is_dir():
        raise ConfigError(f"there is no folder {out.parent} for --out {out}: make it, or name another")
    if out.exists() and (out.is_dir() or not force):
        raise _taken(out)


def write_array(out: Path, array: Array, *, force: bool) -> None:
    """Write an array as a file of NumPy, whole or not at all.

    Raises:
        ConfigError: if there is a file of that name meanwhile, unless it may be overwritten.
        StoreError: if the disk is full, or the folder cannot be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_output(out, buffer.getvalue(), force=force)


def write_arrays(out: Path, arrays: dict[str, Array], *, force: bool) -> None:
    """Write arrays by name as an archive of NumPy (.npz), as `write_array` writes one."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_output(out, buffer.getvalue(), force=force)


def write_output(out: Path, content: bytes, *, force: bool) -> None:
    """Write a file, whole or not at all; see `write_array`."""
    with writing(out.parent):
        if force:
            write_whole(out, content)
        elif not write_new(out, content):
            raise _taken(out)


def _taken(out: Path) -> ConfigError:
    return ConfigError(f"{out} is there already: give another --out, or --force to overwrite a file")
