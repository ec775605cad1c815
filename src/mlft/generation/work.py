"""What a worker does: make the inputs of a source, solve them, and give every sample a named status."""

import pickle
import time
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from mlft.errors import UnreachableError, last_lines, plain
from mlft.generation.hearing import Hearing, Said, overheard, taken
from mlft.generation.records import Inbox, Returned
from mlft.grids import Grid
from mlft.problems import Solved
from mlft.problems.solved import real
from mlft.process import one_thread, unchanged
from mlft.sources import Source
from mlft.status import NOT_FINITE, OK, OUT_OF_RANGE, RAISED, WRONG_SHAPE, ZERO
from mlft.store import Batch
from mlft.store.files import write_parcel

Array = np.ndarray

LARGEST = 1e100
"""Of the values of a field, and the inverse of the least that a solution may have for its largest."""

LONGEST = 100
"""Signs of a status, or of the name of a scalar."""


@unchanged()
def solve_batch(
    source: Source, level: int, *, stream: str, indices: Sequence[int], hearing: Hearing = overheard
) -> Batch:
    """Return some samples of a source on a level, each solved or failed by name, under the name of its stream.

    A sample is the same on every level, in every batch, on every worker. Its seconds are the wall time of the solve,
    divided evenly over the batch; the making of the input, which a surrogate needs too, is not among them. Its input is
    not a part of the batch: inputs are kept once a draw, in a stream of their own (`mlft.sources.Inputs`), not once a
    level.

    Beside the problem's own failures: "not-finite" (an input, or a solution), "zero" (a solution that errors cannot be
    relative to), "out-of-range" (values whose squares are no numbers), "wrong-shape" (arrays, statuses or scalars of
    another shape than the level's), and "raised-<exception>"; after an exception the batch is solved sample by sample,
    so that only the culprit fails. What it changes of the process is put back (`mlft.process.unchanged`). A failure's
    note says why, as far as the solver tells, and the last lines that were printed in its batch.

    Raises:
        UnreachableError: of the source: a solver that cannot be reached is no failure of a sample.
    """
    with hearing() as said:
        return _solved(source, level, stream, indices, said)


def _solved(source: Source, level: int, stream: str, indices: Sequence[int], said: Said) -> Batch:
    started = time.perf_counter()
    try:
        inputs = source.inputs(level, indices)
        fit = _finite(inputs)
        started = time.perf_counter()
        solved = source.solve(inputs, level, indices)
        seconds = (time.perf_counter() - started) / len(indices)
        solutions = real(solved.solutions, "solutions")
        scalars = {name: real(values, f"scalars {name!r}") for name, values in solved.scalars.items()}
    except UnreachableError:  # no sample is to blame
        raise
    except (Exception, SystemExit) as error:  # whatever a solver raises is a failure of its samples, and has a name
        if len(indices) > 1:
            return join([_solved(source, level, stream, [i], said) for i in indices])
        name, seconds = RAISED + plain(type(error).__name__), time.perf_counter() - started
        note = one_line(error) + last_lines(said())
        return failure(stream, level, indices, status=name, seconds=seconds, note=note)
    wrong = _wrong_shape(len(indices), inputs, solved, solutions, source.hierarchy[level])
    if wrong:
        return failure(stream, level, indices, status=WRONG_SHAPE, seconds=seconds, note=wrong + last_lines(said()))
    status = _statuses(solved, solutions, fit, measured=source.measured)
    keep = [p for p, name in enumerate(status) if name == OK]
    return Batch(
        stream=stream,
        level=level,
        indices=tuple(indices),
        status=status,
        inputs=inputs[keep, :0],
        solutions=solutions[keep],
        seconds=(seconds,) * len(indices),
        scalars={name: values[keep] for name, values in scalars.items()},
        notes=_notes(status, fit, solved.notes, said),
    )


@one_thread()
def solve_here(source: Source, level: int, *, stream: str, indices: Sequence[int]) -> Returned:
    """Return `solve_batch` of a source on one CPU thread, and the wall time that it took."""
    started = time.perf_counter()
    batch = solve_batch(source, level, stream=stream, indices=indices)
    return Returned(batch, time.perf_counter() - started)


def solve_packed(packed: bytes, level: int, *, stream: str, indices: Sequence[int]) -> Returned:
    """Return `solve_here` of a pickled source, unpickled once a worker, so that what it caches stays."""
    return solve_here(_unpacked(packed), level, stream=stream, indices=indices)


def solve_to_file(packed: bytes, inbox: Inbox, level: int, *, stream: str, indices: Sequence[int]) -> Returned:
    """Write what is solved to a sample file in a folder, flushed and ready for the store; return its path.

    So the arrays are hashed and written by the workers, not by the one driver. And the pipe of the process carries
    the path alone: a worker killed in the middle of a long message leaves the reader waiting for its end for ever.
    """
    started = time.perf_counter()
    hearing = partial(taken, Path(inbox.said))
    batch = solve_batch(_unpacked(packed), level, stream=stream, indices=indices, hearing=hearing)
    path = write_parcel(batch, inbox.identity, Path(inbox.folder))
    return Returned(str(path), time.perf_counter() - started)


