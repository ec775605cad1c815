"""Every kind of file of a run folder, harmed in every way, and every command asked: what lies, what is lost.

Ends with 1 if a command told another number as if nothing had happened, solved again what was fit, touched what is not
a run's, ran code that a file names, hung, or ended in a traceback.
"""

import random
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.storm.calls import Ended, call, command
from benchmarks.storm.stock import OTHER_SEED, SEED, Stock, hasten, numbers, predicting
from benchmarks.table import Row, Table, tabulate
from mlft.store import LEDGER

BENCHMARK = Benchmark("storm.harms", "Harmed run folders", ("torch", "numpy"))

KINDS = {
    "samples": "samples/level-1/train-*",
    "samples of the test": "samples/level-2/test-*",
    "inputs": "samples/level-2/inputs.train-*",
    "samples of trust": "samples/level-2/trust.the-law-itself-*",
    "ledger": LEDGER,
    "lock": ".lock",
    "configuration": "config.toml",
    "checkpoint": "checkpoints/stage-0.safetensors",
    "checkpoint of a lift": "checkpoints/lift-0-local-0.safetensors",
    "description of the surrogate": "surrogate/config.json",
    "weights of the surrogate": "surrogate/model.safetensors",
    "card of the surrogate": "surrogate/README.md",
    "description of a lift": "lifts/level-0/config.json",
    "weights of a lift": "lifts/level-0/model.safetensors",
    "evaluation": "evaluation.safetensors",
    "record": "record.json",
    "manifest": "manifest.json",
    "metrics": "metrics.csv",
    "page": "report.html",
    "figure": "figures/worth.svg",
    "findings of trust": "trust.json",
    "arrays of trust": "trust.safetensors",
    "page of trust": "trust.html",
}
"""The kinds of file, and where the first of a kind is."""

PRECIOUS = b"mine, and nobody else's"

Harm = Callable[[Path, Path], None]
"""From a file, and the same file of another run."""


def truncated(file: Path, other: Path) -> None:
    """Cut a file in half."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def emptied(file: Path, other: Path) -> None:
    """Leave a file without a byte."""
    file.write_bytes(b"")


def flipped(file: Path, other: Path) -> None:
    """Flip a bit in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def swapped(file: Path, other: Path) -> None:
    """Put another run's file in its place."""
    shutil.copy(other, file)


def deleted(file: Path, other: Path) -> None:
    """Delete a file."""
    file.unlink()


def folder(file: Path, other: Path) -> None:
    """Put a folder of somebody's in its place."""
    file.unlink()
    file.mkdir()
    (file / "precious").write_bytes(PRECIOUS)


def link(file: Path, other: Path) -> None:
    """Put a link to somebody's file in its place."""
    file.unlink()
    file.symlink_to(_precious(file))


def moved(file: Path, other: Path) -> None:
    """Move a file elsewhere, and link to it."""
    place = _precious(file).with_name("moved")
    shutil.move(file, place)
    file.symlink_to(place)


HARMS: tuple[Harm, ...] = (truncated, emptied, flipped, swapped, deleted, folder, link, moved)


def _precious(file: Path) -> Path:
    """Return somebody's file, beside the run."""
    return next(parent for parent in file.parents if (parent / "elsewhere").is_dir()) / "elsewhere" / "precious"


FACTS = {
    "altered": "UPDATE facts SET value = replace(value, '1', '2') WHERE name LIKE '{}'",
    "deleted": "DELETE FROM facts WHERE name LIKE '{}'",
    "no number": "UPDATE facts SET value = '[' WHERE name LIKE '{}'",
    "a blob": "UPDATE facts SET value = x'ff00' WHERE name LIKE '{}'",
}
"""What is done to a fact of the ledger."""


@final
@dataclass
class Tally:
    """What was found.

    Attributes:
        calls: commands that were asked.
        same: that told what they tell undisturbed.
        refused: that said in a sentence why they do not.
        faults: what is wrong, a line each: the kind of fault first.
    """

    calls: int = 0
    same: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    def count(self, ended: Ended, case: str, *, silent: bool) -> None:
        """Count a command, and what is wrong with it."""
        self.calls += 1
        fault = ended.fault or ("silent" if silent and ended.code == 0 else "")
        if fault:
            self.faults.append(f"{fault}: {case}: {ended.err.strip().splitlines()[-1:] or ended.out[:80]}")
            print(f"  {self.faults[-1]}", flush=True)
        elif ended.code == 0:
            self.same += 1
        else:
            self.refused += 1

    def fault(self, kind: str, case: str, told: object) -> None:
        """Note a fault that is no command's."""
        self.faults.append(f"{kind}: {case}: {told}")
        print(f"  {self.faults[-1]}", flush=True)


