"""Checks of `prolong`: finite solutions on every finer grid, from which `restrict` comes back, in any batch."""

import math
from functools import partial

import numpy as np

from mlft.grids import Grid, nested, restrict
from mlft.problems.base import Problem
from mlft.problems.contract.batches import ROUND_OFF, independent
from mlft.problems.contract.findings import Finding, Verdict, judge
from mlft.problems.contract.sameness import distance
from mlft.problems.solved import Solved
from mlft.problems.transfers import unfit
from mlft.status import OK

Array = np.ndarray

_MEANS = "keep the means of solutions, unless they are no averages of what is conserved"


def upwards(problem: Problem, solved: dict[int, Solved]) -> list[Finding]:
    """Return, for each level but the finest that has solutions, the finding on their prolongation."""
    finest, findings = len(problem.hierarchy) - 1, []
    for level, result in sorted(solved.items()):
        fields = result.solutions[[name == OK for name in result.status]]
        if level < finest and len(fields):
            findings.append(judge("prolongation", level, partial(_lifted, problem, fields, level)))
    return findings


def _lifted(problem: Problem, fields: Array, level: int) -> Verdict:
    """On every finer grid: a chain lifts from level to level."""
    own, given = problem.hierarchy[level], fields.copy()
    back = kept = 0.0
    finer_grids = [grid for grid in problem.hierarchy[level + 1 :] if grid != own]
    for grid in finer_grids:
        finer = problem.prolong(given, grid)
        wrong, advice = unfit(finer, (*fields.shape[:2], *grid.shape))
        if wrong:
            return Verdict(False, f"prolong to {grid} cells returned {wrong}", advice)
        if not np.array_equal(given, fields):
            return Verdict(False, "prolong wrote to the solutions it was given", "copy what you change")
        batch = independent(partial(_to, problem, grid), fields, finer)
        if not batch.passed or batch.advice:
            return Verdict(batch.passed, f"on {grid}, {batch.measured}", batch.advice)
        back = max(back, distance(restrict(finer, to=own), fields) if nested(own, grid) else math.inf)
        kept = max(kept, float(np.abs(_mean(finer) - _mean(fields)).max() / max(np.abs(fields).max(), 1e-300)))
    if math.isinf(back):
        return Verdict(True, f"by the problem's own transfer; means change by {kept:.1g}")
    if back <= ROUND_OFF:
        return Verdict(True, "restrict undoes it, to round-off")
    told = f"restrict undoes it to {back:.2g}; means change by {kept:.1g}"
    return Verdict(True, told, _MEANS if own.centring == "cell" and kept > ROUND_OFF else "")


def _to(problem: Problem, grid: Grid, fields: Array) -> Array:
    return problem.prolong(fields, grid)


def _mean(fields: Array) -> Array:
    return fields.mean(axis=tuple(range(2, fields.ndim)))
