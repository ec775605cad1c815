"""Solvers that misbehave on 5%, 50% and 100% of their samples, with two workers, through a whole run.

A run ends with a record or one named error; a sample that is bad is failed by name, with its reason, and no other is;
what is stored as solved is right; nothing goes on.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import mlft
from benchmarks.storm.beasts import BEASTS, HARMLESS, IN_BATCHES, NOISE, exact, is_bad, zoo
from benchmarks.storm.commands import left_running, live
from benchmarks.storm.tally import Tally
from benchmarks.storm.waves import LOG
from mlft.errors import MlftError
from mlft.problems import Problem
from mlft.sources import Drawn
from mlft.status import OK
from mlft.store import LedgerRow, SampleStore

SHARES = (0.05, 0.5, 1.0)
ASKED: dict[str, Any] = {
    "budget": "30solves",
    "strategy": "finetune",
    "bias_draws": 1,
    "training": {"steps": 12, "batch": 4, "checks": 2},
    "surrogate_options": {"modes": [3], "width": 5, "depth": 2},
    "workers": 2,
    "retries": 0,
    "max_failure_rate": 0.7,
}
MANY, FEW = {"plan": (40, 10, 4), "test": 10}, {"plan": (4, 2, 2), "test": 3}
"""Samples where few are bad, and where many are, each of which may take a worker down."""


def storm(base: Path, *, short: bool) -> list[Tally]:
    """Return what each beast broke."""
    beasts = ("raises",) if short else tuple(BEASTS)
    tallies = []
    for beast in beasts:
        tally = Tally(f"solver: {beast}")
        for share in (0.5,) if short else SHARES:
            let_loose(base / f"{beast.replace(' ', '-')}-{share}", beast, share, tally)
        tallies.append(tally.end())
    return tallies


def let_loose(folder: Path, beast: str, share: float, tally: Tally) -> None:
    """Run with a beast, and count what it broke."""
    problem, log, told = zoo(beast, share), folder.with_suffix(".log"), folder.with_suffix(".told")
    ended = live((), told, before=partial(_run, problem, folder, beast, log, MANY if share < 0.1 else FEW))
    tally.cases += 1
    tally.add("tracebacks", ended.unnamed)
    tally.add("left", left_running(log))
    with SampleStore.open(folder, Drawn(problem, 0, "train").identity, verify=True) as store:
        tally.add("lost", map(str, store.recovery.lost))
        for row in store.ledger():
            if row.stream in ("train", "test"):
                tally.add("silent", _wrong(store, problem, row, beast, share))
                tally.add("lost", _blamed(problem, row, beast, share))


def _run(problem: Problem, folder: Path, beast: str, log: Path, samples: dict[str, Any]) -> None:
    """Run as a user's script does, that prints a named error in one line."""
    os.environ[LOG] = str(log)
    if "stdout" in beast:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    timeout = 1.5 if "hangs" in beast else None
    try:
        mlft.run(problem, out=folder, timeout=timeout, **ASKED, **samples)
    except MlftError as error:
        os.write(2, f"mlft: {error}\n".encode())
        raise SystemExit(1) from None
    raise SystemExit(0)


def _wrong(store: SampleStore, problem: Problem, row: LedgerRow, beast: str, share: float) -> Iterator[str]:
    """Yield what is wrong and not said of a sample: a bad one that is ok, one without a reason, a wrong value."""
    field = _input(problem, row)
    bad = bool(is_bad(field, share)[0]) and beast not in HARMLESS
    if row.status != OK:
        if not (row.note or row.status == "not-finite"):
            yield f"{row.key} {row.status} without a reason"
        return
    if bad:
        yield f"{row.key} is bad, and ok"
    found = store.read(row.stream, row.level, [row.index]).solutions
    most = NOISE if beast == "not deterministic" else 1e-14
    if not np.abs(found - exact(field, problem.hierarchy[row.level])).max() <= most:
        yield f"{row.key} is wrong"


def _blamed(problem: Problem, row: LedgerRow, beast: str, share: float) -> Iterator[str]:
    """Yield a good sample that failed."""
    if row.status != OK and beast not in IN_BATCHES and (beast in HARMLESS or not is_bad(_input(problem, row), share)):
        yield f"{row.key} is good, and {row.status}: {row.note}"


def _input(problem: Problem, row: LedgerRow) -> np.ndarray:
    return Drawn(problem, 0, row.stream).inputs(row.level, [row.index])
