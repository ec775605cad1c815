"""What an examination finds: a verdict a check, put in words, and the table that they make."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import final

from mlft.errors import plain


@final
@dataclass(frozen=True)
class Verdict:
    """How a check ended.

    Attributes:
        passed: whether the problem keeps to it; None where there was nothing to check.
        measured: what was found, in words.
        advice: what to do; there is some for what failed, and for what passed but is worth knowing.
    """

    passed: bool | None
    measured: str
    advice: str = ""


@final
@dataclass(frozen=True)
class Finding:
    """One check of a problem, on one level or on none.

    Attributes:
        name: what was checked.
        level: where, 0 being the coarsest; None for what has no level.
        passed: whether the problem keeps to it; None where there was nothing to check, and `measured` says why.
        measured: what was found, in words.
        advice: what to do; there is some for what failed, and for what passed but is worth knowing.
    """

    name: str
    level: int | None
    passed: bool | None
    measured: str
    advice: str = ""

    @property
    def result(self) -> str:
        """In a word: "ok", "note" (it passed, with advice), "FAILED", or "–" (nothing to check)."""
        if self.passed is None:
            return "–"
        return "FAILED" if not self.passed else "note" if self.advice else "ok"

    @property
    def sentence(self) -> str:
        """In one line: what was checked where, what was found, and what to do."""
        place = "" if self.level is None else f" on level {self.level}"
        return f"{self.name}{place}: {self.measured}" + (f"; {self.advice}" if self.advice else "")


@final
@dataclass(frozen=True)
class Examination:
    """What was found out about a problem; `print` it to read it.

    Attributes:
        problem: its name.
        findings: in the order of the checks.
    """

    problem: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The checks that failed."""
        return tuple(finding for finding in self.findings if finding.passed is False)

    def __str__(self) -> str:
        """Return a table: a row a check, levels of one finding together, what to do below what needs it."""
        rows = [_row(list(alike)) for _, alike in groupby(self.findings, key=_looks)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else [0, 0, 0]
        lines = [self._summary()]
        for *cells, measured, advice in rows:
            lines.append("  ".join([*(c.ljust(w) for c, w in zip(cells, widths, strict=True)), measured]).rstrip())
            if advice:
                lines.append(" " * (widths[0] + 2) + f"→ {advice}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Return how many checks passed; `str` is the table."""
        return plain(f"Examination({self._summary()})")

    def _summary(self) -> str:
        results = [finding.result for finding in self.findings]
        kinds = {"ok": "passed", "note": "passed with a note", "FAILED": "failed", "–": "left out"}
        counts = [f"{results.count(kind)} {words}" for kind, words in kinds.items() if kind in results]
        return f"{self.problem}: {', '.join(counts)}"


def judge(name: str, level: int | None, check: Callable[[], Verdict]) -> Finding:
    """Return the finding of a check; an exception of the user's functions is a finding too."""
    try:
        verdict = check()
    except Exception as error:  # whatever a user's function raises is told, and the other checks go on
        verdict = Verdict(False, f"raised {in_a_line(error)}", "see the traceback: call the function yourself")
    return Finding(name, level, verdict.passed, verdict.measured, verdict.advice)


def in_a_line(error: BaseException) -> str:
    """Return an exception's type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:200] if lines else type(error).__name__


def _looks(finding: Finding) -> tuple[str, str, str, str]:
    return finding.name, finding.result, finding.measured, finding.advice


def _row(alike: list[Finding]) -> tuple[str, str, str, str, str]:
    first, levels = alike[0], [finding.level for finding in alike if finding.level is not None]
    span = "" if not levels else f"level {levels[0]}" if len(levels) == 1 else f"levels {levels[0]}–{levels[-1]}"
    return first.result, first.name, span, first.measured, first.advice
