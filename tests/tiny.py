"""Every problem of the registry on two grids, small enough to be solved a hundred times in a second."""

import functools

import numpy as np

from mlft.problems import PROBLEMS
from mlft.seeds import generator as stream

TINY = {
    "darcy": {"cells": 16, "modes": 8, "contrast": 2.0},
    "elliptic1d": {"epsilon": 0.15},
    "helmholtz": {"wave_number": 8.0},
    "kohn-sham": {"cells": 40},
    "navier-stokes": {"cells": 16, "time": 1.0},
    "radiative-transfer": {"cells": 40},
    "wkb": {"epsilon": 0.12},
}


@functools.cache
def tiny(name):
    return PROBLEMS[name](**{"cells": 48, "levels": 2} | TINY.get(name, {}))


def draws_of(problem, n, purpose="trust"):
    return np.concatenate([problem.draw(1, stream(0, purpose, i)) for i in range(n)])
