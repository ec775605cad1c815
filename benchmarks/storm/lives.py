"""Kills over the whole life of a run: pilot, plan, samples, trainings, tests, references, worth, record, report.

A run is killed at random moments, and just before, at and just after each of its files has its name; it is stopped by
SIGTERM and by SIGINT. After each life the same command continues, and in the end the folder is an undisturbed one.
"""

import contextlib
import functools
import itertools
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import final

from benchmarks.storm.commands import Ended, begin, end, left_running, live
from benchmarks.storm.folder import Held, acknowledged, held, solved_again
from benchmarks.storm.moments import KINDS, MANY, MOMENTS, die_at
from benchmarks.storm.tally import Tally
from benchmarks.storm.waves import LOG
from mlft.cli import STOPPED

RUN = (
    *("run", "benchmarks.storm.waves:problem", "--budget", "32solves", "--test", "7", "--bias-draws", "3"),
    *("--train", "steps=40", "--train", "batch=4", "--train", "checks=4"),
    *("--network", "modes=[3]", "--network", "width=5", "--network", "depth=2"),
)
STRATEGIES = ("finetune", "finetune:equal-cost")
"""One with a pilot and a plan from estimates, one with several levels and stages."""

Disturb = Callable[[int], None]


@final
@dataclass(frozen=True)
class Strength:
    """How hard it storms: kills at random, those of them with two workers; rounds over all files; signals each."""

    kills: int = 210
    with_workers: int = 10
    rounds: int = 5
    signals: int = 20
    kinds: tuple[str, ...] = KINDS


SHORT = Strength(kills=1, with_workers=0, rounds=1, signals=1, kinds=("record.json", "manifest.json"))


@final
@dataclass
class Storm:
    """A folder of runs, and undisturbed ones by strategy."""

    base: Path
    chance: random.Random
    strategies: tuple[str, ...] = STRATEGIES
    calm: dict[str, "Calm"] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)
    runs: Iterator[int] = field(default_factory=itertools.count)

    def new(self, strategy: str, workers: int) -> "Life":
        """Return a run that has not begun."""
        folder = self.base / f"run-{next(self.runs)}"
        return Life(self, folder, folder.with_suffix(".told"), folder.with_suffix(".log"), strategy, workers)

    def strategy(self, turn: int) -> str:
        """Return the strategies by turns."""
        return self.strategies[turn % len(self.strategies)]


def weather(base: Path, *, short: bool) -> Storm:
    """Return a storm in a folder; of one strategy alone in the short form."""
    made = Storm(base, random.Random(0), STRATEGIES[1:] if short else STRATEGIES)
    made.calm |= {strategy: undisturbed(strategy) for strategy in made.strategies}
    return made


@final
@dataclass(frozen=True)
class Calm:
    """A run that nothing disturbed: how many seconds it took, what it left, and the bytes of its folder."""

    length: float
    held: Held
    size: int


@functools.cache
def undisturbed(strategy: str) -> Calm:
    """Return what a strategy leaves in peace, run once for all storms.

    Raises:
        RuntimeError: if it fails.
    """
    with tempfile.TemporaryDirectory() as base:
        life, started = Storm(Path(base), random.Random(0)).new(strategy, 0), time.perf_counter()
        ended = live(life.words, life.told, before=life.mark)
        length = time.perf_counter() - started
        if ended.code:
            raise RuntimeError(ended.told)
        return Calm(length, held(life.folder), sum(path.stat().st_blocks * 512 for path in life.folder.rglob("*")))


