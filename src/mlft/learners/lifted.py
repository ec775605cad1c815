"""Training on labels of every level, lifted to the finest one in use, and fine-tuning on its true ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from mlft.errors import ConfigError
from mlft.learners.base import Fitted, Learner, LiftLog
from mlft.learners.finetune import FineTune
from mlft.lifts import Coarse, Coupled, LabelError, Place, choose, ratio_of
from mlft.store import Samples
from mlft.surrogates import Surrogate
from mlft.training import Course, Scheme

Array = np.ndarray

LEAST = 8
"""Coupled draws that a plan of several levels must have."""


@final
@dataclass(frozen=True)
class Labels:
    """Labels on the finest grid, a draw each.

    Attributes:
        indices: the draws.
        solutions: the labels.
        true: which are the target level's own solutions.
    """

    indices: Array
    solutions: Float[Array, "n k *grid"]
    true: Bool[Array, " n"]


@final
@dataclass(frozen=True)
class Lifted(Learner):
    """Train on the labels of every level, lifted to the finest level in use, then fine-tune on that level's own.

    From the second finest level down, a lift is fitted to the draws that have a finer label (true where there is one,
    lifted where not), chosen among `lifts` by its certificate, and gives the level's other draws their labels: a chain
    coarse → middle → fine. A level whose lifted labels say no more than the mean solution is left out. True labels
    replace lifted ones, without extra weight. One stage trains on all of them, a second one, guarded, on the true ones.
    Samples of a single level are trained on as they are.

    Source: for labels corrected by a learned function of the coarse solution, Davis, Motamed, Tempone 2023,
    arXiv 2310.03572; for the fine-tuning, Li, Fan, Ying 2021, arXiv 2102.07169.

    Attributes:
        lifts: names in `mlft.lifts.LIFTS`; with none of them labels stay as they are.
    """

    lifts: tuple[str, ...] = ("richardson", "local", "spectral")

    def check(self, samples: Sequence[int]) -> None:
        """Refuse a plan of several levels with fewer than 8 coupled draws.

        Raises:
            ConfigError: saying so.
        """
        used = [n for n in samples if n]
        if len(used) > 1 and min(used) < LEAST:
            raise ConfigError(
                f"labels are lifted by what {LEAST} coupled draws teach at least, and the plan {list(samples)} has "
                f"{min(used)}: give more samples of its finest level, or use one level alone"
            )

    def left(self, coarse: Samples, fine: Samples, course: Course) -> LabelError | None:
        """Return the certificate of the lift that draws of both levels teach; None where they share none.

        Raises:
            ValueError: if the course has no scheme.
            LiftError: for fields that are not finite.
        """
        _, i, j = np.intersect1d(coarse.indices, fine.indices, return_indices=True)
        if not len(i):
            return None
        place = Place.of(_scheme(course), coarse.level, fine.level)
        shared = Coupled(Coarse(coarse.inputs, coarse.solutions).take(i), fine.solutions[j], np.ones(len(j), bool))
        return choose(self.lifts, shared, place, course).lift.error

    def fit(self, surrogate: Surrogate, samples: Sequence[Samples], course: Course) -> Fitted:
        """Return the surrogate, trained in place.

        Raises:
            ValueError: no samples to train on, levels that do not increase, or no scheme in the course.
            LiftError: for fields that are not finite.
        """
        levels = [s.level for s in samples]
        if levels != sorted(set(levels)):
            raise ValueError(f"samples of increasing levels are needed, got levels {levels}")
        if len(samples) < 2:
            return FineTune().fit(surrogate, samples, course)
        labelled, logs = lift_labels(samples, course, self.lifts)
        fitted = FineTune().fit(surrogate, [labelled, samples[-1]], course)
        return replace(fitted, lifts=logs)


def lift_labels(
    samples: Sequence[Samples], course: Course, lifts: Sequence[str]
) -> tuple[Samples, tuple[LiftLog, ...]]:
    """Return all draws of several levels with the best label of each, as samples of the coarsest level, and the lifts.

    Args:
        samples: one batch a level, coarse to fine, fields on the finest grid, at least two.
        course: how lifts are trained; with its scheme.
        lifts: names to choose from.

    Raises:
        ValueError: if the course has no scheme.
        LiftError: for fields that are not finite.
    """
    target = samples[-1]
    known = Labels(np.asarray(target.indices), target.solutions, np.ones(len(target.indices), bool))
    inputs = dict(zip(target.indices, target.inputs, strict=True))
    logs: list[LiftLog] = []
    for place in reversed(range(len(samples) - 1)):
        below = samples[place - 1] if place else None
        known, log = _lifted(samples[place], below, known, target.level, course, lifts)
        inputs |= dict(zip(samples[place].indices, samples[place].inputs, strict=True))
        logs.append(log)
    order = np.argsort(known.indices, kind="stable")
    indices = tuple(int(i) for i in known.indices[order])
    every = Samples(samples[0].level, indices, np.stack([inputs[i] for i in indices]), known.solutions[order])
    return every, tuple(reversed(logs))


def _lifted(
    samples: Samples, below: Samples | None, known: Labels, target: int, course: Course, lifts: Sequence[str]
) -> tuple[Labels, LiftLog]:
    """Return the labels that are known, and those of one more level's draws, lifted."""
    place = Place.of(_scheme(course), samples.level, target)
    coarse = _coarse(samples, below, course, target)
    _, rows, there = np.intersect1d(samples.indices, known.indices, return_indices=True)
    coupled = Coupled(coarse.take(rows), known.solutions[there], known.true[there])
    choice = choose(lifts, coupled, place, course)
    useful = choice.lift.error.useful
    rest = np.setdiff1d(np.arange(len(samples.indices)), rows) if useful else rows[:0]
    labels = choice.lift.lift(coarse.take(rest)) if len(rest) else known.solutions[:0]
    more = Labels(np.asarray(samples.indices)[rest], labels, np.zeros(len(rest), bool))
    joined = (np.concatenate(pair) for pair in zip(_parts(known), _parts(more), strict=True))
    return Labels(*joined), LiftLog(choice, len(rest))


def _parts(labels: Labels) -> tuple[Array, Array, Array]:
    return labels.indices, labels.solutions, labels.true


def _scheme(course: Course) -> Scheme:
    if course.scheme is None:
        raise ValueError("lifting labels needs to know the solver behind them: give the course a scheme")
    return course.scheme


def _coarse(samples: Samples, below: Samples | None, course: Course, target: int) -> Coarse:
    """Return a level's fields, with those of the level below where it has solved the same draws."""
    if below is None or not set(samples.indices) <= set(below.indices):
        return Coarse(samples.inputs, samples.solutions)
    row = {index: i for i, index in enumerate(below.indices)}
    coarser = below.solutions[[row[i] for i in samples.indices]]
    return Coarse(samples.inputs, samples.solutions, coarser, ratio_of(_scheme(course).hierarchy, below.level, target))
