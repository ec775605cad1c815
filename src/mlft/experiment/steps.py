"""The steps of a run in words: what is done now, how each ended, and how much is left."""

import time
from collections.abc import Callable
from typing import final

from mlft.errors import printable
from mlft.experiment.progress import Progress

SHORT = 1.0
"""Seconds of a step that is not worth a line when it ends."""

_TRAINED = ("plan", "train", "lift")


@final
class Steps:
    """Follows the steps of a run.

    Attributes:
        now: the last that was told; None before the first.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.now: Progress | None = None
        self._clock = clock
        self._began = self._since = clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._began

    def tell(self, progress: Progress) -> str | None:
        """Take a step; return a line about the one before where that has ended, and was not short; a warning is one."""
        if progress.phase == "warn":
            return printable(progress.step)
        line = self.end() if self.now is not None and self.now.step != progress.step else None
        self._since = self._clock() if self.now is None else self._since
        self.now = progress
        return line

    def end(self, *, stopped: bool = False) -> str | None:
        """Return a line about the last step, which has ended, unless it was short.

        Args:
            stopped: whether by an error, or because somebody stopped the run.
        """
        last, seconds, self._since = self.now, self._clock() - self._since, self._clock()
        if last is None or (seconds < SHORT and not stopped):
            return None
        early = last.phase in _TRAINED and last.done < last.total
        how = "stopped" if stopped else "stopped early" if early else "done"
        count = f"{last.done:,} of {last.total:,}" if stopped or early else f"{last.total:,}"
        return printable(", ".join([last.step, f"{how}: {count}", *last.notes, in_time(seconds)]))

    @property
    def overall(self) -> str:
        """The share of the whole that is done and the time that is left, in words."""
        told = self.now
        if told is None or told.overall is None or told.seconds_left is None:
            return f"{in_time(self.elapsed)} so far"
        if told.seconds_left < 1:
            return "nearly done"
        return f"{min(100 * told.overall, 99):.0f}%, about {in_time(told.seconds_left)} left"


def in_time(seconds: float) -> str:
    """Return a duration in words, with two digits or more.

    >>> in_time(0.4), in_time(59.7), in_time(119), in_time(5000)
    ('0 s', '1 min', '2 min', '1 h 23 min')
    """
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
