"""Learners: ways to turn samples of several levels into a fitted surrogate, one a file."""

from mlft.training.learners.base import Course, Fitted, Learner, StageLog
from mlft.training.learners.finetune import FineTune, adapt
from mlft.training.learners.one_level import OneLevel

__all__ = ["Course", "FineTune", "Fitted", "Learner", "OneLevel", "StageLog", "adapt"]
