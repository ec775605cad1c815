"""Which network learns this map from these samples: candidates trained, the hopeless ones dropped, the rest weighed."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType
from typing import Any, final

import numpy as np
from jaxtyping import Float

from mlft.learners.all_draws import with_all_draws
from mlft.learners.base import CandidateLog, Fitted, StageLog
from mlft.store import Samples
from mlft.surrogates import Average, Surrogate
from mlft.training.batches import learned
from mlft.training.course import Course
from mlft.training.schedule import Rival

Array = np.ndarray
Rivals = Mapping[int, Rival]
"""What candidates did on the stage of a level."""

NONE: Rivals = MappingProxyType({})

Fit = Callable[[Surrogate, Sequence[Samples], Course, Rivals], Fitted]
End = Callable[[Fitted, Sequence[Samples], Course], Fitted]

LEAST = 4
"""Held-out draws that a choice is made on."""

UNTRIED = "fno-muon"
"""The candidate that is taken where there is nothing to choose by."""

WORTH = 0.95
"""An average must have at most this much of the held-out error of its best member: what is fitted promises too much."""


_TURNS, _STAYS = 100, 1e-6
"""Of a reweighting, at most, and the change of weights that is none."""


@final
@dataclass(frozen=True)
class Candidate:
    """A network that was trained.

    Attributes:
        name: of the member.
        fitted: its surrogate and stages; None where it failed.
        seconds: of CPU time.
        failure: in words.
        level: whose held-out draws judge it; the last one by default.
    """

    name: str
    fitted: Fitted | None
    seconds: float
    failure: str = ""
    level: int | None = None

    @property
    def error(self) -> float:
        """Its held-out error; infinite where it failed, was beaten, or is not finite."""
        if self.fitted is None or self.fitted.stages[-1].beaten:
            return math.inf
        found = _left(self.judged)
        return found if math.isfinite(found) else math.inf

    @property
    def judged(self) -> StageLog:
        """The stage that it is judged by."""
        assert self.fitted is not None
        stages = self.fitted.stages
        return next((stage for stage in stages if stage.level == self.level), stages[-1])


def choose(
    surrogate: Surrogate, samples: Sequence[Samples], course: Course, fit: Fit, end: End = with_all_draws
) -> Fitted:
    """Return an average of candidates that was trained: those of its members that are worth it, with their weights.

    The candidates are trained one after the other on the same samples. One that an earlier one has beaten
    (`mlft.training.schedule.beaten`) is dropped. Of the rest the best is taken, or, where its held-out error
    is at least a twentieth less, the convex combination with the least (`mixture`), and what is taken is trained on
    with the draws that chose it (`with_all_draws`). Held-out draws are those of the finest level that has 4 of them.
    Where none has there is nothing to choose by: `fno-muon` is taken, or the last one where it is none of them.

    Args:
        surrogate: with an untrained `Average`.
        samples: as in `Learner.fit`.
        course: how the training is run; each candidate has a folder of its own.
        fit: trains one candidate.
        end: trains what is taken on all draws.

    Raises:
        ValueError: as `fit`, or if every candidate fails.
    """
    network = surrogate.network
    assert isinstance(network, Average)
    judges = _judges(samples, course)
    if judges is None:
        return _alone(surrogate, network, samples, course, fit=fit, end=end)
    found: list[Candidate] = []
    for name, own, part in zip(network.names, network.trainings, surrogate.parts(), strict=True):
        if course.announce is not None:
            number, count = len(found) + 1, len(network.names)
            course.announce(f"{name}, {number} of {count} networks", count - number)
        tried = _tried(name, part, samples, _own(course, name, own), fit, rivals(found))
        found.append(replace(tried, level=judges.level))
    able = [i for i, one in enumerate(found) if math.isfinite(one.error)]
    if not able:
        raise ValueError(f"every candidate failed: {'; '.join(f'{one.name}: {one.failure}' for one in found)}")
    weights = _weights(found, able, judges.inputs, judges.solutions)
    trainings = network.trainings
    network.keep(weights)
    best = found[max(range(len(found)), key=lambda i: (weights[i], -found[i].error))]
    assert best.fitted is not None
    logs = tuple(_log(one, weight) for one, weight in zip(found, weights, strict=True))
    ends = {}
    for one, own, weight in zip(found, trainings, weights, strict=True):
        if one.fitted is not None and weight:
            ends[one.name] = end(one.fitted, samples, _own(course, one.name, own))
    return replace(ends[best.name], surrogate=surrogate, candidates=logs)


def rivals(found: Sequence[Candidate]) -> dict[int, Rival]:
    """Return what some candidates did on the stage of each level: the least error after it, and their checks."""
    able = [one.fitted for one in found if one.fitted is not None and math.isfinite(one.error)]
    known: dict[int, Rival] = {}
    for fitted in able:
        for stage in fitted.stages:
            one = known.get(stage.level, Rival())
            courses = (*one.courses, stage.checks) if stage.steps > 1 else one.courses
            known[stage.level] = Rival(min(one.error, _left(stage)), courses)
    return known


def mixture(left: Float[Array, "m n p"]) -> Float[Array, " m"]:
    """Return the weights w ≥ 0 with Σ w = 1 that minimise Σ_n ‖Σ_m w_m r_mn‖, the sum of the errors of an average.

    Least squares in which each draw n has the weight 1/‖Σ_m w_m r_mn‖ of the solution before, until that stays. The
    mean of squares would be that of its worst draws: with 51 draws of `schrodinger` it gave a second network no weight
    that, averaged, made the error on fresh draws 0.75 of what it was.

    Args:
        left: r, what each of m candidates leaves of each of n draws.

    Source: Weiszfeld 1937, Tohoku Mathematical Journal 43; reweighting: Holland, Welsch 1977.
    """
    weights: Array | None = None
    sizes = np.ones(left.shape[1])
    for _ in range(_TURNS):
        found = convex(np.einsum("inp,jnp,n->ij", left, left, 1 / sizes))
        if weights is not None and np.abs(found - weights).max() < _STAYS:
            return found
        weights = found
        sizes = np.linalg.norm(np.tensordot(weights, left, axes=1), axis=1)
        sizes = np.maximum(sizes, _STAYS * sizes.mean() or 1.0)
    assert weights is not None
    return weights


def convex(gram: Float[Array, "m m"]) -> Float[Array, " m"]:
    """Return the weights w ≥ 0 with Σ w = 1 that minimise wᵀ G w, exactly: every set of positive weights is tried.

    >>> convex(np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 2.0], [2.0, 2.0, 9.0]])).tolist()
    [0.75, 0.25, 0.0]
    """
    best: tuple[float, Array] | None = None
    for count in range(1, len(gram) + 1):
        for members in combinations(range(len(gram)), count):
            weights = np.zeros(len(gram))
            one = np.ones(count)
            solved = np.linalg.lstsq(gram[np.ix_(members, members)], one, rcond=None)[0] if count > 1 else one
            if solved.min() >= 0 and solved.sum() > 0:
                weights[list(members)] = solved / solved.sum()
                value = float(weights @ gram @ weights)
                best = (value, weights) if best is None or value < best[0] else best
    assert best is not None
    return best[1]


def _tried(
    name: str, part: Surrogate, samples: Sequence[Samples], course: Course, fit: Fit, rival: Rivals
) -> Candidate:
    """Return one trained candidate; one that runs out of memory, or whose numbers torch refuses, has failed."""
    started = time.process_time()
    try:
        fitted, failure = fit(part, samples, course, rival), ""
    except (MemoryError, RuntimeError) as error:
        fitted, failure = None, str(error).partition("\n")[0] or type(error).__name__
    return Candidate(name, fitted, time.process_time() - started, failure)


def _own(course: Course, name: str, own: Mapping[str, Any]) -> Course:
    """Return the course of one candidate: settings of its own, and a folder of its own."""
    folder = None if course.folder is None else course.folder / name
    return replace(course.having(own), folder=folder)


def _alone(
    surrogate: Surrogate, network: Average, samples: Sequence[Samples], course: Course, *, fit: Fit, end: End
) -> Fitted:
    """Return the candidate that is taken untried, trained without rivals."""
    name = UNTRIED if UNTRIED in network.names else network.names[-1]
    network.keep([float(one == name) for one in network.names])
    own = _own(course, name, network.trainings[0])
    one = _tried(name, surrogate.parts()[0], samples, own, fit, NONE)
    if one.fitted is None:
        raise ValueError(f"the candidate {name} failed: {one.failure}")
    fitted = end(one.fitted, samples, own)
    words = f"taken untried: a choice needs {LEAST} held-out draws"
    return replace(fitted, surrogate=surrogate, candidates=(CandidateLog(name, math.nan, 1.0, one.seconds, words),))


def _judges(samples: Sequence[Samples], course: Course) -> Samples | None:
    """Return the draws that are held out on the finest level that has enough of them; None where none has."""
    for one in reversed(samples):
        rows = ~learned(one.indices, course.training)
        if rows.sum() >= LEAST:
            indices = tuple(np.array(one.indices)[rows].tolist())
            return Samples(one.level, indices, one.inputs[rows], one.solutions[rows])
    return None


def _weights(found: Sequence[Candidate], able: Sequence[int], inputs: Array, labels: Array) -> list[float]:
    """Return the weight of each candidate."""
    flat = labels.reshape(len(labels), -1)
    size = np.linalg.norm(flat, axis=1, keepdims=True)
    size[size == 0] = 1.0
    left = np.stack([(_predicted(found[i], inputs) - flat) / size for i in able])
    errors = np.linalg.norm(left, axis=2).mean(axis=1)
    best = np.zeros(len(able))
    best[errors.argmin()] = 1.0
    mixed = mixture(left)
    together = float(np.linalg.norm(np.tensordot(mixed, left, axes=1), axis=1).mean())
    chosen = dict(zip(able, mixed if together <= WORTH * errors.min() else best, strict=True))
    return [float(chosen.get(i, 0.0)) for i in range(len(found))]


def _predicted(one: Candidate, inputs: Array) -> Array:
    assert one.fitted is not None
    found: Array = one.fitted.surrogate.predict(inputs).reshape(len(inputs), -1)
    return found


def _left(stage: StageLog) -> float:
    """Return the held-out error after a stage, of the weights that the guard left."""
    return stage.verdict.error_after if stage.verdict.kept else stage.verdict.error_before


def _log(one: Candidate, weight: float) -> CandidateLog:
    if one.fitted is None:
        words, error = f"failed: {one.failure}", math.nan
    elif one.fitted.stages[-1].beaten:
        last = one.fitted.stages[-1]
        error = min(error for _, error in last.checks)
        words = f"dropped after {last.steps} steps: an earlier one errs far less"
    else:
        error = _left(one.judged)
        words = ("taken" if weight == 1 else f"weight {weight:.2f}") if weight else "erred more"
    return CandidateLog(one.name, error, weight, one.seconds, words)
