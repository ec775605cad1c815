"""What a solver says to given inputs, and the door through which it is asked."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from mlft.status import OK, RAISED

Array = np.ndarray
_REFUSED = RAISED + "ValueError"


@final
@dataclass(frozen=True)
class Answers:
    """Solutions of a batch of inputs on the finest grid, and how each solve ended.

    Attributes:
        solutions: NaN where a solve failed.
        status: a name per input, see `mlft.status`.
        notes: why a solve failed, in one line; empty where it did not.
    """

    solutions: Float[Array, "n k *grid"]
    status: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def good(self) -> Bool[Array, " n"]:
        """Which inputs were solved."""
        return np.array([name == OK for name in self.status], dtype=bool)

    @property
    def failures(self) -> str:
        """How the solves that failed ended, and how many did; empty if none failed."""
        ends = Counter(name for name in self.status if name != OK)
        return ", ".join(f"{count} {name}" for name, count in sorted(ends.items()))

    @property
    def refused(self) -> str:
        """Why the equation does not allow such inputs, by the first that was refused; empty if none was."""
        pairs = zip(self.status, self.notes, strict=True)
        found = next((note or name for name, note in pairs if name == _REFUSED), "")
        return found.removeprefix("ValueError: ")


Door = Callable[[str, Array], Answers]
"""A name for a batch of inputs on the finest grid, and the inputs, to the answers.

The name is for people: lower-case letters, digits and hyphens. It may come again with more inputs, or with others (of a
law that depends on all draws at once, such as a shift by their spread): telling them apart is the door's affair.
"""
