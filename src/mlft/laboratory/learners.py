"""The interface of everything that is fitted to pairs, and the linear map as the simplest such thing."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import torch
from jaxtyping import Float

from mlft.diagnostics.maps import Map, predictions
from mlft.laboratory.equations import Pairs
from mlft.laboratory.linear import LinearFit, fit_linear
from mlft.seeds import generator

Array = np.ndarray


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
    """The linear map in closed form, `mlft.laboratory.linear.fit_linear`: the limit of gradient descent.

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
