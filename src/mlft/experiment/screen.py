"""Progress where somebody looks: bars in a terminal, a small table in a notebook, a line now and then in a log."""

import contextlib
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from html import escape
from types import TracebackType
from typing import Any, Final, final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mlft.errors import ConfigError, plain, printable
from mlft.experiment.progress import Progress, Report, quiet
from mlft.experiment.steps import Steps
from mlft.experiment.whole import SHARES, Whole

Told = Report | str | None
"""Who hears of a run: a function of a `Progress`; "auto", whoever looks at a terminal or a notebook, and nobody else;
"lines", as "auto", and where nobody looks a line now and then on standard error; None, nobody."""

EVERY = 30.0
"""Seconds between the lines of a log."""

_OFTEN = 0.5
"""Seconds between two pictures of a notebook."""

Clock = Callable[[], float]


class Screen(ABC):
    """Something that shows steps while it is open."""

    @abstractmethod
    def tell(self, progress: Progress) -> None:
        """Show how far something is."""

    @abstractmethod
    def finish(self, *, stopped: bool) -> None:
        """Show how the last step ended, and nothing that goes on."""

    def __enter__(self) -> "Screen":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(stopped=kind is not None)


@contextlib.contextmanager
def shown(report: Told, *, runs: int = 1, shares: Mapping[str, float] = SHARES) -> Iterator[Report]:
    """Yield what a run is to call with every step forward, so that whoever is to hear of it does.

    Args:
        report: who hears of it.
        runs: how many runs there are.
        shares: of the time of a run, by part.

    Raises:
        ConfigError: if `report` is nothing of that.
    """
    if report is None:
        yield quiet
    elif callable(report):
        yield Whole(report, runs=runs, shares=shares).tell
    elif report not in ("auto", "lines"):
        raise ConfigError(
            "report is a function of a mlft.Progress, 'auto' (a terminal or a notebook is shown bars), 'lines' (a log "
            f"gets a line now and then, too) or None (silence); got {plain(repr(report))}"
        )
    elif (screen := _screen(report)) is None:
        yield quiet
    else:
        with screen:
            yield Whole(screen.tell, runs=runs, shares=shares).tell


def _screen(report: str) -> Screen | None:
    notebook = in_notebook()
    if notebook is not None:
        return Notebook(notebook)
    console = Console(stderr=True)
    if sys.stderr is not None and console.is_terminal:
        return Bars(console)
    return Lines() if report == "lines" else None


def in_notebook() -> Callable[..., Any] | None:
    """Return what shows a thing in the notebook that this process works for; None where there is none."""
    kernel, python = sys.modules.get("ipykernel"), sys.modules.get("IPython")
    if kernel is None or python is None or python.get_ipython() is None:
        return None
    from importlib import import_module

    show: Callable[..., Any] = import_module("IPython.display").display
    return show


@final
class Bars(Screen):
    """A terminal: a line for each step that took its time, then the step that is being done, and the whole.

    Args:
        console: the terminal.
        clock: seconds.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        self._steps, self._console = Steps(clock), console
        self._live = Live(get_renderable=self.picture, console=console, transient=True, refresh_per_second=5)
        self._live.start()

    def finish(self, *, stopped: bool) -> None:
        """Show how the last step ended."""
        self._print(self._steps.end(stopped=stopped))
        self._steps.now = None
        self._live.stop()

    def tell(self, progress: Progress) -> None:
        """Show how far something is."""
        self._print(self._steps.tell(progress))

    def _print(self, line: str | None) -> None:
        if line is not None:
            self._console.print(Text(line, overflow="fold"))

    def picture(self) -> RenderableType:
        """Return what is shown below the lines; nothing is cut, a narrow terminal gets more lines."""
        now = self._steps.now
        if now is None:
            return Text()
        table = Table.grid(padding=(0, 1))
        table.add_column(ratio=1, min_width=8)
        table.add_column(overflow="fold")
        table.add_row(ProgressBar(max(now.total, 1), now.done), Text(f"{now.done:,}/{now.total:,}"))
        table.add_row(ProgressBar(1.0, now.overall or 0.0), Text(self._steps.overall))
        return Group(Text(printable(", ".join([now.step, *now.notes])), overflow="fold"), table)


@final
class Lines(Screen):
    """A log: a line on standard error now and then, when there is something to tell.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock, self._steps = clock, Steps(clock)
        self._last = clock()

    def finish(self, *, stopped: bool) -> None:
        """Write nothing: what comes after tells how it ended."""

    def tell(self, progress: Progress) -> None:
        """Write a line, if the last was a while ago, and a warning at once."""
        line = self._steps.tell(progress)
        if progress.phase != "warn":
            if self._clock() - self._last < EVERY:
                return
            self._last, line = self._clock(), printable(f"{progress}; {self._steps.overall}")
        if sys.stderr is not None:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


_BAR: Final = '<progress max="{most}" value="{value}" style="width:16em"></progress> {words}'


@final
class Notebook(Screen):
    """The output of a cell: the steps that took their time, the one that is being done, and the whole.

    Args:
        show: shows a thing in the cell, and returns a handle with a method `update`.
        clock: seconds.
    """

    def __init__(self, show: Callable[..., Any], clock: Clock = time.monotonic) -> None:
        self._clock, self._steps = clock, Steps(clock)
        self._lines: list[str] = []
        self._last = -_OFTEN
        self._handle = show(_Cell(""), display_id=True)

    def finish(self, *, stopped: bool) -> None:
        """Show how the last step ended."""
        self._add(self._steps.end(stopped=stopped))
        self._steps.now = None
        self._handle.update(_Cell(self.picture()))

    def tell(self, progress: Progress) -> None:
        """Show how far something is, a few times a second at most."""
        self._add(self._steps.tell(progress))
        if self._clock() - self._last >= _OFTEN:
            self._last = self._clock()
            self._handle.update(_Cell(self.picture()))

    def _add(self, line: str | None) -> None:
        if line is not None:
            self._lines.append(line)

    def picture(self) -> str:
        """Return what is shown, as HTML."""
        told, now = [escape(line) for line in self._lines], self._steps.now
        if now is not None:
            words = escape(printable(", ".join([now.step, f"{now.done:,}/{now.total:,}", *now.notes])))
            told.append(_BAR.format(most=max(now.total, 1), value=now.done, words=words))
            told.append(_BAR.format(most=1, value=now.overall or 0, words=escape(self._steps.overall)))
        return "<div>" + "<br>".join(told) + "</div>"


@final
class _Cell:
    """Text for a notebook."""

    def __init__(self, html: str) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return "the progress of a run"
