"""Two drivers at one folder, a folder that is moved, and one that is copied and continued in both places."""

import dataclasses
import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

from benchmarks.storm.commands import begin, end, live
from benchmarks.storm.folder import SEED, held
from benchmarks.storm.lives import STRATEGIES, Life, Storm, send, weather
from benchmarks.storm.tally import Tally


def storm(base: Path, *, short: bool) -> list[Tally]:
    """Return what races, moves and copies broke."""
    blowing = weather(base, short=short)
    return [races(blowing, 2 if short else 50), moves(blowing, 1 if short else 10), copies(blowing, 1 if short else 10)]


def races(storm: Storm, times: int) -> Tally:
    """Start two drivers on one folder at the same instant: with one seed, and with two."""
    tally, alone = Tally("two drivers at once on one folder"), storm.new(STRATEGIES[1], 0)
    live(_words(alone, 1), alone.told, before=alone.mark)
    calm = {SEED: storm.calm[STRATEGIES[1]].held, 1: held(alone.folder, 1)}
    for turn in range(times):
        life, seeds = storm.new(STRATEGIES[1], 0), (SEED, turn % 2)
        start = time.time() + 0.2
        files = [life.told.with_suffix(f".{driver}") for driver in range(2)]
        drivers = [
            begin(_words(life, seed), file, before=partial(_wait_for, start))
            for seed, file in zip(seeds, files, strict=True)
        ]
        ended = [end(driver, file) for driver, file in zip(drivers, files, strict=True)]
        tally.cases += 1
        for one in ended:
            tally.add("tracebacks", one.unnamed)
        winner = next((seed for seed, one in zip(seeds, ended, strict=True) if one.code == 0), None)
        if winner is None:
            tally.add("lost", [f"neither driver came to an end: {[one.told[-200:] for one in ended]}"])
        else:
            tally.add("silent", held(life.folder, winner).differences(calm[winner]))
    return tally.end()


def moves(storm: Storm, times: int) -> Tally:
    """Kill a run, move its folder, and continue it there."""
    tally = Tally("a folder moved, and continued")
    for turn in range(times):
        life = _begun(storm, storm.strategy(turn), tally)
        moved = dataclasses.replace(life, folder=life.folder.with_name(f"{life.folder.name}-moved"))
        if life.folder.exists():
            life.folder.rename(moved.folder)
        tally.cases += 1
        moved.finish(tally)
    return tally.end()


def copies(storm: Storm, times: int) -> Tally:
    """Kill a run, copy its folder, and continue it in both places."""
    tally = Tally("a folder copied, and continued in both places")
    for turn in range(times):
        life = _begun(storm, storm.strategy(turn), tally)
        copied = dataclasses.replace(life, folder=life.folder.with_name(f"{life.folder.name}-copy"))
        if life.folder.exists():
            shutil.copytree(life.folder, copied.folder)
        tally.cases += 1
        life.finish(tally)
        copied.finish(tally)
    return tally.end()


def _begun(storm: Storm, strategy: str, tally: Tally) -> Life:
    life = storm.new(strategy, 0)
    life.lives(tally, disturb=partial(send, signal.SIGKILL, storm.chance.uniform(0, storm.calm[strategy].length)))
    return life


def _words(life: Life, seed: int) -> tuple[str, ...]:
    return *life.words, "--seed", str(seed)


def _wait_for(moment: float) -> None:
    os.sched_yield()
    time.sleep(max(0.0, moment - time.time()))
