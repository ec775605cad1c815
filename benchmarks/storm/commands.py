"""Lives of the command line: each in a forked child, which has imported everything, so that a storm hits work."""

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil
import torch

from benchmarks.storm.waves import LOG
from mlft.cli import main
from mlft.experiment.asking import ask
from mlft.reports import drawing  # and all that a command imports, once for all lives

PATIENCE = 120.0
"""Seconds after which a life counts as hanging."""


@final
@dataclass(frozen=True)
class Ended:
    """How a life ended: its exit code, or minus the signal that killed it, and what it wrote."""

    code: int
    told: str

    @property
    def unnamed(self) -> list[str]:
        """What is wrong with the end of a command: none of a result, a kill, and one sentence with code 1 or 2."""
        last = [line for line in self.told.splitlines() if line.startswith("mlft: ")]
        if "Traceback" in self.told or "Exception ignored" in self.told:
            return [self.told.strip()[-600:]]
        if self.code in (0, -signal.SIGKILL) or (self.code in (1, 2) and len(last) == 1):
            return []
        return [f"exit code {self.code}, {len(last)} sentences: {self.told.strip()[-600:]}"]


def warm_up() -> None:
    """Do once what the first life would do: import, build a network, and an optimizer, which imports half of PyTorch.

    No figure is drawn, here and in all children: that takes four fifths of a life this short.
    """
    torch.set_num_threads(1)
    ask("poisson", budget="100solves")
    torch.optim.AdamW([torch.zeros(1)])
    drawing.at_both_widths = lambda draw: drawing.Drawing("<svg></svg>", "<svg></svg>")
    gc.collect()
    gc.freeze()  # no child looks through what all of them share


def begin(words: Sequence[str], told: Path, *, before: Callable[[], object] = lambda: None) -> int:
    """Start a command in a child that leads a group of its own; return its process id.

    Args:
        words: of the command line, without "mlft".
        told: the file that takes what it writes.
        before: what the child does first.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = _live(words, told, before)
        finally:
            os._exit(code)
    return pid


def end(pid: int, told: Path) -> Ended:
    """Wait for the end of a life; one that hangs is killed."""
    until = time.monotonic() + PATIENCE
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found == pid:
            return Ended(os.waitstatus_to_exitcode(status), told.read_text(errors="replace") if told.exists() else "")
        if time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return Ended(-signal.SIGALRM, f"hung for {PATIENCE:g} s")
        time.sleep(0.002)


def live(words: Sequence[str], told: Path, *, before: Callable[[], object] = lambda: None) -> Ended:
    """Live a whole life."""
    return end(begin(words, told, before=before), told)


def left_running(log: Path, patience: float = 8.0) -> list[str]:
    """Return the processes that have a log in their environment after some seconds; they are killed."""
    until = time.monotonic() + patience
    while (found := list(_marked(log))) and time.monotonic() < until:
        time.sleep(0.1)
    for process in found:
        process.kill()
    return [str(process) for process in found]


def _live(words: Sequence[str], told: Path, before: Callable[[], object]) -> int:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell takes it from what it runs in the background
    target = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(target, 1)
    os.dup2(target, 2)
    code: object = 0
    try:
        before()
        sys.argv = ["mlft", *words]
        main()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else 0 if code is None else 1


def _marked(log: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(LOG) == str(log) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
