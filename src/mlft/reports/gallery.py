"""The gallery: a page that shows every problem, with one input, its solution, and what makes it hard."""

import inspect
import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlft.grids import Grid
from mlft.problems import PROBLEMS, Problem, distances
from mlft.reports.drawing import BLUE, GREY, INK, ORANGE, PALE, round_ticks, style, svg
from mlft.reports.page import Cell, Column, document, figure, paragraph, section, stacked, table
from mlft.seeds import generator

Array = np.ndarray

LARGEST, DRAWS = {1: 512, 2: 64}, {1: 8, 2: 3}
"""Cells a side of a picture, at most, and draws that distances are measured on, by dimension: a page takes seconds."""

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in PROBLEMS},
    "burgers, viscous": ("burgers", {"viscosity": 0.005}),
    "darcy, channels": ("darcy", {"field": "channels", "contrast": 100.0}),
    "helmholtz, 2D": ("helmholtz", {"dimension": 2}),
    "poisson, 2D": ("poisson", {"dimension": 2, "space": "cos", "degree": 4}),
    "schrodinger, Gross–Pitaevskii in 2D": (
        "schrodinger",
        {"law": "wells", "wells": 2, "dimension": 2, "cubic": 10.0, "scheme": "spectral"},
    ),
}


def gallery_page() -> str:
    """Return the page as HTML: a section a case, with a thumbnail of its first draw."""
    count = f"{len(PROBLEMS)} problems; of each, and of some variants, the first draw and its solution."
    parts = ["<header><h1>The gallery</h1>", paragraph(count), "</header>"]
    for title in sorted(CASES):
        name, options = CASES[title]
        problem = PROBLEMS[name](**options)
        grids = ", ".join(map(str, problem.hierarchy))
        facts = (
            f"Levels {grids}; order {problem.order:g} on smooth data; "
            f"cost ∝ (points a side)^{problem.cost_exponent:.2g}; `mlft run {name}`."
        )
        hard, source = statement(problem)
        picture = figure(
            {re.sub(r"\W+", "-", title): thumbnail(problem)}, "", alt=f"{title}: an input and its solution"
        )
        parts.append(section(title, paragraph(problem.equation), picture, paragraph(hard), paragraph(facts, "soft"),
                             worth(problem), paragraph(source, "soft")))  # fmt: skip
    return document("mlft: the gallery", "\n".join(parts), made_by="mlft problems --gallery")


def statement(problem: Problem) -> tuple[str, str]:
    """Return what makes a problem hard, and its source, as its documentation states them."""
    text = inspect.getdoc(type(problem)) or ""
    hard = re.search(r"What (?:makes it|is) hard.*?(?=\n\n|\Z)", text, re.DOTALL)
    source = re.search(r"Source: .*?(?=\n\n|\Z)", text, re.DOTALL)
    first, second = (" ".join(found.group().split()) if found else "" for found in (hard, source))
    return first, second


def worth(problem: Problem) -> str:
    """Return a table of the distance of each level to the finest, with plain transfers and with the problem's own."""
    found = distances(problem, draws=DRAWS[problem.finest.dimension])
    own = ", ".join(f"{way}: {how}" for way, how in problem.transfers.items())
    kinds = {"plain": found.plain} | ({own: found.own} if own else {})
    columns = [Column("transfers", text=True), *(Column(str(grid), "cells") for grid in problem.hierarchy[:-1])]
    rows: list[list[Cell]] = []
    for name, kind in kinds.items():
        rows.append([name, *(stacked(f"{off:.2g}", f"{off / found.mean:.2g}") for off in kind)])
    caption = (
        f"Distance of a level to the finest, mean relative L2 over {found.draws} draws; below it, over that of the "
        f"mean solution ({found.mean:.2g})."
    )
    return table(caption, columns, rows)


@style()
def thumbnail(problem: Problem) -> str:
    """Return an SVG file with the first draw's input and its solution, side by side, on a grid of moderate size."""
    grid = next((g for g in reversed(problem.hierarchy) if g.cells[0] <= LARGEST[g.dimension]), problem.hierarchy[0])
    inputs = problem.evaluate(problem.draw(1, generator(0, "gallery")), grid)
    solved = problem.solve(inputs, grid)
    picture = Figure(figsize=(7.2, 2.3), layout="constrained")
    left, right = picture.subplots(1, 2)
    for axes, field, title in ((left, inputs[0], "input"), (right, solved.solutions[0], "solution")):
        _draw(axes, field, grid)
        axes.set_title(title if solved.status == ("ok",) else f"{title} ({solved.status[0]})")
    return svg(picture)


def _draw(axes: Axes, field: Array, grid: Grid) -> None:
    """Lines in one dimension, a colour a channel; in two an image of the first channel."""
    if grid.dimension == 2:
        extent = (0.0, grid.lengths[0], 0.0, grid.lengths[1])
        image = axes.imshow(field[0].T, origin="lower", extent=extent, cmap="viridis", interpolation="nearest")
        axes.grid(visible=False)
        axes.figure.colorbar(image, ax=axes, ticks=round_ticks(4))
        return
    for channel, colour in zip(field, (BLUE, ORANGE, GREY, INK, PALE), strict=False):
        axes.plot(grid.points[0], channel, color=colour)
    axes.xaxis.set_major_locator(round_ticks(5))
    axes.yaxis.set_major_locator(round_ticks(4))
