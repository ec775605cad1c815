"""The short form of a benchmark: run into a temporary folder, read back."""

from importlib import import_module
from pathlib import Path

from benchmarks.publish import RESULTS, Result, read
from benchmarks.table import Row


def short_form(module: str, folder: Path, *words: str) -> Result:
    """Return what `python -m benchmarks.<module> --short` writes into a folder, and nothing elsewhere."""
    before = {file: file.stat().st_mtime_ns for file in RESULTS.glob("*")}
    places = ["--results", str(folder), "--pictures", str(folder)]
    import_module(f"benchmarks.{module}").main([*words, "--short", *places])
    assert {file: file.stat().st_mtime_ns for file in RESULTS.glob("*")} == before
    return read(folder / f"{module.rpartition('.')[2]}.json")


def column(result: Result, table: int, name: str) -> list[float]:
    """Return the numbers of a column."""
    found = [row[result.tables[table].columns.index(name)] for row in result.tables[table].rows]
    assert all(isinstance(cell, int | float) for cell in found), f"{name} has a cell that is no number: {found}"
    return found


def rows(result: Result, table: int = 0) -> dict[str | int | float | None, Row]:
    """Return the rows of a table by their first cell."""
    return {row[0]: row for row in result.tables[table].rows}
