import asyncio
import threading

import numpy as np
import pytest

from mlft.serving import batching
from mlft.serving.batching import Batcher
from mlft.serving.refusals import Refused


class Recorded:
    """Functions that keep what they were called with; the first call waits until it is let go."""

    def __init__(self):
        self.calls, self.free, self.begun = [], threading.Event(), threading.Event()

    def doubled(self, rows):
        self.calls.append(("doubled", len(rows)))
        self.begun.set()
        assert self.free.wait(20)
        return 2 * rows

    def added(self, rows, others):
        self.calls.append(("added", len(rows)))
        return [float(one.sum() + other.sum()) for one, other in zip(rows, others, strict=True)]

    def failing(self, rows):
        raise RuntimeError("no answer")


@pytest.fixture
def recorded():
    return Recorded()


def answered(recorded, batcher, *asked):
    """Results or errors of calls that come while the thread is busy with a first one."""

    async def main():
        first = asyncio.ensure_future(batcher.call(recorded.doubled, np.zeros((1, 2))))
        await asyncio.to_thread(recorded.begun.wait, 20)
        tasks = [asyncio.ensure_future(batcher.call(function, *arrays)) for function, *arrays in asked]
        await asyncio.sleep(0)
        recorded.free.set()
        await first
        return await asyncio.gather(*tasks, return_exceptions=True)

    batcher.start()
    try:
        return asyncio.run(main())
    finally:
        recorded.free.set()
        batcher.stop()


def rows(n, start):
    return np.arange(start, start + 2 * n, dtype=float).reshape(n, 2)


def test_what_waits_for_one_function_is_answered_by_one_call_and_each_gets_its_own_rows(recorded):
    asked = [(recorded.doubled, rows(n, 10 * n)) for n in (1, 3, 2)]
    asked.insert(1, (recorded.added, rows(2, 0), rows(2, 100)))
    found = answered(recorded, Batcher(rows=64, wait=0.0), *asked)
    assert recorded.calls == [("doubled", 1), ("doubled", 6), ("added", 2)]
    assert found[1] == [1 + 201, 5 + 205]
    for n, one in zip((1, 3, 2), [found[0], *found[2:]], strict=True):
        assert np.array_equal(one, 2 * rows(n, 10 * n))


def test_a_call_has_so_many_rows_at_most_and_a_job_of_more_goes_alone(recorded):
    found = answered(recorded, Batcher(rows=4, wait=0.0), *((recorded.doubled, rows(n, n)) for n in (3, 2, 1, 9)))
    assert recorded.calls == [("doubled", 1), ("doubled", 4), ("doubled", 2), ("doubled", 9)]
    assert [len(one) for one in found] == [3, 2, 1, 9] and np.array_equal(found[1], 2 * rows(2, 2))


def test_a_first_job_waits_for_others_so_long(recorded):
    recorded.free.set()

    async def main(batcher):
        jobs = [batcher.call(recorded.doubled, rows(1, i)) for i in range(5)]
        await asyncio.gather(*jobs)

    for wait, least in ((0.5, 5), (0.0, 1)):
        recorded.calls.clear()
        batcher = Batcher(rows=64, wait=wait)
        batcher.start()
        asyncio.run(main(batcher))
        batcher.stop()
        assert max(n for _, n in recorded.calls) >= least and sum(n for _, n in recorded.calls) == 5


def test_an_error_reaches_those_that_it_is_of_and_the_thread_goes_on(recorded):
    asked = [(recorded.failing, rows(1, 0)), (recorded.failing, rows(1, 0)), (recorded.added, rows(1, 0), rows(1, 0))]
    first, second, third = answered(recorded, Batcher(rows=64, wait=0.0), *asked)
    assert str(first) == str(second) == "no answer" and third == [2.0]


def test_what_nobody_waits_for_any_more_is_not_begun(recorded):
    batcher = Batcher(rows=64, wait=0.0)

    async def main():
        first = asyncio.ensure_future(batcher.call(recorded.doubled, rows(1, 0)))
        await asyncio.to_thread(recorded.begun.wait, 20)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batcher.call(recorded.added, rows(1, 0), rows(1, 0)), 0.01)
        recorded.free.set()
        await first
        await batcher.call(recorded.doubled, rows(2, 0))

    batcher.start()
    asyncio.run(main())
    batcher.stop()
    assert recorded.calls == [("doubled", 1), ("doubled", 2)]


def test_too_many_that_wait_are_refused(recorded, monkeypatch):
    monkeypatch.setattr(batching, "MOST_WAITING", 2)
    asked = [(recorded.doubled, rows(1, i)) for i in range(4)]
    found = answered(recorded, Batcher(rows=64, wait=0.0), *asked)
    assert [isinstance(one, Refused) for one in found] == [False, False, True, True]
    assert (found[2].kind, found[2].status) == ("Busy", 503)
