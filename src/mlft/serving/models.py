"""The models that UM-Bridge sees: what goes in and comes out, as vectors of points, one a channel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import numpy as np

from mlft.serving.batching import Function
from mlft.serving.derivatives import gradient, hessian_action, jacobian_action
from mlft.serving.served import Served
from mlft.surrogates import Surrogate

Array = np.ndarray

FORWARD, HALF_WIDTH, FAMILIARITY = "forward", "half-width", "familiarity"
FEATURES = ("Evaluate", "Gradient", "ApplyJacobian", "ApplyHessian")

Outputs = Sequence[Sequence[float]]


@final
@dataclass(frozen=True)
class Model:
    """A function of vectors to vectors.

    Attributes:
        name: that UM-Bridge asks for.
        inputs: length of each input vector.
        outputs: length of each output vector.
        functions: by feature, of batches: "Evaluate" of inputs, "Gradient" of inputs and sens, "ApplyJacobian" of
            inputs and vec, "ApplyHessian" of inputs, sens and vec, all (n, channels, *grid).
        told: from one result of "Evaluate", and a level, to the output vectors.
        levels: that `config` may choose from; none where it takes no level.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    functions: Mapping[str, Function]
    told: Callable[[Any, float | None], Outputs]
    levels: tuple[float, ...] = field(default=())


def models_of(served: Served) -> dict[str, Model]:
    """Return the models of a run by name.

    `forward` is the solution. `half-width`, where the run keeps bands, is that of its points. `familiarity`, where it
    keeps an alarm, is the score of the input and the threshold above which the alarm rings, one number each.
    """
    points, (channels, outputs) = served.points, served.channels
    inputs, solutions = (points,) * channels, (points,) * outputs
    evaluate: dict[str, Function] = {"Evaluate": served.predict}
    forward = evaluate | derivatives_of(served.record.surrogate)
    made = [Model(FORWARD, inputs, solutions, forward, lambda value, _: vectors(value))]
    if served.bands is not None:
        told = partial(_half_widths, served)
        made.append(Model(HALF_WIDTH, inputs, solutions, evaluate, told, served.levels))
    if served.record.alarm is not None:
        made.append(Model(FAMILIARITY, inputs, (1, 1), {"Evaluate": served.familiar}, lambda found, _: _scores(found)))
    return {model.name: model for model in made}


def derivatives_of(surrogate: Surrogate) -> dict[str, Function]:
    """Return those derivatives, by feature, that automatic differentiation has for a network: each is tried once.

    Networks of mlft have all of them, regressions and averages too. One of your own may have none, or, where an
    operation of it can be differentiated only once, the gradient alone: torch says 0 then, and (J v)·s is not v·(Jᵀ s).
    """
    known: dict[str, Function] = {
        "Gradient": partial(gradient, surrogate),
        "ApplyJacobian": partial(jacobian_action, surrogate),
        "ApplyHessian": partial(hessian_action, surrogate),
    }
    random = np.random.default_rng(0)
    x, v, s = (random.normal(size=(1, surrogate.channels[k], *surrogate.grid.shape)) for k in (0, 0, 1))
    pulled, pushed, bent = (
        _tried(known[name], x, *others) for name, others in zip(known, ((s,), (v,), (s, v)), strict=True)
    )
    if pulled is None:
        return {}
    if pushed is None or bent is None:
        return {"Gradient": known["Gradient"]}
    off, size = abs((pushed * s).sum() - (pulled * v).sum()), np.linalg.norm(pushed) * np.linalg.norm(s)
    return known if off <= 0.01 * size else {"Gradient": known["Gradient"]}


def _tried(function: Function, *arrays: Array) -> Array | None:
    try:
        found: Array = function(*arrays)
    except (RuntimeError, NotImplementedError):  # torch's, where an operation has no such derivative
        return None
    return found


def vectors(value: Array) -> Outputs:
    """Return the channels of one field as vectors of its points."""
    found: Outputs = value.reshape(len(value), -1).tolist()
    return found


def _scores(found: tuple[float, float, str]) -> Outputs:
    return [[found[0]], [found[1]]]


def _half_widths(served: Served, value: Array, level: float | None) -> Outputs:
    return vectors(served.banded(value[None], served.level if level is None else level).half_width)
