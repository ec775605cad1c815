"""How far a learned solution map can be trusted: function spaces, bounds, cross-validation, Green's functions.

Measures what Queiruga, Gutman-Solo and Jiang propose (2025, arXiv 2506.15199) on the textbook linear equations, where
theory gives the numbers, and on any surrogate and problem. `docs/generalization.md` explains it.
"""

from mlft.laboratory.equations import (
    CLAMPED,
    EQUATIONS,
    POISSON,
    SUPPORTED,
    Equation,
    LineEquation,
    Pairs,
    PlanePoisson,
    exact_pairs,
)
from mlft.laboratory.modes import Mode
from mlft.laboratory.spaces import (
    Space,
    cosines,
    gaussian_field,
    orthogonalised,
    paper_spaces,
    piecewise_linear,
    polynomials,
    sines,
    tensor,
)

__all__ = [
    "CLAMPED",
    "EQUATIONS",
    "POISSON",
    "SUPPORTED",
    "Equation",
    "LineEquation",
    "Mode",
    "Pairs",
    "PlanePoisson",
    "Space",
    "cosines",
    "exact_pairs",
    "gaussian_field",
    "orthogonalised",
    "paper_spaces",
    "piecewise_linear",
    "polynomials",
    "sines",
    "tensor",
]
