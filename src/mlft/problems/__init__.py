"""The problems that are shipped, and how to bring your own. `PROBLEMS` is the registry."""

from mlft.problems.base import FunctionProblem, Problem, Solved, statuses
from mlft.problems.burgers import Burgers
from mlft.problems.darcy import Darcy
from mlft.problems.schrodinger import Schrodinger

PROBLEMS: dict[str, type[Problem]] = {
    "burgers": Burgers,
    "darcy": Darcy,
    "schrodinger": Schrodinger,
}

__all__ = ["PROBLEMS", "Burgers", "Darcy", "FunctionProblem", "Problem", "Schrodinger", "Solved", "statuses"]
