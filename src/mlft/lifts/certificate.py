"""The certificate of a lift: the error of its labels on draws that it did not see, beside that of the raw labels."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.grids import Grid, relative_error
from mlft.intervals import Middle, arithmetic

Array = np.ndarray

USEFUL = 0.9
"""Share of the mean predictor's error that labels may have."""


@final
@dataclass(frozen=True)
class LabelError:
    """Mean relative L2 distance of a level's labels from the finest level's solutions, before and after the lift.

    Attributes:
        raw: of the prolonged solutions.
        lifted: of the lifted ones, each by correctors that did not see its draw.
        mean: of the mean of the other draws' solutions: what is known without solving on the level.
        draws: how many coupled draws they were measured on.
    """

    raw: Middle
    lifted: Middle
    mean: Middle
    draws: int

    @property
    def useful(self) -> bool:
        """Whether the lifted labels say a tenth more than the mean does; those of an aliased level may not."""
        return not self.lifted.value > USEFUL * self.mean.value


def label_error(
    raw: Float[Array, "n k *grid"], lifted: Float[Array, "n k *grid"], fine: Float[Array, "n k *grid"], grid: Grid
) -> LabelError:
    """Return the certificate of lifted labels, on draws whose fine solutions are known."""
    n = len(fine)
    others = (fine.sum(axis=0) - fine) / (n - 1) if n > 1 else np.full_like(fine, np.nan)
    before, after, mean = (arithmetic(relative_error(field, fine, grid).tolist()) for field in (raw, lifted, others))
    return LabelError(before, after, mean, n)
