"""Picture of a comparison: errors by strategy over the seeds, and ratios to finest-only."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlft.intervals import Middle
from mlft.reports.drawing import NARROW, drawn, error_axis
from mlft.reports.figures import name_rows, rows_high
from mlft.reports.pairing import Standing, single_level
from mlft.reports.palette import BLUE, GREY, INK, MESH, ORANGE, PAPER
from mlft.reports.wording import error

STAR = "\u00a0★"


@drawn
def comparison_figure(width: float, found: Sequence[Standing]) -> Figure:
    """Return two dot charts with the same rows: the error of each strategy, and its ratio to finest-only.

    Large dots are means, bars their 95% intervals, small open dots the seeds; a star marks the best single level.
    """
    names = [one.strategy + STAR * one.best_single for one in found]
    high = rows_high(len(found), width, per=0.5)
    if width > NARROW:
        figure = Figure(figsize=(width, high), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.1, 1))
        right.tick_params(axis="y", length=0)
    else:
        figure = Figure(figsize=(width, 2 * high), layout="constrained")
        left, right = figure.subplots(2, 1)
        name_rows(right, names, width)
    name_rows(left, names, width)
    right.axvline(1, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    for y, one in enumerate(found):
        _row(left, y, one, list(one.errors.values()), one.mean)
        _row(right, y, one, list(one.ratios.values()), one.to_finest)
    errors = [v for one in found for v in (*one.errors.values(), *_ends(one.mean))]
    ratios = [v for one in found for v in (*one.ratios.values(), *_ends(one.to_finest))]
    error_axis(left, "x", errors, "relative L2 error")
    error_axis(right, "x", [*ratios, 1.0], "ratio to finest-only, by seed")
    for axes in (left, right):
        axes.grid(False, axis="y")
        for y in range(len(found) - 1):
            axes.axhline(y + 0.5, color=MESH, linewidth=0.6)
    return figure


def _row(axes: Axes, y: int, one: Standing, seeds: list[float], middle: Middle) -> None:
    colour = BLUE if single_level(one.strategy) else ORANGE
    axes.plot([*_ends(middle)], [y, y], color=colour, linewidth=6, alpha=0.3, solid_capstyle="butt")
    small: dict[str, Any] = {"marker": "o", "markersize": 4, "markerfacecolor": PAPER, "markeredgecolor": colour}
    axes.plot(seeds, [y + 0.26] * len(seeds), linestyle="none", **small)
    axes.plot([middle.value], [y], linestyle="none", marker="o", markersize=7, color=colour, zorder=3)
    if math.isfinite(middle.value):
        box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
        axes.annotate(
            error(middle.value),
            (middle.value, y),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            va="bottom",
            color=INK,
            bbox=box,
        )


def _ends(middle: Middle) -> tuple[float, float]:
    return middle.lower, middle.upper
