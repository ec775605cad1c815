"""What a run folder holds, so that two can be compared: samples, weights, record, files."""

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from safetensors.numpy import load_file

from benchmarks.storm.waves import named, problem
from mlft.errors import MlftError
from mlft.sources import Drawn
from mlft.store import SampleStore

Key = tuple[str, int, int]

SEED = 0
FOR_THE_CLOCK = "warm-up"
"""The stream of draws that are solved to see what a solve takes: how many depends on the clock."""

TIMED = ("cost_seconds", "seconds", "alone", "batched", "timed", "batch", "measured", "command", "workers")
"""What a record says of seconds, and of where and how the work was executed."""


@final
@dataclass(frozen=True)
class Held:
    """What a folder holds: a hash a sample, weights, the record without what was timed, and the names of its files."""

    samples: dict[Key, str]
    weights: dict[str, bytes]
    record: Any
    files: frozenset[str]

    def differences(self, other: "Held") -> list[str]:
        """Return in which ways two folders differ; one may hold more draws that were solved for the clock."""
        files = [f"file {name} in one alone" for name in sorted(self.files ^ other.files)]
        apart = {key for key in self.samples.keys() ^ other.samples.keys() if key[0] != FOR_THE_CLOCK}
        apart |= {key for key in self.samples.keys() & other.samples.keys() if self.samples[key] != other.samples[key]}
        samples = [f"samples: {len(apart)}, {min(apart)} the first"] if apart else []
        return files + samples + [name for name in ("weights", "record") if getattr(self, name) != getattr(other, name)]


def held(folder: Path, seed: int = SEED) -> Held:
    """Return what a folder of a finished run holds.

    Raises:
        MlftError: if a sample is not what its hash says, or there is no store.
    """
    with SampleStore.open(folder, Drawn(problem, seed, "train").identity, verify=True) as store:
        if store.recovery.lost or store.recovery.set_aside:
            raise MlftError(f"{folder}: {store.recovery}")
        samples = {row.key: f"{row.status} {row.sha256}" for row in store.ledger()}
    weights = {name: array.tobytes() for name, array in load_file(folder / "surrogate" / "model.safetensors").items()}
    record = timeless(json.loads((folder / "record.json").read_text()))
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kept = frozenset(name for name in files if not name.startswith(("samples/", ".config.toml.")))
    return Held(samples, weights, record, kept)


def timeless(value: Any) -> Any:
    """Return a record without what depends on the clock."""
    if isinstance(value, dict):
        return {name: timeless(inner) for name, inner in value.items() if name not in TIMED}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def acknowledged(folder: Path) -> set[Key]:
    """Return the samples that a ledger acknowledges, read from a copy."""
    with tempfile.TemporaryDirectory() as copy:
        for path in folder.glob("ledger.sqlite*"):
            shutil.copy(path, copy)
        if not (Path(copy) / "ledger.sqlite").exists():
            return set()
        with contextlib.closing(sqlite3.connect(Path(copy) / "ledger.sqlite")) as connection:
            try:
                return set(connection.execute("SELECT stream, level, sample FROM samples"))
            except sqlite3.OperationalError:  # killed before there was a table
                return set()


def solved_again(known: set[Key], log: str) -> list[str]:
    """Return the acknowledged samples that a log says were solved.

    One training sample a level is solved again on purpose, to see that the solver is the folder's.
    """
    names = {_name(key): key for key in known if key[0] in ("train", "test")}
    found = Counter(names[line] for line in (line.rpartition(" ")[0] for line in log.splitlines()) if line in names)
    for level in range(len(problem.hierarchy)):
        found[min((key for key in known if key[:2] == ("train", level)), default=("", 0, 0))] -= 1
    return [f"{key} again" for key, times in found.items() if times > 0]


def _name(key: Key) -> str:
    stream, level, index = key
    return named(Drawn(problem, SEED, stream).inputs(level, [index])[0])