@final
@dataclass(frozen=True)
class Known:
    """A run undisturbed: what it tells, its samples with their seconds and digests, and what commands print."""

    name: str
    folder: Path
    words: tuple[str, ...]
    numbers: dict[str, Any]
    rows: dict[tuple[str, int, int], tuple[float, str, str]]
    said: dict[str, str]

    @staticmethod
    def of(stock: Stock, name: str, base: Path) -> "Known":
        """Return what a run of the stock tells, asked in a copy."""
        copy = Path(shutil.copytree(stock.run(name), base / f"known-{name}"))
        words = ("run", "--config", str(stock.base / f"{name}.toml"), "--out")
        ended = call(command(*words, str(copy)), seconds=60)
        assert ended.code == 0, ended.err
        said = {what: call(work).out for what, work in questions(copy).items()}
        call(command("trust", str(copy), "--samples", "4"), seconds=60)
        said |= {file: (copy / file).read_text() for file in ("metrics.csv", "trust.json")}
        return Known(name, stock.run(name), words, numbers(copy), rows_of(stock.run(name)), said)


def questions(run: Path) -> dict[str, Callable[[], None]]:
    """Return what is asked of the saved surrogate, and of the lift where there is one."""
    return {name: predicting(run / name) for name in ("surrogate", "lifts/level-0") if (run / name).exists()}


def rows_of(run: Path) -> dict[tuple[str, int, int], tuple[float, str, str]]:
    """Return seconds, digest and file of each solved sample that a ledger knows."""
    with closing(sqlite3.connect(run / LEDGER)) as ledger:
        asked = "SELECT stream, level, sample, seconds, sha256, file FROM samples"
        return {tuple(row[:3]): tuple(row[3:]) for row in ledger.execute(asked)}


Do = Callable[[Path], Path]
"""What does harm to a run, and returns the harmed file."""


def cases(stock: Stock, name: str, harms: Sequence[Harm], kinds: Sequence[str]) -> Iterator[tuple[str, Do]]:
    """Yield each case of a run: its name, and what does the harm to a copy."""
    for kind in kinds:
        found, others = (sorted(stock.run(name, seed).glob(KINDS[kind])) for seed in (SEED, OTHER_SEED))
        for harm in harms if found and others else ():
            file = found[-1].relative_to(stock.run(name))
            yield f"{name}, {kind}, {harm.__name__}", partial(_harm, harm, file, others[-1])
    for how, words in FACTS.items() if name == "part" else ():
        for fact in ("identity", "fact/plan/%"):
            yield f"{name}, {fact.rstrip('/%')} of the ledger, {how}", partial(_change, words.format(fact))


def _harm(harm: Harm, name: Path, other: Path, run: Path) -> Path:
    harm(run / name, other)
    return run / name


def _change(words: str, run: Path) -> Path:
    with closing(sqlite3.connect(run / LEDGER)) as ledger, ledger:
        ledger.execute(words)
    return run / LEDGER


def storm(known: Known, case: str, do: Do, base: Path, tally: Tally) -> None:
    """Harm a copy of a run, ask every command, and count."""
    place = Path(tempfile.mkdtemp(dir=base))
    run, elsewhere = Path(shutil.copytree(known.folder, place / "run")), place / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_bytes(PRECIOUS)
    harmed = do(run)
    trust = partial(ask, known, ("trust", str(run), "--samples", "4"), "trust.json", case, tally)
    if known.name == "finished":
        for what, work in questions(run).items():
            ended = call(work)
            tally.count(ended, f"load {what}: {case}", silent=ended.out != known.said[what])
        ask(known, ("report", str(run)), "metrics.csv", case, tally)
        trust()
    insist(run, harmed, case, tally, partial(again, known, run, case, tally))
    if known.name == "finished":
        insist(run, harmed, case, tally, trust)
    _look(known, run, harmed, case, tally)
    left = [path.read_bytes() for path in place.rglob("precious*") if path.is_file()]
    if PRECIOUS not in left or left.count(PRECIOUS) != len(left) or len(left) < 1 + case.endswith(", folder"):
        tally.fault("touched", case, left)
    shutil.rmtree(place)


def ask(known: Known, words: tuple[str, ...], file: str, case: str, tally: Tally) -> Ended:
    """Ask a command of a harmed run, and compare what it writes."""
    written = Path(words[1]) / file
    ended = call(command(*words), seconds=60)
    told = written.read_text(errors="replace") if written.is_file() else ""
    tally.count(ended, f"{words[0]}: {case}", silent=told != known.said[file])
    return ended


