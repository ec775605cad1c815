"""Pictures of test samples: input, solution, prediction and difference."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Num
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from mlft.grids import Grid
from mlft.reports.drawing import BLUE, GREY, INK, ORANGE, PALE, legend_above, round_ticks, style, svg
from mlft.reports.wording import error

Array = np.ndarray
PLACES = ("10% quantile", "median", "90% quantile")
"""Where in the distribution of the test errors the shown samples stand."""


@final
@dataclass(frozen=True)
class Shown:
    """Three test samples on the finest grid.

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


def sample_figures(shown: Shown) -> dict[str, str]:
    """Return SVG files by name: one a sample in one dimension, one for all of them in two."""
    if shown.grid.dimension == 2:
        return {"samples": _images(shown)}
    return {f"sample-{i + 1}": _lines(shown, i) for i in range(len(shown.errors))}


@style()
def _lines(shown: Shown, i: int) -> str:
    figure = Figure(figsize=(3.5, 4.6), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(1, 2, 1))
    x = shown.grid.points[0]
    for channel, colour in zip(shown.inputs[i], (BLUE, GREY, INK, PALE), strict=False):
        top.plot(x, channel, color=colour)
    top.set_title("input")
    middle.plot(x, shown.solutions[i, 0], color=PALE, linewidth=3.4, label="solution")
    middle.plot(x, shown.predictions[i, 0], color=ORANGE, linewidth=1.2, label="prediction")
    legend_above(middle, 2)
    bottom.fill_between(x, shown.differences[i, 0], color=ORANGE, alpha=0.35, linewidth=0)
    bottom.plot(x, shown.differences[i, 0], color=ORANGE, linewidth=0.9)
    bottom.axhline(0, color=GREY, linewidth=0.7)
    bottom.set_title("prediction − solution")
    bottom.set(xlabel="x", xlim=(0, shown.grid.lengths[0]))
    _limits(top, shown.inputs)
    _limits(middle, np.concatenate([shown.solutions[:, :1], shown.predictions[:, :1]]))
    _limits(bottom, np.concatenate([shown.differences[:, :1], -shown.differences[:, :1]]))
    figure.suptitle(f"{PLACES[i]}: relative L2 error {error(float(shown.errors[i]))}", fontsize=9.5, weight="bold")
    return svg(figure)


@style()
def _images(shown: Shown) -> str:
    rows = len(shown.errors)
    aspect = shown.grid.lengths[1] / shown.grid.lengths[0]
    figure = Figure(figsize=(7.6, 0.8 + rows * (0.05 + 1.7 * min(max(aspect, 0.4), 1.8))), layout="constrained")
    axes = figure.subplots(rows, 4, sharex=True, sharey=True, squeeze=False)
    both = reach(np.concatenate([shown.solutions[:, 0], shown.predictions[:, 0]]))
    most = max(map(abs, reach(shown.differences[:, 0]))) or 1.0
    columns = (
        ("input", shown.inputs, "cividis", reach(shown.inputs[:, 0])),
        ("solution", shown.solutions, "viridis", both),
        ("prediction", shown.predictions, "viridis", both),
        ("prediction − solution", shown.differences, "RdBu_r", (-most, most)),
    )
    drawn = []
    for column, (title, fields, colours, limits) in enumerate(columns):
        axes[0, column].set_title(title)
        drawn.append([image(axes[i, column], fields[i, 0], shown.grid, colours, limits) for i in range(rows)])
    for i in range(rows):
        axes[i, 0].set_ylabel(f"{PLACES[i]}\nerror {error(float(shown.errors[i]))}", fontsize=9)
    for mapped, over in ((drawn[0][0], [0]), (drawn[1][0], [1, 2]), (drawn[3][0], [3])):
        bar = figure.colorbar(
            mapped, ax=list(axes[:, over].ravel()), location="bottom", aspect=14 * len(over), pad=0.02
        )
        bar.outline.set_visible(False)
        bar.locator = round_ticks(3 if len(over) == 1 else 6)
    return svg(figure)


def image(axes: Axes, field: Array, grid: Grid, colours: str, limits: tuple[float, float]) -> AxesImage:
    """Draw one field of a plane on axes without ticks."""
    extent = (0.0, grid.lengths[0], 0.0, grid.lengths[1])
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes.imshow(field.T, origin="lower", extent=extent, cmap=colours, vmin=limits[0], vmax=limits[1])


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
