"""Kills drivers and workers at random moments of a generation, flips bits, and counts what is lost.

Run as `python benchmarks/kill.py [driver kills] [worker kills] [seed]`; prints a Markdown table and exits with 1 if
anything was lost, solved again after it was acknowledged, or differs from an undisturbed run.
"""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch

from machine import machine
from mlft.generation import Request, Supervision, generate, open_pool
from mlft.grids import Grid, hierarchy
from mlft.problems import FunctionProblem
from mlft.seeds import generator
from mlft.store import SampleStore

SEED = 1
COUNTS = (600, 300, 100)
REQUESTS = [Request("train", level, count) for level, count in enumerate(COUNTS)]
IDENTITY = {"problem": "killed", "seed": SEED}
SUPERVISION = Supervision(batch_seconds=0.02, retries=9)
INLINE_SHARE = 0.8  # of the driver kills: with workers, each life of a driver costs seconds of imports


def draw(n, stream):
    """Return the coefficients: a height, which names the sample, and a wave."""
    return torch.rand(n, 2, generator=stream, dtype=torch.float64).numpy()


def evaluate(draws, grid):
    """Return waves of zero mean on top of their heights."""
    return (draws[:, :1] + draws[:, 1:] * np.sin(2 * np.pi * grid.points[0]))[:, None]


def problem_logging_to(log):
    """Return a problem of 2 to 5 ms a sample that writes the name of each sample it solves to a file."""

    def solve(inputs, grid):
        with open(log, "ab", buffering=0) as file:
            for field in inputs:
                time.sleep(0.002 + 0.001 * len(field[0]) / 32)
                file.write(f"{len(field[0])} {field.mean():.9f} {os.getpid()}\n".encode())
        return np.cumsum(inputs, axis=-1)

    return FunctionProblem("killed", hierarchy(Grid((96,)), 3), draw, evaluate, solve, 1.0)


def drive(folder, log, workers):
    """Generate everything that is missing."""
    with SampleStore.open(folder, IDENTITY) as store, open_pool(workers) as pool:
        problem = problem_logging_to(str(log))
        return generate(problem, store, requests=REQUESTS, seed=SEED, pool=pool, supervision=SUPERVISION)


def start_driver(folder, log, workers):
    """Start a driver in a process of its own; a fork spares its imports."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            drive(folder, log, workers)
            os._exit(0)
        os._exit(1)
    return psutil.Process(pid)


def has_ended(pid):
    """Return whether a child has ended, and bury it."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def solved_names(log, names):
    """Return the samples that were solved, in order, as (level, index)."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [names[tuple(line.split()[:2])] for line in lines if line.count(" ") == 2]


def acknowledged(folder):
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


def kill_drivers(base, names, kills, chance):
    """Kill drivers until there were enough; return folders and counts."""
    counts = {"kills": 0, "again": 0, "left": 0, "solved": 0}
    folders = []
    while counts["kills"] < kills or not complete(folders[-1]):
        if not folders or (complete(folders[-1]) and counts["kills"] < kills):
            folders.append(base / f"run-{len(folders)}")
        log = folders[-1].with_suffix(".log")
        workers = 0 if chance.random() < INLINE_SHARE else 2
        before, known = solved_names(log, names), acknowledged(folders[-1]) if folders[-1].exists() else set()
        driver = start_driver(folders[-1], log, workers)
        wait_for_growth(log, driver.pid, chance.random() * 0.1)
        if counts["kills"] < kills:
            children = [] if not driver.is_running() else driver.children(recursive=True)
            counts["kills"] += kill(driver.pid)
            _, alive = psutil.wait_procs([c for c in children if "popen_loky" in " ".join(cmdline(c))], timeout=10)
            counts["left"] += len(alive)
        while not has_ended(driver.pid):
            time.sleep(0.005)
        after = solved_names(log, names)[len(before) :]
        counts["again"] += len(known & set(after))
        counts["solved"] += len(after)
    return folders, counts


def kill_workers(folder, names, kills, chance):
    """Kill single workers of one driver after another until there were enough."""
    log, done = folder.with_suffix(".log"), 0
    while done < kills:
        driver = start_driver(folder, log, 2)
        while done < kills and not has_ended(driver.pid):
            size = log.stat().st_size if log.exists() else 0
            if not wait_for_growth(log, driver.pid, chance.random() * 0.03, size):
                break
            busy = int(log.read_text().splitlines()[-1].split()[2])
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(busy).kill()
                done += 1
        while not has_ended(driver.pid):
            time.sleep(0.02)
        if done < kills:
            shutil.rmtree(folder)
            log.unlink()
    return done, len(solved_names(log, names))


def cmdline(process):
    """Return the command line of a process, and nothing of one that has gone."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def kill(pid):
    """Kill a child that has not been buried; return whether it was alive."""
    if has_ended(pid):
        return 0
    os.kill(pid, signal.SIGKILL)
    return 1


