"""A session: everything that a run needs while it runs, and its only door to a solve."""

import contextlib
import functools
import hashlib
import math
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from mlft import generation
from mlft.diagnostics.symmetry import FACTORS, LAW_DRAWS
from mlft.errors import GenerationError
from mlft.experiment.asking import Asked
from mlft.experiment.corrected import scheme_of
from mlft.experiment.growth import earlier
from mlft.experiment.outcome import Outcome, SymmetryFacts
from mlft.experiment.progress import Progress, Report, quiet
from mlft.experiment.record import from_plain, to_plain
from mlft.experiment.symmetry import examined
from mlft.experiment.timing import contradicted, in_larger_batches
from mlft.files import digest
from mlft.generation import Request, Supervision, generate, open_pool
from mlft.grids import Map, group
from mlft.planning import Labelled
from mlft.problems import Problem, prolonged
from mlft.process import threads
from mlft.seeds import generator
from mlft.sources import Drawn, Inputs, Reference, Rows, Source, Stored, Taken, sampled
from mlft.status import OK
from mlft.store import LedgerRow, Samples, SampleStore
from mlft.surrogates import Surrogate
from mlft.training import Scheme

REFERENCE, INPUTS, SYMMETRY = "reference", "inputs/", "symmetry"
"""The stream of reference solutions of the test draws; what the stream of a stream's inputs begins with; the stream of
the draws that symmetries are tried on."""

SHARED, MOST_SHARED = 0.05, 256
"""Seconds of a batch in which the overhead of starting it is small; draws for it at most."""


_NEXT = {"plan": "solve", "train": "measure"}


