"""The contract of a problem, examined: one check for problems that are shipped and for your own.

What a problem must keep to is said at `mlft.problems.Problem`; the rule by which inputs of two levels are the same
function is in `mlft.problems.contract.sameness`.
"""

from collections.abc import Iterator

from mlft.errors import ConfigError, plain
from mlft.problems.base import Problem
from mlft.problems.contract.drawing import drawn
from mlft.problems.contract.findings import Examination, Finding
from mlft.problems.contract.inputs import evaluated, given, inputs_in_any_batch, one_function
from mlft.problems.contract.levels import across
from mlft.problems.contract.prolongation import upwards
from mlft.problems.contract.setting import setting
from mlft.problems.contract.solves import solutions_in_any_batch, solved
from mlft.process import unchanged

__all__ = ["Examination", "Finding", "examine", "rehearse"]

STREAMS, REHEARSED = 5, 2
"""Draws that a rehearsal makes, and how many of them it evaluates."""


@unchanged()
def examine(problem: Problem, *, draws: int = 5, seed: int = 0) -> Examination:
    """Return what was found out about a problem: `print` it, or ask whether it is `ok`.

    Draws some samples as a run would, evaluates them on every level and solves them there, about three times each, in
    this process and without supervision; it asks for two references. Nothing is stored. An exception of the problem's
    functions is a finding, not an error.

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
    for finding in _rehearsed(problem, seed):
        if finding.passed is False:
            raise ConfigError(f"problem {_title(problem)} breaks its contract: {finding.sentence}")


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


def _title(problem: Problem) -> str:
    return plain(str(getattr(problem, "name", type(problem).__name__)))


def _rehearsed(problem: Problem, seed: int) -> Iterator[Finding]:
    yield from setting(problem)
    rows, found = drawn(problem, STREAMS, seed)
    yield from found
    if rows is None:
        return
    fields, found = evaluated(problem, rows[:REHEARSED])
    yield from [*found, *one_function(problem, fields)]
    yield from given(problem, rows[:REHEARSED], fields)[1]


def _stopped(what: str) -> Finding:
    return Finding("all other checks", None, None, f"they need {what}")