def wait_for_growth(log, pid, seconds, size=None):
    """Wait until a log grows, and some seconds more; return whether the process goes on."""
    size = (log.stat().st_size if log.exists() else 0) if size is None else size
    while not log.exists() or log.stat().st_size <= size:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.001)
    time.sleep(seconds)
    return True


def complete(folder):
    """Return whether every sample is acknowledged."""
    return folder.exists() and len(acknowledged(folder)) == sum(COUNTS)


def contents(store):
    """Return all arrays of a store, level by level."""
    return [store.read("train", level, count) for level, count in enumerate(COUNTS)]


def differing(store, expected):
    """Return how many samples differ from an undisturbed run in any bit."""
    pairs = zip(contents(store), expected, strict=True)
    return sum(
        int((a.inputs != b.inputs).any(axis=(1, 2)).sum() + (a.solutions != b.solutions).any(axis=(1, 2)).sum())
        for a, b in pairs
    )


def flip_bits(folder, copy, chance):
    """Flip one bit in each file of a copy; return files, files found, samples solved again, samples left different."""
    shutil.copytree(folder, copy)
    files = sorted(copy.glob("samples/*/*.safetensors"))
    for path in files:
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    with SampleStore.open(copy, IDENTITY, verify=True) as store:
        found, lost = len(set(store.recovery.set_aside)), len(store.recovery.lost)
    report = drive(copy, copy.with_suffix(".log"), 0)
    return len(files), found, lost, report.solved


def main(driver_kills=100, worker_kills=50, seed=0):
    """Run all, and print the table."""
    chance, started = random.Random(seed), time.time()
    names = {}
    for level, grid in enumerate(problem_logging_to("").hierarchy):
        for index in range(COUNTS[level]):
            draws = draw(1, generator(SEED, "train", index))
            names[str(grid.cells[0]), f"{evaluate(draws, grid).mean():.9f}"] = (level, index)
    assert len(names) == sum(COUNTS)
    with tempfile.TemporaryDirectory(dir=os.environ.get("KILL_FOLDER")) as base_name:
        base = Path(base_name)
        folders, drivers = kill_drivers(base, names, driver_kills, chance)
        killed, solved = kill_workers(base / "workers", names, worker_kills, chance)
        drive(base / "calm", base / "calm.log", 0)
        with SampleStore.open(base / "calm", IDENTITY) as store:
            expected = contents(store)
        acknowledgements = unreadable = different = attempts = 0
        for folder in [*folders, base / "workers"]:
            with SampleStore.open(folder, IDENTITY, verify=True) as store:
                unreadable += len(store.recovery.lost)
                acknowledgements += len(store.ledger())
                different += differing(store, expected)
                attempts = max(attempts, *(row.attempts for row in store.ledger()))
        files, found, lost, repaired = flip_bits(base / "workers", base / "flipped", chance)
        with SampleStore.open(base / "flipped", IDENTITY, verify=True) as store:
            different += differing(store, expected)
    asked = sum(COUNTS) * (len(folders) + 1)
    rows = [
        ("drivers killed (SIGKILL)", drivers["kills"]),
        ("workers killed (SIGKILL)", killed),
        ("samples asked for", asked),
        ("acknowledged, each once", acknowledgements),
        ("unreadable", unreadable),
        ("solved again after they were acknowledged", drivers["again"]),
        ("solved in vain (in flight at a kill)", drivers["solved"] + solved - asked),
        ("workers left behind by a dead driver", drivers["left"]),
        ("most attempts of one sample", attempts),
        ("files with one flipped bit", files),
        ("of them found", found),
        ("their samples lost and solved again", f"{lost}, {repaired}"),
        ("samples that differ from an undisturbed run in any bit", different),
    ]
    print(f"{machine()}, SQLite {sqlite3.sqlite_version}, {time.time() - started:.0f} s\n")
    print("| | |\n|---|---:|")
    for name, value in rows:
        print(f"| {name} | {value} |")
    healthy = acknowledgements == asked and not unreadable + drivers["again"] + drivers["left"] + different
    return 0 if healthy and found == files and lost == repaired else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
