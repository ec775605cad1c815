"""Multi-level fine-tuning: a stage a level, from the coarsest to the finest, each guarded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np

from mlft.learners.all_draws import with_all_draws
from mlft.learners.base import Fitted, Learner, StageLog
from mlft.learners.choice import NONE, Rivals, choose
from mlft.learners.stages import StagesOf, agreement, eased, refuse_nothing, stages_of
from mlft.store import Samples
from mlft.surrogates import Average, Regression, Surrogate
from mlft.training.batches import learned
from mlft.training.course import Course
from mlft.training.guard import guard
from mlft.training.regress import regress
from mlft.training.schedule import Rival
from mlft.training.settings import Training
from mlft.training.stage import Stage, Trace, Weights, snapshot, train


@final
@dataclass(frozen=True)
class FineTune(Learner):
    """Train on the coarsest level's samples, then from those weights on the next level's, up to the finest, guarded.

    The normalisers are fitted to the first stage and then fixed. Draws whose index is a multiple of `held_out` are
    not trained on, on any level; they guard the stages, and are given back in the end (`with_all_draws`).

    Source: Li, Fan, Ying (2021), arXiv 2102.07169, algorithm 2.2; the guard is described in `docs/method.md`.
    """

    def fit(self, surrogate: Surrogate, samples: Sequence[Samples], course: Course) -> Fitted:
        """Return the surrogate, trained in place.

        Raises:
            ValueError: no samples to train on, or levels that do not increase.
        """
        return by_stages(surrogate, samples, course)


def by_stages(surrogate: Surrogate, samples: Sequence[Samples], course: Course, stages: StagesOf = stages_of) -> Fitted:
    """Return the surrogate after the stages that are made of some samples, and after the end on all draws.

    Of an untrained `Average` each member is trained so, and those that are worth it are kept.

    Raises:
        ValueError: no samples to train on, or levels that do not increase.
    """
    fit, end = partial(_fit, stages=stages), partial(with_all_draws, stages=stages)
    if isinstance(surrogate.network, Average):
        return choose(surrogate, samples, course, fit, end)
    return end(fit(surrogate, samples, course), samples, course)


def _fit(
    surrogate: Surrogate,
    samples: Sequence[Samples],
    course: Course,
    rivals: Rivals = NONE,
    *,
    stages: StagesOf,
) -> Fitted:
    """Return the surrogate of one network after its stages; of those before the one that a rival has won already."""
    settings = course.training
    refuse_nothing(samples, settings)
    surrogate.fit_normalisers(*_trained_on(samples[0], settings))
    of = {s.level: s for s in samples}
    logs: list[StageLog] = []
    for stage in stages(surrogate, samples, settings):
        if logs:
            stage = eased(stage, settings, agreement(of[logs[-1].level], of[stage.level], logs[-1]))
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
    refuse_nothing([samples], settings)
    stage = eased(stages_of(surrogate, [samples], settings)[0], settings, 1.0)
    _done(surrogate, stage, replace(course, folder=None))


def _trained_on(samples: Samples, settings: Training) -> tuple[np.ndarray, np.ndarray]:
    rows = learned(samples.indices, settings)
    return samples.inputs[rows], samples.solutions[rows]
