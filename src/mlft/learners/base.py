"""What a learner is: it fits a surrogate to samples of several levels, and says what happened stage by stage."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

from mlft.lifts import Choice, LabelError
from mlft.store import Samples
from mlft.surrogates import Surrogate
from mlft.training.course import Course
from mlft.training.guard import Verdict
from mlft.training.stage import Weights


@final
@dataclass(frozen=True)
class StageLog:
    """One stage in the record.

    Attributes:
        level: the level whose samples it learned from.
        samples: how many it trained on.
        held_out: how many guarded it.
        steps: optimizer steps that were made.
        verdict: what the guard decided.
        checks: (step, held-out error) along the way.
        weights: the weights after the stage, as the guard left them.
        beaten: whether it ended because a rival had won.
        all_draws: steps that were made after the training on all draws of this stage, the held-out ones among them.
    """

    level: int
    samples: int
    held_out: int
    steps: int
    verdict: Verdict
    checks: tuple[tuple[int, float], ...]
    weights: Weights = field(default_factory=dict, repr=False, compare=False)
    beaten: bool = False
    all_draws: int = 0


@final
@dataclass(frozen=True)
class LiftLog:
    """One level's lift in the record.

    Attributes:
        choice: the lift that was chosen, and what the others would have left.
        samples: draws that got their label by it.
    """

    choice: Choice
    samples: int


@final
@dataclass(frozen=True)
class CandidateLog:
    """One network that was tried, in the record.

    Attributes:
        name: of the candidate: of its network in `mlft.SURROGATES`, and of its optimizer where that is its own.
        error: its held-out error; NaN where it has none.
        weight: what it has of the average; 0 for one that was not chosen.
        cpu_seconds: of its training.
        verdict: in words.
    """

    name: str
    error: float
    weight: float
    cpu_seconds: float
    verdict: str


@final
@dataclass(frozen=True)
class Fitted:
    """A fitted surrogate and what happened stage by stage.

    Attributes:
        surrogate: the surrogate.
        stages: of its training.
        lifts: of the labels it was trained on, coarsest level first; none where labels are used as they are.
        candidates: the networks that it was chosen from; none where there was nothing to choose.
    """

    surrogate: Surrogate
    stages: tuple[StageLog, ...]
    lifts: tuple[LiftLog, ...] = ()
    candidates: tuple[CandidateLog, ...] = ()


class Learner(ABC):
    """Turns samples of several levels into a fitted surrogate: the interface of fine-tuning and of all its rivals.

    Attributes:
        rebuilds: whether it trains further networks like the one that is asked for, which must be of the registry then.
    """

    rebuilds: ClassVar[bool] = False

    @abstractmethod
    def fit(self, surrogate: Surrogate, samples: Sequence[Samples], course: Course) -> Fitted:
        """Return the surrogate, trained in place.

        Args:
            surrogate: the untrained one.
            samples: one batch a level, coarse to fine, fields on the finest grid.
            course: how the training is run.

        Raises:
            ValueError: for samples that it cannot learn from.
        """

    def left(self, coarse: Samples, fine: Samples, course: Course) -> LabelError | None:  # noqa: ARG002
        """Return the label error of a level as this learner uses it, against a finer level's solutions.

        None unless a learner does something about it.

        Args:
            coarse: samples of the level, fields on the finest grid.
            fine: of the finer one.
            course: how the training is run.
        """
        return None

    def check(self, samples: Sequence[int]) -> None:  # noqa: B027 (most learners take any plan)
        """Refuse a plan that it cannot learn from, before anything is bought; none unless a learner knows better.

        Args:
            samples: a level, coarsest first; 0 for one that is not used.

        Raises:
            ConfigError: saying what is missing.
        """
