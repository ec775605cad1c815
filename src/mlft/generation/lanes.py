"""Where batches are solved: lanes, each a queue of calls; here those of this process and of processes of ours.

Processes on this machine are one lane each, so that a dead or hanging one takes nothing of the others with it.
"""

import contextlib
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from multiprocessing import resource_tracker
from typing import Any, final

import torch
from threadpoolctl import threadpool_limits

from mlft.generation.hearing import print_by_lines

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")
}
_LOST = ("KilledWorker", "WorkerLost", "ManagerLost", "EngineError", "ExecutorlibSocketError")


def is_death(error: BaseException) -> bool:
    """Return whether the exception of a future says that a worker was lost, not that its call failed.

    `BrokenExecutor` of the standard library and loky says so, and Dask's, Parsl's, ipyparallel's and executorlib's own.
    What a solver raises never comes here: it is the name of a failed sample.
    """
    return isinstance(error, BrokenExecutor) or any(kind.__name__ in _LOST for kind in type(error).__mro__)


class Lane(ABC):
    """A queue of calls that `width` of run at a time.

    Attributes:
        stops: whether `restart` ends a call that runs.
        by_file: whether results are to come through files instead of messages.
        by_reference: whether calls run in this process, so that arguments need no pickling.
    """

    stops: bool = True
    by_file: bool = False
    by_reference: bool = False

    @abstractmethod
    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        """Start a call when its turn comes, and return its future."""

    @abstractmethod
    def restart(self, stuck: Sequence[Future[Any]]) -> None:
        """Kill what runs the stuck calls, where that can be; their futures end, and the lane takes calls again."""

    @abstractmethod
    def close(self) -> None:
        """Give up what the lane holds."""

    @property
    def width(self) -> int:
        """Calls that run at a time."""
        return 1

    @property
    def depth(self) -> int:
        """Calls worth having in flight, so that none of its processes waits for the next."""
        return self.width

    @property
    def ready(self) -> bool:
        """Whether a call submitted now would start as soon as its turn comes."""
        return True

    @property
    def begun(self) -> bool:
        """Whether a death now is that of a worker at work, not of one that cannot begin."""
        return self.ready

    @property
    def worn(self) -> bool:
        """Whether the lane should be restarted as soon as it is empty."""
        return False


@final
class InlineLane(Lane):
    """Calls run in this process, one at a time, while they are submitted; they cannot be killed."""

    stops = False
    by_reference = True

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        """Run a call, and return its future, which is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **options))
        except Exception as error:  # it belongs to whoever asks the future
            future.set_exception(error)
        return future

    def restart(self, stuck: Sequence[Future[Any]]) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@final
class ProcessLane(Lane):
    """One process of this machine, on one thread, which ends with the process that made it, and its children with it.

    Args:
        lifetime: calls after which the process is replaced, against slow leaks of memory.
    """

    by_file = True

    def __init__(self, lifetime: int = 1000) -> None:
        self._lifetime = lifetime
        self._calls = 0
        self._executor: Executor | None = None
        self._started: Future[Any] | None = None

    @property
    def depth(self) -> int:
        """Two calls: one to run and one to wait behind it."""
        return 2

    @property
    def ready(self) -> bool:
        """Whether the process has started and imported what it needs."""
        started = self._started
        return started is not None and started.done() and not started.cancelled() and started.exception() is None

    @property
    def worn(self) -> bool:
        """Whether the process has made as many calls as its lifetime allows."""
        return self._calls >= self._lifetime

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        """Queue a call for the process, which is started if there is none."""
        executor = self._executor or self._start()
        self._calls += 1
        try:
            with _deaf():  # a call starts the process again where that has ended
                return executor.submit(function, *args, **options)
        except BrokenExecutor as error:  # it died idle
            future: Future[Any] = Future()
            future.set_exception(error)
            return future

    def _start(self) -> Executor:
        from loky.process_executor import ProcessPoolExecutor

        self._executor = ProcessPoolExecutor(1, env=_ONE_THREAD, initializer=_begin, initargs=(os.getpid(),))
        with _deaf():
            self._started = self._executor.submit(os.getpid)
        return self._executor

    def restart(self, stuck: Sequence[Future[Any]]) -> None:
        """Kill the process; the next call starts another."""
        self.close()

    def close(self) -> None:
        """Kill the process and its children, also of one that died."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]  # loky's argument
        if self._started is not None and self.ready:
            with contextlib.suppress(
                ProcessLookupError, PermissionError
            ):  # no child is left, as Linux and macOS say it
                os.killpg(self._started.result(), signal.SIGKILL)
        self._executor, self._started, self._calls = None, None, 0


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Put off Ctrl-C while a process starts: it inherits that, and is deaf to it before it can say so itself.

    The helper of `multiprocessing` is started before, since Python 3.11 hears again once that has started.
    """
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int) -> None:
    """Prepare a process: one thread, deaf to Ctrl-C (which is the driver's to handle), and no longer than the driver.

    It leads a group of its own, so that the children of a solver can be ended with it. What it prints is written out
    line by line, so that the last lines of one that is killed are there.

    The libraries that are loaded already are told by `threadpool_limits`; the environment told the others.
    """
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print_by_lines()
    threadpool_limits(1)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)
