"""What is forged: saved surrogates, run folders, configurations, plans and command lines, as nobody means them.

Each is asked in a process of its own, short of the work that a run would be. Ends with 1 if one ended in a traceback, a
hang or without a sentence, told another number, ran code that a file names, or wrote elsewhere than it was told to.
"""

import json
import os
import random
import shutil
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.storm.bundles import forge
from benchmarks.storm.calls import Ended, call, command
from benchmarks.storm.downloads import forge_run
from benchmarks.storm.nasty import CANARY, as_json, mutated, toml
from benchmarks.storm.stock import ASKED, SEED, Stock, hasten, predicting
from benchmarks.storm.surroundings import answers
from benchmarks.storm.words import line
from benchmarks.table import Row, Table, tabulate
from mlft.errors import MlftError
from mlft.learners import OneLevel
from mlft.problems import PROBLEMS, Burgers
from mlft.seeds import generator
from mlft.store import Samples
from mlft.surrogates import SURROGATES, build
from mlft.training import Course, Training

BENCHMARK = Benchmark("storm.forged", "Forged files and command lines", ("torch", "numpy"))

AVERAGE = "average"
BUNDLES = ("surrogate", "surrogate", "lifts/level-0", AVERAGE)
"""What is saved, as often as it is forged."""

WORK = {
    "mlft.experiment.loop": ("_run", "Session"),
    "mlft.experiment.trust": ("measure_trust",),
    "mlft.experiment.checking": ("examine",),
    "mlft.experiment.compare": ("ProcessPoolExecutor",),
    "mlft.problems": ("distances",),
    "mlft.reports": ("gallery_page",),
}
"""What is not done: by module, what begins it."""


@final
class WorkError(MlftError):
    """Here work would begin."""


def short_of_work(work: Callable[[], None], *, solving: bool = False) -> Callable[[], None]:
    """Return a command that ends in a sentence where its work would begin.

    Args:
        work: the command.
        solving: whether a run may open its folder, and solve again what it compares.
    """

    def stopped() -> None:
        for module, names in WORK.items():
            for name in names:
                if not (solving and name == "Session"):
                    setattr(import_module(module), name, _begin)
        work()

    return stopped


def _begin(*_: object, **__: object) -> Any:
    raise WorkError("work begins")


@final
@dataclass(frozen=True)
class Case:
    """What is asked, where, and when its answer is believed.

    Attributes:
        work: what is done.
        silent: whether the answer, where it is no refusal, tells another number than it should.
        mine: the names in the folder that it may write.
    """

    work: Callable[[], None]
    silent: Callable[[Ended], bool] = lambda _: False
    mine: Sequence[str] = ()


def bundle(stock: Stock, said: dict[str, str], place: Path, chance: random.Random) -> Case:
    """Return a saved surrogate, or a lift, to load and predict with."""
    name = chance.choice(BUNDLES)
    folder = Path(shutil.copytree(saved(stock, name), place / "bundle"))
    forge(folder, chance)
    return Case(predicting(folder), lambda ended: ended.out != said[name], ("bundle",))


def saved(stock: Stock, name: str) -> Path:
    """Return the folder of one of `BUNDLES`."""
    return stock.base / name if name == AVERAGE else stock.run("finished") / name


def average(folder: Path) -> None:
    """Save a surrogate that averages a regression and a network."""
    grid, stream = Burgers(**ASKED["options"]).finest, generator(SEED, "average")
    known = SURROGATES["fno"].defaults(grid) | ASKED["surrogate_options"]
    options = {"kernel": SURROGATES["kernel"].defaults(grid), "fno": known}
    members = [{"network": name, "options": one} for name, one in options.items()]
    surrogate = build("auto", (1, 1), grid, generator=stream, options={"members": members})
    inputs = torch.randn(12, 1, *grid.shape, generator=stream, dtype=torch.float64).numpy()
    samples = Samples(0, tuple(range(12)), inputs, np.sin(inputs))
    OneLevel().fit(surrogate.parts()[0], [samples], Course(Training(), SEED))
    surrogate.save(folder)


def run_folder(stock: Stock, said: dict[str, str], place: Path, chance: random.Random) -> Case:
    """Return a run folder whose config.toml is forged, to continue, report or look at."""
    name = chance.choice(("finished", "part"))
    run = Path(shutil.copytree(stock.run(name), place / "run"))
    asked = tomllib.loads((run / "config.toml").read_text())
    (run / "config.toml").write_bytes(toml(mutated(asked, chance), chance))
    words = chance.choice(commands(stock, name))

    def silent(ended: Ended) -> bool:
        return words[0] == "run" and ended.out.splitlines()[:1] != said[name].splitlines()[:1]

    return Case(short_of_work(command(*words), solving=True), silent, ("run",))


