"""The symmetries that a run uses: found on its coarsest grid, or declared by its problem and verified there."""

import math

import numpy as np
from jaxtyping import Float

from mlft.diagnostics.symmetry import DECLARED, DRAWS, Door, Search, find, verify
from mlft.errors import ConfigError
from mlft.experiment.outcome.symmetry import ScalingFact, ShiftFact, SymmetryFact, SymmetryFacts
from mlft.grids import Symmetry, group
from mlft.problems import Problem

SPREAD = 0.1
"""Standard deviation of the logarithm of the sizes of inputs from which multiples are used in training.

At 0.15 (`euler`) they left 0.73 of the error of a Fourier operator and 0.60 by Muon, 64 labels, seeds 900 to 902; at
0.5 (`advection`) 0.80 and 0.76; at 0.004 (`elliptic1d`) 1.04.
"""


def examined(problem: Problem, inputs: Float[np.ndarray, "n c *grid"], solve: Door, *, averaged: bool) -> SymmetryFacts:
    """Return the symmetries of a problem's solver on its coarsest grid, and which of them are used.

    Those that a problem declares are verified, and used. Else they are found, and used as far as they take inputs to
    inputs of the same law: others would have the surrogate learn what nobody will ask it. Together they make a group of
    at most 16 maps; what would make it larger, or bring one in that leaves the law, is not used. Where none are
    declared, shifts along periodic axes and multiples of inputs are looked for, too. Multiples never leave the sizes
    that the law has, and are used where those differ.

    Args:
        problem: the problem.
        inputs: draws of its law on the coarsest grid.
        solve: its solver there.
        averaged: whether predictions are averaged, too.

    Raises:
        ConfigError: for a symmetry that is declared and that the grid or the solver does not have, with its defect.
    """
    declared = problem.symmetries
    search = find(inputs, solve, problem.hierarchy[0]) if declared is None else _verified(problem, inputs, solve)
    used: list[Symmetry] = []
    off = set() if declared is not None else {one.symmetry for one in search.found if not one.on_law}
    for one in sorted(search.found, key=lambda one: one.shift):
        if one.symmetry not in off and _fits([*used, one.symmetry], off):
            used.append(one.symmetry)
    found = tuple(SymmetryFact(one.symmetry, one.defect, one.shift, one.symmetry in used) for one in search.found)
    shifts = tuple(ShiftFact(one.axis, one.defect, one.shift, one.on_law) for one in search.shifts)
    multiples, scaling = search.scaling, None
    if multiples is not None:
        scaling = ScalingFact(multiples.powers, multiples.defect, multiples.spread, multiples.spread >= SPREAD)
    told = declared is not None, DRAWS, search.solves, len(group(used)), averaged
    return SymmetryFacts(found, *told, shifts, scaling)


def _verified(problem: Problem, inputs: Float[np.ndarray, "n c *grid"], solve: Door) -> Search:
    """Return the symmetries that a problem declares, each with its defect.

    Raises:
        ConfigError: for one that the grid or the solver does not have.
    """
    found, outputs = [], solve(None, DRAWS).shape[1]
    for symmetry in problem.symmetries or ():
        if not symmetry.fits(problem.finest, (inputs.shape[1], outputs)):
            raise ConfigError(
                f"{problem.name} declares the symmetry '{symmetry}', which is none of fields of {inputs.shape[1]} to "
                f"{outputs} channels on {problem.finest!r}: got {symmetry!r}"
            )
        one = verify(symmetry, inputs, solve)
        if math.isinf(one.defect):
            raise ConfigError(
                f"{problem.name} declares the symmetry '{symmetry}', and its solver fails on one of {DRAWS} draws of "
                "the coarsest grid that are taken by it, or on all as they are: declare another, or None to have them "
                "looked for"
            )
        if not one.defect <= DECLARED:
            raise ConfigError(
                f"{problem.name} declares the symmetry '{symmetry}', which its solver does not have: on {DRAWS} draws "
                f"of the coarsest grid S(g x) is up to {one.defect:.2g} (relative L2) from g S(x), and {DECLARED:g} is "
                "allowed; declare another, or None to have them looked for"
            )
        found.append(one)
    return Search(tuple(found), DRAWS * (1 + len(found)))


def _fits(used: list[Symmetry], off: set[Symmetry]) -> bool:
    """Return whether symmetries make a group that is small enough and has none in it that leaves the law."""
    try:
        return off.isdisjoint(group(used))
    except ValueError:
        return False
