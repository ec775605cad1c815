"""Where batches are solved: lanes, each around a `concurrent.futures.Executor`, and a pool of lanes.

Processes on this machine are one lane each, so that a dead or hanging one takes nothing of the others with it.
"""

import contextlib
import math
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, final
from uuid import uuid4

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

from mlft.errors import MlftError

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")
}
_GRACE = 60.0


class Lane(ABC):
    """A queue of calls that `width` of run at a time.

    Attributes:
        deaths: exceptions of a future that mean that a process died, not that the call failed.
        by_file: whether results are to come through files instead of messages.
        by_reference: whether calls run in this process, so that arguments need no pickling.
    """

    deaths: tuple[type[BaseException], ...] = ()
    by_file: bool = False
    by_reference: bool = False

    @abstractmethod
    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        """Start a call when its turn comes, and return its future."""

    @abstractmethod
    def restart(self, stuck: Sequence[Future[Any]]) -> None:
        """Kill what runs the stuck calls and make the lane usable again; their futures end in one way or another."""

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
    def worn(self) -> bool:
        """Whether the lane should be restarted as soon as it is empty."""
        return False


@final
class Pool:
    """Lanes, opened and closed together; they start at the first call.

    Attributes:
        lanes: the lanes.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = tuple(lanes)

    @property
    def width(self) -> int:
        """Calls that run at a time, over all lanes."""
        return sum(lane.width for lane in self.lanes)

    def close(self) -> None:
        """Close every lane; running calls are killed where that is possible."""
        for lane in self.lanes:
            lane.close()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_pool(workers: int | None = None, *, scheduler: str | None = None) -> Pool:
    """Return a pool to generate with.

    Args:
        workers: processes on this machine; 0 solves in this process, which suits jobs of a few seconds, since a
            process takes seconds to start; unless given, one for each physical core that may be used.
        scheduler: address of a running Dask scheduler, such as "tcp://host:8786", to solve on its workers instead.

    Raises:
        ValueError: for a negative number of workers, or workers together with a scheduler.
        MlftError: if Dask is not installed or the scheduler does not answer.
    """
    if workers is not None and (workers < 0 or scheduler):
        raise ValueError(f"give workers >= 0, or the address of a scheduler; got {workers=}, {scheduler=}")
    if scheduler:
        return Pool([DaskLane(scheduler)])
    if workers == 0:
        return Pool([InlineLane()])
    return Pool([ProcessLane() for _ in range(workers or _cores())])


@final
class InlineLane(Lane):
    """Calls run in this process, one at a time, while they are submitted, on one thread; they cannot be killed."""

    by_reference = True

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        """Run a call, and return its future, which is done."""
        future: Future[Any] = Future()
        with _one_thread():
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
        except BrokenProcessPool as error:  # it died idle
            future: Future[Any] = Future()
            future.set_exception(error)
            return future

    def _start(self) -> Executor:
        from loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError

        self.deaths = (TerminatedWorkerError,)
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


@final
class DaskLane(Lane):
    """The workers of a running Dask cluster; Dask itself tries a call three times before it says that it kills.

    Args:
        address: of the scheduler.
        patience: seconds to wait for its answer.

    Raises:
        MlftError: if Dask is not installed or the scheduler does not answer.
    """

    def __init__(self, address: str, patience: float = 5.0) -> None:
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise MlftError("a Dask scheduler needs the extra 'cluster': pip install 'mlft[cluster]'") from error
        try:
            self._client = Client(address, timeout=patience)
        except (OSError, ValueError) as error:
            raise MlftError(
                f"no Dask scheduler answers at {address!r} ({type(error).__name__}); start one, or give its address as "
                "dask prints it, such as tcp://host:8786"
            ) from error
        self._executor = self._client.get_executor()
        self._keys: dict[Future[Any], str] = {}
        self.deaths = (KilledWorker,)
        self._threads: dict[str, int] = {}
        self._counted = -math.inf
        self._greetings: dict[str, tuple[Any, float]] = {}

    @property
    def width(self) -> int:
        """Threads of the workers that are there, counted every second."""
        if time.monotonic() > self._counted + 1:
            self._threads, self._counted = self._client.nthreads(), time.monotonic()
        return max(1, sum(self._threads.values()))

    @property
    def ready(self) -> bool:
        """Whether every worker has imported what it needs, or was given a minute to."""
        if not (self.width and self._threads):
            return False
        now = time.monotonic()
        self._greetings = {address: pair for address, pair in self._greetings.items() if address in self._threads}
        for address in self._threads.keys() - self._greetings.keys():
            greeting = self._client.submit(_greet, workers=[address], pure=False, priority=1)
            self._greetings[address] = (greeting, now)
        seen = [self._greetings[address] for address in self._threads]
        return all(greeting.done() or now > since + _GRACE for greeting, since in seen)

    @property
    def depth(self) -> int:
        """Two calls for each thread."""
        return 2 * self.width

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        """Send a call to the cluster."""
        key = f"mlft-{uuid4().hex}"  # of its own, so that a call made again is not answered from memory
        future: Future[Any] = self._executor.submit(function, *args, key=key, **options)
        self._keys[future] = key
        future.add_done_callback(lambda done: self._keys.pop(done, None))
        return future

    def restart(self, stuck: Sequence[Future[Any]]) -> None:
        """Cancel the stuck calls and restart the workers that run them, which Dask does under a nanny only."""
        keys = {self._keys[future] for future in stuck if future in self._keys}
        running = [worker for worker, tasks in self._client.processing().items() if keys & set(tasks)] if keys else []
        for future in stuck:
            future.cancel()
        if running:  # one that is slow to return is Dask's to await
            self._client.restart_workers(running, raise_for_error=False)
            self._counted = -math.inf

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        self._executor.shutdown(wait=False)
        self._client.close()


def _greet() -> None:
    """Do nothing, in a worker that must import this module to do it."""


def _cores() -> int:
    from loky import cpu_count

    return max(1, int(cpu_count(only_physical_cores=True)))


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

    It leads a group of its own, so that the children of a solver can be ended with it.

    The libraries that are loaded already are told by `threadpool_limits`; the environment told the others.
    """
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    with ThreadpoolController().limit(limits=1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
