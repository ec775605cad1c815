"""Checks of `solve` on one level: what it returns, what it leaves alone, and that it can be repeated."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mlft.grids import Grid
from mlft.problems.base import Problem
from mlft.problems.contract.batches import independent
from mlft.problems.contract.drawing import kind
from mlft.problems.contract.findings import Finding, Verdict, in_a_line, judge
from mlft.problems.contract.inputs import misnamed, misshapen
from mlft.problems.function import FunctionProblem
from mlft.problems.solved import Solved
from mlft.status import OK

Array = np.ndarray


def solved(problem: Problem, inputs: dict[int, Array]) -> tuple[dict[int, Solved], list[Finding]]:
    """Return what the solver makes of inputs, by level, and the findings on it."""
    results: dict[int, Solved] = {}
    findings = [
        judge("solutions", level, partial(returned, problem, fields, level, results))
        for level, fields in inputs.items()
    ]
    return results, findings + [judge("statuses", level, partial(_statuses, results[level])) for level in results]


def solutions_in_any_batch(problem: Problem, inputs: dict[int, Array], results: dict[int, Solved]) -> list[Finding]:
    """Return, for each level, whether a solution does not depend on its batch."""

    def check(level: int) -> Verdict:
        return independent(lambda some: problem.solve_level(some, level), inputs[level], results[level])

    return [judge("solutions in any batch", level, partial(check, level)) for level in results]


def returned(problem: Problem, inputs: Array, level: int, results: dict[int, Solved]) -> Verdict:
    """Return whether a solve returns what it should and leaves its inputs alone; keep what it returned."""
    grid, given = problem.hierarchy[level], inputs.copy()
    try:
        result = _solve(problem, given, level)
    except Exception as error:  # whatever a user's solver raises of many samples, it may take one
        advice = _one_at_a_time(problem, inputs, level)
        if advice:
            return Verdict(False, f"raised {in_a_line(error)}", advice)
        raise
    wrong = _malformed(result, len(inputs), grid)
    if wrong:
        return replace(wrong, advice=_one_at_a_time(problem, inputs, level) or wrong.advice)
    if not np.array_equal(given, inputs):
        return Verdict(
            False,
            "solve wrote to the inputs it was given",
            "copy what you change: a run gives you a copy, others may not",
        )
    channels = {result.solutions.shape[1], *(other.solutions.shape[1] for other in results.values())}
    if len(channels) > 1:
        return Verdict(False, f"levels have {sorted(channels)} channels", "give every level the same channels")
    verdict = named(problem, result)
    if verdict.passed:
        results[level] = result
    return verdict


def named(problem: Problem, result: Solved) -> Verdict:
    """Return whether solutions have as many channels as the problem names."""
    count = result.solutions.shape[1]
    wrong = misnamed(problem.solution_channels, count, "solution_channels")
    return wrong or Verdict(True, f"{count} channel{'s' * (count > 1)}")


def _solve(problem: Problem, inputs: Array, level: int) -> Any:
    """Return what a solver returns, which may be anything."""
    return problem.solve_level(inputs, level) if problem.told_level else problem.solve(inputs, problem.hierarchy[level])


def _one_at_a_time(problem: Problem, inputs: Array, level: int) -> str:
    """Return what to do with a solver that fails on samples together and solves one alone; "" for another."""
    own = problem if isinstance(problem, FunctionProblem) and problem.batched else None
    alone = None if own is None else _one(replace(own, batched=False), inputs, level)
    single = _one(problem, inputs, level)
    if alone is not None and (single is None or np.array_equal(alone, single)):
        return "it solves a sample without the axis of samples: give batched=False, to have it called one at a time"
    if single is None or len(inputs) == 1:
        return ""
    other = ", or write it for (channels, *grid) and give batched=False, to have it called one at a time" if own else ""
    return f"it solves one sample, and not {len(inputs)} together: loop over the samples{other}"


def _one(problem: Problem, inputs: Array, level: int) -> Array | None:
    """Return the solution of the first of some samples; None where it has none."""
    try:
        result = _solve(problem, inputs[:1].copy(), level)
        return result.solutions if _malformed(result, 1, problem.hierarchy[level]) is None else None
    except Exception:  # whatever a user's solver raises, it does not solve
        return None


def _malformed(result: object, n: int, grid: Grid) -> Verdict | None:
    if not isinstance(result, Solved):
        return Verdict(False, f"solve returned {kind(result)}", "return mlft.Solved(solutions, statuses)")
    wrong = misshapen(result.solutions, n, grid, "solutions")
    if wrong:
        return wrong
    if len(result.status) != n or not all(isinstance(name, str) and name for name in result.status):
        return Verdict(False, f"{n} samples have the statuses {result.status}", 'give each a name, "ok" where it is')
    shapes = {name: np.shape(values) for name, values in result.scalars.items()}
    if any(shape != (n,) for shape in shapes.values()):
        return Verdict(False, f"{n} samples have scalars of shapes {shapes}", "give each sample one number a name")
    return None


def _statuses(result: Solved) -> Verdict:
    fine = np.array([name == OK for name in result.status])
    finite = np.isfinite(result.solutions.reshape(len(fine), -1)).all(axis=1)
    if (fine & ~finite).any():
        lost = int((fine & ~finite).sum())
        return Verdict(
            False, f"{lost} solutions are ok and not finite", "give them another status (problems.statuses does)"
        )
    failures = sorted(set(result.status) - {OK})
    told = f"{fine.sum()} of {len(fine)} ok" + (f", else {', '.join(failures)}" if failures else "")
    if not fine.any():
        return Verdict(False, told, "make the law of inputs and the solver fit each other: nothing is solved")
    return Verdict(True, told, "failed samples are paid for" if failures else "")
