"""The learning-curve estimator: the real network trained on nested subsets of the pilot."""

import copy

import torch

from mlft.estimators.curve import fit_curve
from mlft.estimators.task import Task, Train, need, subset_sizes
from mlft.planning import ErrorCurve, relative


def network_curve(
    task: Task, generator: torch.Generator, *, train: Train, nested: bool = True, known: ErrorCurve | None = None
) -> ErrorCurve:
    """Return the error curve of the network itself, trained on nested subsets and tested on the other samples.

    The subsets are the last quarter, half and three quarters of the samples, so that the first quarter is always
    fresh. No kernel and no theory: what is extrapolated is what will be done.

    Args:
        task: what is to be learned; the labels are the surrogate's outputs plus the targets.
        generator: moves the replicates of the interval.
        train: trains a surrogate in place.
        nested: whether to train on all three subsets, or on the largest alone.
        known: the curve from fewer samples, by trainings of the same effort, which is continued.

    Raises:
        PilotError: for fewer than 4 samples.
    """
    need(task, 4, "a learning curve")
    n, sizes = len(task.inputs), subset_sizes(len(task.inputs))
    labels = task.surrogate.predict(task.inputs) + task.targets
    sizes, errors = sizes if nested else sizes[-1:], []
    for size in sizes:
        fresh = n - size
        trained = copy.deepcopy(task.surrogate)
        train(trained, task.inputs[fresh:], labels[fresh:])
        errors.append(relative(trained.predict(task.inputs[:fresh]) - labels[:fresh], task.scale[:fresh]))
    return fit_curve(sizes, errors, cap=task.cap, generator=generator, known=known)
