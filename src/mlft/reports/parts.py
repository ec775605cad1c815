"""What a run had found before it was given more: its error against the budget so far."""

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mlft.experiment.outcome import Outcome
from mlft.reports.drawing import NARROW, drawn, error_axis, legend_above
from mlft.reports.page import Column, Section, figure, section, table
from mlft.reports.palette import BLUE, ORANGE
from mlft.reports.wording import counts, error, interval, known, number


def parts(facts: Outcome) -> Section:
    """Return the section of a run that went on with more budget or longer training; empty for one that did not."""
    if not facts.parts:
        return "", {}
    every = (*facts.parts, facts.now)
    drawings = {"so-far": parts_figure(facts)} if len({part.value for part in every}) > 1 else {}
    alt = "Error against budget so far: " + ", ".join(f"{error(one.mean)} at {one.budget}" for one in every)
    caption = "Measured relative L2 error with its 95% interval after each part of the budget."
    columns = (
        Column("Budget", text=True),
        Column("Samples", "coarse to fine"),
        Column("Steps", "of the optimizer"),
        Column("Spent", "solves"),
        Column("Error", "relative L2"),
        Column("Interval", "95%, relative L2"),
        Column("Predicted", "relative L2"),
    )
    rows = [
        [
            part.budget,
            counts(part.samples),
            number(part.steps),
            number(part.spent),
            error(part.mean),
            interval(part.lower, part.upper),
            error(part.predicted),
        ]
        for part in every
    ]
    words = "Every sample of the parts before is in the plan that followed, or was paid for; the training began anew."
    shown = figure(drawings, caption, alt=alt) if drawings else ""
    kinds = [*[""] * (len(rows) - 1), "strong"]
    return section("Error against budget so far", shown, table(words, columns, rows, kinds=kinds)), drawings


@drawn
def parts_figure(width: float, facts: Outcome) -> Figure:
    """Return the measured error with its interval against the budget, this run last."""
    every = (*facts.parts, facts.now)
    figure = Figure(figsize=(width, 2.6), layout="constrained")
    axes = figure.subplots()
    ends = [(known(part.lower), known(part.upper)) for part in every]
    for part, (low, high) in zip(every, ends, strict=True):
        axes.plot([part.value] * 2, [low, high], color=BLUE, linewidth=3, alpha=0.35, solid_capstyle="butt")
    x, y = [part.value for part in every], [known(part.mean) for part in every]
    axes.plot(x, y, color=BLUE, marker="o", markersize=4, label="measured, with its 95% interval")
    axes.plot(x[-1:], y[-1:], "D", color=ORANGE, markersize=7, label="this run, now", zorder=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(min(x) / 1.2, max(x) * 1.2)
    axes.set_xlabel(f"budget, {facts.budget.unit}, log scale")
    error_axis(axes, "y", [*y, *(end for pair in ends for end in pair)], "relative L2 error")
    legend_above(axes, 2 if width > NARROW else 1)
    return figure


def parts_lines(facts: Outcome) -> list[str]:
    """Return, for a terminal, what the error was before the run went on; nothing for a run that did not."""
    if not facts.parts:
        return []
    found = (f"{error(part.mean)} with {part.budget}, {number(part.steps)} steps" for part in facts.parts)
    return [f"Before it went on: {'; '.join(found)}; now {facts.budget.asked}, {number(facts.now.steps)} steps."]
