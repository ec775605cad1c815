"""The Green's function of a surrogate of a linear problem, beside the solver's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.diagnostics.advice import Advice
from mlft.diagnostics.answers import Answers, Door
from mlft.diagnostics.green import (
    Likeness,
    halves,
    jacobian,
    likeness,
    probe,
    responses,
    sum_defect,
    superposition_defect,
    unit_inputs,
)
from mlft.diagnostics.maps import Map
from mlft.grids import Grid

Array = np.ndarray

LINEAR = 1e-6
"""Largest defect of superposition of a solver that is taken for linear."""
MOST_COLUMNS = 600
"""Columns that are taken, at most."""


@final
@dataclass(frozen=True)
class GreenPart:
    """The Green's function of a surrogate of a linear problem.

    Attributes:
        solver_defect: defect of superposition of the solver.
        surrogate_defect: the surrogate's.
        columns: the columns that were taken, of the flattened input.
        matrix: the surrogate's Jacobian, averaged over a few inputs of the law.
        operator: the solver's matrix.
        by_jacobian: how like they are.
        by_probing: how like the answers to unit inputs are, each as large as the largest value of the law's inputs.
        known: orthonormal basis of the span of the law's inputs; without columns where not all of `columns` were taken.
        advice: which laws the training inputs cover, and what they miss; None where not all columns were taken.
    """

    solver_defect: float
    surrogate_defect: float
    columns: Sequence[int]
    matrix: Float[Array, "p k"]
    operator: Float[Array, "p k"]
    by_jacobian: Likeness
    by_probing: Likeness
    known: Float[Array, "k r"]
    advice: Advice | None


def green_part(
    predict: Map, solve: Door, own: Float[Array, "n c *grid"], answers: Answers, known: Float[Array, "k r"], grid: Grid
) -> tuple[GreenPart | None, str]:
    """Return the Green's function and nothing, or nothing and why there is none.

    Args:
        predict: the surrogate's.
        solve: asks the solver, for sums of inputs, for 0, and for unit inputs.
        own: draws of the law on the finest grid.
        answers: the solver's to them.
        known: orthonormal basis of the span of the training inputs.
        grid: the finest.
    """
    f, g = halves(own)
    try:
        sums = _whole(solve("sums", np.concatenate([0 * f[:1], f + g])))
        alone = _whole(answers, 2 * len(f))
    except ValueError as error:
        return None, f"the solver does not take sums of its inputs, or 0: {error}"
    defect = sum_defect(sums[:1], alone[: len(f)], alone[len(f) : 2 * len(f)], sums[1:])
    if not defect <= LINEAR:
        words = f"the defect of superposition is {defect:.2g}, at most {LINEAR:g} is allowed"
        return None, f"the solver is not linear: {words}"
    shape, points = own.shape[1:], int(np.prod(own.shape[1:]))
    columns = np.unique(np.linspace(0, points - 1, min(points, MOST_COLUMNS)).astype(int)).tolist()
    amplitude = float(np.abs(own).max())
    try:
        units = _whole(solve("units", unit_inputs(shape, amplitude=amplitude, columns=columns)))
    except ValueError as error:
        return None, f"the solver does not take unit inputs: {error}"
    return _beside(predict, responses(units, amplitude), own, (columns, amplitude, defect), known, grid), ""


def _beside(
    predict: Map, operator: Array, own: Array, taken: tuple[list[int], float, float], known: Array, grid: Grid
) -> GreenPart:
    columns, amplitude, defect = taken
    step = 0.05 * float(np.sqrt(np.mean(own**2)))
    matrix = jacobian(predict, own[:4], step=step, columns=columns)
    whole = len(columns) == int(np.prod(own.shape[1:]))
    weights = grid.weights.ravel() if whole and own.shape[1] == 1 else None
    alike = [
        likeness(found, operator, weights=weights, known=known if whole else None)
        for found in (matrix, probe(predict, own.shape[1:], amplitude=amplitude, columns=columns))
    ]
    basis = known if whole else np.zeros((len(columns), 0))
    own_defect = superposition_defect(predict, own)
    return GreenPart(defect, own_defect, columns, matrix, operator, alike[0], alike[1], basis, None)


def _whole(answers: Answers, n: int | None = None) -> Array:
    """Return the first n solutions, all by default.

    Raises:
        ValueError: if one of them is missing, saying why.
    """
    part = Answers(answers.solutions[:n], answers.status[:n], answers.notes[:n])
    if part.refused:
        raise ValueError(part.refused)
    if part.failures:
        raise ValueError(f"{part.failures} of {len(part.status)} solves")
    return part.solutions
