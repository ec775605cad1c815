"""The product's own surrogates behind the interface of the generalization laboratory: fit pairs, then predict."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

from mlft.diagnostics.maps import Map
from mlft.grids import Grid
from mlft.laboratory.equations import Pairs
from mlft.laboratory.learners import Learner
from mlft.learners import OneLevel
from mlft.seeds import generator
from mlft.store import Samples
from mlft.surrogates import build
from mlft.training import Course, Training


@final
@dataclass(frozen=True)
class SurrogateLearner(Learner):
    """A surrogate of the registry, trained as `mlft run` trains it on the samples of one level.

    Normalisers, batches, optimiser, held-out samples and guard are those of `mlft.training`: what a cross-validation
    of it measures is what a run would give. A set after the other; nothing is batched over sets.

    Attributes:
        grid: where the pairs live.
        network: the name in `mlft.surrogates.SURROGATES`.
        options: of the network, as `mlft run --network`.
        training: as `mlft run --train`.
        samples: the first so many pairs of a set are used.
        name: of the matrix.
    """

    grid: Grid
    network: str = "fno"
    options: dict[str, Any] = field(default_factory=dict)
    training: Training = field(default_factory=Training)
    samples: int = 256
    name: str = "surrogate"

    def fit(self, sets: Sequence[Pairs], *, seed: int) -> list[Map]:
        """Return the `predict` of a trained surrogate for each set."""
        return [self._fit(pairs, seed, i) for i, pairs in enumerate(sets)]

    def _fit(self, pairs: Pairs, seed: int, which: int) -> Map:
        inputs, outputs = pairs.inputs[: self.samples], pairs.outputs[: self.samples]
        channels = inputs.shape[1], outputs.shape[1]
        stream = generator(seed, self.name, "weights", which)
        surrogate = build(self.network, channels, self.grid, generator=stream, options=self.options)
        samples = Samples(0, tuple(range(len(inputs))), inputs, outputs)
        OneLevel().fit(surrogate, [samples], Course(self.training, seed))
        return surrogate.eval().predict
