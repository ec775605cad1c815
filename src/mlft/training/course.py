"""How a training is run: its settings, its seed, where its checkpoints go, who is told."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from mlft.training.settings import Training

Progress = Callable[[int, float], None]
"""Called with (level, last held-out error) after every step."""


@final
@dataclass(frozen=True)
class Course:
    """How a training is run.

    Attributes:
        training: steps, rates, held-out share.
        seed: names the streams that shuffle the batches.
        folder: where checkpoints go; continuing from them gives the same bits as never stopping.
        progress: called after every step.
    """

    training: Training
    seed: int
    folder: Path | None = None
    progress: Progress | None = None
