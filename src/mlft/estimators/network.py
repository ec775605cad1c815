"""The learning-curve estimator: the real network trained on nested subsets of the pilot."""

import copy

import torch

from mlft.estimators.curve import NETWORKS, REGRESSIONS, Belief, fit_curve
from mlft.estimators.task import Task, Train, need, subset_sizes
from mlft.planning import ErrorCurve, relative
from mlft.surrogates import Average, Regression, Surrogate

MOST_OF = 0.5
"""The weight of regressions in an average that counts as theirs."""


def network_curve(
    task: Task, generator: torch.Generator, *, train: Train, nested: bool = True, known: ErrorCurve | None = None
) -> ErrorCurve:
    """Return the error curve of the network itself, trained on nested subsets and tested on the other samples.

    The subsets are the last quarter, half and three quarters of the samples, so that the first quarter is always
    fresh. No kernel and no theory: what is extrapolated is what will be done. Of a choice that regressions have won on
    the largest subset the exponent is the larger one of two fits, as of a regression and as of a network: with more
    samples it errs by no more than the best of both.

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
    found = [
        fit_curve(sizes, errors, cap=task.cap, generator=generator, known=known, belief=belief)
        for belief in _beliefs(trained)
    ]
    return max(found, key=lambda curve: curve.exponent)


def _beliefs(surrogate: Surrogate) -> tuple[Belief, ...]:
    """Return what may be believed of the learning exponent of what was trained."""
    network = surrogate.network
    if isinstance(network, Regression):
        return (REGRESSIONS,)
    if isinstance(network, Average):
        closed = [isinstance(member, Regression) for member in network.members]
        share = float(network.weights[torch.tensor(closed)].sum())
        return (NETWORKS, REGRESSIONS) if share >= MOST_OF else (NETWORKS,)
    return (NETWORKS,)
