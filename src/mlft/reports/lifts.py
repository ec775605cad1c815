"""What became of the labels of coarse levels: a section of a run's report."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from mlft.experiment.outcome import Interval, LiftFacts, Outcome
from mlft.grids import Grid
from mlft.reports.drawing import BLUE, GREY, ORANGE, PALE, legend_above, round_ticks, style, svg
from mlft.reports.fields import image, reach
from mlft.reports.page import Cell, Column, figure, paragraph, section, table
from mlft.reports.wording import error, interval, number

Section = tuple[str, dict[str, str]]

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
        Column("Before", "label error"),
        Column("After", "label error"),
        Column("Of the mean", "label error"),
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


def _with_interval(found: Interval) -> str:
    if found.value is None or found.lower is None:
        return error(found.value)
    return f"{error(found.value)} ({interval(found.lower, found.upper)})"


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
    return words if grid.dimension == 1 else words + " The two columns on the right are differences from the fine grid."


def _alt(facts: Outcome) -> str:
    return "One draw on a coarse grid, lifted, and on the fine grid: " + "; ".join(
        f"level {row.level}, label error {error(row.raw.value)} before and {error(row.lifted.value)} after"
        for row in facts.lifts
    )


def _picture(row: LiftFacts, fields: Float[np.ndarray, "three k *grid"], facts: Outcome) -> str:
    title = f"{facts.levels[row.level].grid} cells for {facts.levels[row.target].grid}: {row.name}"
    return (
        _lines(fields[:, 0], facts.grid, title)
        if facts.grid.dimension == 1
        else _images(fields[:, 0], facts.grid, title)
    )


@style()
def _lines(fields: Float[np.ndarray, "three points"], grid: Grid, title: str) -> str:
    drawing = Figure(figsize=(5.2, 4.0), layout="constrained")
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
    bottom.set(xlabel="x", xlim=(0, grid.lengths[0]))
    drawing.suptitle(title, fontsize=9.5, weight="bold")
    return svg(drawing)


@style()
def _images(fields: Float[np.ndarray, "three rows columns"], grid: Grid, title: str) -> str:
    drawing = Figure(figsize=(7.6, 2.6), layout="constrained")
    axes = drawing.subplots(1, 5, sharex=True, sharey=True)
    differences = fields[:2] - fields[2]
    most = max(map(abs, reach(differences))) or 1.0
    drawn = [image(axes[i], field, grid, "viridis", reach(fields)) for i, field in enumerate(fields)]
    drawn += [image(axes[3 + i], field, grid, "RdBu_r", (-most, most)) for i, field in enumerate(differences)]
    for each, name in zip(axes, (*NAMES, "coarse − fine", "lifted − fine"), strict=True):
        each.set_title(name)
    for shown, over in ((drawn[0], axes[:3]), (drawn[3], axes[3:])):
        bar = drawing.colorbar(shown, ax=list(over), location="bottom", aspect=14 * len(over), pad=0.02)
        bar.outline.set_visible(False)
        bar.locator = round_ticks(4)
    drawing.suptitle(title, fontsize=9.5, weight="bold")
    return svg(drawing)
