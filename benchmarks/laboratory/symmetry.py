"""What the symmetries of a solver are worth: augmentation, averaging, both, on exact labels of the finest grid."""

import time
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
HEAD = ("problem", "labels", "symmetries", "none", "averaging alone", "augmentation alone", "both", "both / none")
SECONDS = ("problem", "labels", "training, none", "training, both", "prediction, plain", "prediction, averaged")


@final
@dataclass(frozen=True)
class Sizes:
    """What is measured.

    Attributes:
        problems: the problem and what makes its group, by name.
        labels: exact solutions of the finest grid, one held out in five of them.
        seeds: of draws, weights and batches.
        test: fresh draws.
        training: the effort, the same for every way.
    """

    problems: dict[str, tuple[Problem, tuple[Symmetry, ...]]]
    labels: tuple[int, ...] = (64, 256)
    seeds: int = 3
    test: int = 200
    training: Training = Training()


FULL = Sizes(
    {
        "burgers, 64 cells": (Burgers(cells=64, levels=1), ODD),
        "poisson, 64 cells": (Poisson(cells=64, levels=1), LINEAR),
        "euler, 64 cells (off its law)": (Euler(cells=64, levels=1), GAS),
        "darcy, 32x32, two-phase": (Darcy(cells=32, levels=1), SQUARE),
    }
)
SHORT = Sizes({"burgers, 64 cells": (Burgers(cells=64, levels=1), ODD)}, (16,), 1, 8, Training(steps=30))


def samples(problem: Problem, stream: str, seed: int, count: int) -> Samples:
    """Return exact labels of the finest grid."""
    drawn, indices = Drawn(problem, seed, stream), tuple(range(count))
    inputs = drawn.inputs(0, indices)
    return Samples(0, indices, inputs, problem.solve(inputs, problem.finest).solutions)


def trained(
    problem: Problem, train: Samples, seed: int, elements: Sequence[Symmetry], training: Training, *, averaged: bool
) -> tuple[Surrogate, float]:
    """Return the default network trained on samples and told of a group, and the seconds that it took."""
    channels = train.inputs.shape[1], train.solutions.shape[1]
    surrogate = build("fno", channels, problem.finest, generator=generator(seed, "weights"))
    surrogate.tell(elements, averaged=averaged)
    started = time.perf_counter()
    fitted = OneLevel().fit(surrogate, [train], Course(training, seed)).surrogate
    return fitted, time.perf_counter() - started


def error(problem: Problem, surrogate: Surrogate, test: Samples) -> tuple[float, float]:
    """Return the mean relative L2 error on draws, and the seconds of a prediction."""
    started = time.perf_counter()
    predicted = surrogate.predict(test.inputs)
    seconds = (time.perf_counter() - started) / len(test.inputs)
    return float(relative_error(predicted, test.solutions, problem.finest).mean()), seconds


def ways(
    problem: Problem, elements: tuple[Symmetry, ...], labels: int, seed: int, sizes: Sizes
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the errors of the four ways, and seconds of training and of a prediction, plain and with the group."""
    train, test = samples(problem, "train", seed, labels), samples(problem, "test", seed, sizes.test)
    plain, first = trained(problem, train, seed, (), sizes.training, averaged=False)
    taught, _ = trained(problem, train, seed, elements, sizes.training, averaged=False)
    both, last = trained(problem, train, seed, elements, sizes.training, averaged=True)
    none, alone = error(problem, plain, test)
    plain.tell(elements)
    averaged, _ = error(problem, plain, test)
    used, many = error(problem, both, test)
    return (none, averaged, error(problem, taught, test)[0], used), (first, last, alone, many)


def measure(sizes: Sizes) -> Iterator[Table]:
    """Return the tables."""
    seconds: list[Row] = []

    def rows() -> Iterator[Row]:
        for name, (problem, generators) in sizes.problems.items():
            elements = group(generators)
            for labels in sizes.labels:
                found = [ways(problem, elements, labels, seed, sizes) for seed in range(sizes.seeds)]
                errors, times = (np.mean([one[part] for one in found], axis=0).tolist() for part in (0, 1))
                seconds.append((name, labels, *times))
                for seed, one in enumerate(found):
                    print(f"seed {seed}: {one[0]}", flush=True)
                yield name, labels, len(elements), *errors, errors[-1] / errors[0]

    caption = f"""Mean relative L2 error on {sizes.test} fresh draws, {sizes.seeds} seeds (of draws, weights and
batches), the default network and training, labels of the finest grid. Averaging alone: the network of the column
before it, averaged over the group. Both: the held-out error that chooses the weights is that of the average."""
    yield tabulate(caption, HEAD, rows())
    yield tabulate(f"Seconds of a training, and of a prediction among {sizes.test}.", SECONDS, seconds)


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    torch.set_num_threads(1)
    publish(BENCHMARK, measure(SHORT if asked.short else FULL), asked)


if __name__ == "__main__":
    main()
