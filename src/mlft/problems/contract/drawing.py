"""Checks of `draw`: a draw is told by its stream, whatever else was drawn."""

from typing import Any

import numpy as np

from mlft.problems.base import Problem
from mlft.problems.contract.findings import Finding, Verdict, judge
from mlft.seeds import generator

Array = np.ndarray


def drawn(problem: Problem, n: int, seed: int) -> tuple[Array | None, list[Finding]]:
    """Return n draws as a run makes them, a stream each, and the findings; no draws where they cannot be used."""
    made: list[Array] = []
    shape = judge("draws", None, lambda: _shape(problem, n, seed, made))
    if not shape.passed:
        return None, [shape]
    rows = np.concatenate(made)
    return rows, [shape, judge("draws told by their streams", None, lambda: _streams(problem, rows, seed))]


def row(problem: Problem, index: int, seed: int) -> Any:
    """Return draw `index` of the examination, as a run draws it: one row of a stream of its own, if all is well."""
    return problem.draw(1, generator(seed, "examine", index))


def _shape(problem: Problem, n: int, seed: int, made: list[Any]) -> Verdict:
    for index in range(n):
        made.append(row(problem, index, seed))
        if not isinstance(made[-1], np.ndarray) or made[-1].ndim != 2 or len(made[-1]) != 1:
            return Verdict(False, f"draw(1, generator) returned {kind(made[-1])}", "return an array of n rows, (n, k)")
    if len({one.shape for one in made}) > 1:
        return Verdict(False, f"rows have {sorted({one.shape[1] for one in made})} numbers", "give each as many")
    if not np.issubdtype(made[0].dtype, np.floating) or not np.isfinite(np.concatenate(made)).all():
        return Verdict(False, f"{kind(made[0])}, not all of them finite numbers", "return finite numbers, float64")
    several = problem.draw(3, generator(seed, "examine", n))
    if several.shape != (3, made[0].shape[1]):
        return Verdict(False, f"draw(3, generator) returned {kind(several)}", "return n rows, (n, k)")
    return Verdict(True, f"{made[0].shape[1]} numbers each")


def _streams(problem: Problem, rows: Array, seed: int) -> Verdict:
    backwards = np.concatenate([row(problem, index, seed) for index in reversed(range(len(rows)))])[::-1]
    if not np.array_equal(backwards, rows):
        changed = int((backwards != rows).any(axis=1).sum())
        return Verdict(
            False,
            f"{changed} of {len(rows)} draws came out differently when drawn again from the same streams",
            "take all randomness from the generator that `draw` is given",
        )
    distinct = len({one.tobytes() for one in rows})
    if distinct == 1:
        return Verdict(False, f"{len(rows)} streams gave the same draw", "take the randomness from the generator")
    repeats = "" if distinct == len(rows) else "draws repeat: a law of few values is soon sampled out"
    return Verdict(True, f"{distinct} of {len(rows)} are different, and the same when drawn again", repeats)


def kind(values: object) -> str:
    """Return what an object is, in words: the dtype and shape of an array."""
    if isinstance(values, np.ndarray):
        masked = "a masked" if np.ma.is_masked(values) else "an"
        return f"{masked} array of {values.dtype} of shape {values.shape}"
    return f"a {type(values).__name__}"
