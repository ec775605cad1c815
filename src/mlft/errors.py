"""Errors of the package: one base class, each carrying its numbers as attributes."""

from difflib import get_close_matches
from typing import Any, final


class MlftError(Exception):
    """Base of every named failure of the package; the command line prints it in one line and exits with 1."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the same error in another process, its numbers among it."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[MlftError], args: tuple[Any, ...], attributes: dict[str, Any]) -> MlftError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


@final
class BudgetError(MlftError):
    """A budget that buys nothing.

    Attributes:
        needed: the smallest budget that would do, in the unit of `given`.
        given: the budget that was asked.
    """

    def __init__(self, message: str, *, needed: float, given: float) -> None:
        super().__init__(message)
        self.needed = needed
        self.given = given


@final
class StoreError(MlftError):
    """A sample store that cannot be opened, read or written; what was acknowledged before is still there."""


@final
class GenerationError(MlftError):
    """Too many samples failed.

    Attributes:
        failed: samples that ended in a named failure.
        attempted: samples tried.
    """

    def __init__(self, message: str, *, failed: int, attempted: int) -> None:
        super().__init__(message)
        self.failed = failed
        self.attempted = attempted


@final
class UnreachableError(MlftError):
    """A solver outside of this process that cannot be reached or started: the run stops, and no sample is blamed."""


@final
class ConfigError(MlftError, ValueError):
    """A configuration that is not allowed: unknown name, value out of range, or not that of the run folder."""


@final
class DataError(MlftError, ValueError):
    """A data set that cannot be read, learned from or written: the file, the field, the rows, and what is expected."""


@final
class UnfamiliarError(MlftError):
    """Inputs that are unlike those that a surrogate was trained on, where that is to be an error.

    Attributes:
        samples: which of the inputs.
    """

    def __init__(self, message: str, *, samples: tuple[int, ...]) -> None:
        super().__init__(message)
        self.samples = samples


@final
class UnfamiliarWarning(UserWarning):
    """A prediction for inputs that are unlike those that a surrogate was trained on, or on a grid without an error."""


def plain(text: str, most: int = 200) -> str:
    """Return a text in one line that can be shown anywhere: spaces for line ends, numbers for what has no shape.

    >>> print(plain("no\\nsolution\\x1b"))
    no solution\\x1b
    """
    return printable(" ".join(text[: 4 * most].split()))[:most]


def last_lines(text: str, lines: int = 10, most: int = 600) -> str:
    """Return what to add to a note of a failure: the last lines of what was printed, in one line; "" for none.

    >>> last_lines("step 1\\n\\nstep 2\\n")
    '; it printed: step 1 | step 2'
    """
    said = " | ".join([" ".join(line.split()) for line in text.splitlines() if line.strip()][-lines:])
    return f"; it printed: {printable(said[-most:])}" if said else ""


def printable(line: str) -> str:
    """Return a line that a terminal shows as it is: escapes in place of signs that would move or colour it.

    >>> print(printable("a\\x1b[2J  b"))
    a\\x1b[2J  b
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)


def unknown_name(kind: str, got: str, known: list[str]) -> ConfigError:
    """Return the error for a name that is not known, naming the nearest known one and all the others.

    >>> print(unknown_name("problem", "burger", ["burgers", "darcy"]))
    unknown problem 'burger': did you mean 'burgers'? Known: burgers, darcy.
    """
    close = get_close_matches(got, known, n=1, cutoff=0.5)
    got = plain(got)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return ConfigError(f"unknown {kind} '{got}': {hint}Known: {', '.join(sorted(known))}.")
