"""Measured for the question whether a surrogate is worth having: seconds and errors of every way to a prediction."""

import math
import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from mlft.experiment.corrected import Corrected, corrections
from mlft.experiment.outcome import Way, Worth
from mlft.experiment.progress import Progress
from mlft.experiment.session import Session
from mlft.grids import relative_error
from mlft.store import Samples
from mlft.surrogates import Surrogate

Array = np.ndarray

BATCH = 256
"""Predictions in a batch that is timed."""

REPEATS, SECONDS = 20, 0.3
"""Repeats of a timing, and the seconds after which no more are begun."""

Clock = Callable[[], float]


def measure_worth(
    session: Session,
    surrogate: Surrogate,
    test: Samples,
    errors: Float[Array, " n"],
    *,
    clock: Clock = time.perf_counter,
) -> Worth:
    """Return seconds a sample and error of the surrogate, of the corrected solvers, and of the solver on every grid.

    Errors are against the finest grid's own solutions of test draws, like the surrogate's; those of coarser grids and
    of corrected solvers on the draws that the bias was measured on. Nothing is charged; where a level has been solved
    in short batches alone, more draws are solved for the clock (`Session.paced`).

    Args:
        session: with its test draws solved, and its lifts saved.
        surrogate: the fitted one.
        test: the test samples.
        errors: the surrogate's error of each.
        clock: seconds, from any start.

    Source: that a surrogate is compared at equal error with the coarse solver, McGreivy, Hakim 2024, arXiv 2407.07218.
    """
    config = session.asked.config
    session.tell(Progress("measure", "seconds of a prediction and of a solve", 0, 1))
    alone, repeats = seconds_each(lambda: surrogate.predict(test.inputs[:1]), 1, clock=clock)
    batch = _batch(test.inputs)
    batched, _ = seconds_each(lambda: surrogate.predict(batch), BATCH, clock=clock)
    mean = float(errors.mean())
    ways = [Way("surrogate", None, mean, len(errors), mean, alone, batched, repeats, BATCH)]
    found = dict(zip(test.indices, errors, strict=True))
    ways += [_corrected(session, one, found, clock) for one in corrections(session.asked.problem, session.folder)]
    ways += [_solver(session, level, found) for level in range(session.finest + 1)]
    return Worth(tuple(ways), BATCH, config.threads, config.device)


def seconds_each(call: Callable[[], object], count: int, *, clock: Clock = time.perf_counter) -> tuple[float, int]:
    """Return the median seconds of a call, after one to warm up, divided by a count, and how often it was timed."""
    call()
    started, taken = clock(), list[float]()
    while not taken or (len(taken) < REPEATS and clock() - started < SECONDS):
        before = clock()
        call()
        taken.append(clock() - before)
    return float(np.median(taken)) / count, len(taken)


def _solver(session: Session, level: int, found: dict[int, float]) -> Way:
    """Return the solver on a level: its distance from the finest level, and the ledger's seconds."""
    seconds, *timed = session.paced(level)
    if level == session.finest:
        return Way("solver", level, 0.0, 0, None, seconds, seconds, *timed)
    indices = _measured(session, (level,), found)
    fields = session.on_finest("test", level, indices) if indices else None
    return Way("solver", level, *_errors(session, indices, fields, found), seconds, seconds, *timed)


def _corrected(session: Session, corrected: Corrected, found: dict[int, float], clock: Clock) -> Way:
    """Return a corrected solver: its error on draws that are solved already; its solves as in the ledger, its lift."""
    indices = _measured(session, corrected.levels, found)
    timings = [session.paced(level) for level in corrected.levels]
    solve, timed = math.fsum(one[0] for one in timings), min(one[1:] for one in timings)
    if not indices:
        return Way("corrected", corrected.level, None, 0, None, None, None, *timed)
    inputs = session.store.read("inputs/test", session.finest, indices).solutions
    solutions = [session.store.read("test", level, indices).solutions for level in corrected.levels]
    fields = corrected.correct(inputs, *solutions)
    one, many = ([part[:1] for part in (inputs, *solutions)], [_batch(part) for part in (inputs, *solutions)])
    alone, _ = seconds_each(lambda: corrected.correct(*one), 1, clock=clock)
    batched, _ = seconds_each(lambda: corrected.correct(*many), BATCH, clock=clock)
    told = _errors(session, indices, fields, found)
    return Way("corrected", corrected.level, *told, solve + alone, solve + batched, *timed)


def _errors(
    session: Session, indices: list[int], fields: Array | None, found: dict[int, float]
) -> tuple[float | None, int, float | None]:
    """Return the mean error of fields on the finest grid, on how many draws, and the surrogate's on the same."""
    if fields is None:
        return None, 0, None
    fine = session.store.read("test", session.finest, indices).solutions
    error = relative_error(fields, fine, session.asked.problem.finest).mean()
    return float(error), len(indices), float(np.mean([found[i] for i in indices]))


def _measured(session: Session, levels: tuple[int, ...], found: dict[int, float]) -> list[int]:
    """Return the test draws that are solved on some levels and on the finest one."""
    solved = (session.store.solved("test", level, max(found) + 1) for level in levels)
    return sorted(set(found).intersection(*solved))


def _batch(fields: Array) -> Array:
    return fields[np.arange(BATCH) % len(fields)]
