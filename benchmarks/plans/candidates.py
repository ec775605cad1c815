"""Which network learns which map: every candidate, and the choice among them, on exact labels of every problem.

Training and test draws are the finest grid's own, a fresh stream a seed; no level and no plan is in it. The symmetries
of each problem are found on its coarsest grid, and used as a run uses them. The choice (`--surrogate auto`) sees
held-out draws of its training samples alone; the best is known only afterwards. Finished cells are read again.

All of it takes a day: cases are measured some at a time, each cell with the commit that it is of; the published cells
of other cases and numbers of samples stay as they are.
"""

import datetime
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from pydantic import TypeAdapter

from benchmarks import runs
from benchmarks.plans import recipe
from benchmarks.publish import Benchmark, commit, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.experiment.outcome import SymmetryFacts
from mlft.files import write_whole
from mlft.grids import Grid, group, relative_error
from mlft.learners import Fitted, OneLevel
from mlft.machine import processor
from mlft.problems import PROBLEMS, Problem
from mlft.seeds import generator
from mlft.status import OK
from mlft.store import Samples
from mlft.surrogates import CANDIDATES, SURROGATES, build
from mlft.training import Course, Training

BENCHMARK = Benchmark("plans.candidates", "The choice of a network", ("torch", "numpy", "neuraloperator"))
PLAIN = "fno, no maps"
RECIPE = "neuraloperator's recipe"
TEST = 200
COLUMNS = (
    *("problem, points", "samples", "maps", *CANDIDATES, "auto", PLAIN, RECIPE),
    *("auto over the best", "its worst seed", f"auto over {PLAIN}", "CPU s: fno", "auto", "what auto took", "commit"),
)
SUMMARY = (
    *("samples", "problems", "cells", "auto within 1.03 of the best", "worst", f"auto over {PLAIN}, median"),
    *("least", "most"),
)
NEAR = 1.03


@final
@dataclass(frozen=True)
class Case:
    """A problem on a grid."""

    problem: str
    options: dict[str, Any]

    @property
    def made(self) -> Problem:
        """The problem."""
        return PROBLEMS[self.problem](**self.options)

    def __str__(self) -> str:
        """Return the name and the points."""
        return f"{self.problem}, {'x'.join(map(str, self.made.finest.shape))}"


CASES = {
    "poisson": Case("poisson", {"cells": 128, "levels": 2}),
    "biharmonic": Case("biharmonic", {"cells": 128, "levels": 2}),
    "elliptic1d": Case("elliptic1d", {"cells": 256, "levels": 2}),
    "helmholtz": Case("helmholtz", {"cells": 128, "levels": 2}),
    "wkb": Case("wkb", {"cells": 128, "levels": 2}),
    "radiative-transfer": Case("radiative-transfer", {"cells": 160, "levels": 2}),
    "advection": Case("advection", {"cells": 128, "levels": 2}),
    "burgers": Case("burgers", {"cells": 128, "levels": 2}),
    "euler": Case("euler", {"cells": 128, "levels": 2}),
    "schrodinger": Case("schrodinger", {"cells": 128, "levels": 2}),
    "kohn-sham": Case("kohn-sham", {"cells": 160, "levels": 2}),
    "darcy": Case("darcy", {"cells": 32, "levels": 2}),
    "navier-stokes": Case("navier-stokes", {"cells": 32, "levels": 2}),
    "burgers-256": Case("burgers", {"cells": 256, "levels": 2}),
    "darcy-64": Case("darcy", {"cells": 64, "levels": 2}),
}


@final
@dataclass(frozen=True)
class Sizes:
    """Samples of a training, seeds, and how each trains."""

    samples: tuple[int, ...] = (64, 256, 1024)
    seeds: tuple[int, ...] = (25, 26, 27, 28, 29)
    training: Training = Training()
    test: int = TEST


SHORT = Sizes((24,), (20,), Training(least=20, most=20, checks=4), 10)


@final
@dataclass(frozen=True)
class Cell:
    """What the networks err by on one set of samples, their CPU seconds, what was taken, and the symmetries in use.

    A candidate that the choice dropped has no error. `made` says by which version, at which commit, when and on what.
    """

    case: str
    samples: int
    seed: int
    errors: dict[str, float]
    seconds: dict[str, float]
    taken: str
    maps: str
    made: dict[str, str]

    @property
    def best(self) -> float:
        """The error of the best candidate, known only afterwards."""
        return min(self.errors[name] for name in CANDIDATES if name in self.errors)

    @property
    def over_best(self) -> float:
        """The error of the choice over that of the best candidate."""
        return self.errors["auto"] / self.best