def insist(run: Path, harmed: Path, case: str, tally: Tally, ask: Callable[[], Ended]) -> None:
    """Ask; where that is refused, put the harmed file away, as the refusal must say, and ask again."""
    ended = ask()
    if ended.code == 0 or ended.fault:
        return
    if harmed.name not in ended.err:
        tally.fault("no advice", case, ended.err.splitlines()[-1:])
    for path in run.glob(f"{harmed.relative_to(run)}*"):
        path.rename(run.parent / path.name)
    ended = ask()
    if ended.code:
        tally.fault("stuck", case, ended.err.splitlines()[-1:])


def again(known: Known, run: Path, case: str, tally: Tally) -> Ended:
    """Continue a harmed run, and compare what it tells."""
    ended = call(command(*known.words, str(run)), seconds=60)
    tally.count(ended, f"run: {case}", silent=ended.code == 0 and numbers(run) != known.numbers)
    return ended


def _look(known: Known, run: Path, harmed: Path, case: str, tally: Tally) -> None:
    """Look for samples that are lost, differ, or were solved again although their file was fit."""
    found = rows_of(run) if (run / LEDGER).is_file() else {}
    spared = harmed.name if known.name == "finished" else ""  # a finished run needs its samples no more
    rows = known.rows.items()
    lost = [key for key, (_, sha256, file) in rows if file != spared and (key not in found or found[key][1] != sha256)]
    fit = [key for key, (_, _, file) in rows if file != harmed.name and key in found]
    again = [key for key in fit if found[key][0] != known.rows[key][0]]
    if lost:
        tally.fault("lost", case, f"{len(lost)} samples, first {lost[0]}")
    if again:
        tally.fault("solved again", case, f"{len(again)} samples, first {again[0]}")


NAMES = ("finished", "part")

CAPTION = """Each kind of file of a finished run, and of one stopped after its training, is cut in half, emptied,
swapped with that of another run, deleted, replaced by a folder, by a link to somebody's file or to itself elsewhere,
and has a bit flipped; facts of the ledger are altered. Asked are `mlft.load`, `mlft report`, `mlft trust` and the run
itself, then again with the harmed file put away where the refusal says so. The bars are 0. **silent**: another number
than undisturbed, with exit code 0. **lost**: a sample that an unfinished run had and has no more, or has otherwise.
**solved again**: although its file was fit. **touched**: what is somebody's else. **no advice**: the refusal does not
name the harmed file. **stuck**: refused again although that was put away."""

FAULTS = (
    "silent",
    "lost",
    "solved again",
    "touched",
    "traceback",
    "hang",
    "memory",
    "no sentence",
    "no advice",
    "stuck",
)


def measure(base: Path, names: Sequence[str], share: float, *, short: bool) -> tuple[list[Table], bool]:
    """Return the table, and whether nothing is wrong."""
    started, stock = time.perf_counter(), Stock.make()
    harms, kinds = ((swapped, link), ("ledger",)) if short else (HARMS, tuple(KINDS))
    tallies = {}
    for name in names:
        known, tallies[name] = Known.of(stock, name, base), Tally()
        every = list(cases(stock, name, harms, kinds))
        for case, do in random.Random(0).sample(every, max(1, round(share * len(every)))):
            storm(known, case, do, base, tallies[name])
        print(f"{name}: {tallies[name].calls} commands, {time.perf_counter() - started:.0f} s", flush=True)
    table = tabulate(CAPTION, ("", *tallies), _rows(list(tallies.values())))
    return [table], not any(tally.faults for tally in tallies.values())


def _rows(tallies: Sequence[Tally]) -> list[Row]:
    rows: list[Row] = [
        ("commands", *(tally.calls for tally in tallies)),
        ("told the same", *(tally.same for tally in tallies)),
        ("refused", *(tally.refused for tally in tallies)),
    ]
    counts = [Counter(line.partition(":")[0] for line in tally.faults) for tally in tallies]
    return rows + [(fault, *(count[fault] for count in counts)) for fault in FAULTS]


def main(words: Sequence[str] | None = None) -> None:
    """Harm, ask, publish, and end with 1 if anything is wrong."""
    options = parser(BENCHMARK, __doc__, cases=NAMES)
    options.add_argument("--share", type=float, default=1.0, help="of the cases, chosen at random")
    asked = parse(options, words)
    hasten()
    with tempfile.TemporaryDirectory() as base:
        names = asked.cases or (NAMES[:1] if asked.short else NAMES)
        tables, healthy = measure(Path(base), names, asked.share, short=asked.short)
    publish(BENCHMARK, tables, asked)
    if not healthy:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
