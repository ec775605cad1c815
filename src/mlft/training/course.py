"""How a training is run: its settings, its seed, where its checkpoints go, who is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from mlft.grids import Hierarchy, Symmetry
from mlft.training.settings import Training
from mlft.training.stage import Progress


@final
@dataclass(frozen=True)
class Scheme:
    """What is known of the solver behind the labels.

    Attributes:
        source: names the problem, its options and its transfers.
        hierarchy: the grids of the levels.
        order: order of accuracy in h.
        symmetries: the group that it commutes with, for lifts to learn from images, too; none where none is known.
        averaged: whether what a lift adds is averaged over them.
    """

    source: str
    hierarchy: Hierarchy
    order: float
    symmetries: tuple[Symmetry, ...] = ()
    averaged: bool = True


@final
@dataclass(frozen=True)
class Course:
    """How a training is run.

    Attributes:
        training: steps, rates, held-out share.
        seed: names the streams that shuffle the batches.
        folder: where checkpoints go; continuing from them gives the same bits as never stopping.
        progress: called after every step.
        lifting: called after every step of the training of a lift, with (what, steps done, steps in all).
        announce: called before a candidate, or the end of a training, with (what it is, how many are to come).
        scheme: the solver behind the labels, for a learner that lifts them.
        all_draws: whether held-out draws are trained on in the end, when all is decided by them.
    """

    training: Training
    seed: int
    folder: Path | None = None
    progress: Progress | None = None
    lifting: Callable[[str, int, int], None] | None = None
    announce: Callable[[str, int], None] | None = None
    scheme: Scheme | None = None
    all_draws: bool = True

    def having(self, own: Mapping[str, Any]) -> "Course":
        """Return the same course with some settings of the training replaced.

        Raises:
            TypeError: for a setting that a training does not have.
            ValueError: for a value out of range.
        """
        return replace(self, training=replace(self.training, **own))
