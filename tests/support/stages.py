"""A small network, samples of a smooth map on a few levels, and a training of seconds, for the tests of stages."""

import numpy as np
import torch

from mlft.grids import Grid
from mlft.learners import FineTune
from mlft.store import Samples
from mlft.surrogates import build
from mlft.training import Course, Training

GRID = Grid((18,))
QUICK = Training(steps=60, batch=5, checks=6, rate=5e-3)


def finetune(net, levels, settings, *, seed, folder=None, progress=None):
    return FineTune().fit(net, levels, Course(settings, seed, folder, progress))


def surrogate(generator, grid=GRID):
    options = {"modes": [3], "width": 6, "depth": 2}
    return build("fno", (1, 1), grid, options=options, generator=generator)


def samples(level, n, generator, *, offset=0.0):
    """Smooth inputs a sin + b cos, and a nonlinear map of them that differs a little from level to level."""
    x = GRID.points[0]
    rows = []
    for _ in range(n):
        a, b = torch.randn(2, generator=generator, dtype=torch.float64).tolist()
        rows.append(a * np.sin(2 * np.pi * x) + b * np.cos(2 * np.pi * x))
    inputs = np.array(rows)[:, None]
    return Samples(level, tuple(range(n)), inputs, np.tanh(inputs) + 1.0 + offset * inputs)


def two_levels(generator):
    coarse = samples(0, 31, generator, offset=0.2)
    fine = Samples(2, tuple(range(11)), coarse.inputs[:11], np.tanh(coarse.inputs[:11]) + 1.0)
    return [coarse, fine]


def weights_of(fitted):
    return {name: p.detach().clone() for name, p in fitted.surrogate.named_parameters()}


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)
