"""How sure a prediction is: in a sentence, as a picture of a draw with its bands, and as a table of levels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlft.experiment.outcome import BandFacts, Interval, Outcome, Sure
from mlft.grids import Grid
from mlft.reports.drawing import NARROW, drawn, legend_above, round_ticks, shape_of
from mlft.reports.fields import Shown, bar_of, image, reach
from mlft.reports.page import Cell, Column, Section, figure, paragraph, section, stacked, table
from mlft.reports.palette import BLUE, INK, ORANGE
from mlft.reports.wording import error, known, number, share
from mlft.uncertainty import Banded, Bands

Array = np.ndarray

LEVEL = 0.9
"""That is told and drawn, where it is supported."""

MEDIAN = 1
"""Which of the samples that a run keeps is drawn."""

_NONE = "How sure a prediction is was not measured: that takes four fresh draws, and a version of mlft that does."


def sure_lines(facts: Outcome) -> list[str]:
    """Return in a sentence how far a prediction errs at most, how often, and whether it held; none for old records."""
    if facts.sure is None:
        return []
    told = facts.sure.at(LEVEL)
    return [
        f"Of predictions {share(told.level)} err by at most {error(told.error)} (relative L2), calibrated on "
        f"{number(facts.sure.calibrated)} fresh draws; of {number(facts.sure.measured)} others "
        f"{_covered(told.errors_covered)} did."
    ]


def sure(facts: Outcome, shown: Shown, bands: Bands | None) -> Section:
    """Return how sure predictions are; a sentence for a record without it.

    Args:
        facts: of the run.
        shown: the samples that it keeps.
        bands: that it keeps; None where it has none.
    """
    heading = "How sure?"
    if facts.sure is None or bands is None:
        return section(heading, paragraph(_NONE, "soft")), {}
    told = facts.sure.at(LEVEL)
    found = bands.about(shown.predictions[[MEDIAN]].astype(np.float64), told.level)
    words, told_so = paragraph(" ".join(sure_lines(facts))), paragraph(_how(facts.sure), "soft")
    if not np.isfinite([found.band, found.half_width]).all():
        return section(heading, words, _table(facts.sure, bands), told_so), {}
    drawings = {"sure": band_figure(found, shown.solutions[MEDIAN].astype(np.float64), shown.grid)}
    alt = f"A prediction with its bands at {share(told.level)}, and the solution"
    picture = figure(drawings, _caption(shown.grid, told), alt=alt)
    return section(heading, words, picture, _table(facts.sure, bands), told_so), drawings


@drawn
def band_figure(width: float, found: Banded, solution: Float[Array, " k *grid"], grid: Grid) -> Figure:
    """Return a prediction with its bands and the solution: lines in one dimension, images in two.

    Images are as high as their box is, beside titles and colour bars, from 0.4 to 1.8 times its width; one that is
    thinner fills that. On a narrow page they stand below each other.
    """
    if grid.dimension == 1:
        figure = Figure(figsize=(width, 3.6), layout="constrained")
        _lines(figure.subplots(), found, solution, grid)
        legend_above(figure.axes[0], 4 if width > NARROW else 2)
        return figure
    box = grid.lengths[1] / grid.lengths[0]
    aspect = shape_of(box)
    wide = width > NARROW
    figure = Figure(
        figsize=(width, 0.95 + 2.4 * aspect if wide else 0.2 + 3 * (0.3 + 2.9 * aspect)), layout="constrained"
    )
    every = list(figure.subplots(*(1, 3) if wide else (3, 1)))
    _images(every, found, solution, grid)
    for axes in every:
        bar = bar_of(figure, axes.images[0], [axes], location="bottom" if wide else "right", aspect=20)
        bar.locator = round_ticks(3)
        if box != aspect:
            axes.set_aspect("auto")
    return figure


def _lines(axes: Axes, found: Banded, solution: Array, grid: Grid) -> None:
    x, value = grid.points[0], found.value[0, 0]
    for width, label, alpha in ((found.band[0], "whole field", 0.14), (found.half_width[0], "points", 0.3)):
        label = f"{share(found.level)} band, {label}"
        axes.fill_between(x, value - width, value + width, color=BLUE, alpha=alpha, linewidth=0, label=label)
    axes.plot(x, solution[0], color=INK, linewidth=1.1, label="solution")
    axes.plot(x, value, color=ORANGE, linewidth=1.3, label="prediction")
    axes.set(xlabel="x", xlim=grid.bounds[0])
    axes.yaxis.set_major_locator(round_ticks(5))


def _images(every: Sequence[Axes], found: Banded, solution: Array, grid: Grid) -> None:
    missed = np.abs(found.value[0, 0] - solution[0])
    half, whole = found.half_width[0], found.band[0]
    most = reach(np.stack([missed, half]))[1]
    columns = (
        ("|prediction − solution|", missed, "cividis", (0.0, most)),
        (f"half-width of points, {share(found.level)}", half, "cividis", (0.0, most)),
        ("the same / half-width of whole field", missed / whole, "RdBu_r", (0.0, 2.0)),
    )
    for axes, (title, field, colours, limits) in zip(every, columns, strict=True):
        axes.set_title(title)
        image(axes, field, grid, colours, limits)


def _caption(grid: Grid, told: BandFacts) -> str:
    often = f"In the mean {share(told.level)} of the points of a solution are within"
    whole = f"whole solutions are within the wider one, everywhere, with probability {share(told.level)}"
    if grid.dimension == 1:
        return f"The median draw of those above. {often} the darker band about the prediction; {whole}."
    return (
        f"The median draw of those above. {often} the half-width of the second picture about the prediction. "
        "Third: what the prediction is off, over the half-width within which a whole solution is with probability "
        f"{share(told.level)}; red is outside."
    )


def _table(facts: Sure, bands: Bands) -> str:
    columns = (
        Column("Level"),
        Column("Error at most", "relative L2"),
        Column("held for", "of the others"),
        Column("Half-width", "of points, mean"),
        Column("held for", "of their points"),
        Column("Half-width", "of whole fields, mean"),
        Column("held for", "of the others"),
    )
    scale = float(np.mean(bands.scale))
    caption = (
        f"Bounds calibrated on {number(facts.calibrated)} draws, and what share of {number(facts.measured)} other "
        "draws they hold for, with 95% intervals; half-widths in the units of the solution"
    )
    return table(caption, columns, [_row(one, scale) for one in facts.bands])


def _row(told: BandFacts, scale: float) -> Sequence[Cell]:
    return [
        share(told.level),
        error(told.error),
        _stacked(told.errors_covered),
        number(known(told.points) * scale),
        _stacked(told.points_covered),
        number(known(told.fields) * scale),
        _stacked(told.fields_covered),
    ]


def _stacked(found: Interval) -> Cell:
    return stacked(share(found.value), f"{share(found.lower)} to {share(found.upper)}")


def _covered(found: Interval) -> str:
    return f"{share(found.value)} ({share(found.lower)} to {share(found.upper)})"


def _how(facts: Sure) -> str:
    return (
        f"By split-conformal prediction: {number(facts.scaled)} further fresh draws gave a typical residual at each "
        f"point, which the half-widths are multiples of; {number(facts.calibrated)} draws support levels up to "
        f"{100 * facts.highest:.1f}% (`--test` asks for more). The levels hold in the mean over calibrations, for "
        "inputs of the law that was trained on; they say nothing of other inputs. `record.predict(inputs, "
        "uncertainty=0.9)` and `mlft predict --uncertainty 0.9` give the bands of a prediction."
    )
