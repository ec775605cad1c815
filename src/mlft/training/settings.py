"""What a training is told: steps, batch, learning rates, held-out share, replay."""

import math
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Training:
    """Training effort and learning rates, the same for every strategy that is compared.

    Attributes:
        steps: optimizer steps in all, shared out among the stages.
        first_share: share of the steps that the first stage gets when there are several; the others get equal parts
            of the rest.
        batch: samples in an optimizer step, at most.
        rate: peak learning rate of the first stage.
        finetune_rate: peak learning rate of a later stage whose level agrees with the one before, as a multiple of
            `rate`; where the two levels' labels differ by more than the network's error, it rises up to `rate`.
        held_out: one sample in `held_out` is kept out of every stage, to guard it; the same draws on every level.
        checks: how often a stage looks at the held-out error; the best weights seen are the stage's result.
        replay: share of each batch of a later stage taken from the previous level's samples that were not solved again;
            where the two levels disagree, it falls to 0.

    Raises:
        ValueError: for a value out of range.
    """

    steps: int = 1500
    first_share: float = 0.5
    batch: int = 16
    rate: float = 2e-3
    finetune_rate: float = 0.3
    held_out: int = 5
    checks: int = 15
    replay: float = 0.5

    def __post_init__(self) -> None:
        checks = {
            "steps >= 1": self.steps >= 1,
            "0 < first_share <= 1": 0 < self.first_share <= 1,
            "batch >= 1": self.batch >= 1,
            "rate > 0 and finite": 0 < self.rate < math.inf,
            "0 < finetune_rate <= 1": 0 < self.finetune_rate <= 1,
            "held_out >= 2": self.held_out >= 2,
            "checks >= 1": self.checks >= 1,
            "0 <= replay < 1": 0 <= self.replay < 1,
        }
        broken = [rule for rule, holds in checks.items() if not holds]
        if broken:
            raise ValueError(f"training needs {' and '.join(broken)}; got {self}")

    def shares(self, stages: int) -> list[int]:
        """Return the optimizer steps of each stage; they add up to `steps`, each at least one.

        >>> Training(steps=1000).shares(3)
        [500, 250, 250]
        """
        if stages == 1:
            return [self.steps]
        later = max(1, round(self.steps * (1 - self.first_share) / (stages - 1)))
        return [max(1, self.steps - later * (stages - 1)), *[later] * (stages - 1)]
