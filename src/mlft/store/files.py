"""One sample file: safetensors arrays, and a header that is enough to rebuild the ledger.

The name of a file ends in the first 16 hexadecimal digits of the SHA-256 of its bytes, so a flipped bit anywhere in
it shows; the header holds a hash per sample, so the samples that the bit did not touch are still good.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mlft.files import cannot_write, flush_folder, read_file, write_flushed, write_whole
from mlft.status import OK
from mlft.store.records import Array, Batch, Key, LedgerRow, row_of

SUFFIX = ".safetensors"
SCHEMA = 1
_ENTRY = "mlft"
_DIGEST = "digest"
_ARRAYS = ("inputs", "solutions")


class UnreadableError(ValueError):
    """A file that is not a sample file, or not one any more."""


def encode(batch: Batch, identity: Mapping[str, Any] | None = None) -> bytes:
    """Return the bytes of a sample file."""
    arrays = _arrays_of(batch)
    sign = signer(arrays)
    rows = _rows(batch)
    hashes = [sign((batch.stream, batch.level, index), row) for index, row in zip(batch.indices, rows, strict=True)]
    columns = (batch.indices, batch.status, batch.attempts, batch.seconds, batch.notes, rows, hashes)
    samples = list(zip(*columns, strict=True))
    entry = {
        "schema": SCHEMA,
        "identity": dict(identity or {}),
        "stream": batch.stream,
        "level": batch.level,
        "samples": samples,
    }
    text = json.dumps(entry, sort_keys=True)
    # a file without arrays keeps the metadata of its failed samples
    return save(arrays if len(batch.inputs) else {}, {_ENTRY: text, _DIGEST: _digest(text.encode())})


def read_header(content: bytes, file: str = "") -> tuple[dict[str, Any], list[LedgerRow]]:
    """Return the identity and the ledger rows that a file's header records.

    Raises:
        UnreadableError: for a header that is damaged, or of another schema.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        if _digest(metadata[_ENTRY].encode()) != metadata[_DIGEST]:
            raise UnreadableError("the header does not match its digest")
        entry = json.loads(metadata[_ENTRY])
        if entry["schema"] != SCHEMA:
            raise UnreadableError(f"a sample file of schema {entry['schema']}; this version reads {SCHEMA}")
        identity, place = entry["identity"], (entry["stream"], entry["level"])
        rows = [row_of((*place, *sample, file)) for sample in entry["samples"]]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UnreadableError(f"not a sample file: {error}") from error
    sound = [row for row in rows if row is not None]
    if len(sound) < len(rows) or not isinstance(identity, dict):
        raise UnreadableError("not a sample file: its header holds values of other kinds")
    return identity, sound


def read_head(path: Path) -> tuple[dict[str, Any], list[LedgerRow]]:
    """Return the identity and the ledger rows that the header of a file records, without reading its arrays.

    Raises:
        UnreadableError: for a header that is damaged, or of another schema.
    """
    with path.open("rb") as file:
        start = file.read(8)
        return read_header(start + file.read(min(int.from_bytes(start, "little"), path.stat().st_size)), path.name)


def read_arrays(content: bytes) -> dict[str, Array]:
    """Return the arrays of a file by name.

    Raises:
        UnreadableError: for bytes that are no safetensors file, or lack the arrays of samples.
    """
    try:
        arrays = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"not a sample file: {error}") from error
    if arrays and not set(_ARRAYS) <= set(arrays):
        raise UnreadableError(f"a sample file has the arrays {_ARRAYS}, got {sorted(arrays)}")
    return arrays


def decode(content: bytes) -> Batch:
    """Return the batch that `encode` wrote.

    Raises:
        UnreadableError: for bytes that `encode` did not write.
    """
    return to_batch(read_header(content)[1], read_arrays(content))


def to_batch(rows: Sequence[LedgerRow], arrays: Mapping[str, Array]) -> Batch:
    """Return some samples of one file as a batch."""
    keep = [row.row for row in rows if row.row >= 0]
    empty = np.empty((0, 0, 0))
    return Batch(
        stream=rows[0].stream,
        level=rows[0].level,
        indices=tuple(row.index for row in rows),
        status=tuple(row.status for row in rows),
        inputs=arrays["inputs"][keep] if keep else empty,
        solutions=arrays["solutions"][keep] if keep else empty,
        seconds=tuple(row.seconds for row in rows),
        attempts=tuple(row.attempts for row in rows),
        scalars=scalars_of(arrays, keep) if keep else {},
        notes=tuple(row.note for row in rows),
    )


