"""Pictures of errors: along the training, over the test draws, and beside the rivals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from mlft.experiment.outcome import StageFacts, Summary
from mlft.reports.drawing import NARROW, drawn, error_axis, legend_above, round_ticks
from mlft.reports.palette import BLUE, GREEN, GREY, INK, ORANGE, PALE, PAPER
from mlft.reports.wording import error, known, number

Array = np.ndarray


@final
@dataclass(frozen=True)
class Dot:
    """A row of a dot chart.

    Attributes:
        label: its name.
        kind: a key of `KINDS`, which gives colour and marker.
        value: where the dot is; NaN for none.
        lower, upper: ends of its interval; NaN for none.
    """

    label: str
    kind: str
    value: float
    lower: float = float("nan")
    upper: float = float("nan")


KINDS: dict[str, dict[str, Any]] = {
    "this run": {"color": ORANGE, "marker": "o", "markersize": 8},
    "trained, equal cost": {"color": BLUE, "marker": "s", "markersize": 6.5},
    "no training": {"color": GREEN, "marker": "o", "markersize": 7, "markerfacecolor": "white"},
    "the law itself": {"color": ORANGE, "marker": "o", "markersize": 7},
    "another law": {"color": BLUE, "marker": "o", "markersize": 7},
    "the solver itself": {"color": GREY, "marker": "D", "markersize": 5.5, "markerfacecolor": "white"},
}


@drawn
def stage_figure(width: float, stages: Sequence[StageFacts], grids: Sequence[str]) -> Figure:
    """Return the held-out error along the steps, a stage after the other, with what the guard decided.

    Args:
        width: of the figure.
        stages: the rows of a record's "stages".
        grids: the grid of each level.
    """
    figure = Figure(figsize=(width, 3.4), layout="constrained")
    axes = figure.subplots()
    starts = np.concatenate([[0], np.cumsum([stage.steps for stage in stages])])
    total = max(int(starts[-1]), 1)
    wide = all(stage.steps * width > 0.95 * total for stage in stages)
    for start, stage in zip(starts[:-1], stages, strict=True):
        _stage(axes, int(start), stage)
        if start:
            axes.axvline(float(start), color=GREY, linewidth=0.8, linestyle=(0, (1, 2)))
        label = (f"grid {grids[stage.level]}" if wide else f"{stage.level}") + "\n" + _mark(stage, wide)
        middle = (start + stage.steps / 2) / total
        colour = INK if stage.kept else ORANGE
        axes.text(middle, 1.02, label, transform=axes.transAxes, ha="center", va="bottom", color=colour)
    axes.set(xlim=(0, 1.01 * total), xlabel="optimizer steps")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
    axes.grid(False, axis="x")
    error_axis(axes, "y", _stage_errors(stages), "held-out relative L2 error")
    return figure


@drawn
def histogram(width: float, errors: Float[Array, " n"], summary: Summary) -> Figure:
    """Return the histogram of the test errors with mean, median and 90% quantile."""
    figure = Figure(figsize=(width, 2.9), layout="constrained")
    axes = figure.subplots()
    finite = errors[np.isfinite(errors)]
    wide = bool(finite.size and finite.min() > 0 and finite.max() >= 30 * finite.min())
    error_axis(axes, "x", finite.tolist() if wide else [0.0, *finite.tolist()], "relative L2 error of a draw")
    axes.hist(finite, bins=_bins(finite, wide).tolist(), color=PALE, edgecolor=PAPER, linewidth=0.6)
    lower, upper = summary.mean_lower, summary.mean_upper
    if lower is not None and upper is not None:
        axes.axvspan(lower, upper, color=ORANGE, alpha=0.22, linewidth=0, label="mean, 95% interval")
    lines = (
        (summary.mean, "mean", ORANGE, "-"),
        (summary.median, "median", INK, "--"),
        (summary.q90, "90% quantile", BLUE, ":"),
    )
    for value, label, colour, dashes in lines:
        if value is not None:
            axes.axvline(value, color=colour, linestyle=dashes, linewidth=1.6, label=f"{label} {error(value)}")
    legend_above(axes, 4 if width > NARROW else 2)
    axes.set_ylabel("test draws")
    axes.yaxis.set_major_locator(round_ticks(5, integer=True))
    axes.grid(False, axis="x")
    return figure


@drawn
def dot_chart(width: float, dots: Sequence[Dot], label: str = "mean relative L2 error") -> Figure:
    """Return a row a dot, from top to bottom, with the values written beside them and a line through the first."""
    figure = Figure(figsize=(width, rows_high(len(dots), width, per=0.3)), layout="constrained")
    axes = figure.subplots()
    axes.grid(False, axis="y")
    if np.isfinite(dots[0].value):
        axes.axvline(dots[0].value, color=ORANGE, linewidth=0.8, linestyle=(0, (4, 3)))
    named: set[str] = set()
    for y, dot in enumerate(dots):
        bar: dict[str, Any] = {
            "color": KINDS[dot.kind]["color"],
            "linewidth": 4,
            "alpha": 0.4,
            "solid_capstyle": "butt",
        }
        axes.plot([dot.lower, dot.upper], [y, y], **bar)
        kind = None if dot.kind in named else dot.kind
        axes.plot([dot.value], [y], linestyle="none", markeredgewidth=1.5, label=kind, zorder=3, **KINDS[dot.kind])
        _beside(axes, dot, y)
        named.add(dot.kind)
    name_rows(axes, [dot.label for dot in dots], width)
    error_axis(axes, "x", [v for dot in dots for v in (dot.value, dot.lower, dot.upper)], label)
    legend_above(axes, 4 if width > NARROW else 2)
    return figure


def _beside(axes: Axes, dot: Dot, y: int) -> None:
    """Write the value of a dot to the right of it and of its interval."""
    x = dot.upper if np.isfinite(dot.upper) else dot.value
    if np.isfinite(x):
        place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "bbox": _box(), "zorder": 2}
        axes.annotate(error(dot.value), (x, y), xytext=(9, 0), annotation_clip=False, **place)


def _box() -> dict[str, Any]:
    """Return what keeps a word readable over lines."""
    return {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.85}


LONGEST = 32
"""Letters of the name of a row, at most; longer ones are cut."""


def rows_high(count: int, width: float, *, per: float) -> float:
    """Return the height of a figure with named rows: on a narrow page a row has its name above it.

    Args:
        count: rows.
        width: of the figure.
        per: height of a row beside its name.
    """
    return 0.95 + per * count if width > NARROW else 1.15 + (per + 0.18) * count


def name_rows(axes: Axes, labels: Sequence[str], width: float) -> None:
    """Name the rows of a dot chart, the first on top: beside them, or above each on a narrow page.

    Names in the margin would leave a narrow page no room for what they name.
    """
    shown = [label if len(label) <= LONGEST else label[: LONGEST - 1] + "…" for label in labels]
    axes.tick_params(axis="y", length=0)
    if width > NARROW:
        axes.set_yticks(range(len(labels)), shown)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        return
    axes.set_yticks(range(len(labels)), [""] * len(labels))
    axes.set_ylim(len(labels) - 0.6, -0.8)
    axes.spines.left.set_visible(False)
    for y, label in enumerate(shown):
        axes.annotate(label, (0, y - 0.28), xycoords=("axes fraction", "data"), ha="left", va="bottom", bbox=_box())


def _stage(axes: Axes, start: int, stage: StageFacts) -> None:
    colour, dashes = (BLUE, "-") if stage.kept else (ORANGE, (0, (3, 2)))
    before, after = known(stage.error_before), known(stage.error_after)
    steps = [start, *[start + step for step, _ in stage.checks]]
    axes.plot(steps, [before, *[known(e) for _, e in stage.checks]], color=colour, linestyle=dashes)
    axes.plot(
        [start], [before], marker="o", color=colour, markerfacecolor="white", markersize=5, clip_on=False, zorder=5
    )
    marker: dict[str, Any] = {"marker": "o", "markersize": 6} if stage.kept else {"marker": "X", "markersize": 8}
    axes.plot([start + stage.steps], [after], color=colour, clip_on=False, zorder=4, **marker)


def _mark(stage: StageFacts, wide: bool) -> str:
    if not stage.kept:
        return "rejected" if wide else "✗"
    if stage.blend is not None and stage.blend < 1:
        return f"kept, blend {stage.blend:g}" if wide else "✓"
    return "kept" if wide else "✓"


def _stage_errors(stages: Sequence[StageFacts]) -> list[float]:
    found = [e for stage in stages for _, e in stage.checks]
    return [known(e) for e in (*found, *(e for stage in stages for e in (stage.error_before, stage.error_after)))]


def _bins(finite: Float[Array, " n"], wide: bool) -> Array:
    """Return bin edges, about two per square root of the draws, with equal widths on the axis that is shown."""
    if not finite.size:
        return np.array([0.0, 1.0])
    count = int(min(40, max(8, 2 * finite.size**0.5)))
    low, high = float(finite.min()), float(finite.max())
    if wide:
        return np.asarray(np.geomspace(low, high, count + 1))
    pad = 0.0 if high > low else 0.05 * abs(high) or 0.05
    return np.asarray(np.linspace(low - pad, high + pad, count + 1))
