"""What is asked of a generation, how it is watched, and what it reports: immutable records."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from mlft.store import Batch

Place = tuple[str, int]
"""A stream and a level."""


@final
@dataclass(frozen=True)
class Request:
    """The samples first, …, first + count − 1 of a stream on a level."""

    stream: str
    level: int
    count: int
    first: int = 0

    def __post_init__(self) -> None:
        if min(self.level, self.count, self.first) < 0:
            raise ValueError(f"level, count and first of a request start at 0, got {self}")


@final
@dataclass(frozen=True)
class Progress:
    """How far the samples of one stream on one level are.

    Attributes:
        stream: the stream.
        level: the level.
        done: samples that are ok, those of earlier runs included.
        failed: samples that failed for good, those of earlier runs included.
        total: samples asked for.
        seconds: solver seconds spent on them in this run.
    """

    stream: str
    level: int
    done: int
    failed: int
    total: int
    seconds: float


@final
@dataclass(frozen=True)
class Supervision:
    """How a generation is watched.

    Attributes:
        timeout: seconds that one sample may take before its process is killed, the compilation of a first solve in a
            new process included; unless given, for ever.
        retries: how often a sample is tried again that raised, timed out, or took its worker down.
        max_failure_rate: stop when a larger part of the samples of one stream and level has failed (10 at least).
        retry_failed: try the samples again that failed in an earlier run.
        batch_seconds: work in one batch, in seconds; a file each, and what a crash can lose for each worker.
        progress: called after every batch.

    Raises:
        ValueError: for values out of range.
    """

    timeout: float | None = None
    retries: int = 1
    max_failure_rate: float = 0.2
    retry_failed: bool = False
    batch_seconds: float = 0.1
    progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"a time-out is more than 0 seconds, or None, got {self.timeout}")
        if self.retries < 0 or not 0 <= self.max_failure_rate <= 1 or self.batch_seconds <= 0:
            raise ValueError(f"retries >= 0, 0 <= max_failure_rate <= 1 and batch_seconds > 0 are allowed, got {self}")


@final
@dataclass(frozen=True)
class GenerationReport:
    """What one generation did.

    Attributes:
        solved: samples solved now.
        failed: samples that failed now, by status.
        already: samples asked for that were in the store before, failed ones included.
        seconds: solver seconds of all tries, failed ones included.
        restarts: workers replaced because they died or hung.
    """

    solved: int
    failed: dict[str, int]
    already: int
    seconds: float
    restarts: int


@final
@dataclass(frozen=True)
class Task:
    """Samples to be solved in one call.

    Attributes:
        stream: their stream.
        level: their level.
        indices: their indices.
        tries: times they were tried before; a task of several samples has none.
        spent: solver seconds of those tries.
        alone: whether the task may only run in a lane of its own, since its like took a worker down.
    """

    stream: str
    level: int
    indices: tuple[int, ...]
    tries: int = 0
    spent: float = 0.0
    alone: bool = False

    @property
    def place(self) -> Place:
        """Its stream and level."""
        return self.stream, self.level


@final
class Returned(NamedTuple):
    """What a worker returns: a batch, or the path of the file that it wrote, and the wall time in seconds.

    That of all that it did, the making of the inputs and the writing included: the next batches are cut by it.
    """

    content: Batch | str
    seconds: float


@final
@dataclass(frozen=True)
class Inbox:
    """Where a worker of this machine leaves sample files, with which identity, and in which file what it prints."""

    folder: str
    identity: dict[str, Any]
    said: str