@final
class Session:
    """A problem, the store of its samples, the processes that solve, a network, a folder, a clock.

    Every solve comes through `solve` or `answers`: supervised, timed out, in parallel, in the ledger, never repeated.
    Streams are "train" and "test" (draws), "warm-up", "reference" (of the test draws), "trust/<law>" (given inputs),
    "symmetry" and "symmetry/<map>" (draws of the coarsest grid, taken by a map),
    and "inputs/<stream>": the inputs of a stream on the finest grid, kept once a draw.

    Attributes:
        asked: what is asked of the run.
        folder: the run folder.
        store: the samples, in the run folder or in one that several runs share.
        pool: the processes that solve.
        seconds: wall time by name, added up by `clock`, with that of the run before it went on.

    Args:
        asked: what is asked of the run.
        folder: the run folder; checkpoints go there.
        samples: the folder of the sample store; by default the run folder.
        report: called with every step forward.

    Raises:
        StoreError: if the store cannot be used, or is another run's.
    """

    def __init__(self, asked: Asked, folder: Path, *, samples: Path | None = None, report: Report = quiet) -> None:
        self.asked, self.folder, self._report, self._part = asked, folder, report, ""
        self.seconds: dict[str, float] = defaultdict(float)
        if self.before is not None:
            self.seconds |= {"train": self.before.seconds.train, "plan": self.before.seconds.plan}
        self._sources: dict[str, Source] = {}
        self._retried: dict[tuple[str, int], int] = {}
        self._doubted = False
        with contextlib.ExitStack() as stack:
            stack.enter_context(threads(asked.config.threads))
            identity = self.drawn("train").identity
            self.store = stack.enter_context(SampleStore.open(samples or folder, identity, verify=True))
            places = open_pool(asked.config.workers, scheduler=asked.config.scheduler, executor=asked.executor)
            self.pool = stack.enter_context(places)
            self._open = stack.pop_all()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    @property
    def finest(self) -> int:
        """The finest level."""
        return len(self.asked.problem.hierarchy) - 1

    @functools.cached_property
    def before(self) -> Outcome | None:
        """What the run had found before it was asked for more; None where it was not."""
        return earlier(self.folder, self.asked.config)

    @property
    def earlier(self) -> tuple[int, ...]:
        """Training samples a level that the run had tried by then; none where it was not asked for more."""
        return tuple(row.samples + row.failed for row in self.before.levels) if self.before is not None else ()

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints go."""
        return self.folder / "checkpoints"

    @property
    def scheme(self) -> Scheme:
        """What is known of the solver behind the labels."""
        known, told = scheme_of(self.asked.problem), self.symmetry
        return known if told is None else replace(known, symmetries=group(told.used), averaged=told.averaged)

    @property
    def store_from_here(self) -> str:
        """The folder of the sample store, relative to the run folder."""
        return os.path.relpath(self.store.folder, self.folder)

    def surrogate(self, samples: Labelled) -> Surrogate:
        """Return the untrained surrogate for samples of these channels, on its device, told of symmetries in use."""
        made = self.asked.surrogate((samples.inputs.shape[1], samples.solutions.shape[1]))
        if self.symmetry is not None:
            told = self.symmetry
            made.tell(group(told.used), averaged=told.averaged, shifts=told.shifted, scaling=told.scaled)
        return made

    @functools.cached_property
    def symmetry(self) -> SymmetryFacts | None:
        """What the solver commutes with on the coarsest grid, and what of it is used; None where that is not asked.

        Its solves are a measurement, and not charged. What is found is frozen in the ledger.

        Raises:
            ConfigError: for a symmetry that the problem declares and its solver lacks.
        """
        how, declared = self.asked.config.symmetry, self.asked.problem.symmetries
        if how == "none":
            return None
        name = f"symmetry/{how}/{digest(repr((declared, FACTORS)))[:16]}"
        told = self.store.frozen(name)
        if told is None:
            inputs = self._every(INPUTS + SYMMETRY, LAW_DRAWS)
            found = examined(self.asked.problem, inputs, self._taken, averaged=how == "find")
            told = self.store.freeze(name, to_plain(found))
        return from_plain(SymmetryFacts, told)

    def _taken(self, by: Map | None, n: int) -> Float[np.ndarray, "n k *grid"]:
        """Return coarsest solutions of the first n draws of "symmetry", taken by a map; NaN where one fails."""
        stream = SYMMETRY
        if by is not None:
            taken = Taken(self.drawn(SYMMETRY), by)
            stream = f"{SYMMETRY}/{taken.name}"
            self._sources[stream] = taken
        return self._every(stream, n)

    def _every(self, stream: str, n: int) -> Float[np.ndarray, "n c *grid"]:
        """Return the coarsest grid's solutions of the first n samples of a stream, NaN where one fails."""
        self.solve(stream, {0: n}, max_failure_rate=1.0)
        solved = self.store.solved(stream, 0, n)
        if not solved:
            return np.full((n, 1, *self.asked.problem.hierarchy[0].shape), np.nan)
        known = self.store.read(stream, 0, solved).solutions
        fields = np.full((n, *known.shape[1:]), np.nan)
        fields[solved] = known
        return fields

    def random(self, *names: str | int) -> torch.Generator:
        """Return the run's random stream of a name."""
        return generator(self.asked.config.seed, *names)

    @contextlib.contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes to those of a name, which is the part of the run that steps are told of.

        What comes after a part of that name: solves after "plan", a measurement after "train".
        """
        started, self._part = time.perf_counter(), name
        yield
        self.seconds[name] += time.perf_counter() - started
        self._part = _NEXT[name]

    def tell(self, progress: Progress) -> None:
        """Report a step forward, with the part of the run that it is in."""
        self._report(replace(progress, part=self._part))

    def solve(self, stream: str, counts: Mapping[int, int], *, max_failure_rate: float | None = None) -> None:
        """Solve the first counts[l] samples of a stream on each level l, except those the ledger has already.

        Args:
            stream: the stream.
            counts: samples a level.
            max_failure_rate: share of failed samples at which to stop; the configuration's by default.

        Raises:
            GenerationError: if too many fail.
        """
        config = self.asked.config
        rate = config.max_failure_rate if max_failure_rate is None else max_failure_rate
        for again, requests in self._requests(stream, counts).items():
            watched = Supervision(
                timeout=config.timeout,
                retries=config.retries,
                max_failure_rate=rate,
                retry_failed=again,
                progress=self._advance,
            )
            sources = {stream: self._source(stream)}
            generate(sources, self.store, requests=requests, pool=self.pool, supervision=watched)

    def samples(self, stream: str, level: int, n: int) -> Samples:
        """Return the solved ones of the first n samples on a level, inputs and solutions on the finest grid.

        Raises:
            GenerationError: if none of them is solved.
            ConfigError: as `on_finest`.
        """
        solved = self.store.solved(stream, level, self._source(stream).first(level, n))
        if solved:
            kept = INPUTS + stream
            self.solve(kept, {self.finest: max(solved) + 1})
            solved = self.store.solved(kept, self.finest, solved)
        if not solved:
            message = f"none of the {n} samples on level {level} was solved; see the ledger for the reasons"
            raise GenerationError(message, failed=n, attempted=n)
        inputs = self.store.read(kept, self.finest, solved).solutions
        return Samples(level, tuple(solved), inputs, self.on_finest(stream, level, solved))

    def on_finest(self, stream: str, level: int, indices: Sequence[int]) -> Float[np.ndarray, "n c *grid"]:
        """Return solutions of some solved samples of a level, seen on the finest grid by the problem's own `prolong`.

        Raises:
            ConfigError: if that returns something else than finite fields on the finest grid.
        """
        problem = self.asked.problem
        return prolonged(problem, self.store.read(stream, level, indices).solutions, problem.finest)

    def answers(self, stream: str, fields: Float[np.ndarray, "n c *grid"]) -> tuple[str, list[LedgerRow]]:
        """Solve given inputs on the finest grid as the first samples of a stream; return its name and their rows.

        Inputs are kept: given again, or with more behind them, they are not solved again. Where others were given under
        the name before, a digest of these is added to it.
        """
        kept = self._keep(stream, fields)
        if not np.array_equal(kept, fields):
            stream += f"-{hashlib.sha256(np.ascontiguousarray(fields).tobytes()).hexdigest()[:12]}"
            self._keep(stream, fields)
        self.solve(stream, {self.finest: len(fields)}, max_failure_rate=1.0)
        return stream, self.rows(stream, self.finest, len(fields))

    def _keep(self, stream: str, fields: Float[np.ndarray, "n c *grid"]) -> Float[np.ndarray, "n c *grid"]:
        """Keep given inputs as those of a stream, unless it has some; return what it has in their place."""
        self._sources[stream] = Stored(self.asked.problem, fields)
        self.solve(INPUTS + stream, {self.finest: len(fields)}, max_failure_rate=1.0)
        known = self.store.solved(INPUTS + stream, self.finest, len(fields))
        found = np.full_like(fields, np.nan)
        if known:
            found[known] = self.store.read(INPUTS + stream, self.finest, known).solutions
        return found

    def timed(self, level: int, n: int) -> float:
        """Return seconds per sample on a level, measured once on the first n training samples, then frozen.

        One draw of a stream of its own is solved first, so that compilation is not counted. Where the n samples take
        less than `SHARED` seconds, most of that is overhead: then more draws of that stream are solved, in batches four
        times as large each, until one takes as long or they are `MOST_SHARED`, and the price is theirs. They are
        neither charged nor trained on.

        Raises:
            GenerationError: if all n fail.
        """
        known = self.store.frozen(f"seconds/level-{level}")
        if known is not None:
            return float(known)
        self.solve("warm-up", {level: 1})
        self.solve("train", {level: n})
        found = in_larger_batches(self.seconds_of("train", level, n))
        if not found[1]:
            message = f"all {n} pilot samples on level {level} failed; see the ledger for the reasons"
            raise GenerationError(message, failed=n, attempted=n)
        return float(self.store.freeze(f"seconds/level-{level}", self._shared(level, found)[0]))

    def paced(self, level: int) -> tuple[float, int, int]:
        """Return the median seconds of a solve, of how many, and how many the largest batch of these had.

        Of training and test draws that are solved; where their batches are short, of more draws, as in `timed`, unless
        there is no solver. NaN, 0 and 0 where none is solved.
        """
        found = in_larger_batches(*(self.seconds_of(stream, level) for stream in ("train", "test")))
        return self._shared(level, found) if found[1] and self.asked.problem.has_solver else found

    def _shared(self, level: int, found: tuple[float, int, int]) -> tuple[float, int, int]:
        """Return `in_larger_batches` of further draws, where a batch found is short; they are not charged."""
        draws = 1
        while found[0] * found[2] < SHARED and max(draws, found[2]) < MOST_SHARED:
            draws *= 4
            self.solve("warm-up", {level: draws}, max_failure_rate=1.0)
            more = in_larger_batches(self.seconds_of("warm-up", level)[1:])
            found = more if more[2] >= found[2] else found
        return found

    def at_least(self, level: int) -> float:
        """Return the least seconds of two solves on a level, one that warms up and the first training sample.

        0 where both are short, and mostly overhead, or one fails.
        """
        self.solve("warm-up", {level: 1})
        self.solve("train", {level: 1}, max_failure_rate=1.0)
        seconds = [*self.seconds_of("warm-up", level, 1), *self.seconds_of("train", level, 1)]
        return min(seconds) if len(seconds) > 1 and min(seconds) >= SHARED else 0.0

    def seconds_of(self, stream: str, level: int, n: float = math.inf) -> list[float]:
        """Return the seconds of the solved ones among a stream's first n samples on a level, in their order."""
        return [row.seconds for row in self.rows(stream, level, n) if row.status == OK]

    def rows(self, stream: str, level: int, n: float) -> list[LedgerRow]:
        """Return the ledger's rows of the first n samples of a stream on a level."""
        rows = self.store.ledger(stream, level)
        meant = None if math.isinf(n) else set(self._source(stream).first(level, int(n)))
        return [row for row in rows if meant is None or row.index in meant]

    def drawn(self, stream: str) -> Drawn | Rows:
        """Return the source of the draws of a stream."""
        return sampled(*self._law, stream)

    @property
    def _law(self) -> tuple[Problem, int]:
        """The problem whose law is drawn from, and the root seed."""
        return self.asked.problem, self.asked.config.seed

    def _source(self, stream: str) -> Source:
        if stream in self._sources:
            return self._sources[stream]
        if stream.startswith(INPUTS):
            return Inputs(self._source(stream.removeprefix(INPUTS)))
        return Reference(Drawn(*self._law, "test")) if stream == REFERENCE else self.drawn(stream)

    def _requests(self, stream: str, counts: Mapping[int, int]) -> dict[bool, list[Request]]:
        """Return what to ask for, parted into what failed before and is tried again, once a session, and the rest."""
        parts: dict[bool, list[Request]] = {False: [], True: []}
        for level, n in sorted(counts.items()):
            indices = self._source(stream).first(level, n)
            fresh = self._retried.get((stream, level), 0) if self.asked.config.retry_failed else n
            parts[False] += _ranges(stream, level, indices[:fresh])
            parts[True] += _ranges(stream, level, indices[fresh:])
            self._retried[stream, level] = max(n, fresh)
        return {again: requests for again, requests in parts.items() if requests}

    def _advance(self, advance: generation.Progress) -> None:
        self._doubt_prices(advance)
        label = f"{advance.stream.replace(INPUTS, 'inputs of ')}, level {advance.level}"
        self.tell(Progress("solve", label, advance.done, advance.total, failed=advance.failed))

    def _doubt_prices(self, advance: generation.Progress) -> None:
        """Say once, as soon as it is known, that the clock contradicts the stated prices that the run goes by."""
        tried = advance.done + advance.failed
        due = tried == advance.total or tried & (tried - 1) == 0  # looked at when the samples have doubled
        if advance.stream != "train" or self.asked.measures_costs or self._doubted or not due:
            return
        if not self.asked.problem.has_solver:  # what a row cost is not what it takes to look it up
            return
        seconds = [self.seconds_of("train", level) for level in range(self.finest + 1)]
        words = contradicted(seconds, self.asked.problem.costs)
        if words:
            self._doubted = True
            self.tell(Progress("warn", f"{words}; --costs measured plans by this machine's", 1, 1))


def _ranges(stream: str, level: int, indices: Sequence[int]) -> list[Request]:
    """Return increasing indices as requests, one for each run without a gap."""
    if not len(indices):
        return []
    runs = np.split(np.asarray(indices), np.flatnonzero(np.diff(indices) > 1) + 1)
    return [Request(stream, level, len(run), int(run[0])) for run in runs]
