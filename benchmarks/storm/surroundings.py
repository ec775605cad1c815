"""Every command in a bad place: nothing to write to, no home, a terminal of one column, a folder that is gone."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.storm.calls import Ended, call, command

Place = Callable[[], None]
"""What makes a process stand in a bad place."""


def to_nobody() -> None:
    """Let the reader of the output leave."""
    reader, writer = os.pipe()
    os.close(reader)
    _output_to(writer)


def to_a_full_disk() -> None:
    """Let the output go to a disk that is full."""
    _output_to(os.open("/dev/full", os.O_WRONLY))


def to_nothing() -> None:
    """Close the output, as `>&-` does."""
    os.close(1)
    sys.stdout = None


def with_no_errors() -> None:
    """Close the standard error."""
    sys.stderr = None


def from_nothing() -> None:
    """Close the input."""
    os.close(0)
    sys.stdin = None


def without_a_home() -> None:
    """Have no home."""
    os.environ.pop("HOME", None)


def on_a_teletype() -> None:
    """Stand at a terminal of one column that knows no letters but those of English."""
    os.environ |= {"TERM": "dumb", "COLUMNS": "1"}
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w", closefd=False), encoding="ascii") for n in (1, 2))


PLACES: tuple[Place, ...] = (
    *(to_nobody, to_a_full_disk, to_nothing, with_no_errors, from_nothing, without_a_home, on_a_teletype),
)

LINES: tuple[tuple[str, ...], ...] = (
    ("--help",),
    ("problems",),
    ("report", "run"),
    ("trust", "run", "--samples", "4"),
    ("run", "--config", "asked.toml", "--out", "run"),
    ("run", "burgers", "--budget", "1solves", "--set", "cells=ü", "--out", "new"),
    ("run", "burgers", "--buget", "1solves"),
    ("plan", "--config", "asked.toml", "--budget", "0.01solves", "--out", "new"),
    ("compare", "--config", "asked.toml", "--strategies", "ü", "--out", "new"),
    ("check", "burgers", "--set", "cells=16", "--set", "levels=2"),
)
"""Command lines that end well, and such as are refused."""


def _output_to(descriptor: int) -> None:
    os.dup2(descriptor, 1)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False))


def answers(folder: Path, work: Callable[[Callable[[], None]], Callable[[], None]]) -> Iterator[tuple[str, str]]:
    """Yield each command in each place, and what is wrong with its answer.

    Args:
        folder: where the commands stand: with `run` and `asked.toml`.
        work: makes a command stop where long work begins.
    """
    for place in PLACES:
        for words in LINES:
            ended = call(_in(place, work(command(*words))), folder=folder, seconds=60)
            yield f"{' '.join(words[:2])} {place.__name__}", _fault(place, ended)
    for words in LINES[:1] + LINES[5:9]:
        yield f"{' '.join(words[:2])} in C", _alone(words, folder, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    for words in LINES:
        gone = folder / "gone"
        gone.mkdir()
        yield f"{' '.join(words[:2])} in a folder that is gone", _alone(words, gone)


def _in(place: Place, work: Callable[[], None]) -> Callable[[], None]:
    def both() -> None:
        place()
        work()

    return both


def _fault(place: Place, ended: Ended) -> str:
    if ended.fault == "no sentence" and place in (to_nobody, with_no_errors):
        return ""  # nobody is there to be told
    return ended.fault


def _alone(words: tuple[str, ...], folder: Path, **environment: str) -> str:
    """Return what is wrong with a command in a process of its own; a folder named "gone" is taken away before."""
    code = (
        "import os; os.rmdir(os.getcwd()) if os.getcwd().endswith('gone') else None; from mlft.cli import main; main()"
    )
    known = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, env=known, capture_output=True, check=False)
    out, err = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    return Ended(done.returncode, out, err, 0.0, 0).fault
