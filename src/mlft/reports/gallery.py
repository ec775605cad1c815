"""The gallery: a page that shows every problem, with one input, its solution, and what makes it hard."""

import inspect
import re
import shlex
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlft.grids import Grid
from mlft.problems import PROBLEMS, Problem, distances
from mlft.reports.drawing import NARROW, Drawing, drawn, legend_above, round_ticks, shape_of
from mlft.reports.fields import bar_of, channels, image, reach
from mlft.reports.page import Cell, Column, code, contents, document, figure, paragraph, section, stacked, table
from mlft.reports.wording import number
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


BUDGET = "64solves"
"""Of the commands that the page shows."""


def gallery_page() -> str:
    """Return the page as HTML: a list of contents, and a section a case, with a picture of its first draw."""
    words = (
        f"{len(PROBLEMS)} problems; of each, and of some variants, the first draw and its solution. x, y and the "
        "fields are in the problems' own units."
    )
    sections = [_case(title) for title in sorted(CASES)]
    head = ["<header><h1>The gallery</h1>", paragraph(words), contents(sections), "</header>"]
    return document("mlft: the gallery", "\n".join([*head, *sections]), made_by="mlft problems --gallery")


def _case(title: str) -> str:
    name, options = CASES[title]
    problem = PROBLEMS[name](**options)
    grids = ", ".join(map(str, problem.hierarchy))
    cost = f"a sample costs {', '.join(f'{cost:.2g}' for cost in problem.costs)} solves of the finest"
    facts = f"Levels {grids} cells; order {problem.order:g} on smooth data; {cost}."
    hard, source = statement(problem)
    drawings = {re.sub(r"\W+", "-", title): thumbnail(problem)}
    caption = f"The first draw, on {_pictured(problem)} cells."
    picture = figure(drawings, caption, alt=f"{title}: an input and its solution")
    return section(title, paragraph(problem.equation), picture, paragraph(hard), paragraph(facts, "soft"),
                   worth(problem), code(run_command(title)), paragraph(source, "soft"))  # fmt: skip


def run_command(title: str) -> str:
    """Return the command line that runs a case of the gallery.

    >>> run_command("burgers, viscous")
    'mlft run burgers --set viscosity=0.005 --budget 64solves --out runs/burgers-viscous'
    """
    name, options = CASES[title]
    sets = [word for key, value in options.items() for word in ("--set", f"{key}={value}")]
    folder = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return shlex.join(["mlft", "run", name, *sets, "--budget", BUDGET, "--out", f"runs/{folder}"])


def statement(problem: Problem) -> tuple[str, str]:
    """Return what makes a problem hard, and its source, as its documentation states them, in whole sentences."""
    text = inspect.getdoc(type(problem)) or ""
    hard = re.search(r"What (?:makes it|is) hard.*?(?=\n\n|\Z)", text, re.DOTALL)
    source = re.search(r"Source: .*?(?=\n\n|\Z)", text, re.DOTALL)
    first, second = (" ".join(found.group().split()) if found else "" for found in (hard, source))
    return first[: first.rfind(".") + 1], second


def worth(problem: Problem) -> str:
    """Return a table of the distance of each level to the finest, with plain transfers and with the problem's own."""
    found = distances(problem, draws=DRAWS[problem.finest.dimension])
    own = ", ".join(f"{way}: {how}" for way, how in problem.transfers.items())
    kinds = {"plain": found.plain} | ({own: found.own} if own else {})
    columns = [Column("Transfers", text=True), *(Column(str(grid), "cells") for grid in problem.hierarchy[:-1])]
    rows: list[list[Cell]] = []
    for name, kind in kinds.items():
        rows.append([name, *(stacked(f"{off:.2g}", f"{off / found.mean:.2g}") for off in kind)])
    caption = (
        f"Distance of a level to the finest, mean relative L2 over {found.draws} draws; below it, over that of the "
        f"mean solution ({found.mean:.2g})."
    )
    return table(caption, columns, rows)


def thumbnail(problem: Problem) -> Drawing:
    """Return the first draw's input and its solution, on a grid of moderate size; below each other on a narrow page."""
    grid = _pictured(problem)
    inputs = problem.evaluate(problem.draw(1, generator(0, "gallery")), grid)
    solved = problem.solve(inputs, grid)
    told = "solution" if solved.status == ("ok",) else f"solution ({solved.status[0]})"
    return _pair({"input": inputs[0], told: solved.solutions[0]}, grid)


@drawn
def _pair(width: float, fields: dict[str, Array], grid: Grid) -> Figure:
    wide = width > NARROW
    box = shape_of(grid.lengths[1] / grid.lengths[0]) if grid.dimension == 2 else 0.65
    figure = Figure(figsize=(width, 0.6 + 2.6 * box if wide else 2 * (0.6 + 2.7 * box)), layout="constrained")
    every = figure.subplots(*(1, 2) if wide else (2, 1))
    for axes, (name, field) in zip(every, fields.items(), strict=True):
        _draw(axes, field, grid, name)
    return figure


def _pictured(problem: Problem) -> Grid:
    """Return the finest grid of a problem that is small enough for a picture."""
    fits = (grid for grid in reversed(problem.hierarchy) if grid.cells[0] <= LARGEST[grid.dimension])
    return next(fits, problem.hierarchy[0])


def _draw(axes: Axes, field: Array, grid: Grid, name: str) -> None:
    """Lines in one dimension, a colour a channel; in two an image of the first channel."""
    if grid.dimension == 2:
        drawing = image(axes, field[0], grid, "viridis", reach(field[0]))
        axes.set(xlabel="x", ylabel="y")
        for axis, ends in zip((axes.xaxis, axes.yaxis), grid.bounds, strict=True):
            axis.set_ticks(ends, [number(end) for end in ends])
        axes.set_title(name if len(field) == 1 else f"{name}, channel 0 of {len(field)}")
        bar_of(axes.figure, drawing, [axes], location="right", aspect=20)
        return
    channels(axes, field, grid, name)
    axes.set(xlabel="x", xlim=grid.bounds[0])
    legend_above(axes, 1)
    axes.xaxis.set_major_locator(round_ticks(5))
    axes.yaxis.set_major_locator(round_ticks(4))
