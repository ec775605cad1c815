"""What a solver prints, heard while it runs: the last lines go with the samples that fail."""

import contextlib
import ctypes
import os
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

Said = Callable[[], str]
"""Returns the last of what was printed until now."""

Hearing = Callable[[], AbstractContextManager[Said]]

MOST = 4000
"""Signs, or bytes, that are kept."""


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
def taken() -> Iterator[Said]:
    """Take what is printed in a block to this process's standard output and error, also by libraries and children.

    For a process of its own: nothing of it reaches the terminal of the run. Where there is nothing to print to, or
    another thread might, nothing is taken.
    """
    try:
        streams = [(number, os.dup(number)) for number in (1, 2)] if _alone() else []
    except OSError:
        streams = []
    if not streams:
        yield _nothing
        return
    with tempfile.TemporaryFile() as file:

        def said() -> str:
            _flush()
            size = os.fstat(file.fileno()).st_size
            return os.pread(file.fileno(), MOST, max(0, size - MOST)).decode(errors="replace")

        _flush()
        for number, _ in streams:
            os.dup2(file.fileno(), number)
        try:
            yield said
        finally:
            _flush()
            for number, kept in streams:
                os.dup2(kept, number)
                os.close(kept)


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
