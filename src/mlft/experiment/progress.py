"""How far a run is, and who hears of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        phase: "solve", "plan", "lift", "train", "compare", "trust" or "repair".
        label: what is being done, such as "train, level 2".
        done: samples or steps done.
        total: of how many.
        note: something to show beside it.
    """

    phase: str
    label: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


def quiet(progress: Progress) -> None:
    """Report nothing."""


def labelled(report: Report, prefix: str) -> Report:
    """Return a report that puts a prefix before every label."""

    def tell(progress: Progress) -> None:
        label = f"{prefix}: {progress.label}"
        report(Progress(progress.phase, label, progress.done, progress.total, progress.note))

    return tell
