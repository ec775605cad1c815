"""Multi-level fine-tuning: a stage a level, from the coarsest to the finest, each guarded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch

from mlft.learners.base import Fitted, Learner, StageLog
from mlft.store import Samples
from mlft.surrogates import Surrogate
from mlft.training.course import Course
from mlft.training.guard import guard
from mlft.training.settings import Training
from mlft.training.stage import Pairs, Stage, snapshot, train


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
        settings = course.training
        stages = _stages(surrogate, samples, settings)
        surrogate.fit_normalisers(*_trained_on(samples[0], settings))
        of = {s.level: s for s in samples}
        logs: list[StageLog] = []
        for stage in stages:
            if logs:
                stage = _eased(stage, settings, _agreement(of[logs[-1].level], of[stage.level], logs[-1]))
            before = snapshot(surrogate)
            file = None if course.folder is None else course.folder / f"stage-{stage.level}.safetensors"
            trace = train(surrogate, stage, settings, seed=course.seed, file=file, progress=course.progress)
            verdict = guard(surrogate, before, trace.weights, stage.held_out)
            counts = len(stage.train), len(stage.held_out), trace.steps
            logs.append(StageLog(stage.level, *counts, verdict, trace.checks, snapshot(surrogate)))
        return Fitted(surrogate, tuple(logs))


def adapt(surrogate: Surrogate, samples: Samples, course: Course) -> None:
    """Train a trained surrogate further on one batch of samples, at the rate of fine-tuning and guarded, in place.

    The normalisers stay as they are.

    Raises:
        ValueError: if no sample is left to train on.
    """
    settings = course.training
    stage = _eased(_stages(surrogate, [samples], settings)[0], settings, 1.0)
    before = snapshot(surrogate)
    trace = train(surrogate, stage, settings, seed=course.seed, progress=course.progress)
    guard(surrogate, before, trace.weights, stage.held_out)


def _stages(surrogate: Surrogate, samples: Sequence[Samples], settings: Training) -> list[Stage]:
    levels = [s.level for s in samples]
    if not levels or levels != sorted(set(levels)):
        raise ValueError(f"samples of increasing levels are needed, got levels {levels}")
    usable = [s for s in samples if _learned(s, settings).any()]
    if not usable or usable[0] is not samples[0]:
        raise ValueError(
            f"level {levels[0]} has {len(samples[0].indices)} samples, and one in {settings.held_out} is held out: "
            "at least one must be left to train on; give a larger budget"
        )
    steps = settings.effort([int(_learned(s, settings).sum()) for s in usable])
    stages = []
    for i, (s, count) in enumerate(zip(usable, steps, strict=True)):
        learned = _learned(s, settings)
        previous = usable[i - 1] if i else s
        replayed = _learned(previous, settings) & ~np.isin(previous.indices, s.indices)
        parts = _pairs(surrogate, s, learned), _pairs(surrogate, previous, replayed), _pairs(surrogate, s, ~learned)
        symmetries = surrogate.symmetries
        stages.append(Stage(s.level, *parts, count, settings.rate, early=settings.steps is None, symmetries=symmetries))
    return stages


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


def _learned(samples: Samples, settings: Training) -> np.ndarray:
    """Return which rows are trained on; the others are held out, the same draws on every level."""
    draws = np.asarray(samples.indices)
    return (draws % settings.held_out != 0) | (draws >= settings.held_out * settings.guards)


def _trained_on(samples: Samples, settings: Training) -> tuple[np.ndarray, np.ndarray]:
    rows = _learned(samples, settings)
    return samples.inputs[rows], samples.solutions[rows]


def _pairs(surrogate: Surrogate, samples: Samples, rows: np.ndarray) -> Pairs:
    like = next(surrogate.parameters())
    fields = (
        torch.as_tensor(field[rows], dtype=like.dtype, device=like.device)
        for field in (samples.inputs, samples.solutions)
    )
    return Pairs(*fields)