CELL = TypeAdapter(Cell)


def draws(case: Case, seed: int, stream: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n solved draws of the finest grid."""
    problem = case.made
    inputs = problem.evaluate(problem.draw(n, generator(seed, "candidates", stream)), problem.finest)
    solved = problem.solve(inputs, problem.finest)
    good = [i for i, status in enumerate(solved.status) if status == OK]
    return inputs[good], solved.solutions[good]


def maps(name: str) -> SymmetryFacts:
    """Return the symmetries of a case."""
    return runs.symmetries(CASES[name].made)


def members(grid: Grid, *names: str) -> dict[str, Any]:
    """Return options of `auto` that leave it these candidates, or networks as they are without a choice."""
    made = {one["name"]: one for one in SURROGATES["auto"].defaults(grid)["members"]}
    alone = [{"network": name, "options": SURROGATES[name].defaults(grid)} for name in names if name not in made]
    return {"members": [*alone, *(made[name] for name in names if name in made)]}


def trained(  # noqa: PLR0913 (what makes a training)
    name: str,
    samples: Samples,
    seed: int,
    sizes: Sizes,
    folder: Path,
    *,
    names: Sequence[str],
    told: SymmetryFacts | None,
) -> Fitted:
    """Return the choice among some candidates, trained; its checkpoints are the folder's."""
    grid, channels = CASES[name].made.finest, (samples.inputs.shape[1], samples.solutions.shape[1])
    stream, options = generator(seed, "weights"), members(grid, *names)
    surrogate = build("auto", channels, grid, generator=stream, options=options)
    if told is not None:
        surrogate.tell(group(told.used), shifts=told.shifted, scaling=told.scaled)
    return OneLevel().fit(surrogate, [samples], Course(sizes.training, seed, folder))


def cell(name: str, n: int, seed: int, sizes: Sizes, out: Path) -> Cell:
    """Return one cell, measured where it is not there.

    The choice comes first, and each candidate that it did not drop is what the choice made of it.
    """
    torch.set_num_threads(1)
    folder = out / name / f"{n}-samples-seed-{seed}"
    file = folder / "cell.json"
    if file.exists():
        return CELL.validate_json(file.read_bytes())
    (x, y), (inputs, solutions) = draws(CASES[name], seed, "train", n), draws(CASES[name], seed, "test", sizes.test)
    samples, grid, told = Samples(0, tuple(range(len(x))), x, y), CASES[name].made.finest, maps(name)

    def error(fitted: Fitted) -> float:
        return float(relative_error(fitted.surrogate.predict(inputs), solutions, grid).mean())

    chosen = trained(name, samples, seed, sizes, folder, names=list(CANDIDATES), told=told)
    seconds = {log.name: log.cpu_seconds for log in chosen.candidates}
    errors = {"auto": error(chosen)}
    for log in chosen.candidates:
        if not log.verdict.startswith("dropped"):
            errors[log.name] = error(trained(name, samples, seed, sizes, folder, names=[log.name], told=told))
    plain = trained(name, samples, seed, sizes, folder / "plain", names=["fno"], told=None)
    errors[PLAIN], seconds[PLAIN] = error(plain), plain.candidates[0].cpu_seconds
    if grid.dimension == 2:
        spent = sum(log.cpu_seconds for log in chosen.candidates)
        rival, seconds[RECIPE] = recipe.trained(x, y, seconds=spent, seed=seed)
        errors[RECIPE] = float(relative_error(recipe.predicted(rival, inputs), solutions, grid).mean())
    taken = " + ".join(log.name for log in chosen.candidates if log.weight)
    words = f"{max(1, told.elements)}{', shifts' * bool(told.shifted)}{', multiples' * bool(told.scaled)}"
    made = {"mlft": version("mlft"), "commit": commit(), "date": str(datetime.date.today()), "cpu": processor()}
    found = Cell(name, n, seed, errors, seconds, taken, words, made)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(file, CELL.dump_json(found))
    return found


def measured(names: Sequence[str], sizes: Sizes, out: Path, jobs: int) -> list[Cell]:
    """Return the cells of some cases, and say of each case when it is done."""
    found = []
    for name in names:
        for n in sizes.samples:
            tasks = [(name, n, seed, sizes, out) for seed in sizes.seeds]
            found += runs.side_by_side(cell, tasks, jobs)
            print(f"{CASES[name]}, {n} samples: done", flush=True)
    return found


def keep(file: Path, cells: Sequence[Cell]) -> list[Cell]:
    """Return some cells and those of a file that are not among them, in order; write them there, a line each."""
    lines = file.read_bytes().splitlines() if file.exists() else []
    found = {(one.case, one.samples, one.seed): one for one in [*map(CELL.validate_json, lines), *cells]}
    places = list(CASES)
    every = sorted(found.values(), key=lambda one: (places.index(one.case), one.samples, one.seed))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, b"".join(CELL.dump_json(one) + b"\n" for one in every))
    return every


