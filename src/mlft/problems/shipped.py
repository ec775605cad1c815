"""The registry of problems; a problem of your own joins by assignment, `PROBLEMS["mine"] = Mine`."""

from typing import TYPE_CHECKING

from mlft.registry import Registry

if TYPE_CHECKING:
    from mlft.problems.base import Problem

PROBLEMS: "Registry[type[Problem]]" = Registry(
    "problem",
    {
        "advection": "mlft.problems.advection:Advection",
        "biharmonic": "mlft.problems.biharmonic:Biharmonic",
        "burgers": "mlft.problems.burgers:Burgers",
        "darcy": "mlft.problems.darcy:Darcy",
        "elliptic1d": "mlft.problems.elliptic:Elliptic1d",
        "euler": "mlft.problems.euler:Euler",
        "helmholtz": "mlft.problems.helmholtz:Helmholtz",
        "kohn-sham": "mlft.problems.kohn_sham:KohnSham",
        "navier-stokes": "mlft.problems.navier_stokes:NavierStokes",
        "poisson": "mlft.problems.poisson:Poisson",
        "radiative-transfer": "mlft.problems.radiative:RadiativeTransfer",
        "schrodinger": "mlft.problems.schrodinger:Schrodinger",
        "wkb": "mlft.problems.wkb:Wkb",
    },
)
"""What `mlft problems` lists, by name; a module is imported when its problem is asked for."""
