"""Pictures of trust: errors by law of inputs, by amplitude and by wave number, and the Green's function learned."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mlft.report.drawing import BLUE, GREY, INK, ORANGE, PALE, error_axis, legend_above, round_ticks, style, svg
from mlft.report.figures import name_rows
from mlft.report.wording import error, number

Array = np.ndarray
Facts = dict[str, Any]


@style()
def family_figure(families: list[Facts]) -> str:
    """Return a row a law of inputs with its mean error and 95% interval, the law itself in orange."""
    shown = [family for family in families if family["mean"] is not None]
    figure = Figure(figsize=(7.6, 0.95 + 0.3 * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.grid(False, axis="y")
    axes.axvline(shown[0]["mean"], color=ORANGE, linewidth=0.8, linestyle=(0, (4, 3)))
    for y, family in enumerate(shown):
        colour = BLUE if y else ORANGE
        ends = [family["lower"], family["upper"]]
        axes.plot(ends, [y, y], color=colour, linewidth=4, alpha=0.4, solid_capstyle="butt")
        axes.plot([family["mean"]], [y], linestyle="none", marker="o", markersize=7, color=colour)
        place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8.5}
        axes.annotate(error(family["mean"]), (ends[1], y), xytext=(6, 0), annotation_clip=False, **place)
    name_rows(axes, [family["name"] for family in shown])
    ends = [family[key] for family in shown for key in ("mean", "lower", "upper")]
    error_axis(axes, "x", [end for end in ends if end > 0], "mean relative L2 error")
    axes.set_xlim(right=axes.get_xlim()[1] * 1.08)
    return svg(figure)


@style()
def amplitude_figure(amplitudes: list[Facts], breaking: list[float | None]) -> str:
    """Return the error along the amplitude, with the line of twice the error at 1 and where it is crossed."""
    figure = Figure(figsize=(3.7, 2.9), layout="constrained")
    axes = figure.subplots()
    shown = [row for row in amplitudes if row["mean"] is not None]
    x, y = [row["amplitude"] for row in shown], [row["mean"] for row in shown]
    bar = 2 * y[x.index(1.0)]
    axes.plot(x, y, color=BLUE, marker="o", markersize=4)
    axes.axhline(bar, color=ORANGE, linewidth=0.9, linestyle=(0, (4, 3)), label="twice the error at 1")
    found = [b for b in breaking if b is not None]
    axes.plot(found, [bar] * len(found), linestyle="none", marker="X", markersize=8, color=ORANGE)
    axes.set_xscale("log", base=2)
    axes.set_xticks([0.125, 0.25, 0.5, 1, 2, 4, 8], ["⅛", "¼", "½", "1", "2", "4", "8"])
    axes.set_xlabel("amplitude of the inputs")
    error_axis(axes, "y", [*y, bar], "relative L2 error")
    legend_above(axes, 1)
    return svg(figure)


@style()
def spectrum_figure(arrays: dict[str, Array]) -> str:
    """Return the waves of the error beside those of the solution."""
    figure = Figure(figsize=(3.7, 2.9), layout="constrained")
    axes = figure.subplots()
    numbers = arrays["numbers"] + 1
    for key, colour, width in (("solution", PALE, 3.0), ("error", ORANGE, 1.4)):
        axes.plot(numbers, np.maximum(arrays[key], 1e-20), color=colour, linewidth=width, label=key)
    axes.set(xscale="log", yscale="log", xlabel="wave number + 1", ylabel="share of the solution's square")
    largest = float(arrays["solution"].max())
    lowest = float(min(arrays["error"].max(), largest)) * 1e-8
    axes.set_ylim(max(lowest, 1e-20), 3 * largest)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_major_formatter(
            FuncFormatter(lambda value, _: number(value) if 1e-3 <= value <= 1e5 else f"1e{round(np.log10(value))}")
        )
        axis.set_minor_formatter(NullFormatter())
    legend_above(axes, 2)
    return svg(figure)


@style()
def green_figure(
    matrix: Float[Array, "p k"], operator: Float[Array, "p k"], *, names: tuple[str, str] = ("surrogate", "solver")
) -> str:
    """Return both matrices as images on one scale, and three of their columns over each other."""
    figure = Figure(figsize=(9.4, 3.0), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.35))
    largest = float(np.abs(operator).max())
    for axes, values, name in ((left, matrix, names[0]), (middle, operator, names[1])):
        image = axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest")
        _bare(axes, name)
    bar = figure.colorbar(image, ax=[left, middle], aspect=20, pad=0.01)
    bar.outline.set_visible(False)
    bar.locator = round_ticks(4)
    columns = [round(operator.shape[1] * part) for part in (0.2, 0.5, 0.75)]
    for i, column in enumerate(columns):
        label = names if not i else (None, None)
        right.plot(operator[:, column], color=PALE, linewidth=3.4, label=label[1])
        right.plot(matrix[:, column], color=ORANGE, linewidth=1.2, label=label[0])
    right.set(xlabel="point of the solution")
    right.axhline(0, color=GREY, linewidth=0.7)
    right.yaxis.set_major_locator(round_ticks(4))
    legend_above(right, 2)
    return svg(figure)


def _bare(axes: Axes, title: str) -> None:
    axes.grid(False)
    axes.set(xticks=[], yticks=[], xlabel="point of the input", ylabel="point of the solution")
    axes.set_title(title, color=INK)
    axes.spines[:].set_visible(False)
