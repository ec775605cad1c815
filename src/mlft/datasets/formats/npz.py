"""NumPy archives (.npz) with `inputs` and `solutions`, (rows, channels, *grid), in float64; nothing is unpickled."""

import io
import zipfile
from pathlib import Path

import numpy as np

from mlft.datasets.dataset import of_arrays
from mlft.datasets.ground import Hints
from mlft.datasets.part import META, Part, meta_of
from mlft.errors import DataError

_NAMES = {"inputs": ("inputs", "input", "x"), "solutions": ("solutions", "solution", "outputs", "y")}


def read(file: Path, hints: Hints) -> list[Part]:
    """Return the rows of an archive with `inputs` and `solutions`; `input`, `x`, `solution`, `outputs`, `y` do too.

    Raises:
        DataError: for other arrays, objects, or a damaged file.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            names = {field: next((n for n in known if n in archive), None) for field, known in _NAMES.items()}
            missing = [field for field, name in names.items() if name is None]
            if missing:
                raise DataError(
                    f"{file} has the arrays {', '.join(archive.files) or 'none'}, and no {' and no '.join(missing)}: "
                    "write np.savez(file, inputs=..., solutions=...), each (rows, channels, *grid)"
                )
            arrays = {field: archive[str(name)] for field, name in names.items()}
            text = str(archive[META]) if META in archive else None
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, KeyError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file} is damaged, or holds objects: {str(error).splitlines()[0]}") from None
    told = meta_of(text, file)
    part = of_arrays(arrays["inputs"], arrays["solutions"], told.pop("grid", None), hints, where=str(file))
    return [Part(part.grid, part.inputs, part.solutions, assumed=part.assumed, source=str(file), **told)]


def write(folder: Path, stem: str, part: Part) -> dict[Path, bytes]:
    """Return the file of a part, by its path: inputs as they are, solutions on the level's own grid."""
    buffer = io.BytesIO()
    np.savez(buffer, inputs=part.inputs, solutions=part.solutions, mlft=np.array(part.meta))
    return {folder / f"{stem}.npz": buffer.getvalue()}
