"""Every problem of the registry on two grids, small enough to be solved a hundred times in a second."""

import functools

import numpy as np

from mlft.problems import PROBLEMS
from mlft.seeds import generator as stream

TINY = {
    "darcy": {"cells": 16, "modes": 8, "contrast": 2.0},
    "elliptic1d": {"epsilon": 0.15},
    "helmholtz": {"wave_number": 8.0},
    "kohn-sham": {"cells": 40, "electrons": 4},
    "navier-stokes": {"cells": 16, "time": 1.0},
    "radiative-transfer": {"cells": 40},
    "wkb": {"epsilon": 0.12},
}


# Other laws of a problem, to be asked like problems of their own.
VARIANTS = {
    "darcy with channels": ("darcy", {"field": "channels", "contrast": 10.0}),
    "gross-pitaevskii": ("schrodinger", {"law": "wells", "wells": 2, "boundary": "dirichlet", "cubic": 10.0}),
    "poisson in 2D": ("poisson", {"dimension": 2, "space": "cos", "degree": 3, "cells": 16}),
}


@functools.cache
def tiny(name):
    kind, options = VARIANTS.get(name, (name, {}))
    return PROBLEMS[kind](**{"cells": 48, "levels": 2} | TINY.get(kind, {}) | options)


def draws_of(problem, n, purpose="trust"):
    return np.concatenate([problem.draw(1, stream(0, purpose, i)) for i in range(n)])
