"""Kills drivers and workers at random moments of a generation, flips bits, and counts what is lost.

Ends with 1 if anything was lost, solved again after it was acknowledged, or differs from an undisturbed run.
"""

import contextlib
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import final

import numpy as np
import psutil
import torch

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.storm.processes import has_ended, kill, start
from benchmarks.table import Row, tabulate
from mlft.generation import Request, Supervision, generate, open_pool
from mlft.grids import Grid, hierarchy
from mlft.problems import FunctionProblem
from mlft.seeds import generator
from mlft.sources import Drawn
from mlft.store import Samples, SampleStore

BENCHMARK = Benchmark("storm.kill", "Kills at random", ("numpy", "loky", "psutil"))
SEED = 1
IDENTITY = {"problem": "killed", "seed": SEED}
SUPERVISION = Supervision(batch_seconds=0.02, retries=9)
INLINE_SHARE = 0.8  # of the driver kills: with workers, each life of a driver costs seconds of imports

Name = tuple[int, int]
"""A sample: its level and its index."""


def draw(n: int, stream: torch.Generator) -> np.ndarray:
    """Return the coefficients: a height, which names the sample, and a wave."""
    return torch.rand(n, 2, generator=stream, dtype=torch.float64).numpy()


def evaluate(draws: np.ndarray, grid: Grid) -> np.ndarray:
    """Return waves of zero mean on top of their heights."""
    waves: np.ndarray = (draws[:, :1] + draws[:, 1:] * np.sin(2 * np.pi * grid.points[0]))[:, None]
    return waves


def problem_logging_to(log: str) -> FunctionProblem:
    """Return a problem of 2 to 5 ms a sample that writes the name of each sample it solves to a file."""

    def solve(inputs: np.ndarray, grid: Grid) -> np.ndarray:
        with open(log, "ab", buffering=0) as file:
            for field in inputs:
                time.sleep(0.002 + 0.001 * len(field[0]) / 32)
                file.write(f"{len(field[0])} {field.mean():.9f} {os.getpid()}\n".encode())
        return np.cumsum(inputs, axis=-1)

    return FunctionProblem("killed", hierarchy(Grid((96,)), 3), draw, evaluate, solve, 1.0)


@final
@dataclass(frozen=True)
class Trial:
    """How much is generated, a number a level, and how often is killed."""

    counts: tuple[int, ...] = (600, 300, 100)
    driver_kills: int = 100
    worker_kills: int = 50

    @property
    def total(self) -> int:
        """The samples of a generation."""
        return sum(self.counts)

    @cached_property
    def names(self) -> dict[tuple[str, str], Name]:
        """The samples by what is written of them when they are solved."""
        found = {}
        for level, grid in enumerate(problem_logging_to("").hierarchy):
            for index in range(self.counts[level]):
                field = evaluate(draw(1, generator(SEED, "train", index)), grid)
                found[str(grid.cells[0]), f"{field.mean():.9f}"] = (level, index)
        assert len(found) == self.total
        return found

    def drive(self, folder: Path, workers: int) -> int:
        """Generate everything that is missing; return how many samples were solved."""
        requests = [Request("train", level, count) for level, count in enumerate(self.counts)]
        problem = problem_logging_to(str(log_of(folder)))
        with SampleStore.open(folder, IDENTITY) as store, open_pool(workers) as pool:
            sources = {"train": Drawn(problem, SEED, "train")}
            report = generate(sources, store, requests=requests, pool=pool, supervision=SUPERVISION)
        return report.solved

    def start(self, folder: Path, workers: int) -> psutil.Process:
        """Start a driver in a process of its own."""
        return start(partial(self.drive, folder, workers))

    def solved(self, folder: Path) -> list[Name]:
        """Return the samples that were solved, in order."""
        log = log_of(folder)
        lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        return [self.names[line[0], line[1]] for line in lines if len(line) == 3]

    def complete(self, folder: Path) -> bool:
        """Return whether every sample is acknowledged."""
        return len(acknowledged(folder)) == self.total

    def contents(self, store: SampleStore) -> list[Samples]:
        """Return all samples of a store, level by level."""
        return [store.read("train", level, count) for level, count in enumerate(self.counts)]


