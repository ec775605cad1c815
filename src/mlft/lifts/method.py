"""What a way of lifting is, and what it makes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mlft.lifts.coupled import Coarse, Coupled, Place
from mlft.training import Course

Array = np.ndarray


class Correction(ABC):
    """What a lift adds to prolonged coarse solutions."""

    @abstractmethod
    def correct(self, coarse: Coarse) -> Float[Array, "n k *grid"]:
        """Return the corrected solutions.

        Raises:
            LiftError: if the fields lack what it needs.
        """

    @property
    def coarser_ratio(self) -> int:
        """Cells of the target's grid for one of the coarser level's that it needs beside its own; 0 for none."""
        return 0

    @property
    def options(self) -> dict[str, Any]:
        """Plain values to rebuild it from; none unless it has some."""
        return {}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Its weights; none unless it has some."""
        return {}


class Method(ABC):
    """A way of lifting.

    Attributes:
        least: coupled samples that it needs.
    """

    least: ClassVar[int] = 0

    @abstractmethod
    def fit(self, coupled: Coupled, place: Place, course: Course) -> tuple[Correction, Float[Array, "n k *grid"]]:
        """Return a correction, and the coupled draws corrected by others that did not see them.

        Raises:
            LiftError: if it cannot be fitted to these.
        """

    @abstractmethod
    def load(self, options: dict[str, Any], tensors: dict[str, Tensor], place: Place) -> Correction:
        """Return the correction that was saved as these."""

    def wanted(self, options: dict[str, Any], place: Place) -> Mapping[str, Tensor] | None:
        """Return the tensors that `load` takes, by name, without room for them; None where it looks at them itself."""
        return None
