"""The contract of a problem, examined: one check for problems that are shipped and for your own.

What a problem must keep to is said at `mlft.problems.Problem`; the rule by which inputs of two levels are the same
function is in `mlft.problems.contract.sameness`.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from mlft.errors import ConfigError, plain
from mlft.problems.base import Problem
from mlft.problems.contract.drawing import drawn
from mlft.problems.contract.findings import Examination, Finding, judge
from mlft.problems.contract.inputs import evaluated, given, inputs_in_any_batch, one_function
from mlft.problems.contract.levels import across
from mlft.problems.contract.prolongation import upwards
from mlft.problems.contract.setting import setting
from mlft.problems.contract.solves import named, returned, solutions_in_any_batch, solved
from mlft.problems.solved import Solved
from mlft.process import unchanged
from mlft.status import OK, RAISED, WRONG_SHAPE

__all__ = ["Examination", "Finding", "examine", "refuse_answers", "rehearse"]

STREAMS, REHEARSED = 5, 2
"""Draws that a rehearsal makes, and how many of them it evaluates."""


@unchanged()
def examine(problem: Problem, *, draws: int = 5, seed: int = 0) -> Examination:
    """Return what was found out about a problem: `print` it, or ask whether it is `ok`.

    Draws some samples as a run would, evaluates them on every level and solves them there, two or three times each,
    in this process and without supervision; it asks for two references, in 2D for one. Nothing is stored. An exception
    of the problem's functions is a finding, not an error.

    Args:
        problem: yours, or one that is shipped.
        draws: how many samples; at least 2.
        seed: the root of their streams.

    Raises:
        ValueError: for fewer than 2 draws.
    """
    if draws < 2:
        raise ValueError(f"an examination needs at least 2 draws, got {draws}")
    return Examination(_title(problem), tuple(_examined(problem, draws, seed)))


@unchanged()
def rehearse(problem: Problem, *, seed: int = 0) -> None:
    """Refuse a problem that breaks its contract in a way that no solve is needed to see: what a run asks at first.

    Five draws, and the inputs of two of them on every level.

    Args:
        problem: yours, or one that is shipped.
        seed: the root of the draws' streams.

    Raises:
        ConfigError: naming the first check that failed, what was found, and what to do.
    """
    _refuse(problem, _rehearsed(problem, seed))


@unchanged()
def refuse_answers(problem: Problem, inputs: np.ndarray, answers: Solved) -> None:
    """Refuse a problem by what its solver made of a few inputs on the coarsest level: what a run asks next.

    Where all are solved, the names of their channels and their prolongation to each finer grid. Where all raised or
    had the wrong shape, the solver is called again, in this process: what it returns is malformed, or it takes one
    sample at a time. That it raises of each sample alone, too, is no reason: a run names such samples.

    Args:
        problem: yours, or one that is shipped.
        inputs: what it solved on level 0.
        answers: how each ended, and the solutions of those that are "ok".

    Raises:
        ConfigError: naming the first check that failed, what was found, and what to do.
    """
    if {*answers.status} == {OK}:
        channels = judge("solutions", 0, partial(named, problem, answers))
        _refuse(problem, iter([channels, *upwards(problem, {0: answers})]))
    elif all(name == WRONG_SHAPE or name.startswith(RAISED) for name in answers.status):
        _refuse(problem, _tried(problem, inputs))


def _examined(problem: Problem, draws: int, seed: int) -> list[Finding]:
    findings = setting(problem)
    if not findings[0].passed:
        return [*findings, _stopped("the grids")]
    rows, found = drawn(problem, draws, seed)
    findings += found
    if rows is None:
        return [*findings, _stopped("draws")]
    fields, found = evaluated(problem, rows)
    findings += [*found, *one_function(problem, fields), *inputs_in_any_batch(problem, rows, fields)]
    inputs, found = given(problem, rows, fields)
    findings += found
    results, found = solved(problem, inputs)
    findings += [*found, *solutions_in_any_batch(problem, inputs, results), *upwards(problem, results)]
    return [*findings, *across(problem, rows, results)]


def _refuse(problem: Problem, findings: Iterator[Finding]) -> None:
    for finding in findings:
        if finding.passed is False:
            raise ConfigError(f"problem {_title(problem)} breaks its contract: {finding.sentence}")


def _tried(problem: Problem, inputs: np.ndarray) -> Iterator[Finding]:
    try:
        verdict = returned(problem, inputs, 0, {})
    except Exception:  # a run gives it a name, "raised-…"
        return
    yield Finding("solutions", 0, verdict.passed, verdict.measured, verdict.advice)


def _title(problem: Problem) -> str:
    return plain(str(getattr(problem, "name", type(problem).__name__)))


def _rehearsed(problem: Problem, seed: int) -> Iterator[Finding]:
    yield from setting(problem)
    rows, found = drawn(problem, STREAMS, seed)
    yield from found
    if rows is None or not problem.has_solver:  # that would be given inputs of coarser grids
        return
    fields, found = evaluated(problem, rows[:REHEARSED])
    yield from [*found, *one_function(problem, fields)]
    yield from given(problem, rows[:REHEARSED], fields)[1]


def _stopped(what: str) -> Finding:
    return Finding("all other checks", None, None, f"they need {what}")
