"""Tables of numbers and words, and their Markdown."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

Cell = str | int | float | None
Row = tuple[Cell, ...]


@final
@dataclass(frozen=True)
class Table:
    """What was measured, a row a case.

    Attributes:
        caption: Markdown that stands above it: what the rows are and how they were measured.
        columns: the head, with the units.
        rows: a cell a column; None where nothing was measured.

    Raises:
        ValueError: for a row of another length than the head, or a number that is not finite.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row needs {len(self.columns)} cells, one a column; got {row!r}")
            if any(isinstance(cell, float) and not math.isfinite(cell) for cell in row):
                raise ValueError(f"a number in a table must be finite, or None where nothing was measured; got {row!r}")


def tabulate(caption: str, columns: tuple[str, ...], rows: Iterable[Row]) -> Table:
    """Return the table of rows, numbers rounded to six digits; prints each as soon as it is measured."""
    print(f"\n{caption}\n\n{_line(columns)}\n{_line('---' for _ in columns)}", flush=True)
    found = []
    for row in rows:
        found.append(tuple(float(f"{cell:.6g}") if isinstance(cell, float) else cell for cell in row))
        print(_line(text(cell) for cell in row), flush=True)
    return Table(caption, columns, tuple(found))


def markdown(table: Table) -> str:
    """Return a table with its caption; columns of numbers are on the right."""
    numeric = (all(not isinstance(row[i], str) for row in table.rows) for i in range(len(table.columns)))
    rule = "|" + "|".join("---:" if right else "---" for right in numeric) + "|"
    lines = [_line(table.columns), rule, *(_line(text(cell) for cell in row) for row in table.rows)]
    return "\n".join([table.caption, "", *lines])


def text(cell: Cell, digits: int = 4) -> str:
    """Return a cell as it is read: numbers with some significant digits, powers of ten only for small ones."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.{digits}g}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
