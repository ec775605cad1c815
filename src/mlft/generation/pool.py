"""A pool of lanes, and which lanes it has for what is asked."""

from collections.abc import Sequence
from types import TracebackType
from typing import final

from loky import cpu_count

from mlft.generation.elsewhere import DaskLane, ExecutorLane, Own, is_dask
from mlft.generation.lanes import InlineLane, Lane, ProcessLane


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


def open_pool(workers: int | None = None, *, scheduler: str | None = None, executor: Own | None = None) -> Pool:
    """Return a pool to generate with.

    Args:
        workers: processes on this machine; 0 solves in this process, which suits jobs of a few seconds, since a
            process takes seconds to start; unless given, one for each physical core that may be used. With an executor,
            calls that it runs at a time; unless given, as many as it has workers, by its own word.
        scheduler: address of a running Dask scheduler, such as "tcp://host:8786", to solve on its workers instead.
        executor: any `concurrent.futures.Executor` to solve on instead, which is left running; or a function that
            returns one, which is called again when that broke with a worker that died.

    Raises:
        ValueError: for a negative number of workers, or more than one place to solve.
        ConfigError: if a function given as executor returns none.
        MlftError: if Dask is not installed or the scheduler does not answer.
    """
    if (workers is not None and (workers < 0 or scheduler)) or (executor is not None and (scheduler or workers == 0)):
        raise ValueError(
            "give workers >= 0, or the address of a scheduler, or an executor (and workers >= 1 for the calls that it "
            f"runs at a time); got {workers=}, {scheduler=}, {executor=}"
        )
    if executor is not None:
        return Pool([DaskLane(executor) if is_dask(executor) and workers is None else ExecutorLane(executor, workers)])
    if scheduler:
        return Pool([DaskLane(scheduler)])
    if workers == 0:
        return Pool([InlineLane()])
    return Pool([ProcessLane() for _ in range(workers or max(1, int(cpu_count(only_physical_cores=True))))])
