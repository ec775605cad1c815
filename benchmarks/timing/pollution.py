"""The pollution of the Helmholtz equation: errors against the wave number, and a picture of a wave that is too slow.

The wave e^(ikx) crosses the empty unit interval, or the square, whose boundary lets it in and out: the solution is
known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from matplotlib.figure import Figure

from benchmarks.measure import exponent
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.files import write_whole
from mlft.grids import relative_error
from mlft.problems import Helmholtz
from mlft.reports.drawing import legend_above, style, svg
from mlft.reports.palette import BLUE, GREEN, GREY, INK, ORANGE

BENCHMARK = Benchmark("timing.pollution", "Pollution of the Helmholtz equation", ("numpy", "numba"))
CAPTION = """Relative L2 errors of the wave e^(ikx) across the empty unit interval and square; the slope is that of log
error against log k, over the errors below 30%. ![Errors against the wave number](pollution.svg)"""


@final
@dataclass(frozen=True)
class Sizes:
    """Points a wave, wave numbers, and those in two dimensions (of the first two numbers of points)."""

    points: tuple[int, ...] = (10, 20, 40)
    numbers: tuple[float, ...] = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
    plane: tuple[float, ...] = (10.0, 20.0, 40.0)


SHORT = Sizes(numbers=(10.0, 20.0, 40.0), plane=(10.0,))


@final
@dataclass(frozen=True)
class Errors:
    """Errors by points a wave, a wave number an error: on the line, in the plane, and on the line with points ∝ √k."""

    sizes: Sizes
    line: dict[int, list[float]]
    plane: dict[int, list[float]]
    kept: list[float]


def wave(k: float, cells: int, dimension: Literal[1, 2] = 1) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the points along x, the wave of the scheme there (in the middle of the square), and its relative error."""
    problem = Helmholtz(cells=cells, levels=1, dimension=dimension, wave_number=k, contrast=0.0)
    x = problem.finest.points[0]
    line = np.exp(1j * k * x)
    exact = line if dimension == 1 else line[:, None] * np.ones(len(x))
    solved = problem.solve(np.ones((1, 1, *problem.finest.shape)), problem.finest).solutions
    error = relative_error(solved, np.stack([exact.real, exact.imag])[None], problem.finest)[0]
    return x, solved[0, 0] if dimension == 1 else solved[0, 0][:, len(x) // 2], float(error)


def cells_for(k: float, points: float) -> int:
    """Return the cells of the unit interval that give a wave so many points."""
    return round(points * k / (2 * np.pi))


def errors(sizes: Sizes) -> Errors:
    """Measure."""
    line = {points: [wave(k, cells_for(k, points))[2] for k in sizes.numbers] for points in sizes.points}
    plane = {points: [wave(k, cells_for(k, points), 2)[2] for k in sizes.plane] for points in sizes.points[:2]}
    return Errors(sizes, line, plane, [wave(k, round(2 * k**1.5))[2] for k in sizes.numbers])


def rows(found: Errors) -> Iterator[Row]:
    """Return a row a number of points."""
    sizes = found.sizes
    for points, values in found.line.items():
        small = [(k, e) for k, e in zip(sizes.numbers, values, strict=True) if e < 0.3]
        slope = round(exponent(*zip(*small, strict=True)), 2) if len(small) > 1 else None
        yield f"{points} a wave", *values, slope
    yield "∝ √k (k³h² = ¼)", *found.kept, None
    for points, values in found.plane.items():
        yield f"{points} a wave, 2D", *values, *[None] * (len(sizes.numbers) - len(values)), None


def table(found: Errors) -> Table:
    """Return the table."""
    return tabulate(CAPTION, ("points", *(f"k = {k:g}" for k in found.sizes.numbers), "slope"), rows(found))


def draw(found: Errors) -> Figure:
    """Draw the errors on the left, and the end of a slow wave on the right."""
    numbers = found.sizes.numbers
    figure = Figure(figsize=(9.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    for points, colour in zip(found.sizes.points, (ORANGE, GREEN, BLUE), strict=True):
        left.loglog(numbers, found.line[points], "o-", color=colour, markersize=4, label=f"{points} points a wave")
        if points in found.plane:
            left.loglog(found.sizes.plane, found.plane[points], "s", color=colour, markersize=8, fillstyle="none")
        theory = [k * (2 * np.pi / points) ** 2 / 24 / 3**0.5 for k in numbers]
        left.loglog(numbers, theory, ":", color=colour)
    left.loglog(numbers, found.kept, "o--", color=GREY, markersize=4, label="points ∝ √k")
    left.plot([], [], "s", color=GREY, markersize=8, fillstyle="none", label="in 2D")
    left.plot([], [], ":", color=GREY, label="k (kh)² / 24√3")
    left.set_xticks(numbers, [f"{k:g}" for k in numbers])
    left.set_yticks((0.003, 0.01, 0.03, 0.1, 0.3, 1), ("0.3%", "1%", "3%", "10%", "30%", "100%"))
    left.minorticks_off()
    left.set_ylim(3e-3, 2)
    left.set_xlabel("wave number k, log scale")
    left.set_ylabel("relative L2 error, log scale")
    legend_above(left, 3)
    k = 80.0
    x, slow, error = wave(k, cells_for(k, 20))
    fine = np.linspace(1 - 3 * 2 * np.pi / k, 1, 400)
    right.plot(fine, np.cos(k * fine), color=INK, label="exact")
    right.plot(x, slow, "o-", color=GREEN, markersize=3, label=f"20 points a wave, k = 80: error {error:.0%}")
    right.set_xlim(fine[0], 1)
    right.set_xlabel("x: the last three of 12.7 waves")
    right.set_ylabel("Re u")
    legend_above(right, 1)
    return figure


def main(words: Sequence[str] | None = None) -> None:
    """Measure, draw and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    found = errors(SHORT if asked.short else Sizes())
    if asked.pictures is not None:
        with style():
            write_whole(asked.pictures / "pollution.svg", svg(draw(found)).encode())
    publish(BENCHMARK, [table(found)], asked)


if __name__ == "__main__":
    main()
