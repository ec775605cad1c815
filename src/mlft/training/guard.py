"""The guard: after a stage, keep the weights that held-out samples prefer, those before, after or in between."""

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from mlft.training.stage import Pairs, Weights, held_out_error, restore

BLENDS = (0.0, 0.25, 0.5, 0.75, 1.0)


@final
@dataclass(frozen=True)
class Verdict:
    """What the guard decided.

    Attributes:
        error_before: held-out error of the weights before the stage.
        error_after: held-out error of the weights kept; of the rejected ones where nothing was kept. NaN where nothing
            was held out.
        blend: t of the weights kept, (1 − t) before + t after; 0 if the stage was rejected.
    """

    error_before: float
    error_after: float
    blend: float

    @property
    def kept(self) -> bool:
        """Whether the stage changed the weights."""
        return self.blend > 0


def guard(surrogate: nn.Module, before: Weights, after: Weights, held_out: Pairs) -> Verdict:
    """Set the surrogate to the best of (1 − t) before + t after, t in 0, ¼, ½, ¾, 1, by the held-out error.

    Ties go to the smaller movement; a stage never raises the held-out error. Without held-out samples nothing can be
    judged, and the weights after the stage are kept.
    """
    if not len(held_out):
        restore(surrogate, after)
        return Verdict(math.nan, math.nan, 1.0)
    errors = {t: _error(surrogate, between(before, after, t), held_out) for t in BLENDS}
    best = min(BLENDS, key=lambda t: (errors[t] if math.isfinite(errors[t]) else math.inf, t))
    restore(surrogate, between(before, after, best))
    return Verdict(errors[0.0], errors[best] if best else min(errors[t] for t in BLENDS[1:]), best)


def between(before: Weights, after: Weights, t: float) -> Weights:
    """Return (1 − t) before + t after, exactly `before` at 0 and `after` at 1; between them, counts are those after."""
    if t in (0.0, 1.0):
        return after if t else before
    return {name: (1 - t) * old + t * after[name] if _blends(old) else after[name] for name, old in before.items()}


def _blends(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _error(surrogate: nn.Module, weights: Weights, held_out: Pairs) -> float:
    restore(surrogate, weights)
    return held_out_error(surrogate, held_out)
