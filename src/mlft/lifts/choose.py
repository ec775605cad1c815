"""Fitting lifts, and choosing the one with the best certificate."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from mlft.grids import relative_error
from mlft.lifts.certificate import label_error
from mlft.lifts.coupled import Coupled, LiftError, Place, check
from mlft.lifts.lift import Lift
from mlft.lifts.shipped import LIFTS
from mlft.training import Course

Array = np.ndarray


@final
@dataclass(frozen=True)
class Choice:
    """The lift with the best certificate, and what the others that were tried would have left.

    Attributes:
        lift: the chosen one.
        tried: the lifted label error of each, by name; for one that could not be fitted, why.
        example: one coupled draw, that of median lifted error: coarse solution, lifted by correctors that did not see
            it, and target; each (1, k, *grid).
    """

    lift: Lift
    tried: Mapping[str, float | str]
    example: tuple[Array, Array, Array]


def fit(name: str, coupled: Coupled, place: Place, course: Course) -> Lift:
    """Return a lift fitted to coupled draws, with its certificate: bit for bit the same when continued.

    Args:
        name: in `LIFTS`.
        coupled: draws solved on the level and on a finer one, seen on the finest grid.
        place: where it belongs.
        course: seed, checkpoints, progress; the steps are the lift's own.

    Raises:
        LiftError: for fields of a wrong shape or that are not finite, fewer draws than it needs, or none to certify it.
        ConfigError: for an unknown name.
    """
    return _fit(name, coupled, place, course)[0]


def choose(names: Sequence[str], coupled: Coupled, place: Place, course: Course) -> Choice:
    """Return the lift of least certified label error: none of them where none is below the raw labels'.

    Raises:
        LiftError: for fields that are not finite or of a wrong shape, or no draw solved on the target.
    """
    best, tried = _fit("none", coupled, place, course), dict[str, float | str]()
    for name in names:
        try:
            found = _fit(name, coupled, place, course)
        except LiftError as error:
            tried[name] = str(error)
            continue
        left = _left(found[0])
        tried[name] = left if math.isfinite(left) else "its labels are not finite"
        if left < _left(best[0]):
            best = found
    return Choice(best[0], tried, _example(coupled, best[1], place))


def _fit(name: str, coupled: Coupled, place: Place, course: Course) -> tuple[Lift, Array]:
    """Return a fitted lift, and the coupled draws lifted by correctors that did not see them."""
    method = LIFTS[name]
    check(coupled.coarse, place)
    if coupled.fine.shape != coupled.coarse.solutions.shape or not np.isfinite(coupled.fine).all():
        raise LiftError(
            f"the fine solutions of a lift of level {place.level} must be finite and of shape "
            f"{coupled.coarse.solutions.shape}, as the coarse ones on the finest grid; got {coupled.fine.shape}"
        )
    if len(coupled) < method.least or not coupled.true.any():
        raise LiftError(
            f"the lift '{name}' of level {place.level} needs {max(1, method.least)} coupled draws, one of them at "
            f"least solved on the finest grid; got {len(coupled)} and {int(coupled.true.sum())}: solve more draws on "
            "both levels, or use the lift 'none'"
        )
    started = time.process_time()
    correction, judged = method.fit(coupled, place, course)
    seconds = time.process_time() - started
    rows = coupled.true
    error = label_error(coupled.coarse.solutions[rows], judged[rows], coupled.fine[rows], place.grid)
    channels = coupled.coarse.inputs.shape[1], coupled.fine.shape[1]
    return Lift(name, place, channels, correction, error, seconds), judged


def _left(lift: Lift) -> float:
    value = lift.error.lifted.value
    return value if math.isfinite(value) else math.inf


def _example(coupled: Coupled, judged: Array, place: Place) -> tuple[Array, Array, Array]:
    rows = np.flatnonzero(coupled.true)
    errors = relative_error(judged[rows], coupled.fine[rows], place.grid)
    row = rows[[np.argsort(errors, kind="stable")[len(rows) // 2]]]
    return coupled.coarse.solutions[row], judged[row], coupled.fine[row]
