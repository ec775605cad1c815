"""Strategies that turn samples of several levels into a fitted surrogate."""

from mlft.training.guard import Verdict, guard
from mlft.training.settings import Training
from mlft.training.stage import restore, snapshot
from mlft.training.strategies import STRATEGIES, Fitted, StageLog, adapt, finetune, one_level, strategy

__all__ = [
    "STRATEGIES",
    "Fitted",
    "StageLog",
    "Training",
    "Verdict",
    "adapt",
    "finetune",
    "guard",
    "one_level",
    "restore",
    "snapshot",
    "strategy",
]
