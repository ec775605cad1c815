"""What was found out about the symmetries of a solver, and how a run uses them."""

from dataclasses import dataclass
from typing import final

from mlft.grids import Scaling, Symmetry


@final
@dataclass(frozen=True)
class SymmetryFact:
    """One symmetry.

    Attributes:
        symmetry: the map, with signs of inputs and solutions.
        defect: the largest relative L2 distance of the solver's answer to a taken input from the taken answer.
        shift: how far it takes inputs off their law, as a statistic; see `mlft.diagnostics.symmetry.law_shift`.
        used: whether it is; one that takes inputs off their law is not, unless the problem declares it.
    """

    symmetry: Symmetry
    defect: float
    shift: float
    used: bool

    def __str__(self) -> str:
        """Return the map in words."""
        return str(self.symmetry)


@final
@dataclass(frozen=True)
class ShiftFact:
    """Shifts along a periodic axis, by any number of points.

    Attributes:
        axis: of the grid.
        defect: as of a symmetry, of one shift that makes all others.
        shift: how far it takes inputs off their law.
        used: whether they are.
    """

    axis: int
    defect: float
    shift: float
    used: bool

    def __str__(self) -> str:
        """Return the maps in words."""
        return f"shifts along axis {self.axis}"


@final
@dataclass(frozen=True)
class ScalingFact:
    """Multiples of the inputs, which solutions follow by powers.

    Attributes:
        powers: of each solution channel.
        defect: as of a symmetry, of two multiples.
        spread: standard deviation of the logarithm of the size of inputs, by their law.
        used: whether they are: where inputs differ in size by enough for it to matter.
    """

    powers: tuple[float, ...]
    defect: float
    spread: float
    used: bool

    def __str__(self) -> str:
        """Return the maps in words."""
        return str(Scaling(1.0, self.powers))


@final
@dataclass(frozen=True)
class SymmetryFacts:
    """The symmetries of a solver, found on its coarsest grid or declared and verified there.

    Attributes:
        found: those that make all the others.
        declared: whether the problem declares them.
        draws: that they were tried on.
        solves: of the coarsest grid that it took; not charged.
        elements: of the group in use, the identity among them; 0 where none is used.
        averaged: whether predictions are averaged over the group; else it is used in training alone.
        shifts: periodic axes that the solver commutes with shifts along.
        scaling: multiples that its solutions follow; None where they do not.
    """

    found: tuple[SymmetryFact, ...]
    declared: bool
    draws: int
    solves: int
    elements: int
    averaged: bool
    shifts: tuple[ShiftFact, ...] = ()
    scaling: ScalingFact | None = None

    @property
    def every(self) -> "list[SymmetryFact | ShiftFact | ScalingFact]":
        """All that was found."""
        return [*self.found, *self.shifts, *([] if self.scaling is None else [self.scaling])]

    @property
    def used(self) -> tuple[Symmetry, ...]:
        """Those in use."""
        return tuple(one.symmetry for one in self.found if one.used)

    @property
    def shifted(self) -> tuple[int, ...]:
        """The axes along which fields are shifted in training."""
        return tuple(one.axis for one in self.shifts if one.used)

    @property
    def scaled(self) -> tuple[float, ...]:
        """The powers by which pairs are multiplied in training; none where they are not."""
        return self.scaling.powers if self.scaling is not None and self.scaling.used else ()

    def __str__(self) -> str:
        """Return what was found and how it is used, in a line."""
        source = f"{self.solves} coarse solves, not charged"
        if not self.every:
            return f"symmetries: none found ({source})"
        each = "; ".join(f"{one} (defect {one.defect:.1g}{'' if one.used else ', not used'})" for one in self.every)
        return f"symmetries: {each}; {self.use} ({source})"

    @property
    def use(self) -> str:
        """How they are used, in words."""
        others = ["shifts"] * bool(self.shifted) + ["multiples"] * bool(self.scaled)
        if not self.elements:
            return f"{' and '.join(others)} are used in training" if others else "none is used"
        at_prediction = (
            f"at prediction as the average over {self.elements} maps" if self.averaged else "not at prediction"
        )
        return f"used in training, {at_prediction}" + (f"; {' and '.join(others)} in training" if others else "")
