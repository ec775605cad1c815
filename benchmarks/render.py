"""Writes `docs/results.md` from `benchmarks/results/*.json`: run `python -m benchmarks.render`."""

from pathlib import Path

from benchmarks.publish import RESULTS, ROOT, Result, read
from benchmarks.table import markdown
from mlft.files import write_whole

PAGE = ROOT / "docs" / "results.md"
SECTIONS = {
    "Plans": ("referee", "equal_cost", "sweep", "regret", "foresight"),
    "Numbers": ("numbers",),
    "Levels": ("distances",),
    "Solvers": ("solvers", "prices", "burgers_solver", "schrodinger_solver", "darcy_solver", "pollution"),
    "Networks": ("candidates", "symmetry", "surrogates"),
    "Store, workers and server": (
        *("storm", "kill", "resume", "harms", "forged"),
        *("workers", "outside", "check", "serving", "formats"),
    ),
    "Generalization": ("crossval", "generalization", "trust", "bands", "familiarity"),
}
"""The benchmarks, in the order in which they are read."""

HEAD = """# Measured results

Written by `python -m benchmarks.render` from `benchmarks/results`, one file a benchmark: change those, not this page.
Each section names the command that repeats it from the root of the repository, the date, the commit and the machine
(commits of 2026-11-22 are those that recorded the numbers). The machine was shared while times were taken: CPU times
and ratios are good to about 30%.

Where a table names no surrogate, its runs are older than the choice among several, which is the default since
2026-11-30: they trained a Fourier neural operator alone (`--surrogate fno`). Of "Plans" all but the referee and
the predictions went by prices of before that day, which stated samples of coarse grids up to three times too cheap.
"""


def page(folder: Path = RESULTS) -> str:
    """Return the page."""
    parts = [HEAD]
    for title, names in SECTIONS.items():
        parts += [f"## {title}\n", *(section(read(folder / f"{name}.json")) for name in names)]
    return "\n".join(parts)


def section(result: Result) -> str:
    """Return the section of a benchmark: how it was measured, its tables, and what people say of them."""
    machine = result.machine
    versions = "".join(f", {name} {version}" for name, version in machine.packages.items())
    where = f"{machine.cpu}, {machine.cores} cores, Python {machine.python}{versions}"
    how = f"`{result.command}`, {result.date}, commit {result.commit}, mlft {result.mlft}; {where}."
    notes = ["\n".join(result.notes)] if result.notes else []
    return "\n\n".join([f"### {result.title}", how, *map(markdown, result.tables), *notes]) + "\n"


if __name__ == "__main__":
    write_whole(PAGE, page().encode())
