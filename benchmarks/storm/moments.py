"""Moments of a run at which its process kills itself: a file half written, just before it has its name, just after."""

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlft import files

MOMENTS = ("half", "before", "after")
KINDS = (
    *("config.toml", ".lock", "ledger.sqlite", "samples", "checkpoints", "evaluation.safetensors"),
    *("surrogate/model.safetensors", "surrogate/config.json", "surrogate/README.md", "record.json", "manifest.json"),
    *("figures", "metrics.csv", "report.html"),
)
"""The files of a run, in the order in which they appear; a folder stands for the files in it."""

MANY = {"samples": 3, "ledger.sqlite": 3, "figures": 3, "surrogate/model.safetensors": 2}
"""Files of a kind that a life has at least; of the others one."""

Here = Callable[[str | os.PathLike[str], str], None]


def kind_of(path: Path) -> str:
    """Return which of `KINDS` a file is, and nothing for one in the folder of what need not survive."""
    folder = path.parent.name
    if ".scratch" in path.parts:
        return ""
    if folder.startswith("level-"):
        return "samples"
    if folder in ("checkpoints", "figures"):
        return folder
    if folder == "surrogate":  # new weights are written under their hash first
        return f"surrogate/{'model.safetensors' if path.suffix == '.safetensors' else path.name}"
    return path.name


def die_at(kind: str, moment: str, nth: int) -> None:
    """Let this process kill itself at the n-th file of a kind, at a moment of it."""
    left = nth

    def here(path: str | os.PathLike[str], now: str) -> None:
        nonlocal left
        left -= now == moment and kind_of(Path(path)) == kind
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = _around(os.replace, 1, here)
    os.link = _around(os.link, 1, here)
    os.open = _around(os.open, 0, _of_locks(here))
    sqlite3.connect = _connecting(sqlite3.connect, here)  # type: ignore[assignment]
    files.write_flushed = _halving(files.write_flushed, here)  # type: ignore[assignment]


def _around(call: Callable[..., Any], place: int, here: Here) -> Callable[..., Any]:
    """Return a call with moments before and after it; its argument at a place is the file."""

    def called(*args: Any, **options: Any) -> Any:
        here(args[place], "before")
        made = call(*args, **options)
        here(args[place], "after")
        return made

    return called


def _of_locks(here: Here) -> Here:
    def at(path: str | os.PathLike[str], now: str) -> None:
        if isinstance(path, os.PathLike) and Path(path).name == ".lock":
            here(path, now)

    return at


def _halving(write: Callable[[Path, bytes], None], here: Here) -> Callable[[Path, bytes], None]:
    """Return a way to write a file that has a moment when half of it is written."""

    def halved(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        here(path.with_name(path.name.removeprefix(".").partition(".tmp")[0].removesuffix(f".{os.getpid()}")), "half")
        write(path, content)

    return halved


def _connecting(connect: Callable[..., sqlite3.Connection], here: Here) -> Callable[..., sqlite3.Connection]:
    """Return a way to open a database whose transactions have moments before and after, and one in their midst."""

    def connected(path: Path, **options: Any) -> sqlite3.Connection:
        class Watched(sqlite3.Connection):
            execute = _timed(sqlite3.Connection.execute, path, here)
            executescript = _timed(sqlite3.Connection.executescript, path, here)

        return connect(path, factory=Watched, **options)

    return connected


def _timed(call: Callable[..., Any], path: Path, here: Here) -> Callable[..., Any]:
    def called(connection: sqlite3.Connection, words: str, *args: Any) -> Any:
        changes = words == "COMMIT" or words.startswith("\nBEGIN")
        if changes:
            here(path, "half")
            here(path, "before")
        made = call(connection, words, *args)
        if changes:
            here(path, "after")
        return made

    return called