@final
@dataclass
class Killed:
    """What was killed, solved, solved again although acknowledged, and left behind."""

    kills: int = 0
    solved: int = 0
    again: int = 0
    left: int = 0


SHORT = Trial(counts=(12, 6, 3), driver_kills=2, worker_kills=1)


def log_of(folder: Path) -> Path:
    """Return the file in which solved samples are named."""
    return folder.with_suffix(".log")


def acknowledged(folder: Path) -> set[Name]:
    """Return what a ledger acknowledges, read from a copy."""
    with tempfile.TemporaryDirectory() as copy:
        for path in folder.glob("ledger.sqlite*"):
            shutil.copy(path, copy)
        if not list(Path(copy).iterdir()):
            return set()
        with contextlib.closing(sqlite3.connect(Path(copy) / "ledger.sqlite")) as connection:
            try:
                return set(connection.execute("SELECT level, sample FROM samples"))
            except sqlite3.OperationalError:  # killed before there was a table
                return set()


def kill_drivers(trial: Trial, base: Path, chance: random.Random) -> tuple[list[Path], Killed]:
    """Kill drivers until there were enough; return folders and counts."""
    found, folders = Killed(), [base / "run-0"]
    while found.kills < trial.driver_kills or not trial.complete(folders[-1]):
        if trial.complete(folders[-1]):
            folders.append(base / f"run-{len(folders)}")
        life_of_a_driver(trial, folders[-1], chance, found)
    return folders, found


def life_of_a_driver(trial: Trial, folder: Path, chance: random.Random, found: Killed) -> None:
    """Start a driver, kill it after a while where kills are left, and count."""
    workers = 0 if chance.random() < INLINE_SHARE else 2
    before, known = len(trial.solved(folder)), acknowledged(folder)
    driver = trial.start(folder, workers)
    wait_for_growth(log_of(folder), driver.pid, chance.random() * 0.1)
    if found.kills < trial.driver_kills:
        children = driver.children(recursive=True) if driver.is_running() else []
        found.kills += kill(driver.pid)
        workers_left = [child for child in children if "popen_loky" in " ".join(command_line(child))]
        found.left += len(psutil.wait_procs(workers_left, timeout=10)[1])
    while not has_ended(driver.pid):
        time.sleep(0.005)
    after = trial.solved(folder)[before:]
    found.again += len(known & set(after))
    found.solved += len(after)


def kill_workers(trial: Trial, folder: Path, chance: random.Random) -> Killed:
    """Kill single workers of one driver after another until one had enough."""
    log, found = log_of(folder), Killed()
    while found.kills < trial.worker_kills:
        shutil.rmtree(folder, ignore_errors=True)  # the last driver ended too soon: again, from nothing
        log.unlink(missing_ok=True)
        driver = trial.start(folder, 2)
        while found.kills < trial.worker_kills and not has_ended(driver.pid):
            size = log.stat().st_size if log.exists() else 0
            if not wait_for_growth(log, driver.pid, chance.random() * 0.03, size):
                break
            busy = int(log.read_text().splitlines()[-1].split()[2])
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(busy).kill()
                found.kills += 1
        while not has_ended(driver.pid):
            time.sleep(0.02)
    found.solved = len(trial.solved(folder))
    return found


