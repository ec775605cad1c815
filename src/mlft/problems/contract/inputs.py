"""Checks of `evaluate`: fields of the right shape on every level, and the same function on all of them."""

from functools import partial

import numpy as np

from mlft.grids import Grid
from mlft.problems.base import Problem
from mlft.problems.contract.batches import independent
from mlft.problems.contract.drawing import kind
from mlft.problems.contract.findings import Finding, Verdict, judge
from mlft.problems.contract.sameness import same_function

Array = np.ndarray
Fields = dict[int, Array]
"""What was computed, by level; a level is missing where it could not be used."""


def evaluated(problem: Problem, rows: Array) -> tuple[Fields, list[Finding]]:
    """Return the inputs of draws on every level, and the findings on their shapes."""
    fields: Fields = {}
    levels = range(len(problem.hierarchy))
    return fields, [judge("inputs", level, partial(_shape, problem, rows, level, fields)) for level in levels]


def one_function(problem: Problem, fields: Fields) -> list[Finding]:
    """Return, for each level but the finest, whether its inputs are the same functions as those of the finest."""
    finest = len(problem.hierarchy) - 1
    return [
        judge("one function", level, partial(same_function, values, fields[finest], problem.hierarchy[level]))
        for level, values in fields.items()
        if level != finest and finest in fields
    ]


def inputs_in_any_batch(problem: Problem, rows: Array, fields: Fields) -> list[Finding]:
    """Return, for each level, whether an input does not depend on its batch."""

    def check(level: int) -> Verdict:
        return independent(lambda some: problem.evaluate(some, problem.hierarchy[level]), rows, fields[level])

    return [judge("inputs in any batch", level, partial(check, level)) for level in fields]


def misshapen(values: object, n: int, grid: Grid, what: str) -> Verdict | None:
    """Return what is wrong with the type or the shape of fields, or None."""
    wanted = ", ".join(map(str, (n, "channels", *grid.shape)))
    advice = f"return an array of float64 of shape ({wanted})"
    if not isinstance(values, np.ndarray):
        return Verdict(False, f"{what} are {kind(values)}", advice)
    if values.ndim != grid.dimension + 2 or len(values) != n or values.shape[2:] != grid.shape:
        return Verdict(False, f"{what} on {grid} have shape {values.shape}", advice)
    if not np.issubdtype(values.dtype, np.floating):
        return Verdict(False, f"{what} are {kind(values)}", advice + "; a complex field is two channels")
    return None


def _shape(problem: Problem, rows: Array, level: int, fields: Fields) -> Verdict:
    grid, given = problem.hierarchy[level], rows.copy()
    values = problem.evaluate(given, grid)
    wrong = misshapen(values, len(rows), grid, "inputs")
    if wrong:
        return wrong
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values.reshape(len(values), -1)).all(axis=1)).sum())
        return Verdict(
            False, f"inputs of {bad} of {len(rows)} draws are not finite", "return finite inputs for any draw"
        )
    if not np.array_equal(given, rows):
        return Verdict(False, "evaluate wrote to the draws it was given", "copy what you change")
    channels = {values.shape[1], *(field.shape[1] for field in fields.values())}
    if len(channels) > 1:
        return Verdict(False, f"levels have {sorted(channels)} channels", "give every level the same channels")
    fields[level] = values
    single = "" if values.dtype == np.float64 else "they are converted to float64, in which solves are compared"
    return Verdict(True, f"{values.shape[1]} channel{'s' * (values.shape[1] > 1)} of {values.dtype}", single)
