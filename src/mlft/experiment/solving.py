"""A run's hold on solver and store: solve what is missing, time it, and see it on the finest grid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft import generation
from mlft.errors import GenerationError
from mlft.experiment.config import Config
from mlft.generation import Pool, Request, Supervision, generate
from mlft.grids import prolong
from mlft.problems import Problem
from mlft.seeds import generator
from mlft.status import OK
from mlft.store import LedgerRow, Samples, SampleStore


@final
@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        phase: "solve" or "train".
        label: what is being done, such as "train, level 2".
        done: samples or steps done.
        total: of how many.
        note: something to show beside it.
    """

    phase: str
    label: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


def labelled(report: Report, prefix: str) -> Report:
    """Return a report that puts a prefix before every label."""

    def tell(progress: Progress) -> None:
        label = f"{prefix}: {progress.label}"
        report(Progress(progress.phase, label, progress.done, progress.total, progress.note))

    return tell


@final
@dataclass(frozen=True)
class Solver:
    """A problem, the store of its samples, and the processes that solve."""

    problem: Problem
    store: SampleStore
    asked: Config
    pool: Pool
    report: Report

    def solve(self, stream: str, counts: Mapping[int, int], *, max_failure_rate: float | None = None) -> None:
        """Solve the first counts[l] draws of a stream on each level l, except those the ledger has already.

        Args:
            stream: the stream of draws.
            counts: draws a level.
            max_failure_rate: share of failed samples at which to stop; the configuration's by default.

        Raises:
            GenerationError: if too many fail.
        """
        requests = [Request(stream, level, n) for level, n in sorted(counts.items()) if n]
        asked = self.asked
        watched = Supervision(
            timeout=asked.timeout,
            retries=asked.retries,
            max_failure_rate=asked.max_failure_rate if max_failure_rate is None else max_failure_rate,
            progress=self._tell,
        )
        generate(self.problem, self.store, requests=requests, seed=asked.seed, pool=self.pool, supervision=watched)

    def timed(self, level: int, n: int) -> float:
        """Return seconds per sample on a level, measured once on the first n training samples, then frozen.

        One draw of its own stream is solved first, so that compilation is not counted.

        Raises:
            GenerationError: if all n fail.
        """
        known = self.store.frozen(f"seconds/level-{level}")
        if known is not None:
            return float(known)
        self.solve("warm-up", {level: 1})
        self.solve("train", {level: n})
        rows = [row for row in self.rows("train", level, n) if row.status == OK]
        if not rows:
            message = f"all {n} pilot samples on level {level} failed; see the ledger for the reasons"
            raise GenerationError(message, failed=n, attempted=n)
        return float(self.store.freeze(f"seconds/level-{level}", float(np.median([row.seconds for row in rows]))))

    def rows(self, stream: str, level: int, n: int) -> list[LedgerRow]:
        """Return the ledger's rows of the first n draws of a stream on a level."""
        return [row for row in self.store.ledger(stream, level) if row.index < n]

    def draws(self, stream: str, indices: list[int]) -> Float[np.ndarray, "n k"]:
        """Return some draws of a stream, each from a generator of its own."""
        return np.concatenate([self.problem.draw(1, generator(self.asked.seed, stream, index)) for index in indices])

    def on_finest(self, stream: str, level: int, n: int) -> Samples:
        """Return the solved ones of the first n draws on a level, inputs and solutions on the finest grid.

        Raises:
            GenerationError: if none of them is solved.
        """
        solved = self.store.solved(stream, level, n)
        if not solved:
            message = f"none of the {n} samples on level {level} was solved; see the ledger for the reasons"
            raise GenerationError(message, failed=n, attempted=n)
        solutions = prolong(self.store.read(stream, level, solved).solutions, to=self.problem.finest)
        inputs = self.problem.evaluate(self.draws(stream, solved), self.problem.finest)
        return Samples(level, tuple(solved), inputs, solutions)

    def _tell(self, advance: generation.Progress) -> None:
        label = f"{advance.stream}, level {advance.level}"
        note = f"{advance.failed} failed" if advance.failed else ""
        self.report(Progress("solve", label, advance.done, advance.total, note))
