"""The problems that are shipped, and how to bring your own. `PROBLEMS` is the registry."""

from mlft.problems.advection import Advection
from mlft.problems.base import FunctionProblem, Problem, Solved, statuses
from mlft.problems.biharmonic import Biharmonic
from mlft.problems.burgers import Burgers
from mlft.problems.darcy import Darcy
from mlft.problems.elliptic import Elliptic1d
from mlft.problems.euler import Euler
from mlft.problems.helmholtz import Helmholtz
from mlft.problems.kohn_sham import KohnSham
from mlft.problems.navier_stokes import NavierStokes
from mlft.problems.poisson import Poisson
from mlft.problems.radiative import RadiativeTransfer
from mlft.problems.schrodinger import Schrodinger
from mlft.problems.wkb import Wkb

PROBLEMS: dict[str, type[Problem]] = {
    "advection": Advection,
    "biharmonic": Biharmonic,
    "burgers": Burgers,
    "darcy": Darcy,
    "elliptic1d": Elliptic1d,
    "euler": Euler,
    "helmholtz": Helmholtz,
    "kohn-sham": KohnSham,
    "navier-stokes": NavierStokes,
    "poisson": Poisson,
    "radiative-transfer": RadiativeTransfer,
    "schrodinger": Schrodinger,
    "wkb": Wkb,
}

__all__ = [
    "PROBLEMS",
    "Advection",
    "Biharmonic",
    "Burgers",
    "Darcy",
    "Elliptic1d",
    "Euler",
    "FunctionProblem",
    "Helmholtz",
    "KohnSham",
    "NavierStokes",
    "Poisson",
    "Problem",
    "RadiativeTransfer",
    "Schrodinger",
    "Solved",
    "Wkb",
    "statuses",
]
