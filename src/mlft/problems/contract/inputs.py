"""Checks of `evaluate` and `coarsen`: fields of the right shape on every level, one function, coarsened in one way."""

from functools import partial

import numpy as np

from mlft.errors import plain
from mlft.grids import Grid, nested, restrict
from mlft.problems.base import Problem
from mlft.problems.contract.batches import ROUND_OFF, independent
from mlft.problems.contract.drawing import kind
from mlft.problems.contract.findings import Finding, Verdict, judge
from mlft.problems.contract.sameness import distance, same_function
from mlft.problems.transfers import unfit

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

    def check(level: int, values: Array) -> Verdict:
        if not nested(problem.hierarchy[level], problem.finest):
            return Verdict(None, "the finest grid is not the level's, refined by a power of two: no values to compare")
        return same_function(values, fields[finest], problem.hierarchy[level])

    return [
        judge("one function", level, partial(check, level, values))
        for level, values in fields.items()
        if level != finest and finest in fields
    ]


def given(problem: Problem, rows: Array, fields: Fields) -> tuple[Fields, list[Finding]]:
    """Return what each level is given to solve, and, for each but the finest, whether it is the finest's, coarsened."""
    finest = len(problem.hierarchy) - 1
    if finest not in fields:
        return {}, []
    kept = {finest: fields[finest]}
    findings = [
        judge("coarse inputs", level, partial(_coarsened, problem, rows, fields, level, kept))
        for level in fields
        if level != finest
    ]
    return dict(sorted(kept.items())), findings


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
        return Verdict(False, f"{what} on {grid} have shape {values.shape}", advice + _instead(values, grid))
    if np.ma.is_masked(values) or not np.issubdtype(values.dtype, np.floating):
        return Verdict(False, f"{what} are {kind(values)}", advice + "; a complex field is two channels")
    return None


def _instead(values: Array, grid: Grid) -> str:
    """Return what to do with values that are no fields on a grid, or of more axes than it has; "" for others."""
    if values.ndim == 2:
        return (
            "; numbers that are no fields, such as parameters or quantities of interest, are channels that are "
            "constant on the grid: np.tile(numbers.reshape(*numbers.shape, *[1] * len(grid.shape)), grid.shape)"
        )
    if values.ndim == grid.dimension + 3:
        more = ", or make time an axis of the grid, mlft.Grid((steps, cells))" if grid.dimension == 1 else ""
        return f"; a series in time, or a third axis, is channels, one an instant or a layer{more}"
    return ""


def misnamed(names: tuple[str, ...], count: int, what: str) -> Verdict | None:
    """Return what is wrong with the names of channels, or None; none at all are right."""
    texts = all(isinstance(name, str) and name.strip() and plain(name) == name for name in names)
    if texts and not isinstance(names, str) and len(names) in (0, count) and len(set(names)) == len(names):
        return None
    told, s = plain(str(names)), "s" * (count > 1)
    return Verdict(False, f"{what} is {told}, of {count} channel{s}", "give each channel a name of its own, or none")


def _coarsened(problem: Problem, rows: Array, fields: Fields, level: int, kept: Fields) -> Verdict:
    grid, finest = problem.hierarchy[level], fields[max(fields)]
    made, coarse = problem.coarse_inputs(rows.copy(), grid), problem.coarsen(finest.copy(), grid)
    for values, what in ((made, "coarse_inputs"), (coarse, "coarsen")):
        wrong, advice = unfit(values, (*finest.shape[:2], *grid.shape))
        if wrong:
            return Verdict(False, f"{what} returned {wrong}", advice)
    kept[level] = made
    plain = nested(grid, problem.finest) and np.array_equal(coarse, restrict(finest, to=grid))
    same = np.array_equal(made, fields[level]) and plain
    if same:
        return Verdict(True, "those of evaluate")
    off = distance(made, coarse)
    if off > ROUND_OFF:
        told = f"coarse_inputs(draws, grid) is {off:.2g} away from coarsen(evaluate(draws, finest), grid)"
        return Verdict(False, told, "return the latter: given inputs and drawn ones must be coarsened alike")
    return Verdict(True, f"the finest's, by the problem's own coarsen: {distance(made, fields[level]):.2g} from plain")


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
    wrong = misnamed(problem.input_channels, values.shape[1], "input_channels")
    if wrong:
        return wrong
    fields[level] = values
    single = "" if values.dtype == np.float64 else "they are converted to float64, in which solves are compared"
    return Verdict(True, f"{values.shape[1]} channel{'s' * (values.shape[1] > 1)} of {values.dtype}", single)
