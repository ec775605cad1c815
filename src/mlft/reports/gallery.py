"""The gallery: a page that shows every problem, with one input, its solution, and what makes it hard."""

import inspect
import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlft.grids import Grid
from mlft.problems import PROBLEMS, Problem
from mlft.reports.drawing import BLUE, GREY, INK, ORANGE, PALE, round_ticks, style, svg
from mlft.reports.page import document, figure, paragraph, section
from mlft.seeds import generator

Array = np.ndarray

LARGEST = {1: 512, 2: 64}
"""Cells a side of a picture, at most: a page is made in seconds."""

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
                             paragraph(source, "soft")))  # fmt: skip
    return document("mlft: the gallery", "\n".join(parts), made_by="mlft problems --gallery")


def statement(problem: Problem) -> tuple[str, str]:
    """Return what makes a problem hard, and its source, as its documentation states them."""
    text = inspect.getdoc(type(problem)) or ""
    hard = re.search(r"What (?:makes it|is) hard.*?(?=\n\n|\Z)", text, re.DOTALL)
    source = re.search(r"Source: .*?(?=\n\n|\Z)", text, re.DOTALL)
    first, second = (" ".join(found.group().split()) if found else "" for found in (hard, source))
    return first, second


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