def failure(stream: str, level: int, indices: Sequence[int], *, status: str, seconds: float, note: str = "") -> Batch:
    """Return a batch of samples that all failed by one name; `seconds` each."""
    n, none = len(indices), np.empty((0, 0, 0))
    return Batch(stream, level, tuple(indices), (status,) * n, none, none, (seconds,) * n, notes=(note,) * n)


def join(parts: Sequence[Batch]) -> Batch:
    """Return the samples of several batches of one stream and level as one batch."""
    full = [part for part in parts if len(part.inputs)] or list(parts[:1])
    return Batch(
        stream=parts[0].stream,
        level=parts[0].level,
        indices=tuple(index for part in parts for index in part.indices),
        status=tuple(name for part in parts for name in part.status),
        inputs=np.concatenate([part.inputs for part in full]),
        solutions=np.concatenate([part.solutions for part in full]),
        seconds=tuple(seconds for part in parts for seconds in part.seconds),
        attempts=tuple(attempts for part in parts for attempts in part.attempts),
        scalars={name: np.concatenate([part.scalars[name] for part in full]) for name in full[0].scalars},
        notes=tuple(note for part in parts for note in part.notes),
    )


def one_line(error: BaseException) -> str:
    """Return an exception's type and message in one line of at most 200 characters."""
    return plain(f"{type(error).__name__}: {error}")


@lru_cache(maxsize=8)
def _unpacked(packed: bytes) -> Source:
    source: Source = pickle.loads(packed)
    return source


def _wrong_shape(n: int, inputs: Array, solved: Solved, solutions: Array, grid: Grid) -> str:
    """Return what is wrong with the shapes, in one line, or nothing."""
    for name, field in (("inputs", inputs), ("solutions", solutions)):
        if field.ndim != 2 + grid.dimension or len(field) != n or field.shape[2:] != grid.shape:
            wanted = ", ".join(map(str, (n, "channels", *grid.shape)))
            return f"{name} on {grid} have shape ({wanted}), got {field.shape}"
    shapes = {name: np.shape(values) for name, values in solved.scalars.items()}
    if len(solved.status) != n or any(shape != (n,) for shape in shapes.values()) or len(solved.notes) not in (0, n):
        told = f"{len(solved.status)}, {shapes} and {len(solved.notes)}"
        return f"{n} samples have {n} statuses and scalars, and as many notes or none, got {told}"
    if not all(isinstance(note, str) for note in solved.notes):
        return "a note is a text"
    for what, names in (("a status", solved.status), ("the name of a scalar", solved.scalars)):
        wrong = [name for name in names if not _is_word(name)]
        if wrong:
            return f"{what} is a text, got {plain(repr(wrong[0]), LONGEST)}"
    return ""


def _is_word(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST and name.isprintable()


def _statuses(solved: Solved, solutions: Array, fit: Array, *, measured: bool) -> tuple[str, ...]:
    """Return the solver's statuses, and names for what it took for "ok" and is not."""
    sizes = np.abs(solutions).reshape(len(solutions), -1).max(axis=1, initial=0.0)
    finite = fit & np.isfinite(sizes)
    return tuple(
        _named(float(size), bool(good), measured) if name == OK else name
        for name, good, size in zip(solved.status, finite, sizes, strict=True)
    )


def _named(size: float, finite: bool, measured: bool) -> str:
    """Return the status of a solution by its largest value."""
    if not finite:
        return NOT_FINITE
    if measured and size == 0:
        return ZERO
    return OUT_OF_RANGE if size > LARGEST or (measured and size < 1 / LARGEST) else OK


def _notes(status: Sequence[str], fit: Array, given: Sequence[str], said: Said) -> tuple[str, ...]:
    """Return the solver's notes of failures, or ours, each with the last lines that were printed."""
    if all(name == OK for name in status):
        return ("",) * len(status)
    printed = last_lines(said())
    told = [_note(*pair) or own for *pair, own in zip(status, fit, given or ("",) * len(status), strict=True)]
    return tuple(
        "" if name == OK else (note + printed).removeprefix("; ") for name, note in zip(status, told, strict=True)
    )


def _note(status: str, fit: np.bool) -> str:
    unfit = "" if fit else "its input is not finite"
    told = {
        ZERO: "it is zero everywhere, and errors are relative to it",
        OUT_OF_RANGE: f"its largest value is over {LARGEST:g} or under {1 / LARGEST:g}: give it another unit",
    }
    return told.get(status, unfit)


def _finite(fields: Array) -> Array:
    return np.asarray(np.isfinite(fields.reshape(len(fields), -1)).all(axis=1))
