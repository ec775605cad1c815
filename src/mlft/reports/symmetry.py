"""The symmetries of the solver, and how the run used them: a section of its report."""

from mlft.experiment.outcome import Outcome, ScalingFact, SymmetryFacts
from mlft.reports.page import Cell, Column, Section, paragraph, section, table
from mlft.reports.wording import number

_COLUMNS = (
    Column("Map g of inputs and solutions", text=True),
    Column("Defect", "relative L2"),
    Column("Off the law", "statistic"),
    Column("Used", text=True),
)


def symmetry(facts: Outcome) -> Section:
    """Return what the solver commutes with, its defects, and how that was used; nothing where it was not asked."""
    told = facts.symmetry
    if told is None:
        return "", {}
    source = paragraph(_source(told), "soft")
    if not told.every:
        return section("Symmetries of the solver", paragraph("None was found."), source), {}
    rows: list[list[Cell]] = []
    for one in told.every:
        off = "–" if isinstance(one, ScalingFact) else number(one.shift)
        rows.append([str(one), number(one.defect), off, "yes" if one.used else "no"])
    caption = (
        "Maps with S(g x) = g S(x): the largest relative distance of a channel on a draw; and how far g takes inputs "
        "off the law they are drawn from, as a statistic (below 6 it may as well leave them on it)"
    )
    return section("Symmetries of the solver", table(caption, _COLUMNS, rows), paragraph(_use(told)), source), {}


def _use(told: SymmetryFacts) -> str:
    """Return how they were used, and why some were not."""
    words = told.use[0].upper() + told.use[1:] + "."
    if not told.declared and not (all(one.used for one in told.found) and all(one.used for one in told.shifts)):
        words += (
            " What takes inputs off their law is not used: it would have the surrogate learn what is not asked of it."
        )
    if told.scaling is not None:
        size = f" Inputs differ in size by {100 * told.scaling.spread:.2g}% (standard deviation of the logarithm)"
        words += f"{size}{'' if told.scaled else ', too little for multiples to teach anything'}."
    return words


def _source(told: SymmetryFacts) -> str:
    said = "Declared by the problem, and verified" if told.declared else "Looked for"
    return f"{said} on {number(told.draws)} draws of the coarsest grid: {number(told.solves)} solves, not charged."
