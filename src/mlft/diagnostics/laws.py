"""The error of a surrogate on a law of inputs, and the amplitudes at which it breaks."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.diagnostics.answers import Answers
from mlft.diagnostics.maps import Map, predictions
from mlft.grids import Grid, relative_error
from mlft.intervals import arithmetic

Array = np.ndarray

BREAKS = 2.0
"""The factor by which the error must grow for an amplitude to count as broken."""


@final
@dataclass(frozen=True)
class FamilyError:
    """The error on one law of inputs.

    Attributes:
        name: of the law.
        mean: mean relative L2 error over the draws that were solved; NaN if none was.
        lower: end of the 95% interval of the mean (Student's t).
        upper: the other end.
        median: of the errors.
        outside: share of the inputs' norm that lies off the span of the law that is trained on.
        failed: draws that the solver did not solve.
        refused: why the problem refuses such inputs; empty if it does not.
        failures: how the solves that failed ended, and how many did; empty if none failed.
    """

    name: str
    mean: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    median: float = math.nan
    outside: float = math.nan
    failed: int = 0
    refused: str = ""
    failures: str = ""


def slugs(names: Sequence[str]) -> list[str]:
    """Return a name in lower-case letters, digits and hyphens for each name, no two alike.

    >>> slugs(["larger (×2)", "Größer!", "larger, 2"])
    ['larger-2', 'gr-er', 'larger-2-again-1']
    """
    found: list[str] = []
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "law"
        alike = sum(other == slug or other.startswith(f"{slug}-again") for other in found)
        found.append(f"{slug}-again-{alike}" if alike else slug)
    return found


def law_error(
    name: str,
    inputs: Float[Array, "n c *grid"],
    answers: Answers,
    predict: Map,
    grid: Grid,
    known: Float[Array, "q r"],
) -> FamilyError:
    """Return the error of a surrogate on a law of inputs.

    Args:
        name: of the law.
        inputs: its draws on the finest grid.
        answers: the solver's.
        predict: the surrogate's.
        grid: the finest.
        known: orthonormal basis of the span of the law that is trained on.

    Raises:
        ValueError: if the surrogate does not return fields of the shape of the solutions.
    """
    if answers.refused:
        return FamilyError(name, refused=answers.refused)
    rows, good = inputs.reshape(len(inputs), -1), answers.good
    outside = float(np.linalg.norm(rows - (rows @ known) @ known.T) / (np.linalg.norm(rows) or 1.0))
    failed = int(np.sum(~good))
    if failed > len(good) - 2:
        return FamilyError(name, outside=outside, failed=failed, failures=answers.failures)
    found = predictions(predict, inputs[good], answers.solutions[good].shape)
    errors = relative_error(found, answers.solutions[good], grid)
    mean, median = arithmetic(errors.tolist()), float(np.median(errors))
    return FamilyError(name, mean.value, mean.lower, mean.upper, median, outside, failed, failures=answers.failures)


def breaking_amplitudes(amplitudes: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Return where the error first reaches twice that of amplitude 1, going down and going up from it; else NaN.

    Between two amplitudes both logarithms are interpolated; an error that is not finite counts as broken.
    """
    one = list(amplitudes).index(1.0)
    bar = BREAKS * errors[one]
    down = _first(list(amplitudes[one::-1]), list(errors[one::-1]), bar)
    return down, _first(list(amplitudes[one:]), list(errors[one:]), bar)


def _first(amplitudes: list[float], errors: list[float], bar: float) -> float:
    for i in range(1, len(errors) if bar > 0 else 0):
        if not np.isfinite(errors[i]):
            return amplitudes[i]
        if errors[i] >= bar:
            ratio = np.log(bar / errors[i - 1]) / np.log(errors[i] / errors[i - 1])
            return float(amplitudes[i - 1] * (amplitudes[i] / amplitudes[i - 1]) ** ratio)
    return float("nan")
