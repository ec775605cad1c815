"""The interface of everything that is fitted to pairs, and the linear map as the simplest such thing."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import torch
from jaxtyping import Float

from mlft.diagnostics.equations import Pairs
from mlft.diagnostics.linear import LinearFit, fit_linear
from mlft.seeds import generator

Array = np.ndarray
Map = Callable[[Array], Array]
"""What a learner makes: input fields (n, c, *grid) to output fields (n, d, *grid); a surrogate's `predict` is one."""


def predictions(fitted: Map, inputs: Float[Array, "_n _c *_grid"], shape: tuple[int, ...]) -> Array:
    """Return what a map makes of inputs.

    Args:
        fitted: the map.
        inputs: the input fields.
        shape: that its answer must have, (n, d, *grid).

    Raises:
        ValueError: for an answer that is no array, or of another shape.
    """
    found = fitted(inputs)
    if not isinstance(found, np.ndarray) or found.shape != shape:
        got = f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
        raise ValueError(
            f"a map takes fields (n, channels, *grid) and returns an array of the shape of the solutions; for inputs "
            f"of shape {inputs.shape} that is {shape}, it returned {got}"
        )
    return found


class Learner(ABC):
    """Something that is fitted to pairs and then predicts.

    Attributes:
        name: names it in matrices and files.
    """

    name: str

    @abstractmethod
    def fit(self, sets: Sequence[Pairs], *, seed: int) -> list[Map]:
        """Return a map for each set of pairs, fitted to that set alone; sets are independent, and may be batched."""

    def errors(self, fitted: Map, test: Pairs) -> tuple[float, float]:
        """Return the mean square error on a test set and the mean square of what is predicted.

        Raises:
            ValueError: if the map does not return the shape of the test outputs.
        """
        found = predictions(fitted, test.inputs, test.outputs.shape)
        return float(np.mean((found - test.outputs) ** 2)), float(np.mean(test.outputs**2))

    def facts(self, fitted: Map) -> dict[str, float]:
        """Return numbers about a fitted map that belong into the record, such as a parameter that was found."""
        return {}

    @property
    def settings(self) -> dict[str, Any]:
        """The name and the options, as plain values: what a stored matrix must agree on."""
        options: dict[str, Any] = dataclasses.asdict(self) if dataclasses.is_dataclass(self) else {}
        return {"learner": self.name, **options}


@final
@dataclass(frozen=True)
class LinearLearner(Learner):
    """The linear map in closed form, `mlft.diagnostics.linear.fit_linear`: the limit of gradient descent.

    Attributes:
        start: "zero", or "random" for initial weights N(0, 1/values of an input).
        name: of the matrix.
    """

    start: Literal["zero", "random"] = "zero"
    name: str = "linear"

    def fit(self, sets: Sequence[Pairs], *, seed: int) -> list[Map]:
        """Return a `LinearFit` for each set."""
        return [fit_linear(pairs, initial=self._initial(pairs, seed, i)) for i, pairs in enumerate(sets)]

    def facts(self, fitted: Map) -> dict[str, float]:
        """Return the rank and the condition number of the training inputs."""
        assert isinstance(fitted, LinearFit)
        return {"rank": float(fitted.rank), "condition": fitted.condition}

    def _initial(self, pairs: Pairs, seed: int, which: int) -> Float[Array, "p q"] | None:
        if self.start == "zero":
            return None
        inputs, outputs = (int(np.prod(field.shape[1:])) for field in (pairs.inputs, pairs.outputs))
        stream = generator(seed, "linear", "weights", which)
        return torch.randn(outputs, inputs, generator=stream, dtype=torch.float64).numpy() / inputs**0.5
