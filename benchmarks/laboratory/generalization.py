"""The closed-form numbers and pictures of `docs/generalization.md`: the white box, the Green's function, the floors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from benchmarks.measure import exponent
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.diagnostics.green import likeness
from mlft.diagnostics.span import span
from mlft.files import write_whole
from mlft.grids import Grid
from mlft.laboratory import POISSON, Pairs, cosines, exact_pairs, paper_spaces, piecewise_linear, polynomials, sines
from mlft.laboratory.bounds import best_modes, noise_floor, unseen
from mlft.laboratory.crossval import Setting, cross_validate
from mlft.laboratory.discovery import discover, leading_bias
from mlft.laboratory.extraction import invert
from mlft.laboratory.figures import law_figure, matrix_figure
from mlft.laboratory.learners import LinearLearner
from mlft.laboratory.linear import fit_linear
from mlft.laboratory.operators import hat_operator
from mlft.seeds import generator

BENCHMARK = Benchmark("laboratory.generalization", "Generalization in closed form", ("numpy",))
NODES, NOISE = 25, 1e-3
SPACES = {space.name: space for space in paper_spaces(NODES)}
LEARNED = ("poly1", "poly3", "poly8", "sin1", "sin3", "sin8", "cos1", "cos3", "cos8", "fem")


@final
@dataclass(frozen=True)
class Sizes:
    """Cells of the finest white box, samples, and the cells of the finite-element row."""

    cells: int = 128
    samples: int = 10_000
    falling: tuple[int, ...] = (16, 32, 64, 128)


SHORT = Sizes(cells=48, samples=300, falling=(8, 16))


def line(cells: int) -> Grid:
    """Return the unit interval with its ends."""
    return Grid((cells,), centring="nodal", periodic=False)


def bias(name: str, cells: int, order: int) -> float:
    """Return (w − k)/k of infinitely many draws."""
    grid, space = line(cells), SPACES[name]
    return discover(Pairs(space.basis(grid), POISSON.solutions(space, grid)), grid, order=order) - 1


def trained(name: str, *, start: float = 0.0) -> np.ndarray:
    """Return the matrix of the linear map trained on a space, from weights of a standard deviation."""
    initial = start * np.random.default_rng(0).normal(size=(NODES, NODES)) if start else None
    pairs = exact_pairs(SPACES[name], POISSON, line(NODES - 1), 2000, generator=generator(0, "figures", name))
    return fit_linear(pairs, initial=initial).matrix


def constants(cells: int) -> Iterator[Row]:
    """Return the constant of the bias of a second-order difference, measured and by the law, a column a degree."""
    degrees = range(2, 9)
    yield f"measured, {cells} cells", *(-bias(f"poly{p}", cells, 2) * cells**2 for p in degrees)
    yield "law", *(-leading_bias(SPACES[f"poly{p}"], line(cells)) * cells**2 for p in degrees)


def bias_figure() -> str:
    """Return the picture of the bias."""
    cells, names = (16, 24, 32, 48, 64), ("poly4", "poly8", "sin4", "sin8")
    panels, guides = {}, {}
    for q in (2, 4, 6):
        shown = [name for name in names if (q, name) != (6, "poly4")]  # exact there, so its error is round-off
        title = f"difference of order {q}"
        panels[title] = {name: (cells, [abs(bias(name, n, q)) for n in cells]) for name in shown}
        guides[title] = (cells, [abs(leading_bias(SPACES["sin8"], line(n), order=q)) for n in cells])
    return law_figure(panels, across="cells", up="|w − k| / k", guides=guides, guided="sin8")


def green() -> Iterator[Row]:
    """Return how like the Green's function the linear map is, a row a training space."""
    operator = hat_operator(line(NODES - 1))
    for name in LEARNED:
        known = span(SPACES[name].basis(line(NODES - 1)))
        told = likeness(trained(name), operator, known=known)
        best = best_modes(operator, known.shape[1])[1] / float(np.linalg.norm(operator))
        yield name, told.relative, told.inside, told.predicted, best


def inverse() -> Iterator[Row]:
    """Return what the inverse of the map trained on hats is like."""
    found = invert(trained("fem"), line(NODES - 1))
    yield found.off_stencil, found.weighted_off_stencil, found.reciprocal_condition


