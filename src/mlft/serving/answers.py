"""Answers in plain JSON: what is served, test draws of the run, and predictions."""

from math import prod
from typing import Any

import numpy as np

import mlft
from mlft.experiment.record import PLACES
from mlft.markup import in_words
from mlft.serving.batching import Batcher
from mlft.serving.forms import Form, filled
from mlft.serving.limits import Limits
from mlft.serving.protocol import finite
from mlft.serving.refusals import Refused
from mlft.serving.served import Served

Array = np.ndarray

UNIT = "the solver's own"


def run_facts(served: Served, limits: Limits) -> dict[str, Any]:
    """Return what is served: equation, grid, channels, errors, levels of the bands, draws that can be asked for."""
    told, grid = served.record.outcome, served.grid
    normaliser = served.record.surrogate.input_normaliser
    found = told.error.relative_l2
    return {
        "problem": told.problem,
        "equation": told.equation,
        "version": mlft.__version__,
        "grid": {
            "cells": list(grid.cells),
            "shape": list(grid.shape),
            "lengths": list(grid.lengths),
            "bounds": [list(ends) for ends in grid.bounds],
            "points": [axis.tolist() for axis in grid.points],
            "centring": grid.centring,
            "periodic": list(grid.wraps),
        },
        "channels": {"inputs": served.channels[0], "solutions": served.channels[1]},
        "units": {"inputs": UNIT, "solutions": UNIT, "points": "the problem's unit of length"},
        "inputs": {"mean": normaliser.shift.tolist(), "deviation": normaliser.scale.tolist()},
        "error": f"{in_words(found.mean, found.mean_lower, found.mean_upper)}, of {told.error.samples} {told.tested}",
        "levels": list(served.levels),
        "familiarity": served.record.alarm is not None,
        "draws": [
            {"place": place, "error": _number(served.shown["errors"][chosen])}
            for place, chosen in zip(PLACES, served.shown["chosen"], strict=False)
        ],
        "limits": {"samples": most_samples(served, limits), "bytes": limits.bytes, "seconds": limits.seconds},
    }


def draw_facts(served: Served, index: int) -> dict[str, Any]:
    """Return one of the test draws that the run keeps in full: its input and the solver's solution.

    Raises:
        Refused: for a number that none has.
    """
    count = len(served.shown["inputs"])
    if not 0 <= index < count:
        raise Refused(f"there is no draw {index}: draws are numbered 0 to {count - 1}", kind="NotFound", status=404)
    found = (served.shown[name][index] for name in ("inputs", "solutions"))
    return dict(zip(("input", "solution"), map(_listed, found), strict=True))


def most_samples(served: Served, limits: Limits) -> int:
    """Return how many samples one request may have."""
    return max(1, limits.values // (served.points * max(served.channels)))


async def prediction(served: Served, form: type[Form], limits: Limits, batcher: Batcher, body: Any) -> dict[str, Any]:
    """Return solutions for a batch of inputs, with bands where a level is asked for.

    Raises:
        Refused: for another form, shape or level than wanted, too many samples, or a solution that is not finite.
    """
    asked: Any = filled(form, body)
    inputs = _fields(asked.inputs, served, most_samples(served, limits))
    _refuse_level(served, asked.uncertainty)
    if asked.familiarity and served.record.alarm is None:
        raise Refused("familiarity: this run keeps no alarm: it cannot say how familiar an input is")
    value = finite(np.asarray(await batcher.call(served.predict, inputs)))
    told: dict[str, Any] = {"value": value.tolist(), "unit": UNIT}
    if asked.uncertainty is not None:
        banded = served.banded(value, asked.uncertainty)
        told |= {"level": banded.level, "error": _number(banded.error)}
        told |= {"half_width": banded.half_width.tolist(), "band": _listed(banded.band)}
    if asked.familiarity:
        rows = await batcher.call(served.familiar, inputs)
        told["familiarity"] = [dict(zip(("score", "threshold", "reason"), row, strict=True)) for row in rows]
    return told


def _fields(nested: Any, served: Served, most: int) -> Array:
    """Return nested lists as an array, after their lengths have been looked at."""
    shape = (served.channels[0], *served.grid.shape)
    if not 1 <= len(nested) <= most:
        status, kind = (413, "TooLarge") if nested else (400, "InvalidInput")
        raise Refused(f"inputs: 1 to {most} samples are answered at once, got {len(nested)}", kind=kind, status=status)
    for i, sample in enumerate(nested):
        _refuse_lengths(f"inputs.{i}", sample, shape)
    return np.array(nested, dtype=np.float64).reshape(len(nested), *shape)


def _refuse_lengths(name: str, nested: Any, shape: tuple[int, ...]) -> None:
    if len(nested) != shape[0]:
        wanted = ", ".join(map(str, shape))
        raise Refused(f"{name}: an array ({wanted}) is wanted here, got {len(nested)} in place of {shape[0]}")
    if len(shape) > 1:
        for i, part in enumerate(nested):
            _refuse_lengths(f"{name}.{i}", part, shape[1:])


def _refuse_level(served: Served, level: float | None) -> None:
    if level is None:
        return
    try:
        served.banded(np.zeros((1, served.channels[1], *served.grid.shape)), level)
    except ValueError as error:
        raise Refused(f"uncertainty: {error}") from None


def _number(value: float) -> float | None:
    """Return a number as JSON has it: null where it is not finite."""
    return float(value) if np.isfinite(value) else None


def _listed(array: Array) -> Any:
    """Return an array as nested lists, null for what is not finite."""
    if np.isfinite(array).all():
        return array.tolist()
    flat = [_number(value) for value in array.reshape(prod(array.shape)).tolist()]
    return _nested(flat, array.shape)


def _nested(flat: list[Any], shape: tuple[int, ...]) -> Any:
    if len(shape) == 1:
        return flat
    size = len(flat) // shape[0]
    return [_nested(flat[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0])]
