"""The look of every figure, and how one becomes SVG text: the same bytes each time, no clock, no global settings."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mlft.reports.wording import number

# Wong (2011), Nature Methods 8, 441: eight colours that colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, GREY, INK, PALE = "#0072b2", "#d55e00", "#009e73", "#7a8594", "#1c2430", "#b4bcc6"

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mlft",
    "text.parse_math": False,
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e7ec",
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.4,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw with this package's settings, whatever the user's are, and leave the user's as they were."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def svg(figure: Figure) -> str:
    """Return a figure as the text of an SVG file; to be called inside `style()`."""
    buffer = BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", dpi=200, metadata=nothing)
    return buffer.getvalue().decode()


def inline(text: str, name: str, alt: str) -> str:
    """Return an SVG file's text as an element of a page: names of its own, nothing from outside, an alternative text.

    Args:
        text: what `svg` returned.
        name: put before every id, so that the figures of a page do not share any.
        alt: what the figure shows, for those who do not see it.
    """
    body = text[text.index("<svg") :]
    body = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>| xmlns(:\w+)?=\"[^\"]*\"", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", body)
    return body.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)


def error_axis(axes: Axes, which: Literal["x", "y"], values: Sequence[float], label: str) -> bool:
    """Scale the axis of an error: logarithmic if the positive values span a factor of five, else linear from zero.

    Returns whether it is logarithmic.
    """
    finite = [v for v in values if np.isfinite(v)]
    span = max(finite) / min(finite) if finite and min(finite) > 0 else 1.0
    axis, set_limits = (axes.xaxis, axes.set_xlim) if which == "x" else (axes.yaxis, axes.set_ylim)
    if span < 5:
        set_limits(0, 1.12 * max([*finite, 0.0]) or 1.0)
        axis.set_major_locator(round_ticks(5))
    else:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if span < 100 else (1.0,)))
        axis.set_minor_formatter(NullFormatter())
        set_limits(min(finite) / span**0.08, max(finite) * span**0.1)
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
    axis.set_label_text(f"{label}, log scale" if span >= 5 else label)
    return span >= 5


def round_ticks(most: int, *, integer: bool = False) -> MaxNLocator:
    """Return ticks at multiples of 1, 2 or 5, about `most` of them."""
    return MaxNLocator(most, steps=[1, 2, 5, 10], integer=integer)


def legend_above(axes: Axes, columns: int) -> None:
    """Put the legend over the axes, where it covers nothing; none where nothing is named."""
    if not axes.get_legend_handles_labels()[1]:
        return
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=columns, handlelength=1.6, columnspacing=1.2
    )
