"""Pictures of the Green's function that a surrogate has learned, and of the input that it knows least of."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlft.grids import Grid
from mlft.reports.drawing import NARROW, drawn, legend_above, round_ticks, shape_of
from mlft.reports.fields import bar_of, image, reach
from mlft.reports.palette import BLUE, GREY, INK, ORANGE, PALE

Array = np.ndarray


@drawn
def green_figure(
    width: float, matrix: Float[Array, "p k"], operator: Float[Array, "p k"], span: Float[Array, "k r"] | None = None
) -> Figure:
    """Return the matrices as images on one scale, and three of their columns over each other.

    Args:
        width: of the figure.
        matrix: the surrogate's.
        operator: the solver's.
        span: orthonormal basis of the span of the inputs, to show what of the surrogate's matrix lies on it.
    """
    shown = {"surrogate": matrix}
    if span is not None and span.shape[1]:
        shown["on the span"] = (matrix @ span) @ span.T
    shown["solver"] = operator
    figure, images, lines = _layout(width, len(shown))
    largest = float(np.abs(operator).max())
    for axes, (name, values) in zip(images, shown.items(), strict=True):
        axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest")
        axes.grid(False)
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, color=INK)
        axes.spines[:].set_visible(False)
    images[0].set_ylabel("point of the solution")
    images[0].set_xlabel("point of the input")
    bar_of(images[0].figure, images[-1].images[0], images, location="right", aspect=20)
    _columns(lines, shown, [round(operator.shape[1] * part) for part in (0.2, 0.5, 0.75)])
    legend_above(lines, 2 if width > NARROW else 3)
    return figure


def _layout(width: float, count: int) -> tuple[Figure, list[Axes], Axes]:
    """Return a figure with axes for images, and for lines: beside them, or below them on a narrow page."""
    wide = width > NARROW
    figure = Figure(figsize=(width, 2.9 if wide else 5.0), layout="constrained")
    if wide:
        parts = figure.subfigures(1, 2, width_ratios=(0.9 + 0.4 * count, 1.4), squeeze=False)
    else:
        parts = figure.subfigures(2, 1, height_ratios=(1, 1.3), squeeze=False)
    first, second = parts.ravel()
    return figure, list(first.subplots(1, count, squeeze=False)[0]), second.subplots()


def _columns(axes: Axes, shown: dict[str, Array], columns: Sequence[int]) -> None:
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
    axes.xaxis.set_major_locator(round_ticks(3, integer=True))


@drawn
def weakest_figure(width: float, weakest: Float[Array, "1 c *grid"], answers: dict[str, Array], grid: Grid) -> Figure:
    """Return the input of norm 1 that training inputs say least of, and what is answered to it.

    Args:
        width: of the figure.
        weakest: the input.
        answers: solutions for it, (channels, *grid), the solver's first, by name.
        grid: the finest.
    """
    figure = Figure(figsize=(width, 2.6 if grid.dimension == 1 else _high(width, grid)), layout="constrained")
    if grid.dimension == 2:
        _images(figure, weakest, answers, grid)
        return figure
    if width > NARROW:
        left, right = figure.subplots(1, 2)
    else:
        figure.set_size_inches(width, 4.6)
        left, right = figure.subplots(2, 1)
    left.plot(grid.points[0], weakest[0, 0], color=BLUE)
    left.set_title("input")
    for (name, field), (colour, wide) in zip(answers.items(), ((PALE, 3.4), (ORANGE, 1.2)), strict=True):
        right.plot(grid.points[0], field[0], color=colour, linewidth=wide, label=name)
    legend_above(right, 2)
    for axes in (left, right):
        axes.set(xlabel="x", xlim=grid.bounds[0])
        axes.yaxis.set_major_locator(round_ticks(4))
    return figure


def _high(width: float, grid: Grid) -> float:
    return 1.1 + (width - 0.6) / 3 * shape_of(grid.lengths[1] / grid.lengths[0])


def _images(figure: Figure, weakest: Array, answers: dict[str, Array], grid: Grid) -> None:
    every = list(figure.subplots(1, 1 + len(answers)))
    fields = [weakest[0, 0], *(field[0] for field in answers.values())]
    both = reach(np.stack(fields[1:]))
    limits = [reach(fields[0]), *[both] * len(answers)]
    for axes, field, name, ends in zip(every, fields, ("input", *answers), limits, strict=True):
        image(axes, field, grid, "viridis", ends)
        axes.set_title(name)
    bar_of(figure, every[0].images[0], every[:1], location="bottom", aspect=14).locator = round_ticks(2)
    bar_of(figure, every[1].images[0], every[1:], location="bottom", aspect=28)
