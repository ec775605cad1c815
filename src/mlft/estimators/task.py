"""What is to be learned, and how the three estimators are called."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.errors import MlftError
from mlft.planning import relative
from mlft.surrogates import Surrogate

Array = np.ndarray
Train = Callable[[Surrogate, Array, Array], None]
"""Train a surrogate in place on inputs and labels."""


@final
@dataclass(frozen=True)
class Task:
    """A target to be learned by a surrogate from its present weights on.

    Attributes:
        surrogate: where the learning starts, normalisers fitted.
        inputs: on the finest grid.
        targets: what is to be added to the surrogate's outputs: u_0 − f before any training, a correction δ after.
        scale: root mean square of each sample's solution, which errors are relative to.
    """

    surrogate: Surrogate
    inputs: Float[Array, "n c *grid"]
    targets: Float[Array, "n d *grid"]
    scale: Float[Array, " n"]

    @property
    def cap(self) -> float:
        """Mean relative error of learning nothing, or of learning the mean target where that is better."""
        plain = relative(self.targets, self.scale)
        centred = relative(self.targets - self.targets.mean(axis=0), self.scale) if len(self.targets) > 2 else plain
        return float(min(plain.mean(), centred.mean()))


@final
class PilotError(MlftError):
    """Too few pilot samples for an estimate.

    Attributes:
        needed: samples that are needed.
        got: samples that were given.
    """

    def __init__(self, message: str, *, needed: int, got: int) -> None:
        super().__init__(message)
        self.needed, self.got = needed, got


def need(task: Task, samples: int, what: str) -> None:
    """Refuse a task of fewer samples.

    Raises:
        PilotError: with the number needed.
    """
    if len(task.inputs) < samples:
        message = f"{what} needs at least {samples} pilot samples, got {len(task.inputs)}; give a larger budget"
        raise PilotError(message, needed=samples, got=len(task.inputs))


def subset_sizes(n: int) -> list[int]:
    """Return the sizes of the nested subsets that an estimator learns from: a quarter, a half, three quarters of n.

    >>> subset_sizes(64), subset_sizes(9), subset_sizes(4)
    ([16, 32, 48], [2, 4, 6], [2, 3])
    """
    return sorted({size for size in (n // 4, n // 2, 3 * n // 4) if size >= 2})