def commands(stock: Stock, name: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that read a run folder, which is called "run"."""
    again = ("run", "--config", str(stock.base / f"{name}.toml"), "--out", "run")
    return again, ("report", "run"), ("trust", "run", "--samples", "4")


def downloaded(stock: Stock, said: dict[str, str], place: Path, chance: random.Random) -> Case:
    """Return a finished run whose files are forged and whose digests are right: a folder that somebody offers."""
    run = Path(shutil.copytree(stock.run("finished"), place / "run"))
    forge_run(run, chance)
    words = chance.choice(commands(stock, "finished"))
    work = command(*words) if chance.random() < 0.8 else predicting(run / "lifts" / "level-0")
    return Case(short_of_work(work, solving=True), mine=("run",))


def configuration(stock: Stock, said: dict[str, str], place: Path, chance: random.Random) -> Case:
    """Return a file for --config."""
    asked = tomllib.loads((stock.base / chance.choice(("finished.toml", "part.toml"))).read_text())
    (place / "asked.toml").write_bytes(toml(mutated(asked, chance), chance))
    name = chance.choice(("run", "run", "plan", "compare", "check"))
    words = () if name == "check" else ("--out", "out")
    return Case(short_of_work(command(name, "--config", "asked.toml", *words)), mine=("asked.toml", "out"))


def plan(stock: Stock, said: dict[str, str], place: Path, chance: random.Random) -> Case:
    """Return a file for --plan, its digest right where the forger took the care."""
    told = json.loads((stock.base / "plan.json").read_bytes())
    forged = mutated(told, chance)
    if chance.random() < 0.6 and isinstance(forged, dict):
        forged.pop("digest", None)
        forged["digest"] = sha256(json.dumps(forged, sort_keys=True).encode()).hexdigest()
    (place / "plan.json").write_bytes(as_json(forged, chance))
    work = short_of_work(command("run", "--plan", "plan.json", "--out", "out", "--workers", "0"))
    return Case(work, mine=("plan.json", "out"))


def words(stock: Stock, said: dict[str, str], place: Path, chance: random.Random) -> Case:
    """Return a command line."""
    shutil.copytree(stock.run("finished"), place / "run", ignore=shutil.ignore_patterns("samples", "figures", "*.html"))
    shutil.copy(stock.base / "plan.json", place)
    shutil.copy(stock.base / "part.toml", place / "asked.toml")
    (place / "empty").touch()
    (place / "loop").symlink_to("loop")
    os.mkfifo(place / "pipe")
    made = line(chance)
    return Case(short_of_work(command(*made)), mine=(*made, "runs"))


KINDS = {
    "saved surrogates and lifts": (bundle, 2000),
    "config.toml of run folders": (run_folder, 1000),
    "downloaded run folders": (downloaded, 1000),
    "files for --config": (configuration, 1000),
    "files for --plan": (plan, 1000),
    "command lines": (words, 1000),
}
"""What is forged, and how often."""

BAD = "commands in bad places"


@final
@dataclass
class Tally:
    """How often cases ended in which way, and how long the longest took."""

    counts: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    @property
    def asked(self) -> int:
        """All of them."""
        return self.counts.total()

    @property
    def wrong(self) -> int:
        """Those in which something is wrong."""
        return sum(self.counts[fault] for fault in FAULTS)


CAPTION = """Forged by machine and asked in a process each, short of the work that a run would be; last, every command
with its output closed, full or unread, without input, home or errors, in one column, in the C locale, in a folder that
was deleted. The bars are 0. **silent**: another number than the original's is told. **executed**: a module that only a
file names was imported. **written elsewhere**: outside of the folder that was asked for. **traceback**: exit code 0, 1
or 2 without one. **hang**: 10 s were not enough. **memory**: more than 1 GiB was asked for. **no sentence**: a refusal
is one line, or how the command is used. **slow**: a saved surrogate takes over 2 s."""

FAULTS = ("silent", "executed", "written elsewhere", "traceback", "hang", "memory", "no sentence", "slow")
SLOW = 2.0


def ask(stock: Stock, said: dict[str, str], name: str, number: int) -> tuple[Ended, str]:
    """Return how one case ended, and what is wrong with that."""
    kind, chance = KINDS[name][0], random.Random(f"{name} {number}")
    with tempfile.TemporaryDirectory(dir=stock.base) as folder:
        place = Path(folder)
        made = kind(stock, said, place, chance)
        module = place / f"{CANARY.partition(':')[0]}.py"
        module.write_text("open(__file__ + '.executed', 'w')\n")
        before = {path.name for path in place.iterdir()}
        ended = call(made.work, folder=place)
        new = {path.name for path in place.iterdir()} - before
        if f"{module.name}.executed" in new and CANARY not in made.mine:
            return ended, "executed"
        astray = [one for one in new if not any(one in word for word in made.mine) and one != f"{module.name}.executed"]
        if astray:
            return ended, f"written elsewhere: {astray}"
    if ended.code == 0 and made.silent(ended):
        return ended, "silent"
    return ended, ended.fault or ("slow" if name == "saved surrogates and lifts" and ended.seconds > SLOW else "")


def measure(names: Sequence[str], share: float, first: int) -> tuple[list[Table], bool]:
    """Return the table, and whether nothing is wrong."""
    stock = Stock.make()
    average(stock.base / AVERAGE)
    said = {name: call(predicting(saved(stock, name))).out for name in set(BUNDLES)}
    said |= {name: _told(stock, name) for name in ("finished", "part")}
    forged = [name for name in names if name in KINDS]
    found = {name: _asked(stock, said, name, range(first, first + round(share * KINDS[name][1]))) for name in forged}
    found |= {name: _badly_placed(stock) for name in names if name == BAD}
    rows: list[Row] = [("asked", *(tally.asked for tally in found.values()))]
    rows += [
        (what, *(tally.counts[what] for tally in found.values()))
        for what in ("refused", "accepted", "answered", *FAULTS)
    ]
    rows.append(("the longest, s", *(tally.longest for tally in found.values())))
    table = tabulate(CAPTION, ("", *found), rows)
    return [table], not any(tally.wrong for tally in found.values())


def _asked(stock: Stock, said: dict[str, str], name: str, numbers: range) -> "Tally":
    """Return how the cases of a kind ended; says what is wrong on the way."""
    tally, started = Tally(), time.perf_counter()
    for number in numbers:
        ended, fault = ask(stock, said, name, number)
        accepted = ended.code == 0 or "work begins" in ended.err
        tally.counts[fault.partition(":")[0] or ("accepted" if accepted else "refused")] += 1
        tally.longest = max(tally.longest, ended.seconds)
        if fault:
            print(f"  {fault}: {name} {number}: {ended.err.strip()[-300:]!r}", flush=True)
    print(f"{name}: {dict(tally.counts)}, {time.perf_counter() - started:.0f} s", flush=True)
    return tally


def _badly_placed(stock: Stock) -> "Tally":
    """Return how every command ended in every bad place."""
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=stock.base) as folder:
        shutil.copytree(stock.run("finished"), Path(folder) / "run")
        shutil.copy(stock.base / "finished.toml", Path(folder) / "asked.toml")
        for case, fault in answers(Path(folder), partial(short_of_work, solving=True)):
            tally.counts[fault or "answered"] += 1
            if fault:
                print(f"  {fault}: {case}", flush=True)
    return tally


def _told(stock: Stock, name: str) -> str:
    """Return what a run says at its end, asked in a copy."""
    copy = shutil.copytree(stock.run(name), stock.base / "copy")
    told = call(command("run", "--config", str(stock.base / f"{name}.toml"), "--out", str(copy)), seconds=60).out
    shutil.rmtree(copy)
    return told


def main(words: Sequence[str] | None = None) -> None:
    """Forge, ask, publish, and end with 1 if anything is wrong."""
    options = parser(BENCHMARK, __doc__, cases=(*KINDS, BAD))
    options.add_argument("--share", type=float, default=1.0, help="of the numbers of cases")
    options.add_argument("--first", type=int, default=0, help="the number of the first case of a kind")
    asked = parse(options, words)
    hasten()
    for name in PROBLEMS:
        PROBLEMS[name]
    share = 0.005 if asked.short else asked.share
    names = asked.cases or (*KINDS, *(() if asked.short else (BAD,)))
    tables, healthy = measure(names, share, asked.first)
    publish(BENCHMARK, tables, asked)
    if not healthy:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
