"""One way to write a file whole, its name holding the old content or the new, and one to read a file of others."""

import contextlib
import errno
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlft.errors import StoreError

MOST_TEXT = 2**26
"""Bytes of a file of text, at most: a record, a configuration, a plan."""

_UNFIT = (
    *("ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE", "EIO"),
    *("EROFS", "EACCES", "EPERM", "EISDIR", "ENOTDIR", "EEXIST", "ENAMETOOLONG"),
)
"""What is wrong with a disk or a place on it, not with a program that looks for what is not there."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file: to a temporary name beside it, flushed, renamed, the folder flushed.

    Raises:
        OSError: if the disk is full or the folder cannot be written; nothing is left of the new content then.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write_flushed(temporary, content)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def write_new(path: Path, content: bytes) -> bool:
    """Write a file as `write_whole` does, unless there is one of that name; return whether it was written.

    Of several processes that write at once, one does.

    Raises:
        OSError: if the disk is full or the folder cannot be written; nothing is left of the content then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_flushed(temporary, content)
        _link(temporary, path)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    flush_folder(path.parent)
    return True


def _link(temporary: Path, path: Path) -> None:
    """Give a file its name, unless there is one; where a file system knows no links, by writing it there again."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        with path.open("xb") as file:
            file.write(temporary.read_bytes())
            file.flush()
            os.fsync(file.fileno())


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file in place and flush it to the disk; its name may still be lost, and a crash leaves a part of it.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_file(path: Path, *, most: float = math.inf) -> bytes:
    """Return the bytes of a regular file: a pipe would be waited for, a device has no end.

    Raises:
        OSError: if it cannot be read, is none, or has more bytes than `most`.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if found.st_size > most:
        raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, and {most:.0f} at most are read", str(path))
    return path.read_bytes()


def digest(value: Any) -> str:
    """Return the SHA-256 of a plain value as JSON, the same for equal values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Give a disk that is full, or a folder that cannot be written, a name wherever in the block it shows.

    Raises:
        StoreError: in place of the error of the system.
    """
    try:
        yield
    except OSError as error:
        if errno.errorcode.get(error.errno or 0) not in _UNFIT:
            raise
        raise cannot_write(Path(error.filename or folder), error.strerror or str(error)) from error


def cannot_write(path: Path, reason: str) -> StoreError:
    """Return the error for a store that cannot be written."""
    return StoreError(
        f"cannot write {path}: {reason}. What was acknowledged is still there: free some space, or make the folder "
        "writable, and run the same command again."
    )
