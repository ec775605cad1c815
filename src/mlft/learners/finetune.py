"""Multi-level fine-tuning: a stage a level, from the coarsest to the finest, each guarded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch

from mlft.errors import ConfigError
from mlft.learners.base import Fitted, Learner, StageLog
from mlft.learners.choice import NONE, Rivals, choose
from mlft.store import Samples
from mlft.surrogates import Average, Network, Regression, Surrogate
from mlft.training.batches import learned
from mlft.training.course import Course
from mlft.training.guard import guard
from mlft.training.losses import loss_of
from mlft.training.regress import regress
from mlft.training.schedule import Rival
from mlft.training.settings import Training
from mlft.training.stage import Pairs, Stage, Trace, Weights, snapshot, train


@final
@dataclass(frozen=True)
class FineTune(Learner):
    """Train on the coarsest level's samples, then from those weights on the next level's, up to the finest, guarded.

    The normalisers are fitted to the first stage and then fixed. Draws whose index is a multiple of `held_out` are
    never trained on, on any level; they guard the stages.

    Source: Li, Fan, Ying (2021), arXiv 2102.07169, algorithm 2.2; the guard is described in `docs/method.md`.
    """

    def fit(self, surrogate: Surrogate, samples: Sequence[Samples], course: Course) -> Fitted:
        """Return the surrogate, trained in place.

        Raises:
            ValueError: no samples to train on, or levels that do not increase.
        """
        if isinstance(surrogate.network, Average):
            return choose(surrogate, samples, course, _fit)
        return _fit(surrogate, samples, course)


def _fit(surrogate: Surrogate, samples: Sequence[Samples], course: Course, rivals: Rivals = NONE) -> Fitted:
    """Return the surrogate of one network after its stages; of those before the one that a rival has won already."""
    settings = course.training
    _refuse_nothing(samples, settings)
    surrogate.fit_normalisers(*_trained_on(samples[0], settings))
    stages = _stages(surrogate, samples, settings)
    of = {s.level: s for s in samples}
    logs: list[StageLog] = []
    for stage in stages:
        if logs:
            stage = _eased(stage, settings, _agreement(of[logs[-1].level], of[stage.level], logs[-1]))
        logs.append(_done(surrogate, replace(stage, rival=rivals.get(stage.level, Rival())), course))
        if logs[-1].beaten:
            break
    return Fitted(surrogate, tuple(logs))


def _done(surrogate: Surrogate, stage: Stage, course: Course) -> StageLog:
    """Return the log of one guarded stage: in closed form for a regression, else by gradient descent."""
    network = surrogate.network
    closed = isinstance(network, Regression)
    trace, before = regress(surrogate, stage) if closed else _descended(surrogate, stage, course)
    verdict = guard(surrogate, before, trace.weights, stage.held_out)
    if isinstance(network, Regression) and not verdict.kept:
        del network.terms[-1]
    counts = len(stage.train), len(stage.held_out), trace.steps
    return StageLog(stage.level, *counts, verdict, trace.checks, snapshot(surrogate), trace.beaten)


def _descended(surrogate: Surrogate, stage: Stage, course: Course) -> tuple[Trace, Weights]:
    """Return what gradient descent found, and the weights before it."""
    before = snapshot(surrogate)
    file = None if course.folder is None else course.folder / f"stage-{stage.level}.safetensors"
    return train(surrogate, stage, course.training, seed=course.seed, file=file, progress=course.progress), before


def adapt(surrogate: Surrogate, samples: Samples, course: Course) -> None:
    """Train a trained surrogate further on one batch of samples, at the rate of fine-tuning and guarded, in place.

    The normalisers stay as they are.

    Raises:
        ValueError: if no sample is left to train on.
    """
    if isinstance(surrogate.network, Average):
        for one, own in zip(surrogate.parts(), surrogate.network.trainings, strict=True):
            adapt(one, samples, course.having(own))
        return
    settings = course.training
    _refuse_nothing([samples], settings)
    stage = _eased(_stages(surrogate, [samples], settings)[0], settings, 1.0)
    _done(surrogate, stage, replace(course, folder=None))


def _refuse_nothing(samples: Sequence[Samples], settings: Training) -> None:
    """Refuse levels that do not increase, and a first one that is held out whole."""
    levels = [s.level for s in samples]
    if not levels or levels != sorted(set(levels)):
        raise ValueError(f"samples of increasing levels are needed, got levels {levels}")
    if not learned(samples[0].indices, settings).any():
        raise ConfigError(
            f"level {levels[0]} has {len(samples[0].indices)} samples, and one in {settings.held_out} is held out: "
            "at least one must be left to train on; give a larger budget"
        )


def _stages(surrogate: Surrogate, samples: Sequence[Samples], settings: Training) -> list[Stage]:
    """Return a stage a level that has something to train on; the normalisers are fitted."""
    usable = [s for s in samples if learned(s.indices, settings).any()]
    steps = settings.effort([int(learned(s.indices, settings).sum()) for s in usable])
    stages = []
    for i, (s, count) in enumerate(zip(usable, steps, strict=True)):
        taught = learned(s.indices, settings)
        previous = usable[i - 1] if i else s
        replayed = learned(previous.indices, settings) & ~np.isin(previous.indices, s.indices)
        parts = _pairs(surrogate, s, taught), _pairs(surrogate, previous, replayed), _pairs(surrogate, s, ~taught)
        loss, early = loss_of(settings.loss, surrogate.grid, surrogate.output_normaliser), settings.steps is None
        stage = Stage(s.level, *parts, count, settings.rate, loss=loss, early=early, **_images(surrogate))
        stages.append(stage)
    return stages


def _images(surrogate: Surrogate) -> dict[str, Any]:
    """Return the symmetries that make more of a stage's pairs: no shifts for a network that commutes with them."""
    knows = isinstance(surrogate.network, Network) and surrogate.network.equivariant
    return {"symmetries": surrogate.symmetries, "shifts": () if knows else surrogate.shifts}


def _agreement(previous: Samples, samples: Samples, log: StageLog) -> float:
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


def _eased(stage: Stage, settings: Training, agreement: float) -> Stage:
    """Return a later stage with its rate and replay: gentle where the levels agree, a fresh start where they do not."""
    rate, replay = settings.rate * settings.finetune_rate**agreement, settings.replay * agreement
    return replace(stage, rate=rate, replay=replay)


def _trained_on(samples: Samples, settings: Training) -> tuple[np.ndarray, np.ndarray]:
    rows = learned(samples.indices, settings)
    return samples.inputs[rows], samples.solutions[rows]


def _pairs(surrogate: Surrogate, samples: Samples, rows: np.ndarray) -> Pairs:
    like = surrogate.input_normaliser.shift
    fields = (
        torch.as_tensor(field[rows], dtype=like.dtype, device=like.device)
        for field in (samples.inputs, samples.solutions)
    )
    return Pairs(*fields)
