"""No lift: the prolonged coarse solutions as they are."""

from typing import Any, final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mlft.lifts.coupled import Coarse, Coupled, Place
from mlft.lifts.method import Correction, Method
from mlft.training import Course

Array = np.ndarray


@final
class Nothing(Correction):
    """Corrects nothing."""

    def correct(self, coarse: Coarse) -> Float[Array, "n k *grid"]:
        """Return the prolonged solutions."""
        return coarse.solutions


@final
class NoLift(Method):
    """Leaves the labels as they are: what every other lift must beat."""

    def fit(self, coupled: Coupled, place: Place, course: Course) -> tuple[Correction, Float[Array, "n k *grid"]]:
        """Return the correction that is none."""
        return Nothing(), coupled.coarse.solutions

    def load(self, options: dict[str, Any], tensors: dict[str, Tensor], place: Place) -> Correction:
        """Return the correction that is none."""
        return Nothing()


NONE = NoLift()
