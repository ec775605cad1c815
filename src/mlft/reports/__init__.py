"""The report of a run or a comparison: one HTML file that needs nothing else, its figures and its numbers."""

from pathlib import Path

from mlft.errors import MlftError
from mlft.experiment.manifest import refuse_unfit
from mlft.experiment.record import BUDGETS, RECORD, ROWS, read_budgets, read_comparison, read_outcome
from mlft.files import write_whole, writing
from mlft.reports.budgets import budgets_lines, budgets_report
from mlft.reports.compare import compare_report, comparison_lines, runs_of
from mlft.reports.gallery import gallery_page
from mlft.reports.metrics import metrics_csv
from mlft.reports.page import Section
from mlft.reports.plot import plot
from mlft.reports.run import run_report
from mlft.reports.spending import spending_lines
from mlft.reports.summary import run_lines, summary_lines
from mlft.reports.target import target_lines
from mlft.reports.trust import trust_lines, trust_report
from mlft.reports.worth import worth_lines

__all__ = [
    "budgets_lines",
    "comparison_lines",
    "plot",
    "report",
    "run_lines",
    "spending_lines",
    "summary_lines",
    "target_lines",
    "trust_lines",
    "worth_lines",
    "write_gallery",
    "write_trust_report",
]


def report(folder: str | Path) -> Path:
    """Write `report.html` and `figures/` of a run (with `metrics.csv`) or a comparison, and return the page's path.

    The page is one file: styles and figures are inside, and nothing is loaded from anywhere. The same folder gives
    the same bytes. Every file is written whole or not at all, the page last. A comparison links to the pages of its
    runs: those that are not there yet, or are older than the run's record, are written first.

    Raises:
        MlftError: if the folder holds neither a finished run nor a comparison, if a part of it is missing, damaged or
            of another run, or if it cannot be written.
    """
    folder = Path(folder)
    with writing(folder):
        return _report(folder)


def _report(folder: Path) -> Path:
    run, comparison = (folder / RECORD).is_file(), (folder / ROWS).is_file()
    if not run and not comparison:
        raise MlftError(
            f"{folder} holds neither a finished run ({RECORD}) nor a comparison ({ROWS}); "
            "give a folder that `mlft run` or `mlft compare` has written"
        )
    refuse_unfit(folder)
    page, figures = run_report(folder) if run else _compared(folder)
    files = {f"figures/{name}.svg": drawing.wide for name, drawing in figures.items()}
    files |= {"metrics.csv": metrics_csv(read_outcome(folder))} if run else {}
    for name, text in (files | {"report.html": page}).items():
        _write(folder / name, text)
    return folder / "report.html"


def _compared(folder: Path) -> Section:
    """Return the page of a comparison; those of its runs, or of its parts at each budget, are written first."""
    if (folder / BUDGETS).is_file():
        for name in read_budgets(folder).folders:
            _report(folder / name)
        return budgets_report(folder)
    _write_runs(folder)
    return compare_report(folder)


def _write_runs(folder: Path) -> None:
    """Write the pages of a comparison's runs that are there and have none of today's record."""
    for name in runs_of(read_comparison(folder)):
        record, page = folder / name / RECORD, folder / name / "report.html"
        if record.is_file() and not (page.is_file() and page.stat().st_mtime >= record.stat().st_mtime):
            report(folder / name)


def write_trust_report(folder: Path) -> Path:
    """Write `trust.html` and its figures of a run that `mlft trust` has looked at, and return the page's path.

    Raises:
        MlftError: if the run has not been looked at, or a file cannot be written.
    """
    page, figures = trust_report(folder)
    for name, drawing in figures.items():
        _write(folder / "figures" / f"{name}.svg", drawing.wide)
    _write(folder / "trust.html", page)
    return folder / "trust.html"


def write_gallery(folder: Path) -> Path:
    """Write `gallery.html`, a page with a picture and the statement of every problem, and return its path.

    Raises:
        MlftError: if it cannot be written.
    """
    _write(folder / "gallery.html", gallery_page())
    return folder / "gallery.html"


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(exist_ok=True)
        write_whole(file, text.encode())
    except OSError as error:
        raise MlftError(f"the report {file} cannot be written: {error.strerror or error}") from None
