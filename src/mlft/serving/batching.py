"""Requests that come at the same time, answered together: a queue, and a thread that takes from it."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mlft.serving.refusals import Refused

Array = np.ndarray
Function = Callable[..., Any]
"""Of arrays (n, ...), each row by itself, to a sequence or an array with a result a row."""

MOST_WAITING = 4096
"""Jobs in the queue from which others are refused."""


@final
@dataclass(frozen=True)
class _Job:
    """Rows that wait for a function.

    Attributes:
        function: to be called, perhaps together with rows of other jobs.
        arrays: its arguments, with the same number of rows.
        future: of the loop, for the results of these rows.
        came: when, in seconds of the monotonic clock.
    """

    function: Function
    arrays: tuple[Array, ...]
    future: "asyncio.Future[Any]"
    came: float

    @property
    def rows(self) -> int:
        return len(self.arrays[0])


@final
class Batcher:
    """Calls functions in a thread of its own, once for all jobs of one function that wait.

    A job waits at most `wait` seconds for others to come; what came while the thread was busy waits no longer. One
    that nobody waits for any more is not begun.

    Args:
        rows: of one call at most; a job that has more goes alone.
        wait: seconds.
    """

    def __init__(self, *, rows: int, wait: float) -> None:
        self.calls = 0
        self._rows, self._wait = rows, wait
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="mlft-serve", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the call that it is in."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    async def call(self, function: Function, *arrays: Array) -> Any:
        """Return a function's results for rows.

        Raises:
            Refused: where too many wait.
            Exception: what the function raised.
        """
        job = _Job(function, arrays, asyncio.get_running_loop().create_future(), time.monotonic())
        with self._changed:
            if len(self._jobs) >= MOST_WAITING:
                raise Refused(f"{MOST_WAITING} requests wait already: ask again later", kind="Busy", status=503)
            self._jobs.append(job)
            if len(self._jobs) == 1:
                self._changed.notify()
        return await job.future

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._jobs)
                if self._ended:
                    return
                left = self._jobs[0].came + self._wait - time.monotonic()
            if left > 0 and self._rows > 1:
                time.sleep(left)
            self._answer(self._take())

    def _take(self) -> list[_Job]:
        """Take the first job and what can go with it out of the queue."""
        with self._changed:
            taken: list[_Job] = []
            first, rest, rows = self._jobs[0], deque[_Job](), 0
            for job in self._jobs:
                fits = not taken or (job.function == first.function and rows + job.rows <= self._rows)
                (taken if fits else rest).append(job)
                rows += job.rows if fits else 0
            self._jobs = rest
        return [job for job in taken if not job.future.cancelled()]

    def _answer(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        self.calls += 1
        try:
            columns = zip(*(job.arrays for job in jobs), strict=True)
            found = jobs[0].function(*(np.concatenate(column) for column in columns))
            ends = np.cumsum([job.rows for job in jobs]).tolist()
            told = [found[end - job.rows : end] for end, job in zip(ends, jobs, strict=True)]
            jobs[0].future.get_loop().call_soon_threadsafe(_give, jobs, told)
        except Exception as error:  # belongs to those who wait, whatever it is; the thread goes on
            jobs[0].future.get_loop().call_soon_threadsafe(_fail, jobs, error)


def _give(jobs: list[_Job], results: list[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        if not job.future.done():
            job.future.set_result(result)


def _fail(jobs: list[_Job], error: Exception) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)