def rows(cells: Iterable[Cell]) -> Iterator[Row]:
    """Yield a row a problem and number of samples: geometric means over seeds."""
    for (name, n), some in groupby(cells, key=lambda one: (one.case, one.samples)):
        yield row(name, n, list(some))


def row(name: str, n: int, cells: Sequence[Cell]) -> Row:
    """Return the row of some seeds."""
    columns = [[one.errors.get(network) for one in cells] for network in (*CANDIDATES, "auto", PLAIN, RECIPE)]
    means = [None if None in column else middle([x for x in column if x is not None]) for column in columns]
    over = [one.over_best for one in cells]
    gain = middle([one.errors["auto"] / one.errors[PLAIN] for one in cells])
    plain = sum(one.seconds[PLAIN] for one in cells) / len(cells)
    auto = sum(sum(one.seconds[network] for network in CANDIDATES) for one in cells) / len(cells)
    taken = sorted({one.taken for one in cells})
    words = ", ".join(f"{what} ({sum(one.taken == what for one in cells)})" for what in taken)
    of = ", ".join(sorted({one.made["commit"] for one in cells}))
    return str(CASES[name]), n, cells[0].maps, *means, middle(over), max(over), gain, plain, auto, words, of


def bars(cells: Iterable[Cell]) -> Iterator[Row]:
    """Yield a row a number of samples: how near the choice is to the best, and what it gains."""
    for n, some in groupby(sorted(cells, key=lambda one: one.samples), key=lambda one: one.samples):
        found = list(some)
        over = [one.over_best for one in found]
        near = f"{sum(ratio <= NEAR for ratio in over)} of {len(found)}"
        gains = [one.errors["auto"] / one.errors[PLAIN] for one in found]
        problems = len({one.case for one in found})
        yield n, problems, len(found), near, max(over), statistics.median(gains), min(gains), max(gains)


def middle(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def tables(cells: Sequence[Cell], test: int) -> list[Table]:
    """Return the table of all cells, and that of the numbers of samples."""
    seeds = ", ".join(map(str, sorted({one.seed for one in cells})))
    caption = (
        f"Relative L2 error on {test} fresh draws, geometric mean over seeds {seeds}; labels are exact, of the "
        "finest grid, one in five held out until the end. **maps**: of the group of symmetries that was found and "
        f"used, the identity among them, and whether shifts and multiples; **{PLAIN}** is told of none. "
        f"**{RECIPE}**: its published one for Darcy flow (FNO, 16² modes, width 32, H1 loss), given all labels and the "
        "CPU time of auto, in the plane alone. A dash: not measured, or the choice dropped the network on some seed, "
        "an earlier one being far ahead. **auto over the best**: its error over that of the best candidate, known only "
        f"afterwards; the geometric mean, and the worst seed. **CPU s: fno** is the training of {PLAIN}, **auto** that "
        "of all that auto tried, but for the end."
    )
    summary = f"All cells (a cell is a seed) by their number of samples; {PLAIN} is the default of before the choice."
    return [tabulate(caption, COLUMNS, rows(cells)), tabulate(summary, SUMMARY, bars(cells))]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    options = parser(BENCHMARK, __doc__, cases=CASES, runs="runs/candidates")
    options.add_argument("--samples", type=int, nargs="+", help="of a training; 64, 256 and 1024 by default")
    options.add_argument("--seeds", type=int, nargs="+", help="of the draws and weights; 25 to 29 by default")
    asked = parse(options, words)
    sizes = SHORT if asked.short else Sizes()
    sizes = replace(sizes, samples=tuple(asked.samples)) if asked.samples else sizes
    sizes = replace(sizes, seeds=tuple(asked.seeds)) if asked.seeds else sizes
    cells = measured(asked.cases or list(CASES), sizes, asked.out, asked.jobs)
    if asked.results is not None:
        cells = keep(asked.results / BENCHMARK.name / "cells.jsonl", cells)
    publish(BENCHMARK, tables(cells, sizes.test), asked)


if __name__ == "__main__":
    main()
