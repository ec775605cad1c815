"""The stages of a training, from the samples of its levels."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mlft.errors import ConfigError
from mlft.learners.base import StageLog
from mlft.store import Samples
from mlft.surrogates import Network, Surrogate
from mlft.training.batches import learned
from mlft.training.losses import loss_of
from mlft.training.settings import Training
from mlft.training.stage import Pairs, Stage

StagesOf = Callable[..., list[Stage]]
"""Makes the stages of a training, as `stages_of` does."""


def refuse_nothing(samples: Sequence[Samples], settings: Training) -> None:
    """Refuse levels that do not increase, and a first one that is held out whole."""
    levels = [s.level for s in samples]
    if not levels or levels != sorted(set(levels)):
        raise ValueError(f"samples of increasing levels are needed, got levels {levels}")
    if not learned(samples[0].indices, settings).any():
        raise ConfigError(
            f"level {levels[0]} has {len(samples[0].indices)} samples, and one in {settings.held_out} is held out: "
            "at least one must be left to train on; give a larger budget"
        )


def stages_of(
    surrogate: Surrogate, samples: Sequence[Samples], settings: Training, *, all_draws: bool = False
) -> list[Stage]:
    """Return a stage a level that has something to train on; the normalisers are fitted.

    Args:
        surrogate: that they train.
        samples: of the levels.
        settings: of the training.
        all_draws: whether held-out draws are trained on, too; they still are the ones that judge.
    """
    usable = [s for s in samples if learned(s.indices, settings).any()]
    steps = settings.effort([int(learned(s.indices, settings).sum()) for s in usable])
    stages = []
    for i, (s, count) in enumerate(zip(usable, steps, strict=True)):
        previous, judging = usable[i - 1] if i else s, ~learned(s.indices, settings)
        taught, old = (all_draws | learned(one.indices, settings) for one in (s, previous))
        replayed = old & ~np.isin(previous.indices, s.indices)
        parts = pairs(surrogate, s, taught), pairs(surrogate, previous, replayed), pairs(surrogate, s, judging)
        loss, early = loss_of(settings.loss, surrogate.grid, surrogate.output_normaliser), settings.steps is None
        stage = Stage(s.level, *parts, count, settings.rate, loss=loss, early=early, **_images(surrogate))
        stages.append(stage)
    return stages


def _images(surrogate: Surrogate) -> dict[str, Any]:
    """Return what makes more of a stage's pairs: symmetries, multiples, shifts where the network does not know them."""
    knows = isinstance(surrogate.network, Network) and surrogate.network.equivariant
    shifts = () if knows else surrogate.shifts
    return {"symmetries": surrogate.symmetries, "shifts": shifts, "scaling": surrogate.scaling}


def agreement(previous: Samples, samples: Samples, log: StageLog) -> float:
    """Return 1 / (1 + (d / 2e)²): near 1 where two levels differ by less than the network's error, near 0 beyond.

    d is the mean relative L2 distance of the two levels' labels on the draws that both have, e the held-out error
    after the previous stage. Where d is far above e the old labels are wrong by more than the network is.
    """
    shared = np.isin(previous.indices, samples.indices), np.isin(samples.indices, previous.indices)
    if not shared[0].any() or not log.verdict.error_after > 0:
        return 1.0
    old, new = (s.solutions[rows].reshape(rows.sum(), -1) for s, rows in zip((previous, samples), shared, strict=True))
    scale = np.linalg.norm(new, axis=1)
    distance = float(np.mean(np.linalg.norm(new - old, axis=1) / np.where(scale > 0, scale, 1.0)))
    return 1.0 / (1.0 + (distance / (2.0 * log.verdict.error_after)) ** 2)


def eased(stage: Stage, settings: Training, agreed: float) -> Stage:
    """Return a later stage with its rate and replay: gentle where the levels agree, a fresh start where they do not."""
    rate, replay = settings.rate * settings.finetune_rate**agreed, settings.replay * agreed
    return replace(stage, rate=rate, replay=replay)


def pairs(surrogate: Surrogate, samples: Samples, rows: np.ndarray) -> Pairs:
    """Return some rows of samples, by number or by mask, as a surrogate on its device takes them."""
    like = surrogate.input_normaliser.shift
    fields = (
        torch.as_tensor(field[rows], dtype=like.dtype, device=like.device)
        for field in (samples.inputs, samples.solutions)
    )
    return Pairs(*fields)
