"""What a solver prints, heard while it runs: the last lines go with the samples that fail."""

import contextlib
import ctypes
import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

Said = Callable[[], str]
"""Returns the last of what was printed until now."""

Hearing = Callable[[], AbstractContextManager[Said]]

MOST = 4000
"""Signs, or bytes, that are kept."""

_BY_LINES = 1
"""C's _IOLBF."""


@contextlib.contextmanager
def overheard() -> Iterator[Said]:
    """Hear what Python code prints in a block in this thread, where that is the main one; it is printed as before."""
    if not _alone():
        yield _nothing
        return
    heard: deque[str] = deque(maxlen=200)
    with contextlib.ExitStack() as stack:
        for redirected, stream in (
            (contextlib.redirect_stdout, sys.stdout),
            (contextlib.redirect_stderr, sys.stderr),
        ):
            if stream is not None:  # None where it was closed
                stack.enter_context(redirected(_Tee(stream, heard)))
        yield lambda: "".join(heard)[-MOST:]


@contextlib.contextmanager
def taken(file: Path) -> Iterator[Said]:
    """Take what is printed in a block to this process's standard output and error, also by libraries and children.

    For a process of its own: nothing of it reaches the terminal of the run. Where there is nothing to print to, or
    another thread might, nothing is taken.

    Args:
        file: where it goes; the end of the block removes it, and leaves it where the process is killed: `last_words`.
    """
    if not _alone():
        yield _nothing
        return
    with contextlib.ExitStack() as stack:
        stack.callback(file.unlink, missing_ok=True)
        try:
            printed = stack.enter_context(file.open("w+b"))
            streams = [(number, os.dup(number)) for number in (1, 2)]
        except OSError:
            yield _nothing
            return

        def said() -> str:
            _flush()
            return _end_of(printed.fileno())

        _flush()
        for number, _ in streams:
            os.dup2(printed.fileno(), number)
        try:
            yield said
        finally:
            _flush()
            for number, kept in streams:
                os.dup2(kept, number)
                os.close(kept)


def last_words(file: Path) -> str:
    """Return the last of what a process had printed in a `taken` block that did not end, and remove the file."""
    try:
        with file.open("rb") as printed:
            return _end_of(printed.fileno())
    except FileNotFoundError:  # it was not in such a block
        return ""
    finally:
        file.unlink(missing_ok=True)


def print_by_lines() -> None:
    """Let Python and C write out every line as it is printed: what a process that is killed has buffered is lost."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    library = ctypes.CDLL(None)
    for name in ("stdout", "__stdoutp"):  # of Linux, and of macOS
        with contextlib.suppress(ValueError):
            library.setvbuf(ctypes.c_void_p.in_dll(library, name), None, _BY_LINES, ctypes.c_size_t(0))


class _Tee:
    """A stream that remembers what one thread writes to it."""

    def __init__(self, stream: Any, heard: deque[str]) -> None:
        self._stream, self._heard, self._thread = stream, heard, threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            self._heard.append(text)
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _end_of(file: int) -> str:
    size = os.fstat(file).st_size
    return os.pread(file, MOST, max(0, size - MOST)).decode(errors="replace")


def _nothing() -> str:
    return ""


def _alone() -> bool:
    return threading.current_thread() is threading.main_thread()


def _flush() -> None:
    """Write out what Python and C have buffered."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    ctypes.CDLL(None).fflush(None)