def green_figures() -> dict[str, str]:
    """Return two pictures: learned matrices, and inverses."""
    pictures = {
        "poly3": trained("poly3"),
        "poly3, random start": trained("poly3", start=0.003),
        "sin8": trained("sin8"),
        "fem": trained("fem"),
        "truth": hat_operator(line(NODES - 1)),
    }
    found = invert(trained("fem"), line(NODES - 1))
    inverses = {"W⁻¹": found.matrix / found.matrix.max(), "M W⁻¹, scaled": found.weighted / found.weighted.max()}
    return {
        "green": matrix_figure(pictures, columns=(4, 12, 18)),
        "inverse": matrix_figure(inverses, columns=(5, 11, 16)),
    }


def floors(samples: int) -> Iterator[Row]:
    """Return the noise floors, a row a training space."""
    grid = line(NODES - 1)
    for name in ("poly8", "sin4", "cos8", "fem"):
        train, test = (
            exact_pairs(SPACES[name], POISSON, grid, samples, generator=generator(1, words, name), noise=noise)
            for words, noise in (("train", NOISE), ("test", 0.0))
        )
        measured = float(np.mean((fit_linear(train)(test.inputs) - test.outputs) ** 2))
        yield name, measured, noise_floor(NOISE, SPACES[name].rank, samples)


def falling(every: Sequence[int]) -> Iterator[Row]:
    """Return how the row of hats falls with the cells, and its order."""
    errors = []
    for cells in every:
        spaces = (piecewise_linear(cells + 1), sines(3), polynomials(5), cosines(4))
        setting = Setting(spaces, POISSON, line(cells), samples=2 * cells, test=1000)
        errors.append([float(e) for e in cross_validate(LinearLearner(), setting, seed=1).mse[0, 1:]])
        yield str(cells), *errors[-1]
    yield "order", *(-exponent(every, column) for column in zip(*errors, strict=True))


def modes() -> Iterator[Row]:
    """Return the law of what the first sines leave unseen."""
    operator = hat_operator(line(64))
    for r in (2, 4, 8, 16):
        left = unseen(operator, span(sines(r).basis(line(64))))
        yield r, float(np.linalg.norm(left, 2) / np.linalg.norm(operator, 2)), (r + 1) ** -2.0


def measure(sizes: Sizes) -> Iterator[Table]:
    """Return the tables."""
    head = ("degree p", *map(str, range(2, 9)))
    caption = "The constant −(w* − k)/(k h²) of polynomials of degree p and a difference of order 2."
    yield tabulate(caption, head, constants(sizes.cells))
    caption = f"Relative Frobenius errors of the linear map against the Green's function, {NODES} nodes."
    head = ("trained on", "relative error", "of it, inside the span", "theory, ‖AQ‖/‖A‖", "best of that rank")
    yield tabulate(caption, head, green())
    caption = "The inverse of the map trained on hats: share of its norm off the three middle diagonals."
    yield tabulate(caption, ("W⁻¹", "M W⁻¹", "reciprocal condition number"), inverse())
    caption = f"The floor that noise of {NOISE:g} on {sizes.samples:,} training solutions leaves."
    yield tabulate(caption, ("trained on", "measured", "σ²r/n"), floors(sizes.samples))
    caption = "The map trained on hats, tested on smooth forces: mean square errors."
    yield tabulate(caption, ("cells", "fem → sin3", "fem → poly5", "fem → cos4"), falling(sizes.falling))
    caption = "What the first r sines leave unseen, 65 nodes."
    yield tabulate(caption, ("r", "‖AQ‖₂/‖A‖₂", "(r + 1)⁻²"), modes())


def main(words: Sequence[str] | None = None) -> None:
    """Measure, draw and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    if asked.pictures is not None:
        for name, text in {"bias": bias_figure(), **green_figures()}.items():
            write_whole(asked.pictures / f"generalization-{name}.svg", text.encode())
    publish(BENCHMARK, measure(SHORT if asked.short else Sizes()), asked)


if __name__ == "__main__":
    main()
