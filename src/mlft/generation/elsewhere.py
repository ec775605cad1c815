"""Lanes beyond processes of ours: an executor of the user's own, and the workers of a Dask cluster."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any, final
from uuid import uuid4

from loky import cpu_count

from mlft.errors import ConfigError, GenerationError, MlftError
from mlft.generation.lanes import Lane
from mlft.generation.work import one_line

Own = Executor | Callable[[], Executor]
"""An executor of the user's own, or a function that returns one."""

_GRACE = 60.0


@final
class ExecutorLane(Lane):
    """An executor of the user's own: calls and results go by message, through whatever it sends them with.

    A worker that dies takes its batch with it, which is tried again. An executor that breaks with it, as
    `ProcessPoolExecutor` does, takes no more calls: one that a function of the user's returned is made anew and shut
    down at the end; one that was given is neither, and the generation stops.

    Args:
        executor: the executor, or a function that returns one.
        width: calls that it runs at a time; unless given, what it says itself, or one a core of this machine.

    Raises:
        ConfigError: if the function returns something else.
    """

    stops = False

    def __init__(self, executor: Own, width: int | None = None) -> None:
        self._make = None if isinstance(executor, Executor) else executor
        self._executor = _made(executor)
        self._width = width or _workers_of(self._executor)
        self._begun = False
        self.by_reference = isinstance(self._executor, ThreadPoolExecutor)

    @property
    def width(self) -> int:
        """Calls that the executor runs at a time."""
        return self._width

    @property
    def depth(self) -> int:
        """Two calls for each worker."""
        return 2 * self._width

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        """Send a call to the executor, to another one where that broke and there is a function that makes it.

        Raises:
            GenerationError: if the executor takes no calls, or its workers cannot begin.
        """
        try:
            return self._ready_to_work().submit(function, *args, **options)
        except BrokenExecutor as error:
            if self._make is None:
                raise self._refusal(error) from error
            self._executor.shutdown(wait=False)
            self._executor, self._begun = _made(self._make), False
            return self._ready_to_work().submit(function, *args, **options)
        except RuntimeError as error:  # it was shut down
            raise self._refusal(error) from error

    def _ready_to_work(self) -> Executor:
        """Return the executor, after one of its workers has imported what it needs."""
        if not self._begun:
            greeting = self._executor.submit(greet)
            try:
                greeting.result()
            except Exception as error:  # whatever keeps a worker from its work is told in a sentence
                told = f"a worker of the executor {_name(self._executor)} cannot work: {one_line(error)}"
                raise GenerationError(told, failed=0, attempted=0) from error
            self._begun = True
        return self._executor

    def _refusal(self, error: BaseException) -> GenerationError:
        return GenerationError(
            f"the executor {_name(self._executor)} takes no more calls ({one_line(error)}). What was solved is stored: "
            "ask again with another executor, or with a function that returns one, which is called again after a "
            "worker's death, so that a sample that kills its worker is found",
            failed=0,
            attempted=0,
        )

    def restart(self, stuck: Sequence[Future[Any]]) -> None:
        """Cancel the stuck calls that do not run yet; those that run are the executor's."""
        for future in stuck:
            future.cancel()

    def close(self) -> None:
        """Shut down an executor that a function made; leave one that was given."""
        if self._make is not None:
            self._executor.shutdown(wait=False)


@final
class DaskLane(Lane):
    """The workers of a running Dask cluster; Dask itself tries a call three times before it says that it kills.

    Args:
        cluster: the address of its scheduler, or a client's executor, which is left running.
        patience: seconds to wait for the scheduler's answer.

    Raises:
        MlftError: if Dask is not installed or the scheduler does not answer.
    """

    def __init__(self, cluster: Any, patience: float = 5.0) -> None:
        self._own = isinstance(cluster, str)
        self._executor = _client_of(cluster, patience).get_executor() if self._own else cluster
        self._client = self._executor._client
        self._keys: dict[Future[Any], str] = {}
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
            greeting = self._client.submit(greet, workers=[address], pure=False, priority=1)
            self._greetings[address] = (greeting, now)
        seen = [self._greetings[address] for address in self._threads]
        return all(greeting.done() or now > since + _GRACE for greeting, since in seen)

    @property
    def begun(self) -> bool:
        """Always: Dask says of a call that it kills when it ran, whatever others of its workers do."""
        return True

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
        if self._own:
            self._executor.shutdown(wait=False)
            self._client.close()


def is_dask(executor: object) -> bool:
    """Return whether an executor is a Dask client's, which tells of its workers more than others do."""
    return type(executor).__module__.partition(".")[0] == "distributed" and isinstance(executor, Executor)


def greet() -> None:
    """Do nothing, in a worker that must import this module to do it."""


def _client_of(address: str, patience: float) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise MlftError("a Dask scheduler needs the extra 'cluster': pip install 'mlft[cluster]'") from error
    try:
        return Client(address, timeout=patience)
    except (OSError, ValueError) as error:
        raise MlftError(
            f"no Dask scheduler answers at {address!r} ({type(error).__name__}); start one, or give its address as "
            "dask prints it, such as tcp://host:8786"
        ) from error


def _made(executor: Own) -> Executor:
    made = executor if isinstance(executor, Executor) else executor()
    if not isinstance(made, Executor):
        raise ConfigError(
            f"the function given as executor is to return a concurrent.futures.Executor, got {type(made).__name__}"
        )
    return made


def _workers_of(executor: Executor) -> int:
    """Return the workers that an executor says it has: loky and the standard library, and executorlib."""
    told = [getattr(executor, name, None) for name in ("_max_workers", "max_workers")]
    return next((n for n in told if isinstance(n, int) and n > 0), max(1, int(cpu_count(only_physical_cores=True))))


def _name(executor: Executor) -> str:
    return type(executor).__name__.removeprefix("_")
