"""The problems that are shipped, and how to bring your own. `PROBLEMS` is the registry."""

from mlft.problems.base import FunctionProblem, Problem, Solved, statuses
from mlft.problems.biharmonic import Biharmonic
from mlft.problems.burgers import Burgers
from mlft.problems.darcy import Darcy
from mlft.problems.poisson import Poisson
from mlft.problems.schrodinger import Schrodinger

PROBLEMS: dict[str, type[Problem]] = {
    "biharmonic": Biharmonic,
    "burgers": Burgers,
    "darcy": Darcy,
    "poisson": Poisson,
    "schrodinger": Schrodinger,
}

__all__ = [
    "PROBLEMS",
    "Biharmonic",
    "Burgers",
    "Darcy",
    "FunctionProblem",
    "Poisson",
    "Problem",
    "Schrodinger",
    "Solved",
    "statuses",
]
