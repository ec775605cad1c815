"""One command, started, waited for and ended with all that it started, whatever becomes of the process that asked."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import final

from mlft.errors import UnreachableError, plain

OUT, ERR = "stdout.txt", "stderr.txt"
"""The files in the folder of a command that have what it wrote."""

_GUARD = """
import os, sys
groups = set()
for line in sys.stdin:
    groups ^= {int(line)}
for group in groups:
    os.killpg(group, 9)
"""
"""Ends the groups whose numbers it read once, and not twice, when the process that wrote them is gone."""


@final
@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, negative for the signal that killed it, and whether its time was up."""

    code: int
    overdue: bool


def run(command: Sequence[str], folder: Path, timeout: float | None) -> Ended:
    """Run a command in a folder, without a shell; what it writes goes to the files `OUT` and `ERR` there.

    It leads a session of its own, and all of its group is ended with it: after it, when its time is up, and when this
    process is killed.

    Raises:
        UnreachableError: if there is no such program, or it cannot be started.
    """
    guard = _guard(os.getpid())  # first: to start one takes long enough to be killed meanwhile
    with (folder / OUT).open("wb") as out, (folder / ERR).open("wb") as err:
        try:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
        except OSError as error:
            raise UnreachableError(
                f"the command {plain(command[0])!r} cannot be started ({error.strerror or error}): give a program on "
                "the PATH, or the path of one, that can be run on this machine; what is solved is kept"
            ) from None
    late = threading.Event()

    def stop() -> None:
        late.set()
        _end(process.pid)

    clock = threading.Timer(timeout, stop) if timeout else None
    try:
        _tell(guard, process.pid)
        if clock:
            clock.start()
        return Ended(process.wait(), late.is_set())
    finally:
        if clock:
            clock.cancel()
        _end(process.pid)
        process.wait()
        _tell(guard, process.pid)


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # none is left, as Linux and macOS say it
        os.killpg(group, signal.SIGKILL)


def _tell(guard: subprocess.Popen[bytes], group: int) -> None:
    assert guard.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # somebody killed the guard
        guard.stdin.write(b"%d\n" % group)
        guard.stdin.flush()


@lru_cache(maxsize=1)
def _guard(pid: int) -> subprocess.Popen[bytes]:
    """Return the guard of this process, which ends with it."""
    words = [sys.executable, "-S", "-E", "-c", _GUARD]
    return subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
