"""Pictures of trust: errors by law of inputs, by amplitude and by wave number, and the Green's function learned."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mlft.experiment.outcome import LawFacts
from mlft.reports.drawing import BLUE, GREY, INK, ORANGE, PALE, error_axis, legend_above, round_ticks, style, svg
from mlft.reports.figures import name_rows
from mlft.reports.wording import error, known, number

Array = np.ndarray


@style()
def family_figure(families: Sequence[LawFacts]) -> str:
    """Return a row a law of inputs with its mean error and 95% interval, the law itself in orange."""
    shown = [family for family in families if family.mean is not None]
    figure = Figure(figsize=(7.6, 0.95 + 0.3 * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.grid(False, axis="y")
    axes.axvline(known(shown[0].mean), color=ORANGE, linewidth=0.8, linestyle=(0, (4, 3)))
    for y, family in enumerate(shown):
        colour = BLUE if y else ORANGE
        ends = [known(family.lower), known(family.upper)]
        axes.plot(ends, [y, y], color=colour, linewidth=4, alpha=0.4, solid_capstyle="butt")
        axes.plot([known(family.mean)], [y], linestyle="none", marker="o", markersize=7, color=colour)
        place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8.5}
        beside = ends[1] if np.isfinite(ends[1]) else known(family.mean)
        axes.annotate(error(family.mean), (beside, y), xytext=(6, 0), annotation_clip=False, **place)
    name_rows(axes, [family.name for family in shown])
    values = [end for family in shown for end in (family.mean, family.lower, family.upper)]
    error_axis(axes, "x", [end for end in values if end is not None and end > 0], "mean relative L2 error")
    axes.set_xlim(right=axes.get_xlim()[1] * 1.08)
    return svg(figure)


@style()
def amplitude_figure(amplitudes: Sequence[LawFacts], breaking: Sequence[float | None]) -> str:
    """Return the error along the amplitude, with the line of twice the error at 1 and where it is crossed."""
    figure = Figure(figsize=(3.7, 2.9), layout="constrained")
    axes = figure.subplots()
    shown = [row for row in amplitudes if row.mean is not None]
    x, y = [known(row.amplitude) for row in shown], [known(row.mean) for row in shown]
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
    """Return the waves of the error beside those of the solution, from the mean (0) to the finest."""
    figure = Figure(figsize=(3.7, 2.9), layout="constrained")
    axes = figure.subplots()
    for key, colour, width in (("solution", PALE, 3.0), ("error", ORANGE, 1.4)):
        axes.plot(arrays["numbers"], np.maximum(arrays[key], 1e-20), color=colour, linewidth=width, label=key)
    axes.set(yscale="log", xlabel="wave number", ylabel="share of the solution's square")
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.3)
    axes.set_xlim(0, 1.1 * float(arrays["numbers"].max()))
    largest, error_largest = (float(arrays[key].max()) for key in ("solution", "error"))
    seen = arrays["error"][arrays["error"] > 1e-6 * error_largest]
    axes.set_ylim(max(float(seen.min()) if len(seen) else largest * 1e-8, 1e-20) / 2, 3 * largest)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    legend_above(axes, 2)
    return svg(figure)


@style()
def green_figure(
    matrix: Float[Array, "p k"], operator: Float[Array, "p k"], known: Float[Array, "k r"] | None = None
) -> str:
    """Return the matrices as images on one scale, and three of their columns over each other.

    Args:
        matrix: the surrogate's.
        operator: the solver's.
        known: orthonormal basis of the span of the inputs, to show what of the surrogate's matrix lies on it.
    """
    shown = {"surrogate": matrix}
    if known is not None and known.shape[1]:
        shown["on the span"] = (matrix @ known) @ known.T
    shown["solver"] = operator
    figure = Figure(figsize=(2.05 * len(shown) + 3.2, 2.9), layout="constrained")
    *images, right = figure.subplots(1, len(shown) + 1, width_ratios=(*(1 for _ in shown), 1.5))
    largest = float(np.abs(operator).max())
    for axes, (name, values) in zip(images, shown.items(), strict=True):
        image = axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest")
        _bare(axes, name)
    images[0].set_ylabel("point of the solution")
    bar = figure.colorbar(image, ax=images, aspect=20, pad=0.01)
    bar.outline.set_visible(False)
    bar.locator = round_ticks(4)
    _columns(right, shown, [round(operator.shape[1] * part) for part in (0.2, 0.5, 0.75)])
    return svg(figure)


def _columns(axes: Axes, shown: dict[str, Array], columns: list[int]) -> None:
    looks = {"solver": (PALE, 3.6, 1), "surrogate": (BLUE, 0.7, 2), "on the span": (ORANGE, 1.5, 3)}
    for name, values in shown.items():
        colour, width, order = looks[name]
        for i, column in enumerate(columns):
            label = name if not i else None
            axes.plot(values[:, column], color=colour, linewidth=width, zorder=order, label=label)
    low, high = float(min(shown["solver"].min(), 0)), float(max(shown["solver"].max(), 0))
    axes.set_ylim(low - 0.4 * (high - low), high + 0.6 * (high - low))
    axes.set(xlabel="point of the solution")
    axes.axhline(0, color=GREY, linewidth=0.7)
    axes.yaxis.set_major_locator(round_ticks(4))
    legend_above(axes, 3)


def _tick(value: float, _: int) -> str:
    return number(value) if not value or 1e-3 <= value <= 1e5 else f"1e{round(np.log10(value))}"


def _bare(axes: Axes, title: str) -> None:
    axes.grid(False)
    axes.set(xticks=[], yticks=[], xlabel="point of the input")
    axes.set_title(title, color=INK)
    axes.spines[:].set_visible(False)
