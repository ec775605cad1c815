"""Which inputs a surrogate may be asked for, and on which grids: in a sentence each, and as a table of grids."""

from mlft.experiment.outcome import Familiar, GridError, Outcome
from mlft.reports.page import Cell, Column, Section, paragraph, section, table
from mlft.reports.wording import error, interval, number, share

_NONE = "Which inputs are familiar was not asked: that takes a version of mlft that does."
_FEW = "Which inputs are familiar is not known: half of the test rows calibrate an alarm, 135 at least: give test=270."


def familiar_lines(facts: Outcome) -> list[str]:
    """Return in a sentence how often the alarm for unfamiliar inputs is false; none for old records."""
    return [] if facts.familiar is None else [_alarm(facts.familiar)]


def familiar(facts: Outcome) -> Section:
    """Return what is known of inputs that may be asked, and of other grids; a sentence for a record without it."""
    none = _NONE if facts.data is None else _FEW
    told = (
        none
        if facts.familiar is None
        else f"{_alarm(facts.familiar)} {_how(facts.familiar, solver=facts.data is None)}"
    )
    parts = [paragraph(told, "soft" if facts.familiar is None else "")]
    taken = [row for row in facts.grids if row.mean is not None]
    if taken:
        parts.append(_table(facts, taken))
    elif facts.grids:
        parts.append(paragraph(f"On other grids it does not predict: {facts.grids[-1].refused}.", "soft"))
    return section("May I ask it?", *parts), {}


def _alarm(told: Familiar) -> str:
    found = told.false_alarms
    return (
        f"An alarm rings for inputs that are unlike those that were trained on: falsely for {share(found.value)} "
        f"({share(found.lower)} to {share(found.upper)}) of {number(told.measured)} fresh draws, with 5% allowed."
    )


def _how(told: Familiar, *, solver: bool) -> str:
    more = "Further draws cost no solve" if solver else "The half of the test rows that is not counted here"
    solves = ', "solve" solves them' if solver else ""
    return (
        f"It compares an input with {number(told.trained)} training inputs (what lies off their principal components, "
        f"and how far within) and with the law: amplitude, energy by waves, boundary values. {more}: "
        f"{number(told.fitted)} say what is usual, {number(told.calibrated)} others calibrate. It rings above a "
        f"score of {told.threshold:.4g}, and says nothing of the size of an error. `record.familiarity(inputs)` gives "
        f'score and reason; `record.predict(inputs, unfamiliar="raise")` refuses such inputs{solves}.'
    )


def _table(facts: Outcome, rows: list[GridError]) -> str:
    found = facts.error.relative_l2
    columns = (
        Column("Grid", text=True),
        Column("Error", "relative L2"),
        Column("Interval", "95%"),
        Column("Draws", "fresh"),
    )
    body: list[list[Cell]] = [
        [row.grid, error(row.mean), interval(row.lower, row.upper), number(row.samples)] for row in rows
    ]
    own = interval(found.mean_lower, found.mean_upper)
    body.append([f"{facts.grid}, trained on", error(found.mean), own, number(facts.error.samples)])
    caption = (
        "Predictions on the grids of the levels, for the same test draws: against the solutions of the finest grid, "
        "restricted. On any other grid the error is not known"
    )
    return table(caption, columns, body)
