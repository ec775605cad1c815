"""A toy problem whose samples tell their index, and stores of it, for the tests of generation."""

import numpy as np
import pytest
import torch

from mlft.generation import InlineLane, Pool, Request, Supervision, generate
from mlft.grids import Grid, hierarchy
from mlft.problems import FunctionProblem
from mlft.sources import Drawn
from mlft.store import SampleStore

SEED = 11
LEVELS = hierarchy(Grid((20,)), 3)
REQUESTS = [Request("train", level, count) for level, count in enumerate((17, 9, 4))]


def draw(n, generator):
    return torch.randn(n, 3, generator=generator, dtype=torch.float64).numpy()


def evaluate(draws, grid):
    phase = 2 * np.pi * grid.points[0]
    return (draws[:, :1] * np.sin(phase) + draws[:, 1:2] * np.cos(phase) + draws[:, 2:])[:, None]


def square(inputs, grid):
    return inputs**2


def same(inputs, grid):
    return inputs


def toy(solve=square):
    return FunctionProblem("toy", LEVELS, draw, evaluate, solve, 1.0)


def drawn(problem, stream="train"):
    """The draws of a stream of a problem as a source."""
    return Drawn(problem, SEED, stream)


def means(indices, stream="train"):
    """The value that tells a sample from the others, whatever its level: the third coefficient of its draw."""
    from mlft.seeds import generator

    return {round(float(draw(1, generator(SEED, stream, i))[0, 2]), 9): i for i in indices}


def on(bad, act):
    """A solver that does something to the samples whose index is in `bad`, and squares the others."""
    names = means(range(40))

    def solve(inputs, grid):
        solutions = inputs**2
        for row, field in enumerate(inputs):
            if names[round(float(field.mean()), 9)] in bad:
                solutions[row] = act(solutions[row])
        return solutions

    return solve


def to_nan(solution):
    return solution * np.nan


def to_error(solution):
    raise RuntimeError("no\nsolution")


class CountedSolver:
    """Squares, and counts the samples it was given."""

    def __init__(self):
        self.samples = 0

    def __call__(self, inputs, grid):
        self.samples += len(inputs)
        return inputs**2


@pytest.fixture
def store(tmp_path):
    with SampleStore.open(tmp_path, {"problem": "toy", "seed": SEED}) as opened:
        yield opened


def inline():
    return Pool([InlineLane()])


def run(problem, store, pool=None, requests=REQUESTS, **options):
    pool = pool or inline()
    sources = {request.stream: drawn(problem, request.stream) for request in requests}
    return generate(sources, store, requests=requests, pool=pool, supervision=Supervision(**options))


def statuses(store, level=0):
    return {row.index: row.status for row in store.ledger("train", level)}


def failures(store, level=0):
    return {index: status for index, status in statuses(store, level).items() if status != "ok"}


def arrays(store, requests=REQUESTS):
    fields = []
    for request in requests:
        samples = store.read(request.stream, request.level, request.count)
        fields += [samples.solutions]
    return fields


def assert_same(left, right):
    assert all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    with SampleStore.open(tmp_path_factory.mktemp("expected"), {"seed": SEED}) as store:
        run(toy(), store)
        return arrays(store)
