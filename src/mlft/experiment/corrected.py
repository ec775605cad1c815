"""The corrected solver, a run's second product: a coarse solve and the lift that was fitted to such solves."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float
from torch import nn

from mlft import lifts, surrogates
from mlft.errors import ConfigError, GenerationError, plain
from mlft.experiment.naming import written_problem
from mlft.lifts import Coarse, Lift, LiftError, Place, ratio_of
from mlft.problems import Problem, prolonged
from mlft.process import unchanged
from mlft.sources import fingerprint
from mlft.status import OK
from mlft.surrogates import Surrogate, holds, read_description
from mlft.training import Scheme

Array = np.ndarray


@final
@dataclass(frozen=True)
class Corrected:
    """A solver on a coarse level, its solutions prolonged to the finest grid and lifted.

    Its error is the lift's certificate, `lift.error.lifted`, against the solutions of `lift.place.target`. Unlike the
    surrogate's, its answer comes from a solve of the very input: it needs the solver, and may fail as that does.

    Attributes:
        problem: solves, coarsens and prolongs.
        lift: corrects.
    """

    problem: Problem
    lift: Lift

    def __repr__(self) -> str:
        """Return what solves, and what corrects it."""
        place = self.lift.place
        return plain(f"Corrected({self.problem.name}, level {place.level} to {place.target} by {self.lift.name!r})")

    @property
    def level(self) -> int:
        """The level that is solved on."""
        return self.lift.place.level

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that are solved on: its own, and the coarser one that Richardson extrapolation needs."""
        wanted, grids, target = self.lift.correction.coarser_ratio, self.problem.hierarchy, self.lift.place.target
        coarser = [k for k in range(self.level) if wanted and ratio_of(grids, k, target) == wanted]
        return (self.level, *coarser)

    def predict(self, inputs: Float[Array, "_n _c *_grid"]) -> Float[Array, "_n _d *_grid"]:
        """Return the corrected solutions for inputs on the finest grid: coarsened, solved, prolonged, lifted.

        Solves in this process, all samples at once, without a time-out. Nothing is returned where a solve fails.

        Raises:
            GenerationError: if some solve fails: which samples, on which level, by which names.
            ValueError: for inputs of another grid, or that the equation does not allow.
            LiftError: for inputs of other channels, or that are not finite.
        """
        shape = self.problem.finest.shape
        if inputs.shape[2:] != shape:
            wanted = ", ".join(map(str, shape))
            raise ValueError(
                f"the corrected solver takes inputs of shape (samples, channels, {wanted}), got {inputs.shape}"
            )
        return self.correct(inputs, *(solved_on(self.problem, inputs, level) for level in self.levels))

    def correct(
        self, inputs: Float[Array, "n c *grid"], *solutions: Float[Array, "n k *_coarse"]
    ) -> Float[Array, "n k *grid"]:
        """Return what `predict` makes of solutions that are there already, one batch for each of `levels`.

        Raises:
            LiftError: for fields of another grid or other channels, or that are not finite.
        """
        own, *coarser = (prolonged(self.problem, one, self.problem.finest) for one in solutions)
        ratio = self.lift.correction.coarser_ratio
        return self.lift.lift(Coarse(inputs, own, coarser[0] if coarser else None, ratio))


@unchanged()
def solved_on(problem: Problem, inputs: Float[Array, "n c *grid"], level: int) -> Float[Array, "n k *_coarse"]:
    """Return a problem's solutions on a level for inputs on the finest grid, all at once, in this process.

    Raises:
        GenerationError: if some solve fails: which samples, on which level, by which names.
    """
    grid, finest = problem.hierarchy[level], level == len(problem.hierarchy) - 1
    found = problem.solve_level(inputs.copy() if finest else problem.coarsen(inputs, grid), level)
    failed = [(i, status) for i, status in enumerate(found.status) if status != OK]
    if failed:
        named = ", ".join(f"{i}: {status}" for i, status in failed[:5]) + (", ..." if len(failed) > 5 else "")
        raise GenerationError(
            f"{len(failed)} of {len(inputs)} solves of {problem.name} on level {level} failed, by sample {named}; give "
            "the others alone",
            failed=len(failed),
            attempted=len(inputs),
        )
    return found.solutions


def scheme_of(problem: Problem) -> Scheme:
    """Return what is known of a problem's solver."""
    return Scheme(fingerprint(problem), problem.hierarchy, problem.order)


def load(
    folder: Path | str, network: nn.Module | None = None, *, problem: str | Problem | None = None
) -> Surrogate | Corrected:
    """Return what a run saved in a folder: its surrogate, or a corrected solver, each with `predict(inputs)`.

    Args:
        folder: `surrogate` or `lifts/level-<l>` in a run folder, or a copy of it.
        network: for a surrogate with a network of your own, an instance of the same shapes.
        problem: for a corrected solver of a problem of your own, that problem, or "module:attribute" as the run was
            given it; a shipped one is found by its name.

    Raises:
        BundleError: for a missing or damaged file, or weights that do not fit the network.
        ConfigError: for a network or a problem that is not known by name, where none is given.
        LiftError: for a lift of another problem, of other options, grids or transfers.
    """
    folder = Path(folder)
    if not holds(folder, lifts.FORMAT):
        return surrogates.load(folder, network)
    return load_corrected(folder, _problem(folder, problem))


def load_corrected(folder: Path, problem: Problem) -> Corrected:
    """Return the corrected solver of a problem, with the lift saved in a folder.

    Raises:
        BundleError: for a missing or damaged file.
        LiftError: for a lift of another problem, of other options, grids or transfers.
    """
    lift = lifts.load(folder)
    level, target = lift.place.level, lift.place.target
    if not 0 <= level < target < len(problem.hierarchy):
        raise LiftError(f"the lift in {folder} is for levels {level} and {target}, which {problem.name} does not have")
    return Corrected(problem, lifts.load(folder, place=Place.of(scheme_of(problem), level, target)))


def corrections(problem: Problem, run: Path) -> tuple[Corrected, ...]:
    """Return the corrected solvers in a run folder, coarsest level first: a level whose labels were lifted each."""
    folders = (run / "lifts" / f"level-{level}" for level in range(len(problem.hierarchy)))
    found = [load_corrected(folder, problem) for folder in folders if folder.is_dir()]
    return tuple(one for one in found if one.lift.name != "none")


def _problem(folder: Path, given: str | Problem | None) -> Problem:
    if isinstance(given, Problem):
        return given
    told = read_description(folder, form=lifts.FORMAT).get("problem")
    if not isinstance(told, dict) or not isinstance(told.get("name"), str) or not isinstance(told.get("options"), dict):
        raise ConfigError(f"the lift in {folder} does not say how its problem is made: give load(folder, problem=...)")
    how = f"mlft.load({str(folder)!r}, problem={told['name']!r})"
    try:
        return written_problem(told["name"], told["options"], given, told=f"the lift in {folder}", how=how)
    except ConfigError as error:
        raise ConfigError(f"{error}. A corrected solver of your own problem needs load(folder, problem=...)") from None
