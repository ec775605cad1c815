"""Checks of what a problem states: its words, grids, prices and options. None of its functions is called."""

import json
import math

from mlft.errors import plain
from mlft.grids import FEWEST, Grid, nested
from mlft.problems.base import Problem
from mlft.problems.contract.findings import Finding, Verdict, judge


def setting(problem: Problem) -> list[Finding]:
    """Return the findings on what a problem states; those on its grids alone where they cannot be used."""
    grids = judge("grids", None, lambda: _grids(problem))
    if not grids.passed:
        return [grids]
    return [
        grids,
        judge("name, equation, order", None, lambda: _statement(problem)),
        judge("coarsest grid", 0, lambda: _coarsest(problem)),
        judge("stated costs", None, lambda: _costs(problem)),
        judge("options", None, lambda: _options(problem)),
    ]


LONGEST = 500
"""Signs of a name, and of an equation."""


def _statement(problem: Problem) -> Verdict:
    words = (problem.name, problem.equation)
    if not all(isinstance(text, str) and text.strip() and plain(text, LONGEST) == text.strip() for text in words):
        told = plain(str(words))
        return Verdict(False, f"name and equation are {told}", f"state each in one line of at most {LONGEST} signs")
    if not problem.order > 0:
        return Verdict(False, f"order {problem.order}", "state the solver's order of accuracy, a number above 0")
    return Verdict(True, f"order {problem.order:g}")


def _grids(problem: Problem) -> Verdict:
    grids = problem.hierarchy
    if not grids or not all(isinstance(grid, Grid) for grid in grids):
        return Verdict(False, f"the hierarchy is {grids!r}", "give a tuple of grids, as of mlft.hierarchy(finest, 4)")
    kinds = {grid.kind for grid in grids}
    if len(kinds) > 1:
        told = f"axes, boxes, centrings or ends differ: {sorted(map(str, kinds))}"
        return Verdict(False, told, f"use one on every level; {_OWN_MESH}")
    for coarse, fine in zip(grids, grids[1:], strict=False):
        wrong = _step(problem, coarse, fine)
        if wrong:
            return wrong
    return Verdict(True, f"{', '.join(map(str, grids))}; {grids[0].described}")


_OWN_MESH = (
    "a solver with a mesh of its own brings its solution to the grid of the level itself, and levels may share a grid "
    "where it is told the `level`"
)


def _step(problem: Problem, coarse: Grid, fine: Grid) -> Verdict | None:
    """Return what is wrong with a level's grid and the next, or None."""
    if coarse == fine:
        advice = (
            "give `solve_function` a parameter `level` (a subclass writes `solve_level`), or each level its own grid"
        )
        told = f"two levels have {coarse} cells, and the solver is not told which of them it is on"
        return None if problem.told_level else Verdict(False, told, advice)
    ratios = {n / m for n, m in zip(fine.cells, coarse.cells, strict=True)}
    needed = {"prolong", "coarsen"} if problem.has_solver else {"prolong"}
    if (len(ratios) == 1 and nested(coarse, fine)) or needed <= problem.transfers.keys():
        return None
    advice = (
        "refine every axis by 2 (or 4, 8, …), coarsest first, or give `prolong_function` and `coarsen_function`, which "
        f"say how fields get from one to the other (a subclass writes prolong, coarsen and coarse_inputs); {_OWN_MESH}"
    )
    return Verdict(False, f"{fine} follows {coarse}", advice)


def _coarsest(problem: Problem) -> Verdict:
    fewest = min(problem.hierarchy[0].cells)
    told = f"{fewest} cells a side"
    if fewest >= FEWEST or problem.hierarchy[0] == problem.finest or "prolong" in problem.transfers:
        return Verdict(True, told)
    return Verdict(False, told, f"keep {FEWEST}, which prolongation needs, or give the problem a `prolong` of its own")


def _costs(problem: Problem) -> Verdict:
    costs, levels = tuple(problem.costs), len(problem.hierarchy)
    told = f"{', '.join(f'{cost:.3g}' for cost in costs)} solves of the finest grid"
    if len(costs) != levels:
        return Verdict(False, f"{len(costs)} for {levels} levels", "state a price for each level")
    if not all(0 < cost < math.inf for cost in costs):
        return Verdict(False, told, "state prices that are positive and finite")
    if not math.isclose(costs[-1], 1.0, rel_tol=1e-9):
        return Verdict(False, told, "divide by the price of the finest grid: the unit of prices is one of its solves")
    dear = [level for level in range(levels - 1) if costs[level] >= costs[level + 1]]
    shared = bool(dear) and problem.hierarchy[dear[0]] == problem.hierarchy[dear[0] + 1]
    advice = ": state what levels that share a grid cost in `cost_table`" if shared else ": it can hardly pay"
    return Verdict(True, told, f"level {dear[0]} is no cheaper than the next{advice}" if dear else "")


def _options(problem: Problem) -> Verdict:
    json.dumps(problem.options)  # a TypeError says what is no plain value
    return Verdict(True, f"{len(problem.options)}, plain values")
