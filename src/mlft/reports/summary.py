"""A run or a comparison in plain lines, for a terminal: what a command ends with, and `mlft show` says again."""

import shlex
from pathlib import Path

from mlft.errors import MlftError
from mlft.experiment.config import CONFIG
from mlft.experiment.manifest import refuse_unfit
from mlft.experiment.outcome import Outcome
from mlft.experiment.record import (
    BUDGETS,
    COMPARISON,
    RECORD,
    TRUST,
    read_budgets,
    read_comparison,
    read_outcome,
    read_trust,
)
from mlft.problems import PROBLEMS
from mlft.reports.budgets import budgets_lines
from mlft.reports.compare import comparison_lines
from mlft.reports.data import data_lines
from mlft.reports.familiar import familiar_lines
from mlft.reports.hidden import hidden_lines
from mlft.reports.parts import parts_lines
from mlft.reports.spending import spending_lines
from mlft.reports.sure import sure_lines
from mlft.reports.target import target_lines
from mlft.reports.trust import trust_lines
from mlft.reports.unspent import unspent_lines
from mlft.reports.wording import error, interval
from mlft.reports.worth import worth_lines


def summary_lines(folder: str | Path) -> list[str]:
    """Return what a finished run, a look at its trust, or a comparison found, from what it left in its folder.

    Raises:
        MlftError: if the folder holds none, or a damaged one.
    """
    folder = Path(folder)
    if not (folder / RECORD).is_file() and (folder / BUDGETS).is_file():
        return [*budgets_lines(read_budgets(folder)), *_page(folder, "report.html", "mlft report")]
    if not (folder / RECORD).is_file() and (folder / COMPARISON).is_file():
        return [*comparison_lines(read_comparison(folder)), *_page(folder, "report.html", "mlft report")]
    if not (folder / RECORD).is_file() and (folder / CONFIG).is_file():
        raise MlftError(f"{folder} is not finished: run the command that began it again, and it goes on")
    refuse_unfit(folder)
    lines = run_lines(read_outcome(folder), folder)
    if (folder / TRUST).is_file():
        lines += ["", *trust_lines(read_trust(folder)[0])]
    return [*lines, *_page(folder, "report.html", "mlft report")]


def run_lines(told: Outcome, folder: Path) -> list[str]:
    """Return error, predicted beside measured, worth, warnings, and what can be done next."""
    found = [
        str(told),
        _beside(told),
        *hidden_lines(told),
        *parts_lines(told),
        *sure_lines(told),
        *familiar_lines(told),
        *data_lines(told),
        *worth_lines(told),
        *target_lines(told),
        *spending_lines(told),
        *unspent_lines(told),
    ]
    return [*found, _next(told, folder)]


def _beside(told: Outcome) -> str:
    found, before = told.error.relative_l2, told.plan.predicted_error
    measured = f"Measured {error(found.mean)} (95% interval {interval(found.mean_lower, found.mean_upper)})"
    if before is None and told.data is not None:
        return f"{measured}; a fit predicts nothing."
    if before is None:
        return f"{measured}; the plan was made by a rule, which predicts nothing."
    when = f" {before.made}" if before.made else ""
    between = f"{before.coverage:.0%} interval {interval(before.lower, before.upper)}"
    return f"{measured}; predicted{when} {error(before.value)} ({between})."


def _next(told: Outcome, folder: Path) -> str:
    place, name = shlex.quote(str(folder)), str(told.config.get("problem", told.problem))
    if told.data is not None:
        return (
            f"Next: mlft predict {place} inputs.npy --out predicted.npy; waves and the trained span: mlft trust {place}"
        )
    trust = f"mlft trust {place}" + (f" --problem {shlex.quote(name)}" if ":" in name else "")
    if ":" not in name and name not in PROBLEMS:
        trust = f"mlft.trust({str(folder)!r}, problem=...)"
    return f"Next: mlft predict {place} inputs.npy --out predicted.npy; other laws of inputs: {trust}"


def _page(folder: Path, name: str, command: str) -> list[str]:
    page = folder / name
    return [f"report: {page}" if page.is_file() else f"no {name} yet: {command} {shlex.quote(str(folder))}"]
