"""How far a run is, and who hears of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, final

Phase = Literal["solve", "plan", "lift", "train", "measure", "compare", "repair", "warn"]

_DOING: Final[dict[str, str]] = {
    "solve": "solving",
    "plan": "planning",
    "lift": "lifting",
    "train": "training",
    "measure": "measuring",
    "compare": "comparing",
    "repair": "repairing",
    "warn": "warning:",
}


@final
@dataclass(frozen=True)
class Progress:
    """How far a run is; `str` is a line for a log.

    Attributes:
        phase: what is being done: "solve", "plan", "lift", "train", "measure", "compare" or "repair"; "warn" is no
            step, but something to be told at once, which its label says.
        label: of what, such as "train, level 2".
        done: samples or steps done.
        total: of how many; a training that stops early ends before.
        error: held-out relative L2 error of a training so far; None where there is none yet.
        failed: samples that failed.
        note: something else to show beside it.
        more: steps as long as this one that the part of the run has after it, as far as is known; one unless told.
        part: of the run: "plan", "solve", "train" or "measure"; empty outside of one.
        run: which of several runs, such as "seed 0, finetune"; empty where it is the only one, or the first.
        overall: estimated share of the whole that is done, 0 to 1, which never falls; None where nothing is known.
        seconds_left: estimated seconds to the end of the whole; None where nothing is known.
    """

    phase: Phase
    label: str
    done: int
    total: int
    error: float | None = None
    failed: int = 0
    note: str = ""
    more: int = 1
    part: str = ""
    run: str = ""
    overall: float | None = None
    seconds_left: float | None = None

    @property
    def step(self) -> str:
        """What is being done, in words: the same for all that is told of one step."""
        return f"{self.run}{': ' * bool(self.run)}{_DOING[self.phase]} {self.label}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be shown beside the step, in words."""
        error = () if self.error is None else (f"held-out error {self.error:.3g}",)
        return *error, *((f"{self.failed} failed",) if self.failed else ()), *((self.note,) if self.note else ())

    def __str__(self) -> str:
        """Return the step, how far it is, and its notes, in one line."""
        return ", ".join([self.step, f"{self.done}/{self.total}", *self.notes])


Report = Callable[[Progress], None]


def quiet(progress: Progress) -> None:
    """Report nothing."""


def of_run(report: Report, name: str) -> Report:
    """Return a report that says which of several runs a step is of."""

    def tell(progress: Progress) -> None:
        report(replace(progress, run=f"{name}: {progress.run}" if progress.run else name))

    return tell
