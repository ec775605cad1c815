"""A run that is killed at random and continued, against an undisturbed one: same samples, weights, error.

SIGKILL hits the driver and its workers together, after a random time; then the same is asked for again.
"""

import hashlib
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final

from safetensors.numpy import load_file

from benchmarks import runs
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.storm.commands import warm_up
from benchmarks.storm.folder import FOR_THE_CLOCK
from benchmarks.storm.processes import has_ended, kill_group, start
from benchmarks.storm.stock import hasten
from benchmarks.table import Table, tabulate
from mlft.problems import PROBLEMS
from mlft.sources import Drawn
from mlft.store import SampleStore

BENCHMARK = Benchmark("storm.resume", "Kills of a run, continued", ("torch", "loky"))
SEED = 0


@final
@dataclass(frozen=True)
class Trial:
    """A run of Burgers' equation, how often it is killed, and the workers of the killed and the undisturbed one.

    The budget is in solves.

    The network has options in the short form alone.
    """

    cells: int = 128
    budget: int = 24
    steps: int = 240
    test: int = 50
    kills: int = 6
    workers: tuple[int, int] = (2, 1)
    network: dict[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """The options of the problem."""
        return {"cells": self.cells, "levels": 3}

    def run(self, folder: Path, workers: int) -> None:
        """Run, or continue."""
        training = {"steps": self.steps, "checks": max(1, self.steps // 10)}
        more = {"options": self.options, "training": training, "test": self.test, "seed": SEED}
        more["surrogate_options"] = self.network
        runs.run("burgers", budget=self.budget, out=folder, workers=workers, **more)


TINY = {"modes": [3], "width": 5, "depth": 2}
SHORT = Trial(cells=24, budget=64, steps=60, test=10, kills=2, workers=(0, 0), network=TINY)


def digest(trial: Trial, folder: Path) -> dict[str, str | int | float]:
    """Return the number and a hash of the samples, a hash of the weights, and the error."""
    identity = Drawn(PROBLEMS["burgers"](**trial.options), SEED, "train").identity
    samples, weights = hashlib.sha256(), hashlib.sha256()
    with SampleStore.open(folder, identity) as store:
        rows = [row for row in store.ledger() if row.stream != FOR_THE_CLOCK]
    for row in rows:
        samples.update(f"{row.stream}{row.level}{row.index}{row.status}{row.sha256}".encode())
    for name, tensor in sorted(load_file(folder / "surrogate" / "model.safetensors").items()):
        weights.update(name.encode() + tensor.tobytes())
    return {
        "samples": len(rows),
        "hash of the samples": samples.hexdigest()[:12],
        "hash of the weights": weights.hexdigest()[:12],
        "relative L2 error": repr(runs.read(folder).error),
    }


def finish(trial: Trial, folder: Path, workers: int) -> float:
    """Let the run go to its end; return its seconds.

    Raises:
        RuntimeError: if it fails.
    """
    started = time.perf_counter()
    child = start(partial(trial.run, folder, workers))
    while not has_ended(child.pid):
        time.sleep(0.01)
    if not (folder / "record.json").exists():
        raise RuntimeError(f"the run in {folder} failed")
    return time.perf_counter() - started


def killed(trial: Trial, folder: Path, length: float) -> int:
    """Kill the run after random shares of its length, and continue it; return how often it was killed."""
    chance, kills = random.Random(0), 0
    while kills < trial.kills and not (folder / "record.json").exists():
        child = start(partial(trial.run, folder, trial.workers[0]), group=True)
        time.sleep(chance.uniform(0.1, 0.4) * length)
        kills += kill_group(child.pid)
    finish(trial, folder, trial.workers[0])
    return kills


def measure(trial: Trial, base: Path) -> tuple[Table, bool]:
    """Return the table of the two runs, and whether they are the same."""
    length = finish(trial, base / "undisturbed", trial.workers[1])
    kills = killed(trial, base / "killed", length)
    one, other = (digest(trial, base / name) for name in ("undisturbed", "killed"))
    caption = f"""A run ({trial.budget} solves, {trial.cells} cells, 3 levels) whose driver and workers were killed
{kills} times together, solving or training, and continued with {trial.workers[0]} workers, against an undisturbed one
with {trial.workers[1]}."""
    rows = [(name, one[name], other[name], "yes" if one[name] == other[name] else "no") for name in one]
    return tabulate(caption, ("", "undisturbed", f"killed {kills} times", "same"), rows), one == other


def main(words: Sequence[str] | None = None) -> None:
    """Kill, continue, compare, publish; end with 1 if the two differ."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    warm_up()
    if asked.short:
        hasten()
    with tempfile.TemporaryDirectory() as base:
        table, same = measure(SHORT if asked.short else Trial(), Path(base))
    publish(BENCHMARK, [table], asked)
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
