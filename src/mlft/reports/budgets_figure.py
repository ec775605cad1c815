"""Picture of a comparison at several budgets: error against budget, a line a strategy."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from mlft.reports.drawing import NARROW, drawn, error_axis, legend_above
from mlft.reports.pairing import Standing, single_level
from mlft.reports.palette import BLUE, GREEN, GREY, INK, ORANGE
from mlft.reports.wording import number

_MARKS = "osD^vPX*"


@drawn
def budgets_figure(width: float, budgets: Sequence[float], every: Sequence[Sequence[Standing]]) -> Figure:
    """Return the error of each strategy against the budget, both on log scales, with 95% intervals as bars."""
    figure = Figure(figsize=(width, 0.6 * width if width > NARROW else 1.1 * width), layout="constrained")
    axes = figure.subplots()
    values = []
    several = iter((ORANGE, GREEN, INK, GREY) * len(every[0]))
    for place, first in enumerate(every[0]):
        colour = BLUE if single_level(first.strategy) else next(several)
        means = [found[place].mean for found in every]
        marker, style = _MARKS[place % len(_MARKS)], "--" if single_level(first.strategy) else "-"
        line = [one.value for one in means]
        axes.plot(budgets, line, style, color=colour, marker=marker, markersize=5, label=first.strategy)
        for x, one in zip(budgets, means, strict=True):
            low = max(one.lower, 0.5 * one.value)  # an interval of few seeds may reach below zero
            axes.plot([x, x], [low, one.upper], color=colour, linewidth=4, alpha=0.25, solid_capstyle="butt")
            values += [one.value, low, one.upper]
    axes.set_xscale("log")
    axes.set_xticks(budgets)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
    axes.set_xlabel("budget, solves of the finest grid")
    error_axis(axes, "y", [value for value in values if value > 0], "relative L2 error")
    legend_above(axes, 3 if width > NARROW else 2)
    return figure
