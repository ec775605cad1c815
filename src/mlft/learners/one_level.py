"""Training on one level alone, the rival at equal cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from mlft.learners.base import Fitted, Learner
from mlft.learners.finetune import FineTune
from mlft.store import Samples
from mlft.surrogates import Surrogate
from mlft.training.course import Course


@final
@dataclass(frozen=True)
class OneLevel(Learner):
    """Train on the samples of a single level."""

    def fit(self, surrogate: Surrogate, samples: Sequence[Samples], course: Course) -> Fitted:
        """Return the surrogate, trained in place: fine-tuning of a single stage.

        Raises:
            ValueError: if samples of more than one level are given, or none.
        """
        if len(samples) != 1:
            raise ValueError(f"this learner trains on one level, got samples of levels {[s.level for s in samples]}")
        return FineTune().fit(surrogate, samples, course)