def scalars_of(arrays: Mapping[str, Array], keep: Sequence[int]) -> dict[str, Array]:
    """Return the further numbers of some rows of a file, by name."""
    return {name.partition("/")[2]: values[keep] for name, values in arrays.items() if name not in _ARRAYS}


def signer(arrays: Mapping[str, Array]) -> Callable[[Key, int], str]:
    """Return the function that gives the SHA-256 of a sample's name and of its row in each array.

    It is empty for a sample without arrays (row −1); a row that the arrays do not have gives "damaged", no hash.
    """
    whole = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays) if arrays[name].size}
    length = min((len(values) for values in whole.values()), default=0)
    parts = [
        (f"{name}{values.shape[1:]}{values.dtype.str}".encode(), values.data.cast("B"), values[0].nbytes)
        for name, values in whole.items()
    ]

    def sign(key: Key, row: int) -> str:
        if row < 0:
            return ""
        if row >= length:
            return "damaged"
        digest = hashlib.sha256(json.dumps(key).encode())
        for title, content, size in parts:
            digest.update(title)
            digest.update(content[row * size : (row + 1) * size])
        return digest.hexdigest()

    return sign


def name_of(batch: Batch, content: bytes) -> str:
    """Return the name of a file, which certifies its content."""
    return f"{batch.stream.replace('/', '.')}-{min(batch.indices):07d}-{_digest(content)[:16]}{SUFFIX}"


def is_ours(name: str) -> bool:
    """Return whether a name is one that `name_of` gives."""
    return re.fullmatch(rf"[^/]+-\d{{7,}}-[0-9a-f]{{16}}{re.escape(SUFFIX)}", name) is not None


def level_folder(level: int) -> str:
    """Return the name of the folder that holds the files of a level."""
    return f"level-{level}"


def is_intact(name: str, content: bytes) -> bool:
    """Return whether a file's bytes are those that its name certifies."""
    return name.removesuffix(SUFFIX).endswith("-" + _digest(content)[:16])


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file, and none for one that cannot be read."""
    try:
        return read_file(path)
    except OSError:
        return b""


def write_parcel(batch: Batch, identity: Mapping[str, Any], folder: Path) -> Path:
    """Write a sample file, on the disk when it returns, where the store will fetch it; return its path.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    content = encode(batch, identity)
    path = folder / name_of(batch, content)
    write_flushed(path, content)
    return path


def write_durably(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole, or not at all: temporary name, fsync, rename, fsync of the folder.

    Raises:
        StoreError: if the disk is full or the folder cannot be written; nothing is left of the file then.
    """
    try:
        make_folder(path.parent)
        write_whole(path, content)
    except OSError as error:
        raise cannot_write(path, error.strerror or str(error)) from error


def move(path: Path, target: Path) -> None:
    """Rename a file, on the disk when it returns.

    Raises:
        OSError: if the folder of the target cannot be written.
    """
    make_folder(target.parent)
    os.replace(path, target)
    flush_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, and see to it that they survive a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush_folder(folder.parent)


def set_aside(path: Path, why: str) -> str:
    """Rename a file to `<name>.<why>`, never over another, and return its new name."""
    target, count = path.with_name(f"{path.name}.{why}"), 1
    while target.exists():
        count += 1
        target = path.with_name(f"{path.name}.{why}-{count}")
    os.replace(path, target)
    flush_folder(path.parent)
    return target.name


def _arrays_of(batch: Batch) -> dict[str, Array]:
    arrays = {"inputs": batch.inputs, "solutions": batch.solutions}
    arrays |= {f"scalars/{name}": values for name, values in batch.scalars.items()}
    return {name: np.ascontiguousarray(values, dtype="<f8") for name, values in arrays.items()}


def _rows(batch: Batch) -> list[int]:
    ok = np.array([status == OK for status in batch.status])
    return np.where(ok, np.cumsum(ok) - 1, -1).tolist()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
