"""What a benchmark leaves: its tables with date, commit and machine, in `benchmarks/results/<name>.json`."""

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import final

from pydantic import ConfigDict, TypeAdapter

from benchmarks.table import Table
from mlft.files import write_whole
from mlft.machine import processor

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PICTURES = ROOT / "benchmarks" / "results", ROOT / "docs"
HOW = {"jobs", "out", "results", "pictures"}
"""Options that do not change what is measured."""


@final
@dataclass(frozen=True)
class Benchmark:
    """A benchmark, as its module tells it.

    Attributes:
        module: below `benchmarks`, as in "plans.regret".
        title: the head of its section.
        packages: whose versions matter.
    """

    module: str
    title: str
    packages: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its file of results."""
        return self.module.rpartition(".")[2]

    @property
    def command(self) -> str:
        """The command that runs it, from the root of the repository."""
        return f"python -m benchmarks.{self.module}"


@final
@dataclass(frozen=True)
class Machine:
    """What a benchmark ran on: processor, its cores, the version of Python and those of packages."""

    cpu: str
    cores: int
    python: str
    packages: dict[str, str]


@final
@dataclass(frozen=True)
class Result:
    """The file of a benchmark.

    Attributes:
        name: of the benchmark.
        title: the head of its section.
        command: repeats it, from the root of the repository.
        date: when it ended, as 2026-11-22.
        commit: that was measured; with "-dirty" where the code differed from it.
        mlft: the version.
        machine: what it ran on.
        tables: what was measured.
        notes: what people say of it, in Markdown, a line a line; kept when it is measured again.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    title: str
    command: str
    date: str
    commit: str
    mlft: str
    machine: Machine
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


def parser(
    benchmark: Benchmark, text: str | None, *, cases: Iterable[str] = (), runs: str = ""
) -> argparse.ArgumentParser:
    """Return the parser of the options that benchmarks share.

    Args:
        benchmark: whose they are.
        text: what `--help` says first.
        cases: names that may be asked for; by default all.
        runs: the folder of runs, for benchmarks that read there what is finished.
    """
    shape = argparse.RawDescriptionHelpFormatter
    options = argparse.ArgumentParser(benchmark.command, description=text, formatter_class=shape)
    if cases:
        options.add_argument("cases", nargs="*", default=[], help=f"of: {'; '.join(cases)}")
    options.add_argument("--short", action="store_true", help="tiny sizes: shows in seconds that it runs, no more")
    options.add_argument("--results", type=Path, help="folder of the JSON; of the whole benchmarks/results by default")
    options.add_argument("--pictures", type=Path, help="folder of pictures, if any; of the whole docs by default")
    if runs:
        options.add_argument("--out", type=Path, default=Path(runs), help="folder of the runs; finished ones are read")
        options.add_argument("--jobs", type=int, default=2, help="processes side by side")
    return options


def parse(options: argparse.ArgumentParser, words: Sequence[str] | None) -> argparse.Namespace:
    """Return what is asked; where any option changes what is measured, results go only to a folder that is given.

    What is recorded of the words is what changes what is measured: no folders of this machine.
    """
    asked = options.parse_args(words)
    if all(value == options.get_default(name) for name, value in vars(asked).items() if name not in HOW):
        asked.results, asked.pictures = asked.results or RESULTS, asked.pictures or PICTURES
    how = argparse.ArgumentParser(add_help=False)
    for name in HOW:
        how.add_argument(f"--{name}")
    _, asked.words = how.parse_known_args(sys.argv[1:] if words is None else list(words))
    return asked


def publish(benchmark: Benchmark, tables: Iterable[Table], asked: argparse.Namespace) -> None:
    """Write the tables into the folder of results, where there is one; notes that are there stay."""
    made = tuple(tables)
    if asked.results is None:
        print("\nA part, or the short form: not written (--results FOLDER writes it).")
        return
    file = asked.results / f"{benchmark.name}.json"
    result = Result(
        name=benchmark.name,
        title=benchmark.title,
        command=shlex.join([*benchmark.command.split(), *asked.words]),
        date=str(datetime.date.today()),
        commit=commit(),
        mlft=version("mlft"),
        machine=machine(benchmark.packages),
        tables=made,
        notes=read(file).notes if file.exists() else (),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, result)
    print(f"\n{file}" + (": its notes were kept, read them again" if result.notes else ""))


def write(file: Path, result: Result) -> None:
    """Write a result as JSON, whole or not at all; the head and each row of a table on a line."""
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False, allow_nan=False)
    row = re.compile(r'^( {4}| {3}"columns": )\[\n((?: {4} ?[^\s\[\]].*\n)+) {3,4}\]', re.MULTILINE)
    text = row.sub(lambda found: f"{found[1]}[{' '.join(line.strip() for line in found[2].splitlines())}]", text)
    write_whole(file, f"{text}\n".encode())


def read(file: Path) -> Result:
    """Return the result in a file.

    Raises:
        pydantic.ValidationError: if a field is missing, unknown, or of another type.
    """
    return TypeAdapter(Result).validate_json(file.read_bytes())


def commit() -> str:
    """Return the commit of the working tree, with "-dirty" where code differs from it; "unknown" outside of git."""
    code = ["src", "benchmarks", ":!benchmarks/results"]
    found, changes = (
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        for words in (["rev-parse", "--short=7", "HEAD"], ["status", "--porcelain", "--", *code])
    )
    return found.stdout.strip() + ("-dirty" if changes.stdout else "") if found.returncode == 0 else "unknown"


def machine(packages: Iterable[str]) -> Machine:
    """Return what this process runs on."""
    versions = {name: version(name) for name in packages}
    return Machine(processor(), os.cpu_count() or 1, platform.python_version(), versions)
