"""UM-Bridge 1.0: the answers to its requests.

Source: Seelinger, Cheng-Seelinger, Davis, Parno, Reinarz 2023, "UM-Bridge: Uncertainty quantification and modeling
bridge", Journal of Open Source Software 8(83), 4748.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose
from typing import Any, final

import numpy as np

from mlft.serving.batching import Batcher
from mlft.serving.forms import ApplyHessian, ApplyJacobian, Choices, Evaluate, Gradient, Named, filled
from mlft.serving.models import FEATURES, Model, vectors
from mlft.serving.refusals import Refused

Array = np.ndarray

VERSION = 1.0

FORMS: dict[str, type[Evaluate]] = {
    "Evaluate": Evaluate,
    "Gradient": Gradient,
    "ApplyJacobian": ApplyJacobian,
    "ApplyHessian": ApplyHessian,
}


@final
@dataclass(frozen=True)
class Bridge:
    """The models of a server, and the thread that calls them.

    Attributes:
        models: by name.
        shape: of the grid.
        batcher: answers requests together.
    """

    models: Mapping[str, Model]
    shape: tuple[int, ...]
    batcher: Batcher

    def info(self) -> dict[str, Any]:
        """Return the version of the protocol, and the names of the models."""
        return {"protocolVersion": VERSION, "models": list(self.models)}

    def model_info(self, body: Any) -> dict[str, Any]:
        """Return which features a model has."""
        model, _ = self._named(body)
        return {"support": {feature: feature in model.functions for feature in FEATURES}}

    def input_sizes(self, body: Any) -> dict[str, Any]:
        """Return the length of each input vector of a model."""
        model, _ = self._named(body)
        return {"inputSizes": list(model.inputs)}

    def output_sizes(self, body: Any) -> dict[str, Any]:
        """Return the length of each output vector of a model."""
        model, _ = self._named(body)
        return {"outputSizes": list(model.outputs)}

    async def answer(self, feature: str, body: Any) -> dict[str, Any]:
        """Return the output of one of `FEATURES`.

        Raises:
            Refused: for an unknown model, a feature that it does not have, or another form or size than wanted.
        """
        model = self._model(body)
        if feature not in model.functions:
            has = ", ".join(model.functions)
            raise Refused(f"the model '{model.name}' has no {feature}; it has {has}", kind="UnsupportedFeature")
        asked = filled(FORMS[feature], body)
        level = _level(model, asked.config)
        _refuse_sizes("input", asked.input, model.inputs)
        arrays, chosen = _arguments(asked, model, self.shape)
        (found,) = await self.batcher.call(model.functions[feature], *arrays)
        if feature != "Evaluate":
            return {"output": vectors(finite(found))[chosen]}
        return {"output": model.told(finite(found), level)}

    def _named(self, body: Any) -> tuple[Model, Named]:
        model = self._model(body)
        return model, filled(Named, body)

    def _model(self, body: Any) -> Model:
        """Return the model that a body names, before the rest of it is looked at."""
        name = body.get("name") if isinstance(body, dict) else None
        if isinstance(name, str) and name not in self.models:
            known = ", ".join(self.models)
            raise Refused(f"there is no model '{name}' here; there are {known}", kind="ModelNotFound")
        return self.models[filled(_Bare, {"name": name} if isinstance(body, dict) else body).name]


class _Bare(Named):
    """A body of which only the name is looked at."""


def finite(found: Any) -> Any:
    """Return an array as it is.

    Raises:
        Refused: where a number of it is not finite.
    """
    if isinstance(found, np.ndarray) and not np.isfinite(found).all():
        raise Refused(
            "the surrogate has no finite answer to this input: its values are too large for the network's precision"
        )
    return found


def _level(model: Model, config: Choices) -> float | None:
    level = config.level
    if level is None:
        return None
    if not model.levels:
        raise Refused(f"config.level: the model '{model.name}' takes no level")
    if not any(isclose(level, known, rel_tol=0, abs_tol=1e-9) for known in model.levels):
        known = ", ".join(f"{one:g}" for one in model.levels)
        raise Refused(f"config.level: the bands are known at the levels {known}, got {level:g}")
    return level


def _refuse_sizes(name: str, vectors: list[list[float]], sizes: tuple[int, ...]) -> None:
    if len(vectors) != len(sizes):
        raise Refused(f"{name}: {len(sizes)} vectors are wanted, one a channel, got {len(vectors)}")
    for i, (vector, size) in enumerate(zip(vectors, sizes, strict=True)):
        _refuse_size(f"{name}.{i}", vector, size)


def _refuse_size(name: str, vector: list[float], size: int) -> None:
    if len(vector) != size:
        raise Refused(f"{name}: {size} numbers are wanted, one a point of the grid, got {len(vector)}")


def _chosen(name: str, index: int, sizes: tuple[int, ...]) -> int:
    if index >= len(sizes):
        raise Refused(f"{name}: the model has {len(sizes)}, numbered from 0, got {index}")
    return index


def _arguments(asked: Evaluate, model: Model, shape: tuple[int, ...]) -> tuple[list[Array], int]:
    """Return the arrays that a function is called with, of one row, and the channel of its result that is wanted."""
    arrays, chosen = [np.array(asked.input, dtype=np.float64).reshape(1, len(model.inputs), *shape)], 0
    if isinstance(asked, Gradient | ApplyHessian):
        out = _chosen("outWrt", asked.outWrt, model.outputs)
        arrays.append(_one("sens", asked.sens, out, model.outputs, shape))
    if isinstance(asked, Gradient):
        chosen = _chosen("inWrt", asked.inWrt, model.inputs)
    if isinstance(asked, ApplyJacobian):
        chosen = _chosen("outWrt", asked.outWrt, model.outputs)
        arrays.append(_one("vec", asked.vec, _chosen("inWrt", asked.inWrt, model.inputs), model.inputs, shape))
    if isinstance(asked, ApplyHessian):
        chosen = _chosen("inWrt1", asked.inWrt1, model.inputs)
        arrays.append(_one("vec", asked.vec, _chosen("inWrt2", asked.inWrt2, model.inputs), model.inputs, shape))
    return arrays, chosen


def _one(name: str, vector: list[float], channel: int, sizes: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """Return a field of all channels that is a vector on one of them and 0 on the others."""
    _refuse_size(name, vector, sizes[channel])
    made = np.zeros((1, len(sizes), *shape))
    made[0, channel] = np.array(vector, dtype=np.float64).reshape(shape)
    return made
