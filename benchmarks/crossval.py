"""Cross-validation across the 25 function spaces of 1D Poisson, for all eight families.

Run as `python benchmarks/crossval.py [folder] [--seeds N] [--families a,b] [--pictures docs]`: by default one seed, the
eight families and the linear map from zero, everything into runs/crossval; `--families surrogate` is this package's own
surrogate as `mlft run` trains it, with 500 steps. What is finished is not computed again. It writes the matrices (CSV,
JSON) and the pictures (SVG) and prints the tables; it measures what Queiruga, Gutman-Solo, Jiang (arXiv 2506.15199)
propose.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from mlft.diagnostics.green import likeness, probe
from mlft.grids import Grid
from mlft.laboratory import POISSON, paper_spaces
from mlft.laboratory.crossval import Matrix, Setting, cross_validate, scores
from mlft.laboratory.equations import Pairs
from mlft.laboratory.heatmap import Panel, heat_maps
from mlft.laboratory.learners import Learner, LinearLearner, Map
from mlft.laboratory.operators import hat_operator
from mlft.laboratory.surrogate_learner import SurrogateLearner
from mlft.laboratory.zoo import zoo
from mlft.training import Training

GRID = Grid((24,), centring="nodal", periodic=False)
SPACES = paper_spaces(25)
SETTING = Setting(SPACES, POISSON, GRID)
WHITE, OWN = ("difference", "pinn"), "surrogate"


@dataclass(frozen=True)
class Probed(Learner):
    """A learner whose record also holds the relative error of the Green's function that unit inputs find."""

    learner: Learner
    name: str

    def fit(self, sets: Sequence[Pairs], *, seed: int) -> list[Map]:
        """Return the maps of the learner."""
        return self.learner.fit(sets, seed=seed)

    def errors(self, fitted: Map, test: Pairs) -> tuple[float, float]:
        """Return the errors of the learner."""
        return self.learner.errors(fitted, test)

    def facts(self, fitted: Map) -> dict[str, float]:
        """Return the facts of the learner, and the Green's function's error."""
        told = self.learner.facts(fitted)
        if self.name in WHITE:
            return told
        return told | {"green": likeness(probe(fitted, (1, 25)), hat_operator(GRID)).relative}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the learner."""
        return self.learner.settings | {"learner": self.name}


def learners() -> dict[str, Learner]:
    """Return the families by name: the linear one from zero weights, the eight, and this package's surrogate."""
    found = {"linear-zero": LinearLearner(), **zoo(GRID), OWN: SurrogateLearner(GRID, training=Training(steps=500))}
    return {name: Probed(learner, name) for name, learner in found.items()}


def interval(values: Sequence[float]) -> str:
    """Return the mean of decimal logarithms or errors with its 95% interval (Student's t over seeds)."""
    known = np.array([v for v in values if np.isfinite(v)])
    if len(known) < 2:
        return f"{known.mean():.2f}" if len(known) else "–"
    half = student.ppf(0.975, len(known) - 1) * known.std(ddof=1) / len(known) ** 0.5
    return f"{known.mean():.2f} ± {half:.2f}"


def medians(matrix: Matrix) -> dict[str, float]:
    """Return decimal logarithms of median errors over kinds of cells, and shares."""
    family = np.array(matrix.families)
    block = family[:, None] == family
    fem = family == "fem"
    off = ~np.eye(len(fem), dtype=bool)
    kinds = {
        "diagonal": ~off,
        "inside": matrix.inside & off,
        "outside, same family": ~matrix.inside & block,
        "outside, other family": ~matrix.inside & ~block & ~fem[:, None],
        "fem row": fem[:, None] & off,
    }
    logs = {name: float(np.log10(np.median(matrix.mse[cells]))) for name, cells in kinds.items()}
    return logs | {"triangle": 100 * scores(matrix).block_triangularity}


def table(found: dict[str, list[Matrix]]) -> str:
    """Return the table of the families."""
    kinds = list(medians(next(iter(found.values()))[0]))
    lines = ["| family | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for name, matrices in found.items():
        columns = [interval([medians(matrix)[kind] for matrix in matrices]) for kind in kinds]
        lines.append(f"| {name} | " + " | ".join(columns) + " |")
    return "\n".join(lines)


def rows_of(found: dict[str, list[Matrix]], key: str, spaces: Sequence[str], change: Any) -> str:
    """Return a table of a fact by training space."""
    lines = ["| family | " + " | ".join(spaces) + " |", "|---" * (len(spaces) + 1) + "|"]
    for name, matrices in found.items():
        if key not in matrices[0].facts[0] and not any(key in fact for fact in matrices[0].facts):
            continue
        which = [matrices[0].names.index(space) for space in spaces]
        cells = [interval([change(m.facts[i].get(key, float("nan"))) for m in matrices]) for i in which]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(found: dict[str, list[Matrix]], noisy: Matrix, folder: Path) -> None:
    """Write the pictures of the first seed."""
    families = [space.family for space in SPACES]
    shown = {name: matrices[0] for name, matrices in found.items() if name not in WHITE}
    panels = [Panel(name, matrix.mse, matrix.inside) for name, matrix in shown.items()]
    panels.append(Panel("linear-zero, noise 1e-3", noisy.mse, noisy.inside))
    label = "log10 of the mean square error"
    text = heat_maps(panels, SETTING.names, families, label=label)
    (folder / "generalization-families.svg").write_text(text)
    if "linear-zero" in shown:
        one = [Panel("the linear map, closed form from zero weights", panels[0].values, panels[0].inside)]
        (folder / "generalization-linear.svg").write_text(heat_maps(one, SETTING.names, families, label=label))


def main() -> None:
    """Compute what is missing and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", default="runs/crossval", type=Path)
    parser.add_argument("--seeds", default=1, type=int)
    parser.add_argument("--families", default=",".join(name for name in learners() if name != OWN))
    parser.add_argument("--pictures", default=None, type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[Matrix]] = {name: [] for name in asked.families.split(",")}
    for seed in range(asked.seeds):
        for name in found:
            start = time.process_time()
            found[name].append(cross_validate(learners()[name], SETTING, seed=seed, folder=asked.folder))
            print(f"{name}, seed {seed}: {time.process_time() - start:.0f} s of CPU time", flush=True)
    noisy = cross_validate(
        LinearLearner(name="linear-noisy"), replace(SETTING, noise=1e-3), seed=0, folder=asked.folder
    )
    if len(found) > 1:
        draw(found, noisy, asked.pictures or asked.folder)
    print("\nlog10 of median errors; triangle: % of same-family cells on their side\n")
    print(table(found))
    print(f"\nnoise 1e-3: log10 of the median inside {np.log10(np.median(noisy.mse[noisy.inside])):.2f}\n")
    wanted = ("poly2", "poly4", "poly8", "sin2", "sin4", "sin8", "cos8", "fem")
    print("log10 |w − k|/k of the white boxes\n")
    print(rows_of(found, "parameter", wanted, lambda w: float(np.log10(max(abs(w - 1), 1e-16)))))
    print("\nlog10 of the relative error of the Green's function by unit inputs\n")
    print(rows_of(found, "green", wanted, lambda e: float(np.log10(e))))
    drifts = {name: [f["drift"] for m in matrices for f in m.facts if "drift" in f] for name, matrices in found.items()}
    print("\nlargest drift of a first layer off the span: " + str({n: f"{max(d):.1e}" for n, d in drifts.items() if d}))


if __name__ == "__main__":
    main()
