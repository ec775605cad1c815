"""One network for the solutions of all levels: it is told how fine a label is, and asked for the finest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import torch

from mlft.learners.base import Fitted, Learner
from mlft.learners.finetune import FineTune
from mlft.learners.further import described, like
from mlft.seeds import generator
from mlft.store import Samples
from mlft.surrogates import Held, Network, Surrogate
from mlft.training.batches import learned
from mlft.training.course import Course
from mlft.training.settings import Training


@final
@dataclass(frozen=True)
class Mixture(Learner):
    """Train one network (x, ξ) ↦ u_l on the samples of all levels at once, and predict at ξ = 1.

    ξ = l/L with L the finest level in use is a further input channel. All samples are alike in a batch. Draws that are
    held out are so on every level, and judge by their finest label. Samples of a single level are trained on as they
    are.

    Source: Setinek, Galletti, Brandstetter 2025, Towards multi-fidelity scaling laws of neural surrogates in CFD,
    arXiv 2511.01830, on datasets composed of several fidelities.
    """

    rebuilds: ClassVar[bool] = True

    def fit(self, surrogate: Surrogate, samples: Sequence[Samples], course: Course) -> Fitted:
        """Return a surrogate of the finest level in use; the given one stays untrained where there are several.

        Raises:
            ValueError: no samples to train on, or levels that do not increase.
            ConfigError: for a network that is not of the registry.
        """
        if len(samples) < 2:
            return FineTune().fit(surrogate, samples, course)
        told = [replace(one, inputs=(*one.inputs, 1)) for one in surrogate.symmetries]
        channels, stream = (surrogate.channels[0] + 1, surrogate.channels[1]), generator(course.seed, "mixture")
        of_all = like(surrogate, channels, told, generator=stream)
        fitted = FineTune().fit(of_all, [together(samples, course.training)], course)
        return replace(fitted, surrogate=_held(surrogate, fitted.surrogate))


def together(samples: Sequence[Samples], settings: Training) -> Samples:
    """Return the samples of all levels as those of the finest, with ξ = l/L as the last input channel.

    Of the draws that are held out the finest label is there alone. They are in the order of their draws, so that the
    first ones, which a regression takes of many, are of all levels.

    Raises:
        ValueError: for levels that do not increase.
    """
    levels = [one.level for one in samples]
    if levels != sorted(set(levels)):
        raise ValueError(f"samples of increasing levels are needed, got levels {levels}")
    parts: list[tuple[np.ndarray, ...]] = []
    for one in samples:
        rows = learned(one.indices, settings) | (one.level == levels[-1])
        number = np.full_like(one.inputs[rows, :1], one.level / levels[-1])
        inputs = np.concatenate([one.inputs[rows], number], axis=1)
        parts.append((np.asarray(one.indices)[rows], inputs, one.solutions[rows]))
    indices, inputs, solutions = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(indices, kind="stable")
    return Samples(levels[-1], tuple(int(i) for i in indices[order]), inputs[order], solutions[order])


def _held(surrogate: Surrogate, of_all: Surrogate) -> Surrogate:
    """Return a surrogate of the channels that were asked for: the network of all levels, held at ξ = 1."""
    encoder, made = of_all.input_normaliser, described(of_all)
    value = float((1.0 - encoder.shift[-1]) / encoder.scale[-1])
    held = Held(surrogate.channels, generator=torch.Generator(), **made, value=value)
    assert isinstance(of_all.network, Network)
    held.network = of_all.network
    found = Surrogate(held, surrogate.channels, surrogate.grid)
    found.input_normaliser.shift.copy_(encoder.shift[:-1])
    found.input_normaliser.scale.copy_(encoder.scale[:-1])
    found.output_normaliser = of_all.output_normaliser
    found.tell_as(surrogate)
    return found.to(encoder.shift.device)
