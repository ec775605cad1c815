"""The error of each channel in other norms: a section of a run's report."""

from mlft.experiment.outcome import ChannelErrors, Outcome, Summary
from mlft.reports.page import Cell, Column, Section, paragraph, section, stacked, table
from mlft.reports.wording import error, interval, number

NORMS = {
    "relative_l2": Column("L2", "relative"),
    "relative_l1": Column("L1", "relative"),
    "relative_maximum": Column("Maximum", "relative"),
    "relative_h1": Column("H1 seminorm", "relative"),
    "mean_defect": Column("Mean defect", "of the mean size"),
    "vrmse": Column("VRMSE", "of the spread"),
}
"""The norms by their names in a record, as columns."""

_NONE = "Other norms were not measured: an older version of mlft made the run."


def norms(facts: Outcome) -> Section:
    """Return the mean error of each channel in each norm, with its interval; a sentence for a record without them."""
    heading = "Error in other norms"
    found = facts.error.channels
    if not found:
        return section(heading, paragraph(_NONE, "soft")), {}
    columns = (Column("Channel"), *NORMS.values())
    caption = (
        f"Mean over {number(facts.error.samples)} {facts.tested} of errors of each channel of the solution, with 95% "
    )
    words = (
        "All are dimensionless, of one draw at a time. L2, L1 and maximum: the error over the solution, each in that "
        "norm. H1 seminorm: the same of the gradients, by differences. Mean defect: how far the mean over the box is "
        "off, which a conserved quantity must keep, over the mean absolute value. VRMSE: root mean square error over "
        "the standard deviation of the solution over the box; predicting its mean gives 1."
    )
    return section(
        heading, table(f"{caption}intervals below", columns, [*map(_row, found)]), paragraph(words, "soft")
    ), {}


def _row(found: ChannelErrors) -> list[Cell]:
    return [number(found.channel), *(_cell(getattr(found, name)) for name in NORMS)]


def _cell(found: Summary) -> Cell:
    return stacked(error(found.mean), interval(found.mean_lower, found.mean_upper))
