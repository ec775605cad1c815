"""What a storm did: how often it blew, and what it broke. All but the first number must be 0."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from benchmarks.table import Row

COLUMNS = ("storm", "cases", "lost", "silent", "tracebacks", "left running")

BARS = """**lost**: what was acknowledged is gone or was solved again, or a folder could not be continued. **silent**: a
number is wrong, or differs from an undisturbed run, and nothing says so. **tracebacks**: an end that is neither a
result nor one sentence with exit code 1 or 2. **left running**: processes that outlived the command. The bar is 0."""


@final
@dataclass
class Tally:
    """A storm, in words, its cases, and what they broke; see `BARS`."""

    storm: str
    cases: int = 0
    lost: int = 0
    silent: int = 0
    tracebacks: int = 0
    left: int = 0

    def add(self, kind: str, found: Iterable[str]) -> None:
        """Count what was found of a kind of breakage, and print it."""
        for example in found:
            setattr(self, kind, getattr(self, kind) + 1)
            print(f"  {kind}: {self.storm}: {example}", flush=True)

    def end(self) -> "Tally":
        """Print what was found, as progress, and return it."""
        print(f"{self.storm}: {self.row[1:]}", flush=True)
        return self

    @property
    def row(self) -> Row:
        """The row of the table."""
        return self.storm, self.cases, self.lost, self.silent, self.tracebacks, self.left

    @property
    def healthy(self) -> bool:
        """Whether something was tried, and nothing broke."""
        return self.cases > 0 and not (self.lost or self.silent or self.tracebacks or self.left)
