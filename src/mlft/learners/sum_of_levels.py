"""A network a level: the coarsest solution, and what each further level adds to the one before, summed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch

from mlft.grids import relative_error
from mlft.learners.base import CandidateLog, Fitted, Learner, StageLog
from mlft.learners.finetune import FineTune
from mlft.learners.further import described, like
from mlft.learners.stages import refuse_nothing
from mlft.seeds import generator
from mlft.store import Samples
from mlft.surrogates import Surrogate, Total
from mlft.training.batches import learned
from mlft.training.course import Course


@final
@dataclass(frozen=True)
class SumOfLevels(Learner):
    """Train a network on the coarsest level's solutions, one more on each difference u_l − u_(l−1), and sum them.

    Each is trained as on samples of its own. A difference that makes the error on the draws that are held out no less
    is left out of the sum; there is always the coarsest. Samples of a single level are trained on as they are.

    Source: Lye, Mishra, Molinaro 2021, A multi-level procedure for enhancing accuracy of machine learning algorithms,
    European Journal of Applied Mathematics 32, arXiv 1909.09448, algorithm 3.1; leaving out is ours.
    """

    rebuilds: ClassVar[bool] = True

    def fit(self, surrogate: Surrogate, samples: Sequence[Samples], course: Course) -> Fitted:
        """Return the surrogate that sums; the given one stays untrained where there are several levels.

        Raises:
            ValueError: no samples to train on, or levels that do not increase.
            ConfigError: for a network that is not of the registry.
        """
        if len(samples) < 2:
            return FineTune().fit(surrogate, samples, course)
        refuse_nothing(samples, course.training)
        terms: list[Surrogate] = []
        stages: list[StageLog] = []
        candidates: tuple[CandidateLog, ...] = ()
        for place, one in enumerate(samples):
            labelled = difference(one, samples[place - 1]) if place else one
            if not learned(labelled.indices, course.training).any():
                continue
            stream = generator(course.seed, "sum-of-levels", place)
            part = like(surrogate, surrogate.channels, surrogate.symmetries, generator=stream)
            fitted = FineTune().fit(part, [labelled], course)
            stages += fitted.stages
            candidates = candidates or fitted.candidates
            if not terms or _helps(terms, fitted.surrogate, one, course):
                terms.append(fitted.surrogate)
        return Fitted(total(surrogate, terms), tuple(stages), candidates=candidates)


def difference(samples: Samples, coarser: Samples) -> Samples:
    """Return samples whose labels are a level's solutions less the coarser level's, on the draws that both have."""
    _, rows, there = np.intersect1d(samples.indices, coarser.indices, return_indices=True)
    indices = tuple(samples.indices[row] for row in rows)
    return Samples(samples.level, indices, samples.inputs[rows], samples.solutions[rows] - coarser.solutions[there])


def total(surrogate: Surrogate, terms: Sequence[Surrogate]) -> Surrogate:
    """Return the sum of trained surrogates, with the grid, channels and symmetries of another one."""
    known = Total(surrogate.channels, generator=torch.Generator(), terms=[described(one) for one in terms])
    for place, one in enumerate(terms):
        known.terms[place] = one.network
        known.encoders[place], known.decoders[place] = one.input_normaliser, one.output_normaliser
    found = Surrogate(known, surrogate.channels, surrogate.grid)
    found.tell_as(surrogate)
    return found.to(surrogate.input_normaliser.shift.device)


def _helps(terms: Sequence[Surrogate], more: Surrogate, samples: Samples, course: Course) -> bool:
    """Return whether a further term lowers the error on held-out draws; without any it is believed to."""
    rows = ~learned(samples.indices, course.training)
    if not rows.any():
        return True
    inputs, labels = samples.inputs[rows], samples.solutions[rows]
    before = np.sum([one.predict(inputs) for one in terms], axis=0)
    after = before + more.predict(inputs)
    errors = [relative_error(found, labels, more.grid).mean() for found in (before, after)]
    return bool(errors[1] < errors[0])
