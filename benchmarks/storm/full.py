"""Disks that are full, from the first write on and from any later one, and folders that cannot be written.

A run says so in one sentence; given room, it continues, and ends as an undisturbed one.
"""

from functools import partial
from pathlib import Path

import mlft
from benchmarks.storm.commands import Ended, live
from benchmarks.storm.lives import Life, Storm, weather
from benchmarks.storm.rooms import MOUNTS, PAGE, room
from benchmarks.storm.tally import Tally

SIZES = 20
WAY = "a tmpfs of that size" if MOUNTS else "a largest size of files"


def storm(base: Path, *, short: bool) -> list[Tally]:
    """Return what full disks and read-only folders broke."""
    blowing = weather(base, short=short)
    return [full(blowing, 1 if short else SIZES), closed(blowing)]


def full(storm: Storm, sizes: int) -> Tally:
    """Run on disks of sizes from one page to what a run needs; then give room, continue, and compare."""
    tally = Tally(f"disk full ({WAY})")
    for turn in range(sizes):
        life = storm.new(storm.strategy(turn), 0)
        with room(life.folder) as place:
            life.folder /= "run"
            needed = storm.calm[life.strategy].size
            place.resize(PAGE * max(1, needed * turn // (PAGE * sizes)))
            ended = life.lives(tally, before=place.enter)
            tally.cases += 1
            tally.add("silent", [f"no end at size {turn}"] if ended.code == 0 else [])
            place.resize(2 * needed)
            life.finish(tally)
    return tally.end()


def closed(storm: Storm) -> Tally:
    """Ask everything of a finished and of an unfinished run in a folder that cannot be written."""
    tally, life = Tally("read-only folder: run, report, trust, plan, load"), storm.new(storm.strategy(0), 0)
    with room(life.folder) as place:
        life.folder /= "run"
        life.finish(tally)
        for finished in (True, False):
            if not finished:
                (life.folder / "record.json").unlink()
            place.close_for_writing()
            for ended in _asked(life):
                tally.cases += 1
                tally.add("tracebacks", ended.unnamed)
            place.resize(2 * storm.calm[life.strategy].size)
        life.finish(tally)
    return tally.end()


def _asked(life: Life) -> list[Ended]:
    """Return how all that can be asked of a folder ends."""
    folder, problem = str(life.folder), life.words[1]
    words: list[tuple[str, ...]] = [life.words, ("report", folder), ("trust", folder, "--problem", problem)]
    words += [("plan", *life.words[1:]), ("plan", *life.words[1:], "--save", f"{folder}/plan.toml")]
    words += [("compare", *life.words[1:-6], "--workers", "0", "--out", folder, "--seeds", "1")]
    ended = [live(asked, life.told, before=life.mark) for asked in words]
    return [*ended, live((), life.told, before=partial(_load, life.folder))]


def _load(folder: Path) -> None:
    mlft.load(folder / "surrogate")
    raise SystemExit(0)
