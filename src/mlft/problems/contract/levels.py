"""Checks of solutions across levels: one axis order, nearer to the finest with every level, and the reference."""

import math
from functools import partial
from itertools import pairwise

import numpy as np

from mlft.problems.base import Problem
from mlft.problems.contract.findings import Finding, Verdict, in_a_line, judge
from mlft.problems.contract.inputs import misshapen
from mlft.problems.contract.sameness import distance, turned
from mlft.problems.solved import Solved
from mlft.problems.transfers import prolonged
from mlft.status import OK

Array = np.ndarray

REFERENCES = {1: 2, 2: 1}
"""Draws that the reference is asked for, by the dimension of the grids: it may be dear, and most of a check."""


def across(problem: Problem, rows: Array, solved: dict[int, Solved]) -> list[Finding]:
    """Return the findings on solutions of all levels; none where the finest has no solutions."""
    finest = len(problem.hierarchy) - 1
    if finest not in solved:
        return [Finding("levels together", None, None, "the finest grid has no solutions to compare with")]
    common = [i for i in range(len(rows)) if all(result.status[i] == OK for result in solved.values())]
    if not common:
        return [Finding("levels together", None, None, "no sample is ok on every level")]
    fields = {level: result.solutions[common] for level, result in solved.items()}
    findings = [
        judge("axes of solutions", level, partial(_axes, problem, fields[level], fields[finest]))
        for level in fields
        if level != finest
    ]
    findings.append(judge("distance to the finest", None, partial(_approach, problem, fields)))
    count = REFERENCES[problem.finest.dimension]
    reference, finding = _reference(problem, rows[common[:count]], fields[finest])
    few = {level: field[:count] for level, field in fields.items()}
    return [*findings, finding, judge("order seen", None, partial(_order, problem, few, reference))]


def _axes(problem: Problem, coarse: Array, fine: Array) -> Verdict:
    lifted = prolonged(problem, coarse, problem.finest)
    off = distance(lifted, fine)
    for words, changed in turned(lifted, problem.finest):
        nearer = distance(changed, fine)
        if nearer < min(0.5, 0.5 * off):
            told = f"{off:.2g} away from the finest's, and {nearer:.2g} {words}"
            return Verdict(False, told, "keep one order and one direction of the axes on every level")
    return Verdict(True, "those of the finest")


def _approach(problem: Problem, fields: dict[int, Array]) -> Verdict:
    *coarse, last = sorted(fields)
    if not coarse:
        return Verdict(None, "there is one level")
    away = [distance(prolonged(problem, fields[level], problem.finest), fields[last]) for level in coarse]
    told = f"{', '.join(f'{off:.2g}' for off in away)} (relative L2, coarse to fine)"
    falls = all(fine < before for before, fine in pairwise(away)) and away[0] < 1
    return Verdict(True, told, "" if falls else "a level that is no nearer than a coarser one teaches nothing new")


def _reference(problem: Problem, rows: Array, finest: Array) -> tuple[Array | None, Finding]:
    name = "reference"
    if not problem.has_reference:
        return None, Finding(name, None, None, "the problem has none")
    try:
        values = problem.reference(rows)
    except Exception as error:  # a missing number with its reason: a run goes on without
        return None, Finding(name, None, True, f"raised {in_a_line(error)}", "the bias of such draws is not measured")
    verdict = misshapen(values, len(rows), problem.finest, "references")
    if verdict is None and values.shape[1] != finest.shape[1]:
        told = f"{values.shape[1]} channels for {finest.shape[1]}"
        verdict = Verdict(False, told, "return the channels of the solutions")
    if verdict is None and not np.isfinite(values).all():
        verdict = Verdict(False, "references that are not finite", "raise a ValueError that says why instead")
    if verdict is None:
        off = distance(finest[: len(rows)], values)
        told = f"of {len(rows)} draw{'s' * (len(rows) > 1)}; solutions of the finest are {off:.2g} away"
        return values, Finding(name, None, True, told)
    return None, Finding(name, None, verdict.passed, verdict.measured, verdict.advice)


def _order(problem: Problem, fields: dict[int, Array], reference: Array | None) -> Verdict:
    """Slopes of log distance over log cells: to the reference, or for want of one to the finest solutions."""
    levels, last = sorted(fields), max(fields)
    if reference is None:
        levels.remove(last)
    against = fields[last] if reference is None else reference
    away = [distance(prolonged(problem, fields[level], problem.finest), against) for level in levels]
    if len(away) < 2 or min(away) == 0:
        return Verdict(None, "too few levels to see one")
    cells = [problem.hierarchy[level].cells[0] for level in levels]
    if len(set(cells)) < len(cells):
        return Verdict(None, "levels share a grid")
    slopes = [
        math.log(far / near) / math.log(many / few)
        for (far, near), (few, many) in zip(pairwise(away), pairwise(cells), strict=True)
    ]
    told = ", ".join(f"{slope:.1f}" for slope in slopes)
    to = "the finest" if reference is None else "the reference"
    return Verdict(True, f"{told} from level to level, towards {to}; {problem.order:g} is stated for smooth data")