def command_line(process: psutil.Process) -> list[str]:
    """Return the command line of a process, and nothing of one that has gone."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def wait_for_growth(log: Path, pid: int, seconds: float, size: int | None = None) -> bool:
    """Wait until a log grows, and some seconds more; return whether the process goes on."""
    size = (log.stat().st_size if log.exists() else 0) if size is None else size
    while not log.exists() or log.stat().st_size <= size:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.001)
    time.sleep(seconds)
    return True


def differing(found: Sequence[Samples], expected: Sequence[Samples]) -> int:
    """Return how many samples differ from an undisturbed run in any bit."""
    return sum(int((a.solutions != b.solutions).any(axis=(1, 2)).sum()) for a, b in zip(found, expected, strict=True))


@final
@dataclass
class Kept:
    """What the stores hold in the end, against an undisturbed run."""

    acknowledged: int = 0
    unreadable: int = 0
    different: int = 0
    attempts: int = 0

    def look(self, trial: Trial, folder: Path, expected: Sequence[Samples]) -> None:
        """Add what one store holds."""
        with SampleStore.open(folder, IDENTITY, verify=True) as store:
            rows = store.ledger()
            self.acknowledged += len(rows)
            self.unreadable += len(store.recovery.lost)
            self.different += differing(trial.contents(store), expected)
            self.attempts = max(self.attempts, *(row.attempts for row in rows))


@final
@dataclass(frozen=True)
class Flipped:
    """Files with a flipped bit, those that were found, and the samples lost, solved again, and different in the end."""

    files: int
    found: int
    lost: int
    repaired: int
    different: int


def flip_bits(trial: Trial, folder: Path, expected: Sequence[Samples], chance: random.Random) -> Flipped:
    """Flip one bit in each file of a copy, and repair it."""
    copy = folder.with_name("flipped")
    shutil.copytree(folder, copy)
    files = sorted(copy.glob("samples/*/*.safetensors"))
    for path in files:
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    with SampleStore.open(copy, IDENTITY, verify=True) as store:
        found, lost = len(set(store.recovery.set_aside)), len(store.recovery.lost)
    repaired = trial.drive(copy, 0)
    with SampleStore.open(copy, IDENTITY, verify=True) as store:
        return Flipped(len(files), found, lost, repaired, differing(trial.contents(store), expected))


@final
@dataclass(frozen=True)
class Outcome:
    """What was asked for, killed, kept and repaired."""

    asked: int
    drivers: Killed
    workers: Killed
    kept: Kept
    flipped: Flipped

    @property
    def rows(self) -> list[Row]:
        """The rows of the table."""
        drivers, workers, kept, flipped = self.drivers, self.workers, self.kept, self.flipped
        return [
            ("drivers killed (SIGKILL)", drivers.kills),
            ("workers killed (SIGKILL)", workers.kills),
            ("samples asked for", self.asked),
            ("acknowledged, each once", kept.acknowledged),
            ("unreadable", kept.unreadable),
            ("solved again after they were acknowledged", drivers.again),
            ("solved in vain (in flight at a kill)", drivers.solved + workers.solved - self.asked),
            ("workers left behind by a dead driver", drivers.left),
            ("most attempts of one sample", kept.attempts),
            ("files with one flipped bit", flipped.files),
            ("of them found", flipped.found),
            ("their samples lost", flipped.lost),
            ("their samples solved again", flipped.repaired),
            ("samples that differ from an undisturbed run in any bit", kept.different + flipped.different),
        ]

    @property
    def healthy(self) -> bool:
        """Whether nothing was lost, solved again after it was acknowledged, left behind, or different."""
        kept, flipped = self.kept, self.flipped
        wrong = kept.unreadable + kept.different + flipped.different + self.drivers.again + self.drivers.left
        repaired = flipped.found == flipped.files and flipped.lost == flipped.repaired
        return kept.acknowledged == self.asked and not wrong and repaired


def measure(trial: Trial, base: Path, seed: int) -> Outcome:
    """Kill, flip bits, and count."""
    chance = random.Random(seed)
    folders, drivers = kill_drivers(trial, base, chance)
    folders.append(base / "workers")
    workers = kill_workers(trial, folders[-1], chance)
    trial.drive(base / "calm", 0)
    with SampleStore.open(base / "calm", IDENTITY) as store:
        expected = trial.contents(store)
    kept = Kept()
    for folder in folders:
        kept.look(trial, folder, expected)
    flipped = flip_bits(trial, folders[-1], expected, chance)
    return Outcome(trial.total * len(folders), drivers, workers, kept, flipped)


def main(words: Sequence[str] | None = None) -> None:
    """Kill, publish, and end with 1 if anything was lost."""
    options = parser(BENCHMARK, __doc__)
    options.add_argument("--seed", type=int, default=0)
    asked = parse(options, words)
    trial, started = SHORT if asked.short else Trial(), time.perf_counter()
    with tempfile.TemporaryDirectory(dir=os.environ.get("KILL_FOLDER")) as base:
        found = measure(trial, Path(base), asked.seed)
    caption = f"A plan of {trial.total} samples for each driver; {time.perf_counter() - started:.0f} s."
    publish(BENCHMARK, [tabulate(caption, ("", "number"), found.rows)], asked)
    if not found.healthy:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
