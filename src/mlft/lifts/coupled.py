"""What a lift is fitted to and applied to: coarse fields, the same draws on a finer level, and where they live."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from mlft.errors import MlftError
from mlft.grids import Grid, Hierarchy, Symmetry
from mlft.training import Scheme

Array = np.ndarray


@final
class LiftError(MlftError, ValueError):
    """Fields that a lift cannot be fitted to or applied to; nothing was trained, and no sample is lost."""


@final
@dataclass(frozen=True)
class Place:
    """Where a lift belongs: it is refused for fields of any other place.

    Attributes:
        source: names the problem, its options and its transfers.
        level: the level whose solutions are lifted.
        target: the level whose solutions they are made fit for.
        own: the level's grid.
        grid: the finest grid, on which all fields are seen.
        ratio: cells of the target's grid for one of the level's, on an axis: h_l / h_t.
        order: the scheme's order of accuracy in h.
    """

    source: str
    level: int
    target: int
    own: Grid
    grid: Grid
    ratio: int
    order: float

    @staticmethod
    def of(scheme: Scheme, level: int, target: int) -> "Place":
        """Return the place of a lift from one level to another of a solver."""
        grids = scheme.hierarchy
        return Place(
            scheme.source, level, target, grids[level], grids[-1], ratio_of(grids, level, target), scheme.order
        )


def ratio_of(grids: Hierarchy, level: int, target: int) -> int:
    """Return cells of the target's grid for one of the level's, on an axis."""
    return grids[target].cells[0] // grids[level].cells[0]


@final
@dataclass(frozen=True)
class Coarse:
    """Solutions of one level, seen on the finest grid, with what they were solved for.

    Attributes:
        inputs: the inputs.
        solutions: the level's solutions, prolonged.
        coarser: those of the next coarser level in use for the same draws, prolonged; None where they were not solved.
        coarser_ratio: cells of the target's grid for one of that level's, h_k / h_t.
    """

    inputs: Float[Array, "n c *grid"]
    solutions: Float[Array, "n k *grid"]
    coarser: Float[Array, "n k *grid"] | None = None
    coarser_ratio: int = 0

    def __len__(self) -> int:
        return len(self.solutions)

    def by(self, symmetry: Symmetry) -> "Coarse":
        """Return them taken by a symmetry of the solver."""
        coarser = None if self.coarser is None else symmetry.of_outputs(self.coarser)
        inputs, solutions = symmetry.of_inputs(self.inputs), symmetry.of_outputs(self.solutions)
        return replace(self, inputs=inputs, solutions=solutions, coarser=coarser)

    def take(self, rows: Array) -> "Coarse":
        """Return some of them."""
        coarser = None if self.coarser is None else self.coarser[rows]
        return replace(self, inputs=self.inputs[rows], solutions=self.solutions[rows], coarser=coarser)


@final
@dataclass(frozen=True)
class Coupled:
    """Draws that were solved on two levels.

    Attributes:
        coarse: what the coarser level says.
        fine: what a corrector learns: the target's solutions, or finer labels that are lifted themselves.
        true: which of `fine` are the target's own solutions; only those certify.
    """

    coarse: Coarse
    fine: Float[Array, "n k *grid"]
    true: Bool[Array, " n"]

    def __len__(self) -> int:
        return len(self.fine)

    def by(self, symmetry: Symmetry) -> "Coupled":
        """Return them taken by a symmetry of the solver."""
        return replace(self, coarse=self.coarse.by(symmetry), fine=symmetry.of_outputs(self.fine))


def check(fields: Coarse, place: Place, channels: tuple[int, int] | None = None) -> None:
    """Refuse fields that are not of a place's grid, of other channels, or not finite.

    Raises:
        LiftError: saying which, with the first sample that is meant.
    """
    named = {"inputs": fields.inputs, "solutions": fields.solutions}
    if fields.coarser is not None:
        named["coarser solutions"] = fields.coarser
    for i, (name, field) in enumerate(named.items()):
        known = channels[min(i, 1)] if channels is not None else field.shape[1] if field.ndim > 1 else 0
        if field.shape != (len(fields), known, *place.grid.shape):
            raise LiftError(
                f"a lift of level {place.level} takes {name} of shape ({len(fields)}, {known or 'channels'}, "
                f"{', '.join(map(str, place.grid.shape))}) on the finest grid, got {field.shape}: prolong them first"
            )
        bad = np.flatnonzero(~np.isfinite(field.reshape(len(field), -1)).all(axis=1))
        if len(bad):
            raise LiftError(
                f"{len(bad)} of {len(field)} {name} of level {place.level} are not finite, first sample {bad[0]}: "
                "leave them out, or let the solver report them as failed"
            )
