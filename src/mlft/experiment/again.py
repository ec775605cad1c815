"""Whether a solver answers a question twice alike: in a new folder, and in one that is continued."""

import math
from collections.abc import Iterator

from mlft.errors import ConfigError, StoreError
from mlft.experiment.progress import Progress
from mlft.experiment.session import INPUTS, Session
from mlft.generation import Request, Supervision, generate, once
from mlft.grids import relative_error
from mlft.problems import Solved
from mlft.problems.contract import refuse_answers
from mlft.sources import Inputs, Source
from mlft.status import OK
from mlft.store import SampleStore

TOLERANCE = 1e-6
"""Relative L2 distance that a sample may have from itself: more than other batches or machines do to the last bits."""


def refuse_other_solver(session: Session) -> None:
    """Refuse to continue a store whose samples the problem does not make any more: its draws, inputs or solver changed.

    The first solved training sample of each level, and its input on the finest grid, are made again, supervised as
    all solves are; they are not kept and not charged. Of a new folder nothing is asked.

    Raises:
        StoreError: naming the level, and how far the sample is from the stored one.
    """
    wanted = list(_first(session))
    if not wanted:
        return
    config, drawn = session.asked.config, session.drawn("train")
    asked = Supervision(timeout=config.timeout, retries=config.retries, max_failure_rate=1.0)
    streams: dict[str, Source] = {"train": drawn, INPUTS + "train": Inputs(drawn)}
    with SampleStore.open(session.store.scratch / "again", session.store.identity) as store:
        for stream, level, index in wanted:
            what = "an input" if stream.startswith(INPUTS) else "a sample"
            session.tell(Progress("solve", f"{what} of level {level} again, to compare", 0, 1))
            generate(streams, store, requests=[Request(stream, level, 1, index)], pool=session.pool, supervision=asked)
            _compare(session, store, stream, level, index)


def refuse_other_answers(session: Session) -> None:
    """Refuse a solver that answers otherwise the second time, or what no run can use, before anything is bought.

    Draws 1 and 0 are solved on the coarsest level in one call, then draw 0 in another: it tells of random numbers, of a
    state kept between calls, and of samples that depend on their batch. Not stored and not charged. Nothing is asked
    of a data set, where samples are there already (see `refuse_other_solver`), or where one of these fails or does not
    come back.

    Raises:
        ConfigError: saying how far the two answers are from each other, or what is malformed (see
            `mlft.problems.contract.refuse_answers`), and what to do.
    """
    if not session.asked.problem.has_solver or session.store.ledger("train", 0):
        return
    config, drawn = session.asked.config, session.drawn("train")
    found = []
    for done, indices in enumerate(([1, 0], [0])):
        session.tell(Progress("solve", "a draw twice on level 0, to compare", done, 2))
        found.append(once(drawn, session.pool, 0, stream="train", indices=indices, timeout=config.timeout))
    first, second = found
    if first is None or second is None:
        return
    problem = session.asked.problem
    inputs, answers = drawn.inputs(0, first.indices), Solved(first.solutions, first.status, notes=first.notes)
    refuse_answers(problem, inputs, answers)
    if {*first.status, *second.status} != {OK}:
        return
    old, new = first.solutions[1:], second.solutions
    off = relative_error(new, old, problem.hierarchy[0])[0] if old.shape == new.shape else math.inf
    if not off <= TOLERANCE:
        raise ConfigError(
            f"the solver answers otherwise the second time: draw 0 on level 0, solved again, is {off:.2g} away "
            "(relative L2) from the first answer; compute each sample from its own input alone, without random numbers "
            "and without what earlier calls left (`mlft check` says on which level and in which batches it differs)"
        )


def _first(session: Session) -> Iterator[tuple[str, int, int]]:
    """Yield the first solved sample of each level, and the first input that is kept."""
    for stream in (INPUTS + "train", "train"):
        for level in range(session.finest + 1):
            solved = (row.index for row in session.store.ledger(stream, level) if row.status == OK)
            index = next(solved, None)
            if index is not None:
                yield stream, level, index


def _compare(session: Session, store: SampleStore, stream: str, level: int, index: int) -> None:
    what = "input" if stream.startswith(INPUTS) else f"solution on level {level}"
    (row,) = store.ledger(stream, level)
    advice = "give another --out, or the problem as it was (its functions, its version, the version of mlft)"
    if row.status != OK:
        told = f"ends as '{row.status}' now" + (f" ({row.note})" if row.note else "")
        raise StoreError(f"{session.store.folder} is of another solver: the {what} of sample {index} {told}; {advice}")
    old, new = (each.read(stream, level, [index]).solutions for each in (session.store, store))
    grid = session.asked.problem.hierarchy[level]
    off = relative_error(new, old, grid)[0] if old.shape == new.shape else math.inf
    if not off <= TOLERANCE:
        raise StoreError(
            f"{session.store.folder} is of another problem or solver: made again, the {what} of sample {index} is "
            f"{off:.2g} (relative L2) away from the stored one; {advice}"
        )
