"""One call that is not stored: it waits for a worker as long as that takes, and for a sample no longer than allowed."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from mlft.generation import Lane, Pool, once, open_pool
from mlft.sources import Drawn
from small import problem

SOURCE = Drawn(problem, 0, "train")


class Late(Lane):
    """A worker that comes at the third look, and answers then, or never."""

    def __init__(self, answers: bool) -> None:
        self.answers, self.looks, self.restarts = answers, 0, 0
        self.future: Future[Any] = Future()

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        self.call = lambda: function(*args, **options)
        return self.future

    @property
    def ready(self) -> bool:
        self.looks += 1
        if self.looks == 3 and self.answers:
            self.future.set_result(self.call())
        return self.looks >= 3

    def restart(self, stuck: Sequence[Future[Any]]) -> None:
        self.restarts += 1

    def close(self) -> None: ...


def test_a_worker_that_is_late_takes_nothing_of_a_samples_time() -> None:
    lane = Late(answers=True)
    found = once(SOURCE, Pool([lane]), 1, stream="train", indices=[3, 0], timeout=1e-9)
    assert found is not None and found.indices == (3, 0) and found.status == ("ok", "ok")
    assert found.solutions.shape == (2, 1, 14) and (lane.looks, lane.restarts) == (3, 0)


def test_a_sample_that_takes_too_long_is_given_up_and_its_worker_restarted() -> None:
    lane = Late(answers=False)
    assert once(SOURCE, Pool([lane]), 1, stream="train", indices=[3], timeout=1e-3) is None
    assert lane.restarts == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_it_is_the_sample_that_a_run_stores(workers: int) -> None:
    with open_pool(workers) as pool:
        found = once(SOURCE, pool, 0, stream="train", indices=[2], timeout=60.0)
    known = problem.solve(SOURCE.inputs(0, [2]), problem.hierarchy[0])
    assert found is not None and (found.solutions == known.solutions).all()
