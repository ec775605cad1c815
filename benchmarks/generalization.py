"""The closed-form numbers and pictures of `docs/generalization.md`.

Run as `python benchmarks/generalization.py [folder]` (docs by default): seconds. Prints the tables and writes
generalization-bias.svg, generalization-green.svg and generalization-inverse.svg.
"""

import sys
from pathlib import Path

import numpy as np

from mlft.diagnostics.green import invert, likeness
from mlft.grids import Grid
from mlft.laboratory import POISSON, Pairs, cosines, exact_pairs, paper_spaces, piecewise_linear, polynomials, sines
from mlft.laboratory.bounds import best_modes, noise_floor, span, unseen
from mlft.laboratory.crossval import Setting, cross_validate
from mlft.laboratory.discovery import discover, leading_bias
from mlft.laboratory.figures import law_figure, matrix_figure
from mlft.laboratory.learners import LinearLearner
from mlft.laboratory.linear import fit_linear
from mlft.laboratory.operators import hat_operator
from mlft.seeds import generator

NODES = 25
SPACES = {space.name: space for space in paper_spaces(NODES)}


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


def white_box() -> str:
    """Print the constants of the bias and return its picture."""
    print("| degree p | " + " | ".join(map(str, range(2, 9))) + " |")
    print("|---" * 8 + "|")
    for words, value in (
        ("measured, 128 cells", lambda p: -bias(f"poly{p}", 128, 2) * 128**2),
        ("law", lambda p: -leading_bias(SPACES[f"poly{p}"], line(128)) * 128**2),
    ):
        print(f"| μ₂, {words} | " + " | ".join(f"{value(p):.4f}" for p in range(2, 9)) + " |")
    cells = (16, 24, 32, 48, 64)
    panels = {
        f"difference of order {q}": {
            name: (cells, [abs(bias(name, n, q)) for n in cells]) for name in ("poly4", "poly8", "sin4", "sin8")
        }
        for q in (2, 4, 6)
    }
    panels["difference of order 6"].pop("poly4")  # exact there, so its error is round-off
    guides = {
        f"difference of order {q}": (cells, [abs(leading_bias(SPACES["sin8"], line(n), order=q)) for n in cells])
        for q in (2, 4, 6)
    }
    return law_figure(panels, across="cells", up="|w − k| / k", guides=guides, guided="sin8")


def green() -> tuple[str, str]:
    """Print the likeness to the Green's function and return two pictures: matrices, and inverses."""
    operator = hat_operator(line(NODES - 1))
    print("\n| trained on | relative error | of it, inside the span | theory, ‖AQ‖/‖A‖ | best of that rank |")
    print("|---|---|---|---|---|")
    for name in ("poly1", "poly3", "poly8", "sin1", "sin3", "sin8", "cos1", "cos3", "cos8", "fem"):
        known = span(SPACES[name].basis(line(NODES - 1)))
        told = likeness(trained(name), operator, known=known)
        best = best_modes(operator, known.shape[1])[1] / np.linalg.norm(operator)
        print(f"| {name} | {told.relative:.2e} | {told.inside:.2e} | {told.predicted:.2e} | {best:.2e} |")
    pictures = {
        "poly3": trained("poly3"),
        "poly3, random start": trained("poly3", start=0.003),
        "sin8": trained("sin8"),
        "fem": trained("fem"),
        "truth": operator,
    }
    inverse = invert(trained("fem"), line(NODES - 1))
    print(
        f"\ninverse of the map trained on fem: off the stencil {inverse.off_stencil:.3f}; times M "
        f"{inverse.weighted_off_stencil:.1e}; reciprocal condition {inverse.reciprocal_condition:.1e}"
    )
    inverses = {"W⁻¹": inverse.matrix / NODES**2, "M W⁻¹, scaled": inverse.weighted / inverse.weighted.max()}
    inverses["W⁻¹"] /= inverses["W⁻¹"].max()
    return matrix_figure(pictures, columns=(4, 12, 18)), matrix_figure(inverses, columns=(5, 11, 16))


def floors() -> None:
    """Print noise floors, the fall of the finite-element row, and the law of modes."""
    print("\n| noise 1e-3, 10,000 samples | measured | σ²r/n |\n|---|---|---|")
    grid = line(NODES - 1)
    for name in ("poly8", "sin4", "cos8", "fem"):
        train, test = (
            exact_pairs(SPACES[name], POISSON, grid, 10_000, generator=generator(1, words, name), noise=noise)
            for words, noise in (("train", 1e-3), ("test", 0.0))
        )
        measured = np.mean((fit_linear(train)(test.inputs) - test.outputs) ** 2)
        print(f"| {name} | {measured:.3e} | {noise_floor(1e-3, SPACES[name].rank, 10_000):.3e} |")
    print("\n| cells | fem → sin3 | fem → poly5 | fem → cos4 |\n|---|---|---|---|")
    errors = []
    for cells in (16, 32, 64, 128):
        spaces = (piecewise_linear(cells + 1), sines(3), polynomials(5), cosines(4))
        setting = Setting(spaces, POISSON, line(cells), samples=2 * cells, test=1000)
        errors.append(cross_validate(LinearLearner(), setting, seed=1).mse[0, 1:])
        print(f"| {cells} | " + " | ".join(f"{e:.2e}" for e in errors[-1]) + " |")
    slopes = -np.polyfit(np.log([16, 32, 64, 128]), np.log(errors), 1)[0]
    print("| order | " + " | ".join(f"{slope:.2f}" for slope in slopes) + " |")
    operator = hat_operator(line(64))
    print("\n| sines, 65 nodes | ‖AQ‖₂/‖A‖₂ | (r + 1)⁻² |\n|---|---|---|")
    for r in (2, 4, 8, 16):
        left = unseen(operator, span(sines(r).basis(line(64))))
        ratio = np.linalg.norm(left, 2) / np.linalg.norm(operator, 2)
        print(f"| {r} | {ratio:.5f} | {(r + 1) ** -2.0:.5f} |")


def main() -> None:
    """Print the tables and write the pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    (folder / "generalization-bias.svg").write_text(white_box())
    for name, text in zip(("green", "inverse"), green(), strict=True):
        (folder / f"generalization-{name}.svg").write_text(text)
    floors()


if __name__ == "__main__":
    main()