@final
@dataclass
class Life:
    """A run that is disturbed and continued.

    Attributes:
        storm: what blows.
        folder: the run folder.
        told: the file that takes what the command writes.
        log: the file in which solved samples are named.
        strategy: how the budget is spent.
        workers: processes that solve.
    """

    storm: Storm
    folder: Path
    told: Path
    log: Path
    strategy: str
    workers: int

    @property
    def words(self) -> tuple[str, ...]:
        """The command."""
        return *RUN, "--strategy", self.strategy, "--workers", str(self.workers), "--out", str(self.folder)

    def mark(self) -> None:
        """Give this process the log, and all its children."""
        os.environ[LOG] = str(self.log)

    def _marked(self, before: Callable[[], object]) -> None:
        self.mark()
        before()

    def lives(
        self, tally: Tally, *, before: Callable[[], object] = lambda: None, disturb: Disturb | None = None
    ) -> Ended:
        """Live once, disturbed, and count what broke."""
        known = acknowledged(self.folder)
        self.log.unlink(missing_ok=True)
        pid = begin(self.words, self.told, before=partial(self._marked, before))
        if disturb is not None:
            disturb(pid)
        ended = end(pid, self.told)
        tally.add("left", left_running(self.log) if self.workers else [])
        tally.add("lost", solved_again(known, self.log.read_text() if self.log.exists() else ""))
        tally.add("lost", [f"{key} is gone" for key in known - acknowledged(self.folder)])
        tally.add("tracebacks", ended.unnamed)
        return ended

    def finish(self, tally: Tally) -> None:
        """Continue in peace to the end, and compare with an undisturbed run."""
        ended = self.lives(tally)
        if ended.code:
            tally.add("lost", [f"{self.folder} cannot be continued: {ended.told[-300:]}"])
        else:
            tally.add(
                "silent",
                (f"other {what}" for what in held(self.folder).differences(self.storm.calm[self.strategy].held)),
            )


def storm(base: Path, *, short: bool) -> list[Tally]:
    """Return what each storm broke.

    Raises:
        RuntimeError: if a file was not met as often as it should be.
    """
    strength, blowing = SHORT if short else Strength(), weather(base, short=short)
    inline = strength.kills - strength.with_workers
    tallies = [
        at_random(blowing, "SIGKILL at a random moment, solving inline", signal.SIGKILL, inline, 0),
        at_random(blowing, "SIGKILL at a random moment, two workers", signal.SIGKILL, strength.with_workers, 2),
        at_files(blowing, strength),
        at_random(blowing, "SIGTERM at a random moment, inline", signal.SIGTERM, strength.signals, 0),
        at_random(blowing, "SIGTERM at a random moment, two workers", signal.SIGTERM, strength.signals // 4, 2),
        at_random(blowing, "SIGINT at a random moment, inline", signal.SIGINT, strength.signals, 0),
        at_random(blowing, "SIGINT at a random moment, two workers", signal.SIGINT, strength.signals // 4, 2),
    ]
    missed = [kind for kind in strength.kinds if blowing.hits[kind] < 2 * strength.rounds]
    if missed:
        raise RuntimeError(f"no run was killed often enough at {missed}: {blowing.hits}")
    return [tally for tally in tallies if tally.cases]


def at_random(storm: Storm, words: str, number: signal.Signals, times: int, workers: int) -> Tally:
    """Send a signal to a run and all its processes at random moments of its life, until there were enough."""
    tally, turns = Tally(words), itertools.count()
    while tally.cases < times:
        life = storm.new(storm.strategy(next(turns)), workers)
        alive = True
        while tally.cases < times and alive:
            wait = storm.chance.uniform(0, storm.calm[life.strategy].length * (2 if workers else 1))
            ended = life.lives(tally, disturb=partial(send, number, wait))
            alive = ended.code != 0
            tally.cases += alive
            if number != signal.SIGKILL and alive:
                tally.add("silent", [] if STOPPED in ended.told else [f"not said: {ended.told[-300:]}"])
        life.finish(tally)
    return tally.end()


def at_files(storm: Storm, strength: Strength) -> Tally:
    """Kill a run at each of its files: half written, just before it has its name, just after; continue; compare."""
    tally = Tally("SIGKILL at each file: half written, before and after it has its name")
    for turn in range(strength.rounds):
        life = storm.new(storm.strategy(turn), 0)
        for kind, moment in itertools.product(strength.kinds, MOMENTS):
            if (kind, moment) == (".lock", "half"):  # it is made at once
                continue
            nth = 1 if moment == "half" else 1 + turn % MANY.get(kind, 1)
            ended = life.lives(tally, before=partial(die_at, kind, moment, nth))
            storm.hits[kind] += ended.code == -signal.SIGKILL
            tally.cases += ended.code == -signal.SIGKILL
        life.finish(tally)
    return tally.end()


def send(number: signal.Signals, wait: float, pid: int) -> None:
    """Send a signal to the group of a child after some seconds, unless it ends before."""
    until = time.monotonic() + wait
    while time.monotonic() < until:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):  # it leads no group yet
        os.killpg(pid, number)
