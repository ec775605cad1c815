"""Cross-validation across the 25 function spaces of 1D Poisson, for all eight families and this package's surrogate.

What is finished is not computed again. The folder of the runs gets the matrices (CSV, JSON), that of the pictures the
heat maps (SVG) of the first seed. It measures what Queiruga, Gutman-Solo, Jiang (arXiv 2506.15199) propose.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Cell, Row, Table, tabulate
from mlft.diagnostics.green import likeness, probe
from mlft.diagnostics.maps import Map
from mlft.files import write_whole
from mlft.grids import Grid
from mlft.intervals import arithmetic
from mlft.laboratory import POISSON, paper_spaces
from mlft.laboratory.crossval import Matrix, Setting, cross_validate, scores
from mlft.laboratory.equations import Pairs
from mlft.laboratory.heatmap import Panel, heat_maps
from mlft.laboratory.learners import Learner, LinearLearner
from mlft.laboratory.operators import hat_operator
from mlft.laboratory.surrogate_learner import SurrogateLearner
from mlft.laboratory.zoo import zoo
from mlft.training import Training

BENCHMARK = Benchmark("laboratory.crossval", "Cross-validation across function spaces", ("numpy", "torch"))
CAPTION = """−u″ = f, 25 nodes. Decimal logarithms of median mean square errors over kinds of cells; "inside": the test
space lies in the training span; "triangle": share in % of the cells within a family that one threshold puts on the
side that theory gives a linear map. Mean ± half the 95% interval (Student's t over seeds), each seed with its own
draws and initial weights. The white boxes' errors are residuals of the equation, not errors of solutions. Families are
those of `mlft.laboratory.zoo`, before them the linear map from zero weights, after them this package's surrogate as
`mlft run` trains it, with 500 steps."""
GRID = Grid((24,), centring="nodal", periodic=False)
SETTING = Setting(paper_spaces(25), POISSON, GRID)
WHITE, OWN = ("difference", "pinn"), "surrogate"
WANTED = ("poly2", "poly4", "poly8", "sin2", "sin4", "sin8", "cos8", "fem")
"""Training spaces in the tables of facts."""


@final
@dataclass(frozen=True)
class Study:
    """What is validated: the families, the setting, the spaces of the tables of facts, and the seeds."""

    families: tuple[str, ...]
    setting: Setting
    wanted: tuple[str, ...]
    seeds: int


def short() -> Study:
    """Return a study of seconds: five spaces, the families that are fitted in closed form."""
    spaces = {space.name: space for space in SETTING.spaces}
    wanted = ("poly1", "poly2", "sin1", "sin2", "fem")
    setting = replace(SETTING, spaces=tuple(spaces[name] for name in wanted), samples=60, test=20)
    return Study(("linear-zero", "difference", "linear"), setting, ("poly2", "sin2", "fem"), 1)


@final
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


def plus_minus(values: Sequence[float]) -> str | float | None:
    """Return the mean of what is finite, with half its 95% interval (Student's t) where there are several."""
    middle = arithmetic([value for value in values if np.isfinite(value)])
    if np.isnan(middle.lower):
        return None if np.isnan(middle.value) else middle.value
    return f"{middle.value:.2f} ± {middle.upper - middle.value:.2f}"


def by_family(found: dict[str, list[Matrix]]) -> Table:
    """Return the table of the families."""
    kinds = list(medians(next(iter(found.values()))[0]))
    rows = ((name, *(plus_minus([medians(m)[kind] for m in every]) for kind in kinds)) for name, every in found.items())
    return tabulate(CAPTION, ("family", *kinds), rows)


def by_space(
    found: dict[str, list[Matrix]], key: str, spaces: Sequence[str], change: Callable[[float], float]
) -> Iterator[Row]:
    """Return a row a family: a fact, changed, by training space."""
    for name, matrices in found.items():
        if not any(key in fact for fact in matrices[0].facts):
            continue
        which = [matrices[0].names.index(space) for space in spaces]
        cells: list[Cell] = [plus_minus([change(m.facts[i].get(key, float("nan"))) for m in matrices]) for i in which]
        yield name, *cells


def drifts(found: dict[str, list[Matrix]]) -> Iterator[Row]:
    """Return a row a family whose first layer may drift off the training span: how far it did."""
    for name, matrices in found.items():
        drift = [fact["drift"] for matrix in matrices for fact in matrix.facts if "drift" in fact]
        if drift:
            yield name, max(drift)


def draw(found: dict[str, list[Matrix]], noisy: Matrix, setting: Setting, folder: Path) -> None:
    """Write the pictures of the first seed."""
    families, label = [space.family for space in setting.spaces], "log10 of the mean square error"
    shown = {name: matrices[0] for name, matrices in found.items() if name not in (*WHITE, OWN)}
    panels = [Panel(name, matrix.mse, matrix.inside) for name, matrix in shown.items()]
    panels.append(Panel("linear-zero, noise 1e-3", noisy.mse, noisy.inside))
    pictures = {"families": panels}
    if "linear-zero" in shown:
        one = shown["linear-zero"]
        pictures["linear"] = [Panel("the linear map, closed form from zero weights", one.mse, one.inside)]
    for name, every in pictures.items():
        text = heat_maps(every, setting.names, families, label=label)
        write_whole(folder / f"generalization-{name}.svg", text.encode())


def validated(study: Study, folder: Path) -> tuple[dict[str, list[Matrix]], Table]:
    """Return the matrices of each family, a seed a matrix, and the table of CPU times; what is finished is read."""
    found: dict[str, list[Matrix]] = {name: [] for name in study.families}
    seconds: dict[str, float] = dict.fromkeys(study.families, 0.0)
    known = learners()
    for seed in range(study.seeds):
        for name in study.families:
            start = time.process_time()
            found[name].append(cross_validate(known[name], study.setting, seed=seed, folder=folder))
            seconds[name] += time.process_time() - start
            print(f"{name}, seed {seed}: {seconds[name]:.0f} s of CPU time so far", flush=True)
    rows = [(name, round(spent / study.seeds, 1)) for name, spent in seconds.items()]
    caption = "CPU time on one core, s a seed; next to nothing where the matrices were there."
    return found, tabulate(caption, ("family", "s"), rows)


def measure(study: Study, folder: Path, pictures: Path | None) -> Iterator[Table]:
    """Return the tables; draw."""
    found, seconds = validated(study, folder)
    noise = replace(study.setting, noise=1e-3)
    noisy = cross_validate(LinearLearner(name="linear-noisy"), noise, seed=0, folder=folder)
    if pictures is not None:
        draw(found, noisy, study.setting, pictures)
    yield by_family(found)
    caption = "The linear map with noise 1e-3 on the training solutions: log10 of the median inside."
    floor = float(np.log10(np.median(noisy.mse[noisy.inside])))
    yield tabulate(caption, ("family", "inside"), [("linear-zero", round(floor, 2))])
    parameter = by_space(found, "parameter", study.wanted, lambda w: float(np.log10(max(abs(w - 1), 1e-16))))
    yield tabulate("log10 |w − k|/k of the white boxes, by training space.", ("family", *study.wanted), parameter)
    green = by_space(found, "green", study.wanted, lambda e: float(np.log10(e)))
    caption = "log10 of the relative error of the Green's function that unit inputs find."
    yield tabulate(caption, ("family", *study.wanted), green)
    caption = "Largest drift of a first layer off the training span, of all seeds."
    yield tabulate(caption, ("family", "drift"), drifts(found))
    yield seconds


def main(words: Sequence[str] | None = None) -> None:
    """Compute what is missing and publish."""
    options = parser(BENCHMARK, __doc__, runs="runs/crossval")
    options.add_argument("--seeds", default=3, type=int)
    options.add_argument("--families", default=",".join(learners()))
    asked = parse(options, words)
    torch.set_num_threads(1)
    study = Study(tuple(asked.families.split(",")), SETTING, WANTED, asked.seeds)
    publish(BENCHMARK, measure(short() if asked.short else study, asked.out, asked.pictures), asked)


if __name__ == "__main__":
    main()
