"""Pictures of test samples: input, solution, prediction and difference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float, Num
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure, FigureBase
from matplotlib.image import AxesImage

from mlft.experiment.record import PLACES
from mlft.grids import Grid
from mlft.reports.drawing import NARROW, Drawing, drawn, legend_of_all, round_ticks, shape_of
from mlft.reports.palette import BLUE, GREY, INK, ORANGE, PALE
from mlft.reports.wording import error

Array = np.ndarray
NAMES = tuple(PLACES)
"""Where in the distribution of the test errors the shown samples stand; older records have no worst one."""

COLOURS = (BLUE, ORANGE, GREY, INK, PALE)
"""Of the channels of a field on a line, in this order; further ones are not drawn."""


@final
@dataclass(frozen=True)
class Shown:
    """A few test samples on the finest grid, in the order of `NAMES`.

    Attributes:
        errors: their relative L2 errors.
        inputs, solutions, predictions: their fields.
        grid: the finest grid.
    """

    errors: Float[Array, " n"]
    inputs: Num[Array, "n c *grid"]
    solutions: Num[Array, "n k *grid"]
    predictions: Num[Array, "n k *grid"]
    grid: Grid

    @property
    def differences(self) -> Num[Array, "n k *grid"]:
        """Prediction − solution."""
        return self.predictions - self.solutions


def sample_figure(shown: Shown) -> Drawing:
    """Return a column a sample: lines in one dimension, images in two; two columns on a narrow page."""
    return _lines(shown) if shown.grid.dimension == 1 else _images(shown)


@drawn
def _lines(width: float, shown: Shown) -> Figure:
    blocks = _blocks(len(shown.errors), width)
    figure = Figure(figsize=(width, 0.3 + 4.3 * len(blocks)), layout="constrained")
    every = figure.subplots(3 * len(blocks), len(blocks[0]), squeeze=False, height_ratios=(1, 2, 1) * len(blocks))
    for b, block in enumerate(blocks):
        for column in range(len(blocks[0])):
            three = every[3 * b : 3 * b + 3, column]
            if column >= len(block):
                _blank(three)
                continue
            _one_line(three, shown, block[column])
            three[0].set_title("input" if not column else "")
            three[2].set_title("prediction − solution" if not column else "")
            _head(three[0], shown, block[column])
    several = shown.inputs.shape[1] > 1
    legend_of_all(figure, [every[1, 0], *([every[0, 0]] if several else [])], 3 if width > NARROW else 2)
    return figure


def _one_line(three: Iterable[Axes], shown: Shown, i: int) -> None:
    """Draw input, solution with prediction, and difference of a sample; each has one scale in all samples."""
    x, (top, middle, bottom) = shown.grid.points[0], tuple(three)
    channels(top, shown.inputs[i], shown.grid, "input")
    middle.plot(x, shown.solutions[i, 0], color=PALE, linewidth=3.4, label="solution")
    middle.plot(x, shown.predictions[i, 0], color=ORANGE, linewidth=1.2, label="prediction")
    bottom.fill_between(x, shown.differences[i, 0], color=ORANGE, alpha=0.35, linewidth=0)
    bottom.plot(x, shown.differences[i, 0], color=ORANGE, linewidth=0.9)
    bottom.axhline(0, color=GREY, linewidth=0.7)
    for axes in (top, middle, bottom):
        axes.set_xlim(*shown.grid.bounds[0])
        axes.xaxis.set_major_locator(round_ticks(3))
        axes.tick_params(labelbottom=axes is bottom)
    bottom.set_xlabel("x")
    _limits(top, shown.inputs)
    _limits(middle, np.concatenate([shown.solutions[:, :1], shown.predictions[:, :1]]))
    _limits(bottom, np.concatenate([shown.differences[:, :1], -shown.differences[:, :1]]))


def channels(axes: Axes, field: Num[Array, "c points"], grid: Grid, name: str) -> None:
    """Draw the channels of a field on a line, each in its colour, named where there are several."""
    for i, (channel, colour) in enumerate(zip(field, COLOURS, strict=False)):
        label = f"{name}, channel {i}" if len(field) > 1 else name
        axes.plot(grid.points[0], channel, color=colour, label=label)


@drawn
def _images(width: float, shown: Shown) -> Figure:
    blocks = _blocks(len(shown.errors), width)
    columns = len(blocks[0])
    box = shown.grid.lengths[1] / shown.grid.lengths[0]
    side = (width - 0.75) / columns
    high = len(blocks) * (0.45 + 4 * (0.24 + side * shape_of(box)))
    figure = Figure(figsize=(width, high), layout="constrained")
    every = figure.subplots(4 * len(blocks), columns, squeeze=False)
    for b, block in enumerate(blocks):
        for row, (title, fields, colours, limits) in enumerate(_quantities(shown)):
            line = every[4 * b + row]
            for axes, i in zip(line, block, strict=False):
                drawing = image(axes, fields[i, 0], shown.grid, colours, limits)
                if box != shape_of(box):
                    axes.set_aspect("auto")
            bar_of(figure, drawing, list(line), location="right", aspect=12)
            _blank(line[len(block) :])
            line[0].set_title(title)
        for axes, i in zip(every[4 * b], block, strict=False):
            _head(axes, shown, i)
    return figure


def _quantities(shown: Shown) -> list[tuple[str, Array, str, tuple[float, float]]]:
    """Return what is shown of each sample: a title, fields, colours and their limits, which all samples share."""
    both = reach(np.concatenate([shown.solutions[:, 0], shown.predictions[:, 0]]))
    most = max(map(abs, reach(shown.differences[:, 0]))) or 1.0
    return [
        ("input", shown.inputs, "cividis", reach(shown.inputs[:, 0])),
        ("solution", shown.solutions, "viridis", both),
        ("prediction", shown.predictions, "viridis", both),
        ("prediction − solution", shown.differences, "RdBu_r", (-most, most)),
    ]


def _blocks(count: int, width: float) -> list[range]:
    """Return the samples of each block of rows: all beside each other, or two by two on a narrow page."""
    columns = count if width > NARROW else min(2, count)
    return [range(first, min(first + columns, count)) for first in range(0, count, columns)]


def _head(axes: Axes, shown: Shown, i: int) -> None:
    text = f"{NAMES[i]}\nerror {error(float(shown.errors[i]))}"
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "weight": "bold"}
    axes.annotate(text, (0, 1), xytext=(0, 17), va="bottom", **place)


def _blank(every: Iterable[Axes]) -> None:
    for axes in every:
        axes.set_axis_off()


def image(axes: Axes, field: Array, grid: Grid, colours: str, limits: tuple[float, float]) -> AxesImage:
    """Draw one field of a plane on axes without ticks."""
    extent = (*grid.bounds[0], *grid.bounds[1])
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes.imshow(field.T, origin="lower", extent=extent, cmap=colours, vmin=limits[0], vmax=limits[1])


def bar_of(figure: FigureBase, drawing: AxesImage, axes: Sequence[Axes], *, location: str, aspect: float) -> Colorbar:
    """Draw the colour bar of an image beside or below axes, with a few round ticks."""
    bar = figure.colorbar(drawing, ax=list(axes), location=location, aspect=aspect, pad=0.02)
    bar.outline.set_visible(False)
    bar.locator = round_ticks(4)
    return bar


def _limits(axes: Axes, values: Array) -> None:
    low, high = reach(values)
    pad = 0.07 * (high - low)
    axes.set_ylim(low - pad, high + pad)
    axes.yaxis.set_major_locator(round_ticks(4))


def reach(values: Array) -> tuple[float, float]:
    """Return the smallest and largest finite value, a little apart where they are one."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
