"""Ctrl-C, and the SIGTERM of a batch system: one sentence, and an end in order."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import final

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_IMPORTING = "<frozen importlib"
_AGAIN = 0.01  # seconds after which a signal that a destructor swallowed comes again


@final
class Stopped(BaseException):
    """A signal that asks to stop; not a KeyboardInterrupt, which typer ends without a word."""


@contextlib.contextmanager
def stoppable(sentence: str) -> Iterator[None]:
    """Raise `Stopped` in the block where SIGINT or SIGTERM comes, unless it was ignored before.

    Where a destructor swallows it, it comes again; an error that leaves the block afterwards is a stop too, for
    compiled code may have made that of it. While a module is imported nothing may be raised, since compiled modules end
    the process by a crash then: the sentence is written, and the process left. Nothing that is on the disk needs more.
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            os.write(2, f"\n{sentence}\n".encode())
            os._exit(1)
        came.append(number)
        raise Stopped

    def swallowed(told: "sys.UnraisableHookArgs") -> None:
        if issubclass(told.exc_type, Stopped):
            threading.Timer(_AGAIN, os.kill, (os.getpid(), came[-1])).start()
        else:
            hook(told)

    hook = sys.unraisablehook
    try:
        with _heard(stop, swallowed):
            yield
    except Exception as error:
        if came:
            raise Stopped from error
        raise


@contextlib.contextmanager
def _heard(stop: Callable[[int, FrameType | None], None], swallowed: Callable[..., None]) -> Iterator[None]:
    """Call `stop` when a signal comes in the block, and `swallowed` for what a destructor swallows."""
    before, hook = {number: signal.getsignal(number) for number in _SIGNALS}, sys.unraisablehook
    sys.unraisablehook = swallowed
    for number in _SIGNALS:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORTING):
            return True
        frame = frame.f_back
    return False
