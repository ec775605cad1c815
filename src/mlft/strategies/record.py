"""What a strategy is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from mlft.learners import Learner
from mlft.planning import Planner


@final
@dataclass(frozen=True)
class Strategy:
    """A way of spending a budget of solver time.

    Attributes:
        planner: says how many samples to solve on which level.
        learner: turns them into a surrogate.
        label: what it does, in a few words, for people.
        rounds: whether a plan of several levels is looked at again after the training on its coarsest level; for a
            planner that estimates.
    """

    planner: Planner
    learner: Learner
    label: str
    rounds: bool = False

    def __post_init__(self) -> None:
        if self.rounds and not self.planner.estimates:
            raise ValueError("a plan is looked at again only by a planner that estimates: give rounds=False")


Family = Callable[[str], Strategy]
"""What is behind a colon in a name, such as the number of a level, to a strategy."""
