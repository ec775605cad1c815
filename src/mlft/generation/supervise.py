"""The loop of a generation: feed the lanes, store what comes, and find out who took a worker down.

A worker that dies takes the batches in its lane with it. The samples of the batch it was running are suspects: each
runs again with the lane to itself, and one that kills alone is the culprit, the only one whose tries are counted. A
batch that takes longer than one sample may is killed and split likewise.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, final

from mlft.errors import GenerationError, MlftError, last_lines
from mlft.generation.hearing import last_words
from mlft.generation.lanes import Lane, is_death
from mlft.generation.pool import Pool
from mlft.generation.records import Place, Progress, Returned, Supervision, Task
from mlft.generation.work import failure, one_line
from mlft.status import OK, RAISED, TIMEOUT, WORKER_DIED
from mlft.store import Batch, SampleStore
from mlft.store.files import decode, read_head

_MIN_ATTEMPTED = 10
_MAX_SAMPLES = 1024
_MAX_BYTES = 2**25
_TICK = 0.05
_MAX_FALSE_STARTS = 5


@final
@dataclass
class Quota:
    """The samples of one stream and level: how many are asked for, which are to be solved, and how they ended.

    Samples of earlier runs count among `done` and `failed`, not in `seconds`.
    """

    total: int
    todo: deque[int]
    done: int
    failed: Counter[str]
    seconds: float = 0.0
    example: str = ""

    @property
    def attempted(self) -> int:
        """Samples that have ended, one way or another."""
        return self.done + self.failed.total()


@final
class Outcome(NamedTuple):
    """How one sample ended: its number, its status, its solver seconds, and why."""

    number: int
    status: str
    seconds: float
    note: str


@dataclass
class _Flight:
    lane: Lane
    task: Task
    since: float


Call = Callable[[Lane, Task], Future[Any]]


@final
class Supervisor:
    """The state of one generation; `run` ends when every sample has a status in the store.

    Args:
        store: where batches go.
        pool: where they are solved.
        options: how they are watched.
        call: starts a task in a lane.
        quotas: what is asked for; what comes first is solved first.

    Attributes:
        restarts: workers replaced because they died or hung.
    """

    def __init__(
        self, store: SampleStore, pool: Pool, *, options: Supervision, call: Call, quotas: dict[Place, Quota]
    ) -> None:
        self.restarts = 0
        self._store = store
        self._pool = pool
        self._options = options
        self._call = call
        self._quotas = quotas
        self._again: deque[Task] = deque()
        self._suspects: deque[Task] = deque()
        self._flights: dict[Future[Any], _Flight] = {}
        self._pace: dict[int, float] = {}
        self._bytes: dict[int, int] = {}
        self._false_starts = 0

    def run(self) -> None:
        """Solve everything, and store it.

        Raises:
            GenerationError: when too many samples failed, or a worker cannot do its work at all.
            StoreError: when the store cannot be written.
        """
        try:
            for place in self._quotas:
                self._check_rate(place)
            while self._feed():
                done, _ = wait(self._flights, timeout=self._patience(), return_when=FIRST_COMPLETED)
                for future in done:
                    self._receive(future)
                self._stop_overdue()
        except BaseException:
            self._abandon()
            raise

    def _feed(self) -> bool:
        """Submit what the lanes have room for; return whether anything is in flight."""
        for lane in self._pool.lanes:
            while (task := self._next(lane)) is not None:
                if lane.worn:
                    lane.restart([])
                self._flights[self._call(lane, task)] = _Flight(lane, task, time.perf_counter())
        return bool(self._flights)

    def _next(self, lane: Lane) -> Task | None:
        load = [flight.task for flight in self._flights.values() if flight.lane is lane]
        depth = lane.width if self._options.timeout else lane.depth
        if len(load) >= depth or any(task.alone for task in load) or (load and (lane.worn or self._suspects)):
            return None
        if load and lane.width == 1 and not self._is_short():
            return None
        for waiting in (self._suspects, self._again):
            if waiting:
                return waiting.popleft()
        return self._cut()

    def _is_short(self) -> bool:
        """Whether the next task is known to take no longer than a batch, so that it may wait behind another.

        The one worker of a lane may be at a sample that takes a thousand times what the others do: what waits behind it
        is to be little, and nothing that another worker could begin.
        """
        levels = [task.level for task in self._again]
        levels += [level for (_, level), quota in self._quotas.items() if quota.todo]
        return bool(levels) and self._pace.get(levels[0], math.inf) <= self._options.batch_seconds

    def _cut(self) -> Task | None:
        """Return the next batch of samples that were not tried yet."""
        for (stream, level), quota in self._quotas.items():
            if quota.todo:
                size = min(self._size(level), math.ceil(len(quota.todo) / self._pool.width))
                return Task(stream, level, tuple(quota.todo.popleft() for _ in range(size)))
        return None

    def _size(self, level: int) -> int:
        if level not in self._pace:
            return 1
        seconds = min(self._options.batch_seconds, (self._options.timeout or math.inf) / 4)
        by_time = int(seconds / max(self._pace[level], 1e-9))
        return max(1, min(by_time, _MAX_SAMPLES, _MAX_BYTES // max(self._bytes[level], 1)))

    def _patience(self) -> float | None:
        return _TICK if self._options.timeout else None

    def _receive(self, future: Future[Any]) -> None:
        if future not in self._flights:  # recovered together with another
            return
        flight = self._flights[future]
        if future.cancelled() or isinstance(future.exception(), CancelledError):
            del self._flights[future]
            self._again.appendleft(flight.task)
        elif (error := future.exception()) is None:
            del self._flights[future]
            self._accept(flight.task, future.result())
        elif is_death(error):
            self._recover(flight.lane)
        elif isinstance(error, MlftError):
            raise error
        else:
            raise GenerationError(f"a worker cannot work: {one_line(error)}", failed=0, attempted=0) from error

    def _accept(self, task: Task, returned: Returned) -> None:
        """Store what has ended, and queue again what raised and may be retried."""
        self._false_starts = 0
        content, seconds = returned
        if isinstance(content, Batch):
            self._measure(task, seconds, content.inputs.nbytes + content.solutions.nbytes)
            self._sort_out(task, content)
            return
        path = Path(content)
        rows = read_head(path)[1]
        self._measure(task, seconds, path.stat().st_size)
        if task.tries or any(self._is_tried_again(task, row.status) for row in rows):
            self._sort_out(task, decode(path.read_bytes()))
            path.unlink()
        else:
            self._store.adopt(path, rows)
            self._count(task.place, [Outcome(row.index, row.status, row.seconds, row.note) for row in rows])

    def _measure(self, task: Task, seconds: float, size: int) -> None:
        self._pace[task.level] = seconds / len(task.indices)
        self._bytes[task.level] = size // len(task.indices)

    def _is_tried_again(self, task: Task, status: str) -> bool:
        return status.startswith(RAISED) and task.tries < self._options.retries

    def _sort_out(self, task: Task, batch: Batch) -> None:
        ended = []
        for position, (index, status) in enumerate(zip(batch.indices, batch.status, strict=True)):
            if self._is_tried_again(task, status):
                spent = task.spent + batch.seconds[position]
                self._again.append(replace(task, indices=(index,), tries=task.tries + 1, spent=spent))
            else:
                ended.append(position)
        if ended:
            self._keep(task, batch.take(ended))

    def _keep(self, task: Task, batch: Batch) -> None:
        seconds = tuple(seconds + task.spent for seconds in batch.seconds)
        self._store.append(replace(batch, seconds=seconds, attempts=(task.tries + 1,) * len(seconds)))
        columns = (batch.indices, batch.status, seconds, batch.notes)
        self._count(task.place, [Outcome(*column) for column in zip(*columns, strict=True)])

    def _count(self, place: Place, outcomes: list[Outcome]) -> None:
        quota = self._quotas[place]
        for outcome in outcomes:
            quota.seconds += outcome.seconds
            if outcome.status == OK:
                quota.done += 1
            else:
                quota.failed[outcome.status] += 1
                quota.example = f"sample {outcome.number}: {outcome.note or outcome.status}"
        if self._options.progress:
            ended = (quota.done, quota.failed.total(), quota.total)
            self._options.progress(Progress(*place, *ended, seconds=quota.seconds))
        self._check_rate(place)

    def _check_rate(self, place: Place) -> None:
        """Stop when too many failed: of ten or more, or all there are."""
        quota = self._quotas[place]
        failed, attempted, allowed = quota.failed.total(), quota.attempted, self._options.max_failure_rate
        enough = attempted >= _MIN_ATTEMPTED or attempted == failed == quota.total
        if enough and failed > allowed * attempted:
            status, times = quota.failed.most_common(1)[0]
            raise GenerationError(
                f"{failed} of {attempted} samples of stream {place[0]!r} on level {place[1]} failed, more than "
                f"max_failure_rate = {allowed:g} allows; most often {status!r} ({times} times), for example "
                f"{quota.example or status}. What was solved is stored: repair the solver and ask again with "
                "--retry-failed, or allow more",
                failed=failed,
                attempted=attempted,
            )

    def _recover(self, lane: Lane) -> None:
        """A worker of the lane died: what it was running is suspect, what was waiting behind is not."""
        begun, now = lane.begun, time.perf_counter()
        printed = self._restart(lane, [])
        self.restarts += 1
        lost = self._take_broken(lane)
        if not begun:
            self._blame_nobody(lost)
            return
        for flight in lost[: lane.width]:
            task = flight.task
            if task.alone and len(task.indices) == 1:
                note = "its worker died while it was solved alone" + last_lines(printed)
                self._convict(task, WORKER_DIED, now - flight.since, note)
            else:
                self._suspects.extend(_split(replace(task, alone=True)))
        self._again.extendleft(flight.task for flight in reversed(lost[lane.width :]))

    def _blame_nobody(self, lost: list[_Flight]) -> None:
        """Try again what was lost with a worker that ended before it began; but not for ever."""
        self._false_starts += 1
        if self._false_starts >= _MAX_FALSE_STARTS:
            raise GenerationError(
                f"workers end before they begin, {self._false_starts} times in a row: see what they wrote to the "
                "standard error, whether memory is short, and whether they can import what the problem needs",
                failed=0,
                attempted=0,
            )
        self._again.extendleft(flight.task for flight in reversed(lost))

    def _take_broken(self, lane: Lane) -> list[_Flight]:
        """Take the flights of a lane that ended without a result, oldest first."""
        broken = [
            future
            for future, flight in self._flights.items()
            if flight.lane is lane and future.done() and (future.cancelled() or future.exception() is not None)
        ]
        return [self._flights.pop(future) for future in broken]

    def _stop_overdue(self) -> None:
        """Stop what has run for too long; the clock of a task starts when its worker has, and its turn has come."""
        if not self._options.timeout:
            return
        for lane in self._pool.lanes:
            flights = [pair for pair in self._flights.items() if pair[1].lane is lane and not pair[0].done()]
            running = flights[: lane.width] if lane.ready else []
            now = time.perf_counter()
            for _, flight in flights[len(running) :]:
                flight.since = now
            overdue = [future for future, flight in running if now - flight.since > self._options.timeout]
            if overdue:
                self._stop(lane, overdue)

    def _stop(self, lane: Lane, overdue: list[Future[Any]]) -> None:
        flights = [self._flights.pop(future) for future in overdue]
        now = time.perf_counter()
        printed = self._restart(lane, overdue)
        self.restarts += 1
        for flight in flights:
            if len(flight.task.indices) == 1:
                note = f"took longer than {self._options.timeout:g} s" + last_lines(printed)
                self._convict(flight.task, TIMEOUT, now - flight.since, note)
            else:
                self._again.extend(_split(flight.task))
        self._again.extendleft(flight.task for flight in reversed(self._take_broken(lane)))
        for flight in self._flights.values():  # to kill takes time, which is none of theirs
            flight.since = time.perf_counter()

    def _convict(self, task: Task, status: str, seconds: float, note: str) -> None:
        """Count a try of the one sample that took its worker down; it fails by name after the retries."""
        if task.tries < self._options.retries:
            again = replace(task, tries=task.tries + 1, spent=task.spent + seconds)
            (self._suspects if task.alone else self._again).append(again)
        else:
            self._keep(task, failure(*task.place, task.indices, status=status, seconds=seconds, note=note))

    def _abandon(self) -> None:
        """End all calls, by lane: loky logs a traceback where it is to end one that is cancelled already."""
        for lane in self._pool.lanes:
            self._restart(lane, [future for future, flight in self._flights.items() if flight.lane is lane])

    def _restart(self, lane: Lane, stuck: list[Future[Any]]) -> str:
        """Restart a lane; return the last of what its worker had printed, as far as it left that in a file."""
        lane.restart(stuck)
        return last_words(said_by(lane, self._store)) if lane.by_file else ""


def said_by(lane: Lane, store: SampleStore) -> Path:
    """Return the file that the worker of a lane prints to while it solves."""
    return store.scratch / f"said-{id(lane):x}"


def _split(task: Task) -> Iterable[Task]:
    return (replace(task, indices=(index,)) for index in task.indices)
