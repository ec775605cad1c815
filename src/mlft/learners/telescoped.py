"""One network by the gradient of Multi-Level Monte Carlo: of the coarsest labels, and of what each level changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mlft.learners.base import Fitted, Learner
from mlft.learners.finetune import FineTune, by_stages
from mlft.learners.stages import pairs, stages_of
from mlft.learners.sum_of_levels import difference
from mlft.store import Samples
from mlft.surrogates import Regression, Surrogate
from mlft.training.batches import learned
from mlft.training.course import Course
from mlft.training.losses import Loss
from mlft.training.regress import most_pairs
from mlft.training.settings import Training
from mlft.training.stage import Pairs, Stage

THINNING = 2
"""Of the rows of a batch so many times fewer are of a level than of the one before it."""


@final
@dataclass(frozen=True)
class Telescoped(Learner):
    """Train one network on all levels at once, by the telescoped mean of its loss.

    With ℓ(x, u) the loss of the prediction for x against the label u, u_l the solutions of level l on the finest grid,
    and n_l draws of level l, each of them solved on level l − 1 too, what is minimised is

        1/n_0 Σ ℓ(x, u_0) + Σ_{l ≥ 1} 1/n_l Σ (ℓ(x, u_l) − ℓ(x, u_{l−1})),

    whose mean over draws is that of ℓ(x, u_L), with L the finest level in use. Draws that are held out are so on every
    level, and judge by their finest label. A regression, fitted in closed form, has the same sum with squares. Samples
    of a single level are trained on as they are.

    Source: Rowbottom, Fresca, Liò, Schönlieb, Boullé 2025, Multi-level Monte Carlo training of neural operators,
    arXiv 2505.12940; there levels are samplings of the same fields, and the network is evaluated on each.
    """

    def fit(self, surrogate: Surrogate, samples: Sequence[Samples], course: Course) -> Fitted:
        """Return the surrogate, trained in place.

        Raises:
            ValueError: no samples to train on, or levels that do not increase.
        """
        if len(samples) < 2:
            return FineTune().fit(surrogate, samples, course)
        return by_stages(surrogate, samples, course, telescoped)


def telescoped(
    surrogate: Surrogate, samples: Sequence[Samples], settings: Training, *, all_draws: bool = False
) -> list[Stage]:
    """Return the one stage on the samples of all levels."""
    coarsest = stages_of(surrogate, samples[:1], settings, all_draws=all_draws)[0]
    judging = pairs(surrogate, samples[-1], ~learned(samples[-1].indices, settings))
    stage = replace(coarsest, level=samples[-1].level, held_out=judging)
    taught = [_only(one, all_draws | learned(one.indices, settings)) for one in samples]
    if isinstance(surrogate.network, Regression):
        first = np.arange(len(taught[0].indices)) < most_pairs(surrogate.symmetries)
        labels = of_squares([_only(taught[0], first), *taught[1:]])
        return [replace(stage, train=pairs(surrogate, labels, np.arange(len(labels.indices))))]
    parts, weights = _rows(surrogate, taught)
    train = Pairs(*(torch.cat([getattr(one, name) for one in parts]) for name in ("inputs", "labels")))
    doubled = tuple(replace(one, outputs=2 * one.outputs) for one in stage.symmetries)
    stage = replace(stage, loss=Telescope(stage.loss), symmetries=doubled, scaling=2 * stage.scaling)
    return [replace(stage, train=train, weights=torch.cat(weights))]


@final
@dataclass(frozen=True)
class Telescope:
    """ℓ(prediction, label) − ℓ(prediction, label of the level before); without the latter where that is NaN."""

    loss: Loss

    def __call__(
        self, predictions: Float[Tensor, "n k *grid"], labels: Float[Tensor, "n two_k *grid"]
    ) -> Float[Tensor, " n"]:
        """Return the loss of each sample, whose channels are those of its label, then those of the level before."""
        label, before = labels.chunk(2, dim=1)
        there = ~before.flatten(1).isnan().any(1)
        less = self.loss(predictions, before.nan_to_num())
        return self.loss(predictions, label) - torch.where(there, less, torch.zeros_like(less))


def of_squares(samples: Sequence[Samples]) -> Samples:
    """Return the coarsest draws with the labels u_0 + Σ_l n_0/n_l (u_l − u_{l−1}), a term where there is a draw of it.

    The mean square of the distance from them is the telescoped mean of squares, but for a constant. Terms of draws that
    are not among the coarsest ones given are left out.
    """
    first, *rest = samples
    solutions = first.solutions.copy()
    for one, before in zip(rest, samples, strict=False):
        further = difference(one, before)
        _, rows, there = np.intersect1d(first.indices, further.indices, return_indices=True)
        solutions[rows] += further.solutions[there] * (len(solutions) / max(1, len(rows)))
    return replace(first, solutions=solutions)


def _only(samples: Samples, rows: np.ndarray) -> Samples:
    """Return the samples in a mask."""
    indices = tuple(index for index, taken in zip(samples.indices, rows, strict=True) if taken)
    return Samples(samples.level, indices, samples.inputs[rows], samples.solutions[rows])


def _rows(surrogate: Surrogate, samples: Sequence[Samples]) -> tuple[list[Pairs], list[Tensor]]:
    """Return the rows of each level, a label and that of the level before, and what each weighs: n_0/n_l a draw.

    A level with fewer draws than its share of a batch has each several times.
    """
    parts: list[Pairs] = []
    weights: list[Tensor] = []
    most = len(samples[0].indices)
    for place, one in enumerate(samples):
        coarser = samples[place - 1] if place else replace(one, solutions=np.full_like(one.solutions, np.nan))
        _, rows, there = np.intersect1d(one.indices, coarser.indices, return_indices=True)
        if not len(rows):
            continue
        labels = np.concatenate([one.solutions[rows], coarser.solutions[there]], axis=1)
        both = Samples(one.level, tuple(one.indices[row] for row in rows), one.inputs[rows], labels)
        times = max(1, round(most / THINNING**place / len(rows)))
        parts.append(pairs(surrogate, both, np.tile(np.arange(len(rows)), times)))
        weights.append(parts[-1].inputs.new_full((times * len(rows),), most / len(rows) / times))
    return parts, weights
