"""How ways to a prediction are timed; what they are worth in a run is in `test_lifted_runs`."""

from itertools import accumulate

import pytest

from mlft.experiment import worth
from mlft.experiment.timing import in_larger_batches
from mlft.experiment.worth import REPEATS, seconds_each


@pytest.fixture(autouse=True)
def _as_in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worth, "SECONDS", 0.3)


class Calls:
    """A call that takes given seconds on a clock of its own, the last of them for ever."""

    def __init__(self, *takes: float) -> None:
        self.takes, self.now, self.made = list(takes), 5.0, 0

    def __call__(self) -> None:
        self.now += self.takes[min(self.made, len(self.takes) - 1)]
        self.made += 1

    def clock(self) -> float:
        return self.now


def test_seconds_are_the_median_after_a_warm_up_divided_by_the_samples() -> None:
    calls = Calls(9.0, 0.1, 0.06, 0.08, 0.5)
    found, repeats = seconds_each(calls, 4, clock=calls.clock)
    assert list(accumulate([0.1, 0.06, 0.08]))[-1] < worth.SECONDS
    assert (repeats, calls.made) == (4, 5)
    assert found == pytest.approx(0.09 / 4)


def test_no_more_repeats_are_begun_than_are_enough_and_one_at_least() -> None:
    quick, slow = Calls(0.001), Calls(7.0)
    assert seconds_each(quick, 1, clock=quick.clock) == (pytest.approx(0.001), REPEATS)
    assert seconds_each(slow, 2, clock=slow.clock) == (pytest.approx(3.5), 1)


def test_seconds_of_solves_are_of_the_larger_batches_of_either_stream() -> None:
    """Batches of 1, 4 and 1, then of 2 and 1: those of 4 and of 2 count, and not the three that were solved alone."""
    seconds, solves, largest = in_larger_batches([9.0, 1.0, 1.0, 1.0, 1.0, 8.0], [5.0, 5.0, 7.0])
    assert (seconds, solves, largest) == (1.0, 6, 4)
    assert in_larger_batches([1.0] * 5 + [5.0] * 2, [7.0] * 3) == (1.0, 8, 5)  # 3 are half of 5, and 2 are not
    assert in_larger_batches([9.0, 7.0, 8.0], []) == (8.0, 3, 1)
    assert in_larger_batches([], [])[1:] == (0, 0)
