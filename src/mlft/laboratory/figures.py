"""Pictures of the generalization laboratory: laws along an axis, and learned matrices beside the true one."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mlft.reports.drawing import legend_above, style, svg
from mlft.reports.palette import BLUE, GREEN, GREY, INK, ORANGE, PALE

Array = np.ndarray
Line = tuple[Sequence[float], Sequence[float]]

_COLOURS = (BLUE, ORANGE, GREEN, INK, GREY)


@style()
def law_figure(
    panels: Mapping[str, Mapping[str, Line]],
    *,
    across: str,
    up: str,
    guides: Mapping[str, Line] | None = None,
    guided: str = "",
) -> str:
    """Return lines with markers on logarithmic axes, a panel beside the other, with what theory says in pale.

    Args:
        panels: for each title, lines (x, y) by name.
        across: what x is.
        up: what y is.
        guides: for each title, one line of theory.
        guided: the name of the lines that theory is drawn for.
    """
    figure = Figure(figsize=(3.5 * len(panels), 3.3), layout="constrained")
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        if guides and title in guides:
            axes.plot(*guides[title], color=PALE, linewidth=4, label=f"theory, {guided}")
        for name, (x, y) in lines.items():
            colour = _COLOURS[names.index(name) % len(_COLOURS)]
            axes.plot(x, y, color=colour, marker="o", markersize=3.5, label=name)
        axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
        axes.text(0.02, 0.03, title, transform=axes.transAxes, weight="bold")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(numticks=7))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"1e{round(float(np.log10(value)))}"))
            axis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(LogLocator(base=2))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        legend_above(axes, 3)
    return svg(figure)


@style()
def matrix_figure(matrices: Mapping[str, Float[Array, "p q"]], *, columns: Sequence[int]) -> str:
    """Return matrices as images on the scale of the last, the true one, and below them some columns over its own.

    Args:
        matrices: by name, the true one last.
        columns: which are drawn.
    """
    true = list(matrices.values())[-1]
    largest = float(np.abs(true).max())
    figure = Figure(figsize=(2.45 * len(matrices), 4.6), layout="constrained")
    above, below = figure.subplots(2, len(matrices), sharey="row", squeeze=False)
    for axes, lines, (name, matrix) in zip(above, below, matrices.items(), strict=True):
        axes.imshow(matrix, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
        axes.set_title(name)
        _bare(axes)
        for column in columns:
            lines.plot(true[:, column], color=PALE, linewidth=3.2)
            lines.plot(matrix[:, column], color=ORANGE, linewidth=1.1)
        lines.set(xlabel="node", ylim=(min(-0.35 * largest, 1.1 * float(true.min())), 1.3 * largest))
    return svg(figure)


def _bare(axes: Axes) -> None:
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
