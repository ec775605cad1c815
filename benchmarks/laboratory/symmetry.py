"""What the symmetries of a solver are worth: augmentation, averaging, both, on exact labels of the finest grid."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.grids import Symmetry, group, relative_error
from mlft.learners import OneLevel
from mlft.problems import Problem
from mlft.problems.burgers import Burgers
from mlft.problems.darcy import Darcy
from mlft.problems.euler import Euler
from mlft.problems.poisson import Poisson
from mlft.seeds import generator
from mlft.sources import Drawn
from mlft.store import Samples
from mlft.surrogates import Surrogate, build
from mlft.training import Course, Training

BENCHMARK = Benchmark("laboratory.symmetry", "Symmetries, used", ("torch",))
ODD = (Symmetry((True,), inputs=(-1,), outputs=(-1,)),)
LINEAR = (Symmetry((True,)), Symmetry((False,), inputs=(-1,), outputs=(-1,)))
GAS = (Symmetry((True,), inputs=(1, -1, 1), outputs=(1, -1, 1)),)
SQUARE = (Symmetry((True, False)), Symmetry((False, False), swap=True))
WAYS = ("none", "averaging alone", "augmentation alone", "both")
HEAD = ("problem", "labels", "seeds", "maps", *WAYS, "both / none")


@final
@dataclass(frozen=True)
class Case:
    """A problem, what makes its group, the numbers of labels, and how many seeds."""

    problem: Problem
    generators: tuple[Symmetry, ...]
    labels: tuple[int, ...] = (64,)
    seeds: int = 3


FULL = {
    "burgers, 64 cells": Case(Burgers(cells=64, levels=1), ODD, (64, 256)),
    "poisson, 64 cells": Case(Poisson(cells=64, levels=1), LINEAR, (64, 256)),
    "euler, 64 cells (off its law)": Case(Euler(cells=64, levels=1), GAS),
    "darcy, 32x32, two-phase": Case(Darcy(cells=32, levels=1), SQUARE, seeds=2),
}
SHORT = {"burgers, 64 cells": Case(Burgers(cells=64, levels=1), ODD, (16,), 1)}


def samples(problem: Problem, stream: str, seed: int, count: int) -> Samples:
    """Return exact labels of the finest grid."""
    drawn, indices = Drawn(problem, seed, stream), tuple(range(count))
    inputs = drawn.inputs(0, indices)
    return Samples(0, indices, inputs, problem.solve(inputs, problem.finest).solutions)


def trained(
    problem: Problem, train: Samples, seed: int, elements: Sequence[Symmetry], training: Training, *, averaged: bool
) -> Surrogate:
    """Return the default network trained on samples, told of a group."""
    channels = train.inputs.shape[1], train.solutions.shape[1]
    surrogate = build("fno", channels, problem.finest, generator=generator(seed, "weights"))
    surrogate.tell(elements, averaged=averaged)
    return OneLevel().fit(surrogate, [train], Course(training, seed)).surrogate


def ways(case: Case, labels: int, seed: int, test: int, training: Training) -> list[float]:
    """Return the mean relative L2 errors of the four ways on fresh draws."""
    problem, elements = case.problem, group(case.generators)
    train, fresh = samples(problem, "train", seed, labels), samples(problem, "test", seed, test)

    def error(surrogate: Surrogate) -> float:
        return float(relative_error(surrogate.predict(fresh.inputs), fresh.solutions, problem.finest).mean())

    plain = trained(problem, train, seed, (), training, averaged=False)
    none = error(plain)
    plain.tell(elements)
    taught, both = (trained(problem, train, seed, elements, training, averaged=each) for each in (False, True))
    return [none, error(plain), error(taught), error(both)]


def rows(cases: dict[str, Case], test: int, training: Training) -> Iterator[Row]:
    """Return a row a problem and number of labels: means over seeds."""
    for name, case in cases.items():
        for labels in case.labels:
            found = [ways(case, labels, seed, test, training) for seed in range(case.seeds)]
            errors = np.mean(found, axis=0).tolist()
            yield name, labels, case.seeds, len(group(case.generators)), *errors, errors[-1] / errors[0]


def measure(cases: dict[str, Case], test: int, training: Training) -> Iterator[Table]:
    """Return the table."""
    caption = f"""Mean relative L2 error on {test} fresh draws, seeds of draws, weights and batches, the default network
and training, labels of the finest grid, one held out in five. Averaging alone: the network of the column before it,
averaged over the group. Both: the held-out error that chooses the weights is that of the average."""
    yield tabulate(caption, HEAD, rows(cases, test, training))


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    torch.set_num_threads(1)
    tables = measure(SHORT, 8, Training(steps=30)) if asked.short else measure(FULL, 200, Training())
    publish(BENCHMARK, tables, asked)


if __name__ == "__main__":
    main()
