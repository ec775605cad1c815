"""Solving what is missing, in parallel and supervised: every sample ends in the store, solved or failed by name."""

import contextlib
import pickle
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from mlft.errors import MlftError
from mlft.generation.lanes import DaskLane, InlineLane, Lane, Pool, ProcessLane, open_pool
from mlft.generation.records import GenerationReport, Inbox, Place, Progress, Request, Supervision, Task
from mlft.generation.supervise import Quota, Supervisor
from mlft.generation.work import one_line, solve_batch, solve_packed, solve_to_file
from mlft.problems import Problem
from mlft.status import OK
from mlft.store import SampleStore

__all__ = [
    "DaskLane",
    "GenerationReport",
    "InlineLane",
    "Lane",
    "Pool",
    "ProcessLane",
    "Progress",
    "Request",
    "Supervision",
    "generate",
    "open_pool",
    "solve_batch",
]


def generate(
    problem: Problem,
    store: SampleStore,
    *,
    requests: Sequence[Request],
    seed: int,
    pool: Pool | None = None,
    supervision: Supervision | None = None,
) -> GenerationReport:
    """Solve the samples asked for that the store does not have, and return what was done.

    What is stored does not depend on the pool, on the batches, on the order, on a worker's death, or on how often the
    generation was interrupted: sample i of a stream on a level is the same, bit for bit. Dearest levels go first.

    Args:
        problem: what to solve.
        store: where samples go, a file a batch, as soon as they come.
        requests: which samples.
        seed: the root seed of the run.
        pool: where to solve; unless given, one process a core, for this call.
        supervision: time-outs, retries, failures allowed, progress.

    Raises:
        GenerationError: if too many samples failed; what was solved is in the store.
        StoreError: if the store cannot be written.
        ValueError: for a level that the problem has not, or a seed that is not the store's.
    """
    options = supervision or Supervision()
    _check(problem, store, requests, seed)
    quotas = _quotas(store, requests, options.retry_failed)
    done, failed = sum(quota.done for quota in quotas.values()), _failed(quotas.values())
    with contextlib.ExitStack() as stack:
        pool = pool or stack.enter_context(open_pool())
        if options.timeout and any(lane.by_reference for lane in pool.lanes):
            raise ValueError("a time-out cannot be kept in this process: give a pool with at least one worker")
        call = _Call(problem, seed, store)
        supervisor = Supervisor(store, pool, options=options, call=call, quotas=quotas)
        supervisor.run()
    return GenerationReport(
        solved=sum(quota.done for quota in quotas.values()) - done,
        failed=dict(_failed(quotas.values()) - failed),
        already=done + failed.total(),
        seconds=sum(quota.seconds for quota in quotas.values()),
        restarts=supervisor.restarts,
    )


@final
@dataclass(frozen=True)
class _Call:
    """Starts a task in a lane, in the way that the lane takes its arguments and gives its results."""

    problem: Problem
    seed: int
    store: SampleStore

    def __call__(self, lane: Lane, task: Task) -> Future[Any]:
        named = {"stream": task.stream, "seed": self.seed, "indices": task.indices}
        if lane.by_reference:
            return lane.submit(solve_batch, self.problem, task.level, **named)
        if lane.by_file:
            inbox = Inbox(str(self.store.scratch), self.store.identity)
            return lane.submit(solve_to_file, self._packed, inbox, task.level, **named)
        return lane.submit(solve_packed, self._packed, task.level, **named)

    @cached_property
    def _packed(self) -> bytes:
        from loky import wrap_non_picklable_objects

        try:
            return pickle.dumps(wrap_non_picklable_objects(self.problem, keep_wrapper=False))
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise MlftError(
                f"the problem {self.problem.name!r} cannot be sent to a worker ({one_line(error)}): make what it holds "
                "picklable, or solve in this process with 0 workers"
            ) from error


def _check(problem: Problem, store: SampleStore, requests: Sequence[Request], seed: int) -> None:
    levels = len(problem.hierarchy)
    for request in requests:
        if request.level >= levels:
            raise ValueError(f"problem {problem.name!r} has levels 0 to {levels - 1}, got {request}")
    if store.identity.get("seed", seed) != seed:
        raise ValueError(f"the store holds samples of seed {store.identity['seed']}, got seed {seed}")


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
