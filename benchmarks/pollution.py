"""The pollution of the Helmholtz equation, as a picture: errors against the wave number, and a wave that is too slow.

Run as `python benchmarks/pollution.py [docs/pollution.svg]`; it prints the errors and the fitted slopes. The wave
e^(ikx) crosses the empty unit interval, or the square, whose boundary lets it in and out: the solution is known.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mlft.grids import relative_error
from mlft.problems import Helmholtz
from mlft.reports.drawing import BLUE, GREEN, GREY, INK, ORANGE, legend_above, style, svg

POINTS, NUMBERS, PLANE = (10, 20, 40), (10.0, 20.0, 40.0, 80.0, 160.0, 320.0), (10.0, 20.0, 40.0)


def wave(k: float, cells: int, dimension: int = 1) -> tuple[np.ndarray, np.ndarray, float]:
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


def main() -> None:
    """Measure, print, and draw."""
    errors = {points: [wave(k, cells_for(k, points))[2] for k in NUMBERS] for points in POINTS}
    plane = {points: [wave(k, cells_for(k, points), 2)[2] for k in PLANE] for points in POINTS[:2]}
    kept = [wave(k, round(2 * k**1.5))[2] for k in NUMBERS]
    print("| points a wave | " + " | ".join(f"k = {k:g}" for k in NUMBERS) + " | slope |")
    print("|---" * (len(NUMBERS) + 2) + "|")
    small = {points: [i for i, e in enumerate(found) if e < 0.3] for points, found in errors.items()}
    for points, found in errors.items():
        numbers, values = np.array(NUMBERS)[small[points]], np.array(found)[small[points]]
        slope = f"{np.polyfit(np.log(numbers), np.log(values), 1)[0]:.2f}" if len(values) > 1 else "–"
        print(f"| {points} | " + " | ".join(f"{e:.3g}" for e in found) + f" | {slope} |")
    print("| ∝ √k (k³h² = ¼) | " + " | ".join(f"{e:.3g}" for e in kept) + " | – |")
    for points, found in plane.items():
        told = ", ".join(f"{e:.3g}" for e in found)
        print(f"\n2D, {points} points a wave, k = {', '.join(f'{k:g}' for k in PLANE)}: {told}")
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pollution.svg")
    with style():
        out.write_text(svg(draw(errors, plane, kept)))


def draw(errors: dict[int, list[float]], plane: dict[int, list[float]], kept: list[float]) -> Figure:
    """Draw the errors on the left, and the end of a slow wave on the right."""
    figure = Figure(figsize=(9.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    for points, colour in zip(POINTS, (ORANGE, GREEN, BLUE), strict=True):
        left.loglog(NUMBERS, errors[points], "o-", color=colour, markersize=4, label=f"{points} points a wave")
        if points in plane:
            left.loglog(PLANE, plane[points], "s", color=colour, markersize=8, fillstyle="none")
        theory = [k * (2 * np.pi / points) ** 2 / 24 / 3**0.5 for k in NUMBERS]
        left.loglog(NUMBERS, theory, ":", color=colour)
    left.loglog(NUMBERS, kept, "o--", color=GREY, markersize=4, label="points ∝ √k")
    left.plot([], [], "s", color=GREY, markersize=8, fillstyle="none", label="in 2D")
    left.plot([], [], ":", color=GREY, label="k (kh)² / 24√3")
    left.set_xticks(NUMBERS, [f"{k:g}" for k in NUMBERS])
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


if __name__ == "__main__":
    main()
