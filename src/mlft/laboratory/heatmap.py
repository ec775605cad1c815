"""Matrices of errors as pictures: training spaces down, test spaces across."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from mlft.reports.drawing import round_ticks, style, svg
from mlft.reports.palette import INK

Array = np.ndarray

LOWEST = -32.0


@final
@dataclass(frozen=True)
class Panel:
    """One matrix of a figure.

    Attributes:
        title: written above.
        values: errors; their decimal logarithm is drawn.
        inside: cells that theory calls exact for a linear map; each gets a dot.
    """

    title: str
    values: Float[Array, "n n"]
    inside: Bool[Array, "n n"]


@style()
def heat_maps(
    panels: Sequence[Panel], names: Sequence[str], families: Sequence[str], *, label: str, across: int = 4
) -> str:
    """Return the matrices beside each other, on one colour scale.

    Args:
        panels: the matrices.
        names: of the spaces, in the order of the rows.
        families: of the spaces; white lines part them.
        label: what the colours mean.
        across: matrices a row.
    """
    columns = min(across, len(panels))
    rows = -(-len(panels) // columns)
    single = len(panels) == 1
    side = 5.6 if single else 9.6 / columns
    figure = Figure(figsize=(side * columns + 1.1, side * 1.12 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    logs = [np.log10(np.maximum(panel.values, 10**LOWEST)) for panel in panels]
    limits = float(np.nanmin(np.stack(logs))), float(np.nanmax(np.stack(logs)))
    for axes, panel, log in zip(grid.ravel(), panels, logs, strict=False):
        image = _panel(axes, panel, log, limits)
        _families(axes, families)
        if single:
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6.5)
            axes.set_yticks(range(len(names)), names, fontsize=6.5)
            axes.set(xlabel="tested on", ylabel="trained on")
    for axes in grid.ravel()[len(panels) :]:
        axes.set_visible(False)
    bar = figure.colorbar(image, ax=list(grid.ravel()), aspect=30, pad=0.01, label=label)
    bar.outline.set_visible(False)
    bar.locator = round_ticks(8, integer=True)
    return svg(figure)


def _panel(axes: Axes, panel: Panel, log: Array, limits: tuple[float, float]) -> AxesImage:
    image = axes.imshow(log, cmap="viridis", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    train, test = np.nonzero(panel.inside)
    axes.plot(test, train, linestyle="none", marker="o", markersize=1.6, color="white", markeredgecolor="none")
    axes.set_title(panel.title)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image


def _families(axes: Axes, families: Sequence[str]) -> None:
    """Part the families by lines and name them on both axes."""
    starts = [i for i, family in enumerate(families) if not i or family != families[i - 1]]
    for start in starts[1:]:
        axes.axvline(start - 0.5, color="white", linewidth=1.2)
        axes.axhline(start - 0.5, color="white", linewidth=1.2)
    ends = [*starts[1:], len(families)]
    middles = [(start + end - 1) / 2 for start, end in zip(starts, ends, strict=True)]
    named = [families[start] for start in starts]
    axes.set_xticks(middles, named, fontsize=7.5, color=INK)
    axes.set_yticks(middles, named, fontsize=7.5, color=INK)
