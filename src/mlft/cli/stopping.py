"""Ctrl-C, and the SIGTERM of a batch system: one sentence, and an end in order."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import final

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_IMPORTING = "<frozen importlib"
_AGAIN = 0.01  # seconds after which a signal that a destructor swallowed comes again, until it is heard


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
    heard = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        within = list(_codes(frame))
        if any(code.co_filename.startswith(_IMPORTING) for code in within):
            os.write(2, f"\n{sentence}\n".encode())
            os._exit(1)
        came.append(number)
        if swallowed.__code__ in within:  # what it raised would be lost there: it comes again
            return
        heard.set()
        raise Stopped

    def swallowed(told: "sys.UnraisableHookArgs") -> None:
        if issubclass(told.exc_type, Stopped):
            heard.clear()
            threading.Thread(target=_send, args=(came[-1], heard), daemon=True).start()
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
    finally:
        heard.set()  # nothing is sent to what comes after the block


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


def _send(number: int, heard: threading.Event) -> None:
    """Send this process a signal until it is heard."""
    while not heard.wait(_AGAIN):
        os.kill(os.getpid(), number)


def _codes(frame: FrameType | None) -> Iterator[CodeType]:
    """Yield the code of a frame and of those that called it."""
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back
