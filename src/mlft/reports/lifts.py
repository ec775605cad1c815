"""What became of the labels of coarse levels: a section of a run's report."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlft.experiment.outcome import Interval, LiftFacts, Outcome
from mlft.grids import Grid
from mlft.reports.drawing import NARROW, Drawing, drawn, legend_above, shape_of
from mlft.reports.fields import bar_of, image, reach
from mlft.reports.page import Cell, Column, Section, figure, paragraph, section, stacked, table
from mlft.reports.palette import BLUE, GREY, ORANGE, PALE
from mlft.reports.wording import error, interval, number

NAMES = ("coarse", "lifted", "fine")
"""What is shown of a coupled draw, in the order of its arrays."""


def lifts(facts: Outcome, evaluation: dict[str, np.ndarray]) -> Section:
    """Return label errors before and after the lift, level by level, and one sample of each; nothing without lifts."""
    if not facts.lifts:
        return "", {}
    columns = (
        Column("Level"),
        Column("Grid", "cells"),
        Column("For", "cells"),
        Column("Lift", text=True),
        Column("Before", "relative L2"),
        Column("After", "relative L2"),
        Column("Of the mean", "relative L2"),
        Column("Judged", "draws"),
        Column("Used", "draws"),
    )
    rows = [_row(row, facts) for row in facts.lifts]
    caption = (
        "Mean relative L2 distance of a level's labels from the solutions of the grid they are made fit for, with 95% "
        "intervals; after the lift each draw is judged by correctors that did not see it. Of the mean: what labels "
        "without any solve on the level would have"
    )
    fields = {row.level: evaluation[f"lift-{row.level}"] for row in facts.lifts}
    drawings = {f"lift-{row.level}": _picture(row, fields[row.level], facts) for row in facts.lifts}
    shown = figure(drawings, _caption(facts.grid), alt=_alt(facts))
    return section("Labels, lifted", table(caption, columns, rows), *_words(facts), shown), drawings


def _row(row: LiftFacts, facts: Outcome) -> list[Cell]:
    grids = [level.grid for level in facts.levels]
    return [
        *[number(row.level), grids[row.level], grids[row.target], row.name],
        *[_with_interval(row.raw), _with_interval(row.lifted), error(row.mean.value)],
        *[number(row.draws), number(row.samples)],
    ]


def _with_interval(found: Interval) -> Cell:
    if found.value is None or found.lower is None:
        return error(found.value)
    return stacked(error(found.value), interval(found.lower, found.upper))


def _words(facts: Outcome) -> list[str]:
    """Return what the table does not say: what was tried, how long it took, which level gives no labels."""
    told = []
    for row in facts.lifts:
        others = [f"{name}: {error(left) if isinstance(left, float) else left}" for name, left in row.tried.items()]
        took = f" ({number(row.cpu_seconds)} s of CPU time)" if row.cpu_seconds >= 0.1 else ""
        told.append(f"Level {row.level}: {row.name}{took}, of {'; '.join(others) or 'nothing else'}.")
        if not row.samples:
            told[-1] += " None of its labels is used: finer ones are known, or they say no more than the mean solution."
    return [paragraph(" ".join(told), "soft")]


def _caption(grid: Grid) -> str:
    words = (
        "One draw that was solved on both grids, of median error after the lift: what the coarse grid says, what the "
        "lift makes of it without having seen this draw, and what the fine grid says."
    )
    return words if grid.dimension == 1 else words + " The last two pictures are differences from the fine grid."


def _alt(facts: Outcome) -> str:
    return "One draw on a coarse grid, lifted, and on the fine grid: " + "; ".join(
        f"level {row.level}, label error {error(row.raw.value)} before and {error(row.lifted.value)} after"
        for row in facts.lifts
    )


def _picture(row: LiftFacts, fields: Float[np.ndarray, "three k *grid"], facts: Outcome) -> Drawing:
    title = f"{facts.levels[row.level].grid} cells for {facts.levels[row.target].grid}: {row.name}"
    return (
        _lines(fields[:, 0], facts.grid, title)
        if facts.grid.dimension == 1
        else _images(fields[:, 0], facts.grid, title)
    )


@drawn
def _lines(width: float, fields: Float[np.ndarray, "three points"], grid: Grid, title: str) -> Figure:
    drawing = Figure(figsize=(width, 4.0), layout="constrained")
    top, bottom = drawing.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    coarse, lifted, fine = fields
    top.plot(grid.points[0], fine, color=PALE, linewidth=3.4, label="fine")
    top.plot(grid.points[0], coarse, color=BLUE, linewidth=1.0, label="coarse")
    top.plot(grid.points[0], lifted, color=ORANGE, linewidth=1.2, label="lifted")
    legend_above(top, 3)
    bottom.plot(grid.points[0], coarse - fine, color=BLUE, linewidth=0.9)
    bottom.plot(grid.points[0], lifted - fine, color=ORANGE, linewidth=0.9)
    bottom.axhline(0, color=GREY, linewidth=0.7)
    bottom.set_title("minus fine")
    bottom.set(xlabel="x", xlim=grid.bounds[0])
    drawing.suptitle(title, weight="bold", x=0.01, ha="left")
    return drawing


@drawn
def _images(width: float, fields: Float[np.ndarray, "three rows columns"], grid: Grid, title: str) -> Figure:
    box = grid.lengths[1] / grid.lengths[0]
    wide = width > NARROW
    high = 1.0 + width / 5 * shape_of(box) if wide else 0.4 + 2 * (0.8 + width / 3 * shape_of(box))
    drawing = Figure(figsize=(width, high), layout="constrained")
    if wide:
        every = list(drawing.subplots(1, 5))
    else:
        rows = [part.subplots(1, 3) for part in drawing.subfigures(2, 1, squeeze=False)[:, 0]]
        rows[1][2].set_axis_off()
        every = [*rows[0], *rows[1][:2]]
    _draw(every, fields, grid)
    for over in (every[:3], every[3:]):
        bar_of(over[0].figure, over[0].images[0], over, location="bottom", aspect=14 * len(over))
    drawing.suptitle(title, weight="bold", x=0.01, ha="left")
    return drawing


def _draw(every: list[Axes], fields: Float[np.ndarray, "three rows columns"], grid: Grid) -> None:
    """Draw the three fields, and what two of them are off."""
    differences = fields[:2] - fields[2]
    most = max(map(abs, reach(differences))) or 1.0
    shown = [(field, "viridis", reach(fields)) for field in fields]
    shown += [(field, "RdBu_r", (-most, most)) for field in differences]
    names = (*NAMES, "coarse − fine", "lifted − fine")
    for axes, (field, colours, limits), name in zip(every, shown, names, strict=True):
        image(axes, field, grid, colours, limits)
        axes.set_title(name)
