"""The test draws that a run keeps, as one figure for a notebook or a paper."""

import io
from collections.abc import Sequence
from typing import final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlft.errors import ConfigError
from mlft.experiment.finished import Record
from mlft.experiment.record import read_bands, read_evaluation
from mlft.grids import Grid
from mlft.reports.drawing import round_ticks, style
from mlft.reports.fields import NAMES, Shown, image, reach
from mlft.reports.palette import BLUE, GREY, INK, ORANGE, PALE
from mlft.reports.sure import LEVEL
from mlft.reports.wording import error, share
from mlft.uncertainty import Banded, Bands


@final
class Drawn(Figure):
    """A figure that a notebook shows as it is, whatever its settings are."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with style():
            self.savefig(buffer, format="png", dpi=130)
        return buffer.getvalue()


@style()
def plot(record: Record, level: float | None = None) -> Figure:
    """Return a figure of the test draws that a finished run keeps: little, median, much and worst error.

    A row a draw: the input, the solution, the prediction with its band of points, and prediction − solution within that
    band. In the plane these are images, and the half-width of the band is one of its own. Of several channels the first
    of the solution is drawn. `figure.savefig("draws.pdf")` keeps it.

    Args:
        record: of `mlft.run`, or `mlft.Record.load`.
        level: of the bands, as in `record.predict(inputs, uncertainty=level)`; by default 0.9, or the highest below it
            that the run's draws support. A run that keeps no bands is drawn without.

    Raises:
        ConfigError: for a level that the run's bands are not calibrated at, naming those that they are.
        MlftError: if the run's evaluation, or its bands, are damaged.
    """
    kept, grid = read_evaluation(record.folder), record.outcome.grid
    shown = Shown(kept["errors"][kept["chosen"]], kept["inputs"], kept["solutions"], kept["predictions"], grid)
    bands = read_bands(record.folder, grid)
    try:
        banded = None if bands is None else bands.about(shown.predictions, _level(bands) if level is None else level)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None
    return _lines(shown, banded) if grid.dimension == 1 else _images(shown, banded)


def _level(bands: Bands) -> float:
    return max([float(level) for level in bands.levels if level <= LEVEL], default=float(bands.levels[0]))


def _lines(shown: Shown, banded: Banded | None) -> Figure:
    rows = len(shown.errors)
    figure = Drawn(figsize=(9.0, 0.6 + 2.1 * rows), layout="constrained")
    every = figure.subplots(rows, 3, sharex=True, sharey="col", squeeze=False)
    for i, axes in enumerate(every):
        _row(list(axes), shown, banded, i)
    for axes, title in zip(every[0], ("input", "solution and prediction", "prediction − solution"), strict=True):
        axes.set_title(title)
    for axes in every[-1]:
        axes.set(xlabel="x", xlim=shown.grid.bounds[0])
    figure.legend(*every[0][1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _row(axes: Sequence[Axes], shown: Shown, banded: Banded | None, i: int) -> None:
    """Draw a sample of a line: its input, its solution and prediction, their difference."""
    x, value = shown.grid.points[0], shown.predictions[i, 0]
    left, middle, right = axes
    for channel, colour in zip(shown.inputs[i], (BLUE, GREY, INK, PALE), strict=False):
        left.plot(x, channel, color=colour)
    left.set_ylabel(_words(shown, i))
    if banded is not None:
        width = banded.half_width[0]
        middle.fill_between(x, value - width, value + width, color=BLUE, alpha=0.25, linewidth=0, label=_band(banded))
        right.fill_between(x, -width, width, color=BLUE, alpha=0.25, linewidth=0)
    middle.plot(x, shown.solutions[i, 0], color=INK, linewidth=1.1, label="solution")
    middle.plot(x, value, color=ORANGE, linewidth=1.3, label="prediction")
    right.plot(x, shown.differences[i, 0], color=ORANGE, linewidth=0.9)
    right.axhline(0, color=GREY, linewidth=0.7)
    for each in axes:
        each.yaxis.set_major_locator(round_ticks(4))


def _images(shown: Shown, banded: Banded | None) -> Figure:
    rows, both = len(shown.errors), reach(np.concatenate([shown.solutions[:, 0], shown.predictions[:, 0]]))
    most = max(map(abs, reach(shown.differences[:, 0]))) or 1.0
    columns = [
        ("input", shown.inputs[:, 0], "cividis", reach(shown.inputs[:, 0])),
        ("solution", shown.solutions[:, 0], "viridis", both),
        ("prediction", shown.predictions[:, 0], "viridis", both),
        ("prediction − solution", shown.differences[:, 0], "RdBu_r", (-most, most)),
    ]
    if banded is not None:
        width = np.broadcast_to(banded.half_width[0], shown.solutions[:, 0].shape)
        columns.append((f"half-width of the {_band(banded)}", width, "cividis", (0.0, reach(width)[1])))
    aspect = min(max(shown.grid.lengths[1] / shown.grid.lengths[0], 0.4), 1.8)
    figure = Drawn(figsize=(2.2 * len(columns), 0.9 + rows * 2.0 * aspect), layout="constrained")
    every = figure.subplots(rows, len(columns), squeeze=False)
    for column, (title, fields, colours, limits) in enumerate(columns):
        every[0, column].set_title(title)
        _column(figure, every[:, column], fields, shown.grid, (colours, limits))
    for i in range(rows):
        every[i, 0].set_ylabel(_words(shown, i))
    return figure


def _column(
    figure: Figure, every: np.ndarray, fields: np.ndarray, grid: Grid, scale: tuple[str, tuple[float, float]]
) -> None:
    """Draw one field of each sample, and their colours below."""
    drawn = [image(axes, field, grid, *scale) for axes, field in zip(every, fields, strict=True)]
    bar = figure.colorbar(drawn[0], ax=list(every), location="bottom", aspect=14, pad=0.02)
    bar.outline.set_visible(False)
    bar.locator = round_ticks(3)


def _words(shown: Shown, i: int) -> str:
    return f"{NAMES[i]}\nerror {error(float(shown.errors[i]))}"


def _band(banded: Banded) -> str:
    return f"{share(banded.level)} band"
