"""Which network learns which map: every candidate, and the choice among them, on exact labels of every problem.

Training and test draws are the finest grid's own, a fresh stream a seed; no level and no plan is in it. The choice
(`--surrogate auto`) sees held-out draws of its training samples alone; the best is known only afterwards. Finished
cells are read again.
"""

import dataclasses
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.files import write_whole
from mlft.grids import relative_error
from mlft.learners import OneLevel
from mlft.problems import PROBLEMS, Problem
from mlft.seeds import generator
from mlft.status import OK
from mlft.store import Samples
from mlft.surrogates import build
from mlft.training import Course, Training

BENCHMARK = Benchmark("plans.candidates", "The choice of a network", ("torch", "numpy"))
NETWORKS = ("linear", "kernel", "fno", "auto")
TEST = 200
COLUMNS = (
    *("problem, points", "samples", "linear", "kernel", "fno", "auto"),
    *("auto over the best", "its worst seed", "auto over fno", "CPU s: fno", "auto", "what auto took"),
)


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
}


@final
@dataclass(frozen=True)
class Sizes:
    """Samples of a training, seeds, and how each trains."""

    samples: tuple[int, ...] = (64, 256)
    seeds: tuple[int, ...] = (20, 21, 22, 23, 24)
    training: Training = Training()
    test: int = TEST


SHORT = Sizes((24,), (20,), Training(least=20, most=20, checks=4), 10)


@final
@dataclass(frozen=True)
class Cell:
    """What the networks err by on one set of samples, their CPU seconds, and what was taken."""

    errors: dict[str, float]
    seconds: dict[str, float]
    taken: str


def draws(case: Case, seed: int, stream: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n solved draws of the finest grid."""
    problem = case.made
    inputs = problem.evaluate(problem.draw(n, generator(seed, "candidates", stream)), problem.finest)
    solved = problem.solve(inputs, problem.finest)
    good = [i for i, status in enumerate(solved.status) if status == OK]
    return inputs[good], solved.solutions[good]


@cache
def drawn(name: str, seed: int, samples: int, test: int) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return training and test draws of a case; few of a seed are the first of many."""
    return draws(CASES[name], seed, "train", samples), draws(CASES[name], seed, "test", test)


def trained(name: str, network: str, n: int, seed: int, sizes: Sizes, folder: Path) -> tuple[float, float, str]:
    """Return error, CPU seconds and what was taken of one training; its checkpoints are the folder's."""
    problem = CASES[name].made
    (x, y), (inputs, solutions) = drawn(name, seed, max(sizes.samples), sizes.test)
    n = min(n, len(x))
    started = time.process_time()
    surrogate = build(network, (x.shape[1], y.shape[1]), problem.finest, generator=generator(seed, "weights"))
    samples = Samples(0, tuple(range(n)), x[:n], y[:n])
    fitted = OneLevel().fit(surrogate, [samples], Course(sizes.training, seed, folder))
    seconds = time.process_time() - started
    error = float(relative_error(fitted.surrogate.predict(inputs), solutions, problem.finest).mean())
    return error, seconds, " + ".join(log.name for log in fitted.candidates if log.weight)


def cell(name: str, n: int, seed: int, sizes: Sizes, out: Path) -> Cell:
    """Return one cell, measured where it is not there.

    The choice comes first, and the network on its own goes on from what the choice made of it.
    """
    folder = out / name / f"{n}-samples-seed-{seed}"
    file = folder / "cell.json"
    if file.exists():
        return Cell(**json.loads(file.read_text()))
    errors, seconds = {}, {}
    errors["auto"], seconds["auto"], taken = trained(name, "auto", n, seed, sizes, folder)
    for network in NETWORKS[:-1]:
        errors[network], seconds[network], _ = trained(name, network, n, seed, sizes, folder / network)
    found = Cell(errors, seconds, taken)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(dataclasses.asdict(found)).encode())
    return found


def rows(names: Sequence[str], sizes: Sizes, out: Path) -> Iterator[Row]:
    """Yield a row a problem and number of samples: geometric means over seeds."""
    for name in names:
        for n in sizes.samples:
            cells = [cell(name, n, seed, sizes, out) for seed in sizes.seeds]
            means = [middle([one.errors[network] for one in cells]) for network in NETWORKS]
            over = [one.errors["auto"] / min(one.errors[network] for network in NETWORKS[:-1]) for one in cells]
            gain = middle([one.errors["auto"] / one.errors["fno"] for one in cells])
            auto = sum(one.seconds["auto"] for one in cells) / len(cells)
            rest = sum(one.seconds["fno"] - one.seconds["linear"] - one.seconds["kernel"] for one in cells) / len(cells)
            taken = sorted({one.taken for one in cells})
            words = ", ".join(f"{what} ({sum(one.taken == what for one in cells)})" for what in taken)
            yield str(CASES[name]), n, *means, middle(over), max(over), gain, auto + rest, auto, words


def middle(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def measure(names: Sequence[str], sizes: Sizes, out: Path) -> Table:
    """Return the table."""
    torch.set_num_threads(1)
    seeds = ", ".join(map(str, sizes.seeds))
    caption = (
        f"Relative L2 error on {sizes.test} fresh draws, geometric mean over seeds {seeds}; labels are exact, of the "
        "finest grid, one in five held out. **auto over the best**: its error over that of the best of the three "
        "others, known only afterwards; the geometric mean, and the worst seed. **CPU s: fno** is the network's whole "
        "training, **auto** that of all that it tried."
    )
    return tabulate(caption, COLUMNS, rows(names, sizes, out))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES, runs="runs/candidates"), words)
    sizes = SHORT if asked.short else Sizes()
    publish(BENCHMARK, [measure(asked.cases or list(CASES), sizes, asked.out)], asked)


if __name__ == "__main__":
    main()
