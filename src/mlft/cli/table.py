"""The table of `mlft list`."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlft.errors import plain
from mlft.experiment.listing import Listed
from mlft.markup import in_words

_WIDE = 240
"""Columns where nobody looks: a file or a pipe cuts no lines."""

_COLUMNS = ("run", "problem", "strategy", "budget", "seed", "error", "predicted", "spent", "state", "date")


def print_runs(found: Sequence[Listed], folder: Path) -> None:
    """Print a row a run that could be read, then a line for each of the others."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, overflow="fold")
    for one in found:
        if not one.trouble:
            table.add_row(*(Text(plain(cell)) for cell in _row(one, folder)))
    if table.row_count:
        console.print(table)
    for one in found:
        if one.trouble:
            print(f"cannot be read: {plain(str(one.folder))}: {plain(one.trouble, 1000)}")


def _row(one: Listed, folder: Path) -> tuple[str, ...]:
    assert one.config is not None
    asked, told = one.config, one.outcome
    error, predicted, spent = "", "", ""
    if told is not None:
        found, before, paid = told.error.relative_l2, told.plan.predicted_error, told.budget
        error = in_words(found.mean, found.mean_lower, found.mean_upper)
        predicted = "" if before is None else in_words(before.value, before.lower, before.upper)
        spent = f"{paid.of(paid.spent):.4g} {paid.unit}"
    name = one.folder.relative_to(folder).as_posix()
    state, date = "finished" if told is not None else "not finished", datetime.fromtimestamp(one.changed)
    own = asked.problem if told is None else told.problem
    budget = asked.budget
    if told is not None and told.data is not None:
        budget, spent = f"{sum(told.data.rows)} rows", "a data set"
    words = (name, own, asked.strategy, budget, str(asked.seed), error, predicted, spent)
    return *words, state, f"{date:%Y-%m-%d %H:%M}"
