"""From a pilot to an outlook: the learning curve of the coarsest level, and how well the next correction is learned."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch

from mlft.estimators.kernel import kernel_curve
from mlft.estimators.network import network_curve
from mlft.estimators.task import Task, Train
from mlft.planning import LEARNABILITY, SPREAD, ErrorCurve, Labelled, Outlook, Pilot, coupled, learnability, scale_of
from mlft.registry import Registry
from mlft.surrogates import Surrogate

Streams = Callable[..., torch.Generator]
"""Words to the random stream that they name."""


@final
@dataclass(frozen=True)
class Study:
    """How a pilot is studied.

    Attributes:
        fresh: trains a surrogate from initial weights, in place.
        further: trains a trained surrogate further.
        streams: the random streams of the estimates, by name.
        reach: the number of samples that the run's training can visit often enough; see `Outlook`.
        nested: whether a learning curve is made of trainings on three subsets, or on the largest alone.
        known: the learning curve that such trainings gave from fewer samples.
    """

    fresh: Train
    further: Train
    streams: Streams
    reach: float
    nested: bool = True
    known: ErrorCurve | None = None


@final
@dataclass(frozen=True)
class Estimator:
    """A way to the error curves.

    Attributes:
        trained: whether the evidence for the next correction is taken at coarse-trained weights.
        base_trained: whether the base curve is, too.
        base: (task of the untrained surrogate, coarse-trained surrogate, study, stream) → a level's own curve.
        evidence: (task of a correction, study, stream) → its curve.
    """

    trained: bool
    base_trained: bool
    base: Callable[[Task, Surrogate, Study, torch.Generator], ErrorCurve]
    evidence: Callable[[Task, Study, torch.Generator], ErrorCurve]


def estimate(
    estimator: Estimator, pilot: Pilot, start: Surrogate, study: Study, *, corrections: bool = True
) -> Outlook:
    """Return the outlook of a pilot.

    Args:
        estimator: the way to the error curves.
        pilot: the coupled samples.
        start: the untrained surrogate; its normalisers are fitted to the coarsest level.
        study: how the pilot trains.
        corrections: whether to look for how well a correction is learned; else that is as believed, and what would
            have to be trained for it is not.

    Raises:
        PilotError: for too few pilot samples.
    """
    origin = min(pilot.samples)
    base, trained = _learned(estimator, pilot.samples[origin], start, study, needed=corrections and estimator.trained)
    if not corrections:
        return Outlook(base, origin, LEARNABILITY, SPREAD, pilot.gaps, study.reach)
    found = evidence(estimator, pilot, origin, trained, study, upto=len(pilot.samples[origin].indices) // 2)
    kappa = learnability(base, found) if found is not None else learnability(base, base)
    return Outlook(base, origin, *kappa, pilot.gaps, study.reach)


def learned(estimator: Estimator, samples: Labelled, start: Surrogate, study: Study) -> ErrorCurve:
    """Return the learning curve of one level from its samples.

    Args:
        estimator: the way to it.
        samples: of the level.
        start: the untrained surrogate; its normalisers are fitted to them.
        study: how it is trained.

    Raises:
        PilotError: for too few samples.
    """
    return _learned(estimator, samples, start, study, needed=False)[0]


def evidence(
    estimator: Estimator, pilot: Pilot, level: int, trained: Surrogate, study: Study, *, upto: int | None = None
) -> ErrorCurve | None:
    """Return the error curve of the correction to the next level; None without 4 coupled samples.

    Args:
        estimator: the way to the error curves.
        pilot: the coupled samples.
        level: the level that the surrogate was trained on.
        trained: the surrogate that learns the correction.
        study: how the pilot trains.
        upto: only draws before this one, which the surrogate has not seen.
    """
    above = [fine for fine in sorted(pilot.samples) if fine > level]
    if not above or level not in pilot.samples:
        return None
    low, high = pilot.samples[level], pilot.samples[above[0]]
    i, j = coupled(low, high)
    i, j = (i, j) if upto is None else (i[i < upto], j[i < upto])
    targets = high.solutions[j] - low.solutions[i]
    if len(j) < 4 or not np.abs(targets).max() > 0:
        return None
    task = Task(trained, high.inputs[j], targets, scale_of(high.solutions[j]))
    return estimator.evidence(task, study, study.streams("estimate", f"correction-{level}"))


def _learned(
    estimator: Estimator, samples: Labelled, start: Surrogate, study: Study, *, needed: bool
) -> tuple[ErrorCurve, Surrogate]:
    """Return the learning curve, and a surrogate trained on the second half of the samples where one is needed."""
    half = len(samples.indices) // 2
    start.fit_normalisers(samples.inputs, samples.solutions)
    trained = start
    if estimator.base_trained or needed:
        trained = copy.deepcopy(start)
        study.fresh(trained, samples.inputs[half:], samples.solutions[half:])
    task = Task(start, samples.inputs, samples.solutions - start.predict(samples.inputs), scale_of(samples.solutions))
    return estimator.base(task, trained, study, study.streams("estimate", "base")), trained


def _network(task: Task, trained: Surrogate, study: Study, stream: torch.Generator) -> ErrorCurve:  # noqa: ARG001
    return network_curve(task, stream, train=study.fresh, nested=study.nested, known=study.known)


def _kernel_after_training(task: Task, trained: Surrogate, study: Study, stream: torch.Generator) -> ErrorCurve:
    half = len(task.inputs) // 2
    labels = task.surrogate.predict(task.inputs) + task.targets
    targets = labels - labels.mean(axis=0)
    return kernel_curve(Task(trained, task.inputs[:half], targets[:half], task.scale[:half]), stream)


ESTIMATORS: Registry[Estimator] = Registry(
    "estimator",
    {
        "learning-curve": Estimator(
            trained=True,
            base_trained=False,
            base=_network,
            evidence=lambda task, study, stream: network_curve(task, stream, train=study.further),
        ),
        "kernel-trained": Estimator(
            trained=True,
            base_trained=True,
            base=_kernel_after_training,
            evidence=lambda task, study, stream: kernel_curve(task, stream),
        ),
        "kernel-initial": Estimator(
            trained=False,
            base_trained=False,
            base=lambda task, trained, study, stream: kernel_curve(task, stream),
            evidence=lambda task, study, stream: kernel_curve(task, stream),
        ),
    },
)
"""The network on nested subsets; its kernel at coarse-trained weights; its kernel at initial weights."""
