"""Work in a fork, as a command line does it: how it ended, what it said, how long it took, what room it took."""

import io
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil
import torch

from mlft.cli import main

torch.set_num_threads(1)  # the threads of OpenMP do not survive a fork: work that needs them would wait for ever

SECONDS, ROOM = 10, 2**30
"""After which work is stopped, and the bytes beyond those of this process that it may take."""

TRACEBACK, CODES = "Traceback (most recent call last)", (0, 1, 2)


@final
@dataclass(frozen=True)
class Ended:
    """How work ended.

    Attributes:
        code: the exit code; minus the signal where one ended it.
        out: what it said.
        err: what it said on standard error.
        seconds: it took.
        grown: bytes of memory that it took, beyond those of this process that are no file's.
    """

    code: int
    out: str
    err: str
    seconds: float
    grown: int

    @property
    def fault(self) -> str:
        """What is wrong with the way it ended: nothing, a hang, a traceback, a word too much or too few."""
        if self.code == -signal.SIGALRM:
            return "hang"
        if self.code not in CODES or TRACEBACK in self.err:
            return "traceback"
        if self.grown > ROOM or "not enough memory" in self.err:
            return "memory"
        return "" if self.code == 0 or self.is_sentence else "no sentence"

    @property
    def is_sentence(self) -> bool:
        """Whether a command that failed says why in one line, its last, or how it is used."""
        said = [line for line in self.err.split("\n") if line.startswith("mlft: ")]
        usage = self.code == 2 and " Error " in self.err
        return usage or (len(said) == 1 and self.err.endswith(f"{said[0]}\n"))


def command(*words: str) -> Callable[[], None]:
    """Return the command line of some words, as work."""

    def work() -> None:
        sys.argv = ["mlft", *words]
        main()

    return work


def call(work: Callable[[], object], *, seconds: int = SECONDS, folder: Path | None = None) -> Ended:
    """Return how work ended in a fork of this process, which sees its imports and nothing else of it.

    Args:
        work: what is done; its exit code is 0 unless it exits with another, or raises.
        seconds: after which it is stopped.
        folder: where it stands.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before, started = psutil.Process().memory_info(), time.perf_counter()
        pid = os.fork()
        if pid == 0:
            os._exit(_alone(work, (out.fileno(), err.fileno()), seconds, before.vms, folder))
        _, status, usage = os.wait4(pid, 0)
        taken = time.perf_counter() - started
        grown = usage.ru_maxrss * 1024 - (before.rss - before.shared)
        return Ended(os.waitstatus_to_exitcode(status), _said(out), _said(err), taken, grown)


def _alone(work: Callable[[], object], files: Sequence[int], seconds: int, room: int, folder: Path | None) -> int:
    """Do work with an alarm and a limit of memory, and say what it says into files; return its exit code."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    resource.setrlimit(resource.RLIMIT_AS, (room + 2 * ROOM, room + 2 * ROOM))
    for descriptor, file in enumerate(files, 1):
        os.dup2(file, descriptor)
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w", closefd=False), errors="replace") for n in (1, 2))
    code = 0
    try:
        if folder is not None:
            os.chdir(folder)
        work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 70
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return code


def _said(file: io.BufferedRandom) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
