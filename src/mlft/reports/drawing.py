"""The look of every figure, and how one becomes SVG text: the same bytes each time, no clock, no global settings."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from html import escape
from io import BytesIO
from typing import Any, Concatenate, Literal, ParamSpec, final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mlft.reports.palette import GREY, INK, MESH, themed
from mlft.reports.wording import number

WIDE, NARROW = 7.6, 3.8
"""Inches that a figure is wide on a wide page, and on a narrow one (of 400 points, less its margins)."""

SIZE = 9.0
"""Points of every letter of a figure: 12 px, since a page shows figures at the size that they are drawn at."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mlft",
    "text.parse_math": False,
    "font.size": SIZE,
    "figure.titlesize": SIZE,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": SIZE,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": MESH,
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "legend.frameon": False,
    "legend.fontsize": SIZE,
    "lines.linewidth": 1.4,
}

P = ParamSpec("P")


@final
@dataclass(frozen=True)
class Drawing:
    """A figure as the texts of two SVG files: for a wide page, and drawn anew for a narrow one."""

    wide: str
    narrow: str


def drawn(draw: Callable[Concatenate[float, P], Figure]) -> Callable[P, Drawing]:
    """Return a function that draws at both widths, from one whose first argument is the width in inches."""

    @wraps(draw)
    def both(*args: P.args, **options: P.kwargs) -> Drawing:
        return at_both_widths(lambda width: draw(width, *args, **options))

    return both


def at_both_widths(draw: Callable[[float], Figure]) -> Drawing:
    """Return a figure of a wide page, and of a narrow one."""
    with style():
        return Drawing(*(svg(draw(width)) for width in (WIDE, NARROW)))


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
    figure.set_dpi(200)  # of the images in it
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)  # `savefig` would draw twice, the first time for naught
    return buffer.getvalue().decode()


def inline(text: str, name: str, alt: str, *, kind: str = "") -> str:
    """Return an SVG file's text as an element of a page: names and colours of its own, nothing from outside.

    Args:
        text: what `svg` returned.
        name: put before every id, so that the figures of a page do not share any.
        alt: what the figure shows, for those who do not see it.
        kind: a class of the element.
    """
    body = text[text.index("<svg") :]
    body = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>| xmlns(:\w+)?=\"[^\"]*\"", "", body, flags=re.DOTALL)
    body = re.sub(r' id="image[0-9a-f]+"', "", body)  # of its content: two alike would share it
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", body)
    kind = f' class="{kind}"' if kind else ""
    return themed(body).replace("<svg", f'<svg{kind} role="img" aria-label="{escape(alt)}"', 1)


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


def legend_of_all(figure: Figure, some: Sequence[Axes], columns: int) -> None:
    """Put the legends of some of several axes over all of them."""
    found = [axes.get_legend_handles_labels() for axes in some]
    handles, labels = ([one for each in parts for one in each] for parts in zip(*found, strict=True))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=1.6, columnspacing=1.2)


def shape_of(box: float) -> float:
    """Return the height over the width that a field's picture has: the box's own, from 0.4 to 1.8."""
    return min(max(box, 0.4), 1.8)
