"""Solving what is missing, in parallel and supervised: every sample ends in the store, solved or failed by name."""

import contextlib
import json
import pickle
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, final

from mlft.errors import MlftError
from mlft.generation.elsewhere import DaskLane, ExecutorLane, Own, is_dask
from mlft.generation.lanes import InlineLane, Lane, ProcessLane
from mlft.generation.pool import Pool, open_pool
from mlft.generation.records import GenerationReport, Inbox, Place, Progress, Request, Supervision, Task
from mlft.generation.supervise import Quota, Supervisor, said_by
from mlft.generation.work import one_line, solve_batch, solve_here, solve_packed, solve_to_file
from mlft.sources import Source
from mlft.status import OK
from mlft.store import Batch, SampleStore
from mlft.store.ledger import canonical

__all__ = [
    "DaskLane",
    "ExecutorLane",
    "GenerationReport",
    "InlineLane",
    "Lane",
    "Own",
    "Pool",
    "ProcessLane",
    "Progress",
    "Request",
    "Supervision",
    "generate",
    "is_dask",
    "once",
    "open_pool",
    "solve_batch",
]

_TICK = 0.01
"""Seconds between two looks whether a worker is there."""


def generate(
    sources: Mapping[str, Source],
    store: SampleStore,
    *,
    requests: Sequence[Request],
    pool: Pool | None = None,
    supervision: Supervision | None = None,
) -> GenerationReport:
    """Solve the samples asked for that the store does not have, and return what was done.

    What is stored does not depend on the pool, on the batches, on the order, on a worker's death, or on how often the
    generation was interrupted: sample i of a stream on a level is the same, bit for bit, as long as a sample of the
    source does not depend on its batch (`mlft.check` tells of a problem of your own). Dearest levels go first.

    Args:
        sources: the source of each stream that is asked for.
        store: where samples go, a file a batch, as soon as they come.
        requests: which samples.
        pool: where to solve; unless given, one process a core, for this call.
        supervision: time-outs, retries, failures allowed, progress.

    Raises:
        GenerationError: if too many samples failed; what was solved is in the store.
        StoreError: if the store cannot be written.
        ValueError: for a level that a source has not, or a source that is not the store's.
    """
    options = supervision or Supervision()
    _check(sources, store, requests)
    quotas = _quotas(store, requests, options.retry_failed)
    done, failed = sum(quota.done for quota in quotas.values()), _failed(quotas.values())
    with contextlib.ExitStack() as stack:
        pool = pool or stack.enter_context(open_pool())
        if options.timeout and not all(lane.stops for lane in pool.lanes):
            raise ValueError(
                "a time-out cannot be kept in this process, nor in an executor of your own, where nothing stops a "
                "call: give a pool with at least one worker, or of a scheduler"
            )
        call = _Call(sources, store)
        supervisor = Supervisor(store, pool, options=options, call=call, quotas=quotas)
        supervisor.run()
    return GenerationReport(
        solved=sum(quota.done for quota in quotas.values()) - done,
        failed=dict(_failed(quotas.values()) - failed),
        already=done + failed.total(),
        seconds=sum(quota.seconds for quota in quotas.values()),
        restarts=supervisor.restarts,
    )


def once(
    source: Source, pool: Pool, level: int, *, stream: str, indices: Sequence[int], timeout: float | None = None
) -> Batch | None:
    """Return some samples, solved in one call of a pool and not stored; None where that does not come back.

    Args:
        source: of the samples.
        pool: where to solve.
        level: the level.
        stream: the name that the samples go by.
        indices: which samples, in this order.
        timeout: seconds that a sample may take, once its worker is there.
    """
    (lane, *_), named = pool.lanes, {"stream": stream, "indices": indices}
    try:
        if lane.by_reference:
            future = lane.submit(solve_here, source, level, **named)
        else:
            future = lane.submit(solve_packed, _pickled(source), level, **named)
    except MlftError:
        return None  # what keeps samples from a worker is told when they are bought
    while not (lane.ready or future.done()):
        time.sleep(_TICK)
    try:
        solved = future.result(timeout and timeout * len(indices)).content
    except Exception:  # a death, or a time-out: such samples are named when they are bought
        lane.restart([future])
        return None
    return solved if isinstance(solved, Batch) else None


@final
@dataclass(frozen=True)
class _Call:
    """Starts a task in a lane, in the way that the lane takes its arguments and gives its results."""

    sources: Mapping[str, Source]
    store: SampleStore
    packed: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, lane: Lane, task: Task) -> Future[Any]:
        named = {"stream": task.stream, "indices": task.indices}
        if lane.by_reference:
            return lane.submit(solve_here, self.sources[task.stream], task.level, **named)
        if lane.by_file:
            inbox = Inbox(str(self.store.scratch), self.store.identity, str(said_by(lane, self.store)))
            return lane.submit(solve_to_file, self._packed(task.stream), inbox, task.level, **named)
        return lane.submit(solve_packed, self._packed(task.stream), task.level, **named)

    def _packed(self, stream: str) -> bytes:
        if stream not in self.packed:
            self.packed[stream] = _pickled(self.sources[stream])
        return self.packed[stream]


def _pickled(source: Source) -> bytes:
    from loky import wrap_non_picklable_objects

    try:
        return pickle.dumps(wrap_non_picklable_objects(source, keep_wrapper=False))
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise MlftError(
            f"the problem {source.identity.get('problem')!r} cannot be sent to a worker ({one_line(error)}): make what "
            "it holds picklable, or solve in this process with 0 workers"
        ) from error


def _check(sources: Mapping[str, Source], store: SampleStore, requests: Sequence[Request]) -> None:
    for request in requests:
        source = sources[request.stream]
        levels = len(source.hierarchy)
        if request.level >= levels:
            raise ValueError(f"stream {request.stream!r} has levels 0 to {levels - 1}, got {request}")
        for name, value in json.loads(canonical(source.identity)).items():
            if store.identity.get(name, value) != value:
                raise ValueError(f"the store holds samples of {name} {store.identity[name]}, got {name} {value}")


def _quotas(store: SampleStore, requests: Sequence[Request], retry_failed: bool) -> dict[Place, Quota]:
    wanted: dict[Place, dict[int, None]] = {}
    for request in sorted(requests, key=lambda request: -request.level):
        indices = wanted.setdefault((request.stream, request.level), {})
        indices |= dict.fromkeys(range(request.first, request.first + request.count))
    return {place: _quota(store, place, list(indices), retry_failed) for place, indices in wanted.items()}


def _quota(store: SampleStore, place: Place, indices: list[int], retry_failed: bool) -> Quota:
    todo = deque(store.missing(*place, indices, retry_failed=retry_failed))
    ended = set(indices) - set(todo)
    rows = [row for row in store.ledger(*place) if row.index in ended]
    failed = [row for row in rows if row.status != OK]
    example = f"sample {failed[-1].index}: {failed[-1].note or failed[-1].status}" if failed else ""
    statuses = Counter(row.status for row in failed)
    return Quota(len(indices), todo, len(rows) - len(failed), statuses, example=example)


def _failed(quotas: Iterable[Quota]) -> Counter[str]:
    return sum((quota.failed for quota in quotas), Counter())
