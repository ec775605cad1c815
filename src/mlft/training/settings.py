"""What a training is told: steps, batch, learning rates, held-out share, replay."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, final, get_args

MOST = 2**31 - 1

LossName = Literal["l2", "h1"]
OptimizerName = Literal["adam", "muon"]


@final
@dataclass(frozen=True)
class Training:
    """Training effort and learning rates, the same rule for every strategy that is compared.

    Attributes:
        steps: optimizer steps of the training, shared out among its stages, all of them made. By default each stage
            goes by its own samples: `effort` is the most, and it stops when its held-out error stops falling. In both
            cases the last stage is then followed by a quarter of its steps on all draws (`mlft.learners.all_draws`).
        first_share: share of given `steps` that the first stage gets when there are several; the others get equal
            parts of the rest.
        passes: times that a stage visits each of its samples at most, between `least` and `most` steps.
        least: steps that a stage may take however few its samples.
        most: steps that no stage exceeds, however many its samples.
        batch: samples in an optimizer step, at most.
        rate: peak learning rate of the first stage.
        finetune_rate: peak learning rate of a later stage whose level agrees with the one before, as a multiple of
            `rate`; where the two levels' labels differ by more than the network's error, it rises up to `rate`.
        held_out: one draw in `held_out` is kept out of every stage, to guard it; the same draws on every level.
        guards: draws that are held out at most, the first ones: more would judge no better, and teach nothing.
        checks: how often a stage looks at the held-out error; the best weights seen are the stage's result.
        replay: share of each batch of a later stage taken from the previous level's samples that were not solved again;
            where the two levels disagree, it falls to 0.
        loss: what is minimised, relative to the label: "l2", or "h1", which weighs slopes too (`RelativeH1`). The
            held-out error that chooses weights is the relative L2 error whatever it is.
        optimizer: "adam", or "muon".
        decay: share of the weights that is taken off while a stage visits each of its samples once, at the peak rate,
            and less in proportion at a lower one. A step takes off so much less the more samples there are, so that
            the weights remember the same number of passes (Wang, Aitchison 2024, arXiv 2405.13698).

    Raises:
        ValueError: for a value out of range.
    """

    steps: int | None = None
    first_share: float = 0.5
    passes: float = 60.0
    least: int = 1500
    most: int = 5000
    batch: int = 16
    rate: float = 2e-3
    finetune_rate: float = 0.3
    held_out: int = 5
    guards: int = 128
    checks: int = 30
    replay: float = 0.5
    loss: LossName = "l2"
    optimizer: OptimizerName = "adam"
    decay: float = 0.0

    def __post_init__(self) -> None:
        checks = {
            "steps >= 1": self.steps is None or self.steps >= 1,
            "0 < first_share <= 1": 0 < self.first_share <= 1,
            "passes > 0 and finite": 0 < self.passes < math.inf,
            "1 <= least <= most": 1 <= self.least <= self.most,
            "batch >= 1": self.batch >= 1,
            "rate > 0 and finite": 0 < self.rate < math.inf,
            "0 < finetune_rate <= 1": 0 < self.finetune_rate <= 1,
            "held_out >= 2": self.held_out >= 2,
            "guards >= 1": self.guards >= 1,
            "checks >= 1": self.checks >= 1,
            f"counts of at most {MOST}": max(self.steps or 0, self.most, self.batch, self.guards, self.checks) <= MOST,
            "0 <= replay < 1": 0 <= self.replay < 1,
            "0 <= decay < 1": 0 <= self.decay < 1,
            "loss l2 or h1": self.loss in get_args(LossName),
            f"optimizer one of {', '.join(get_args(OptimizerName))}": self.optimizer in get_args(OptimizerName),
        }
        broken = [rule for rule, holds in checks.items() if not holds]
        if broken:
            raise ValueError(f"training needs {' and '.join(broken)}; got {self}")

    def effort(self, samples: Sequence[int]) -> list[int]:
        """Return the optimizer steps of each stage, at most, from the number of samples that each trains on.

        Given `steps` are shared out, each stage getting at least one. Else a stage of n samples has
        `passes` · n / `batch` steps, at least `least` and at most `most`, whatever the other stages have.

        >>> Training().effort([819, 205, 51]), Training(steps=1000).effort([819, 205, 51])
        ([3072, 1500, 1500], [500, 250, 250])
        """
        if self.steps is None:
            return [min(self.most, max(self.least, math.ceil(self.passes * n / self.batch))) for n in samples]
        later = len(samples) - 1
        each = max(1, round(self.steps * (1 - self.first_share) / later)) if later else 0
        return [max(1, self.steps - each * later), *[each] * later]

    def decay_over_rate(self, samples: int) -> float:
        """Return the decay of a step on so many samples, in units of the learning rate: decay · batch / (n · rate).

        >>> Training(decay=0.01, batch=16, rate=1e-3).decay_over_rate(32)
        5.0
        """
        return self.decay * min(1.0, self.batch / samples) / self.rate

    def first_of(self, stages: int) -> "Training":
        """Return the training of the first of so many stages alone: the same stage, bit for bit."""
        return self if self.steps is None else replace(self, steps=self.effort([1] * stages)[0])

    def reach(self, passes: float) -> float:
        """Return the number of samples that a training can visit so many times each, at least 1."""
        steps = self.steps or (self.most if self.passes >= passes else self.least)
        return max(1.0, steps * self.batch / passes)
