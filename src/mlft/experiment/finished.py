"""A finished run, to be used: its outcome, its surrogate, its samples."""

import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, final, overload

import numpy as np
from torch import nn

import mlft
from mlft.datasets.formats.named import as_xarray
from mlft.errors import ConfigError, MlftError, UnfamiliarWarning
from mlft.experiment.corrected import Corrected, corrections
from mlft.experiment.exporting import Exported, export, part_of
from mlft.experiment.manifest import refuse_unfit
from mlft.experiment.naming import written_problem
from mlft.experiment.other_grids import grid_of, predict_on
from mlft.experiment.outcome import Outcome
from mlft.experiment.record import RECORD, read_alarm, read_bands, read_outcome
from mlft.experiment.samples import LevelSamples, levels_of, samples_of
from mlft.experiment.unfamiliar import refuse_unknown, said, solved
from mlft.familiarity import Alarm, Familiarity
from mlft.grids import Grid
from mlft.markup import html_table, in_words
from mlft.problems import Problem
from mlft.surrogates import Surrogate, load
from mlft.uncertainty import Banded

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray

Array = np.ndarray


@final
@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        outcome: everything in `record.json`: problem, version, seed, strategy, budget, levels, plan, stages, error,
            seconds, baselines, config.
        surrogate: the fitted surrogate; `surrogate.predict(inputs)` works at once.
        folder: the run folder.
        corrections: corrected solvers, coarsest first, one for each level whose labels were lifted.
        problem: that solves; None where it was not named.
    """

    outcome: Outcome
    surrogate: Surrogate
    folder: Path
    corrections: tuple[Corrected, ...] = ()
    problem: Problem | None = None

    @classmethod
    def load(
        cls, folder: str | Path, *, problem: str | Problem | None = None, network: nn.Module | None = None
    ) -> "Record":
        """Return the record of a finished run folder, or of a copy of it: nothing is solved, trained or written.

        Without a problem no solver is loaded, and no code of the user's imported; `corrections` are empty then.

        Args:
            folder: the run folder.
            problem: that solves, for corrected solvers and `unfamiliar="solve"`: the name or "module:attribute" that
                the run was given, which is leave to import it, or a problem of your own.
            network: for a network of your own, an instance of the same shapes.

        Raises:
            MlftError: if the folder holds no finished run, or its files are damaged: which, and what to do.
            ConfigError: for another problem than the run's, or a network of your own that is not given.
        """
        folder = Path(folder)
        refuse_unfit(folder)
        told = read_outcome(folder)
        surrogate = load(folder / "surrogate", network=network)
        if problem is None:
            return cls(told, surrogate, folder)
        solver = _problem(folder, told, problem)
        return cls(told, surrogate, folder, corrections(solver, folder), solver)

    @property
    def corrected(self) -> Corrected | None:
        """The corrected solver of the coarsest level, the cheapest; None where the run fitted no lift."""
        return self.corrections[0] if self.corrections else None

    @property
    def error(self) -> float:
        """Mean relative L2 error on fresh draws; NaN where it is not finite."""
        mean = self.outcome.error.relative_l2.mean
        return float("nan") if mean is None else mean

    @overload
    def predict(self, inputs: Array, *, unfamiliar: str = ..., grid: Grid | None = ...) -> Array: ...

    @overload
    def predict(
        self, inputs: Array, uncertainty: float, *, unfamiliar: str = ..., grid: Grid | None = ...
    ) -> Banded: ...

    def predict(
        self,
        inputs: Array,
        uncertainty: float | None = None,
        *,
        unfamiliar: str = "warn",
        grid: Grid | None = None,
    ) -> Array | Banded:
        """Return the surrogate's solutions for inputs, in the solver's own units, or with bands.

        Inputs on the finest grid, or on a finer one, whose averages or points on the finest are looked at, are compared
        with the law that was trained on (`familiarity`). On another grid the network itself is asked, where it takes
        one: `outcome.grids` tells its error on those of the levels, and on any other it is not known.

        Args:
            inputs: (samples, channels, *grid).
            uncertainty: the level of the bands, one of those in `outcome.sure`, such as 0.9: then value, half-widths
                and a bound of the relative L2 error come back. They hold for inputs of the law that was trained on, on
                the finest grid.
            unfamiliar: what to do about inputs that are unlike the law's: "warn" once with an `UnfamiliarWarning`, and
                predict all the same, as far as the run keeps an alarm; "ignore" them; "raise" an `UnfamiliarError`;
                "solve" those by the corrected solver, where the run has one, else by the finest grid's, in this
                process: which they were, `familiarity(inputs).rings` says, and with bands `solved`.
            grid: that inputs are on, where their shape does not tell: it does for the finest, refined or coarsened by a
                power of two.

        Raises:
            ValueError: for a wrong shape, or inputs that are not finite.
            ConfigError: for a level that the run's bands are not calibrated at, bands on another grid, a grid that the
                network does not take, or "solve" without the solver: `Record.load(folder, problem=...)`.
            UnfamiliarError: if that is asked.
            GenerationError: if a solve fails.
            MlftError: if the run keeps no bands, or no alarm where one is needed, or damaged ones.
        """
        refuse_unknown(unfamiliar)
        finest = self.outcome.grid
        grid = grid_of(inputs, self.surrogate) if grid is None else grid
        if grid == finest:
            value, which, words = self._on_finest(inputs, unfamiliar)
        elif uncertainty is not None:
            raise ConfigError(
                f"bands are calibrated on the finest grid, {finest} cells, alone, got inputs on {grid}: bring them to "
                "that, or predict without uncertainty"
            )
        else:
            value, words = predict_on(self.outcome, self.surrogate, self.alarm, inputs, (grid, unfamiliar))
            which = ()
        if words:
            warnings.warn(words, UnfamiliarWarning, stacklevel=2)
        return value if uncertainty is None else replace(self._banded(value, uncertainty), solved=which)

    def _on_finest(self, inputs: Array, unfamiliar: str) -> tuple[Array, tuple[int, ...], str]:
        """Return predictions, which of them a solver made, and what is to be warned of."""
        solver = self._solver() if unfamiliar == "solve" else None
        value = self.surrogate.predict(inputs)
        if unfamiliar == "ignore" or (unfamiliar == "warn" and self.alarm is None):
            return value, (), ""
        found = self.familiarity(inputs)
        words = said(found, unfamiliar)
        if solver is None:
            return value, (), words
        return solved(inputs, value, found.rings, solver), tuple(map(int, np.flatnonzero(found.rings))), words

    def _solver(self) -> Corrected | Problem:
        found = self.corrected or self.problem
        if self.outcome.data is not None:
            raise ConfigError(
                "unfamiliar='solve' needs a solver, and this is a fit of a data set: say 'warn' or 'raise'"
            )
        if found is None:
            raise ConfigError(
                "unfamiliar='solve' needs the solver: name the problem, as the run was given it, "
                f"mlft.Record.load({str(self.folder)!r}, problem={self.outcome.config.get('problem')!r})"
            )
        return found

    def familiarity(self, inputs: Array) -> Familiarity:
        """Return whether inputs are like the draws of the law that was trained on: whether the surrogate may be asked.

        The alarm rings for at most 5% of the law's own draws; see `mlft.familiarity`. It says nothing of the size of an
        error.

        Args:
            inputs: (samples, channels, *grid) on the finest grid; numbers that are not finite ring.

        Raises:
            ConfigError: for a wrong shape.
            MlftError: if the run keeps no alarm, or a damaged one.
        """
        if self.alarm is None:
            raise MlftError(
                f"{self.folder} does not know which inputs are familiar: an older version of mlft made the run, or its "
                "law could not be drawn from; a run in a new folder knows"
            )
        try:
            return self.alarm.of(inputs)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    @functools.cached_property
    def alarm(self) -> Alarm | None:
        """The alarm for unfamiliar inputs, read from the run folder; None where the run keeps none."""
        return read_alarm(self.folder, self.outcome.grid)

    def _banded(self, value: Array, level: float) -> Banded:
        bands = read_bands(self.folder, self.outcome.grid)
        if bands is None:
            raise MlftError(
                f"{self.folder} keeps no bands: an older version of mlft made the run, or it has fewer than 4 test "
                "draws; a run in a new folder has them"
            )
        try:
            return bands.about(value, level)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def samples(self, level: int, stream: str = "train") -> LevelSamples:
        """Return the solved samples of a level, read from the run's store beside whoever writes into it.

        Inputs are on the finest grid, as the surrogate takes them; solutions are the solver's, on the level's own grid.
        A sample whose input was not kept, because the run never used it, is left out.

        Args:
            level: 0 the coarsest.
            stream: "train", "test" (fresh draws), or, after `mlft.trust`, "trust/<law>".

        Raises:
            ConfigError: for a level or a stream that the run does not have, naming those that it has.
            MlftError: if none of the level is there.
            StoreError: if the store is not there, is another run's, or is damaged.
        """
        levels = len(self.outcome.levels)
        if not 0 <= level < levels:
            raise ConfigError(f"the run has levels 0 (coarsest) to {levels - 1} (finest), got level {level!r}")
        return samples_of(self.folder, self.outcome, stream, level)

    def levels_of(self, stream: str = "train") -> tuple[int, ...]:
        """Return the levels that have samples of a stream, with their inputs.

        Raises:
            StoreError: as `samples`.
        """
        return levels_of(self.folder, self.outcome, stream)

    def to_xarray(
        self, level: int | None = None, stream: str = "train", *, predicted: bool = False
    ) -> "xarray.Dataset":
        """Return the samples of a level with named axes, coordinates, channel names and units.

        Variables are `input`, on the finest grid, `solution`, on the level's own, and `prediction`, on the finest grid.
        Axes are `sample` (the index in its stream), `input_channel`, `solution_channel`, and `x` and `y`, or, for what
        is on the finest grid beside solutions of a coarser one, `x_finest` and `y_finest`. Coordinates say whether
        values are averages over cells or at points; the dataset's attributes are problem, equation, options, strategy,
        budget, seed, stream, level and version. Channels have the names that the problem gives them, and else numbers.

        Args:
            level: 0 the coarsest; by default the finest.
            stream: as in `samples`.
            predicted: whether the surrogate's predictions for the same inputs come with it.

        Raises:
            MlftError: if xarray is not installed (the extra `xarray`); and as `samples`.
        """
        level = len(self.outcome.levels) - 1 if level is None else level
        found = self.samples(level, stream)
        prediction = self.surrogate.predict(found.inputs) if predicted else None
        return as_xarray(part_of(self.outcome, found, stream), prediction)

    def export(
        self, to: str, out: str | Path, *, streams: Sequence[str] = ("train", "test"), force: bool = False
    ) -> Exported:
        """Write samples, a data set a level, or the surrogate into files of others; see `mlft.experiment.exporting`.

        Args:
            to: "npz", "neuralop", "pdebench", "well" or "xarray" for samples, "onnx" or "pt2" for the surrogate.
            out: a folder; of a surrogate also the file.
            streams: of the samples.
            force: overwrite files that are there.

        Raises:
            MlftError: as `mlft.experiment.exporting.export`.
        """
        return export(self, to, out, streams=streams, force=force)

    def plot(self, level: float | None = None) -> "matplotlib.figure.Figure":
        """Return a figure of a good, a median and a bad test draw; as `mlft.plot(record)`.

        Args:
            level: of the bands about the predictions; by default 0.9, or the highest below it that is supported.

        Raises:
            ConfigError: for a level that the run's bands are not calibrated at.
            MlftError: if the run's evaluation, or its bands, are damaged.
        """
        return mlft.plot(self, level)

    def __str__(self) -> str:
        """Return the outcome in one line."""
        return str(self.outcome)

    def __repr__(self) -> str:
        """Return what it is of, and where; `str` is the outcome in one line."""
        return f"Record({self.outcome!r}, {str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return the outcome as a small table, for notebooks."""
        told = self.outcome
        found, predicted = told.error.relative_l2, told.plan.predicted_error
        rows = [
            (
                "error",
                f"{in_words(found.mean, found.mean_lower, found.mean_upper)}, {told.error.samples} {told.tested}",
            ),
            *([("predicted", in_words(predicted.value, predicted.lower, predicted.upper))] if predicted else []),
            ("samples", " / ".join(f"{row.samples} on {row.grid}" for row in told.levels if row.samples)),
            *([] if told.data else [("spent", f"{told.budget.spent.solves:.4g} solves, of {told.budget.asked}")]),
            ("strategy", f"{told.strategy}, seed {told.seed}"),
            ("folder", str(self.folder)),
        ]
        return html_table(f"{told.problem}: {told.equation}", rows)


def _problem(folder: Path, told: Outcome, given: str | Problem) -> Problem:
    name, options = told.config.get("problem", told.problem), told.config.get("options", {})
    how = f"mlft.Record.load({str(folder)!r}, problem={name!r})"
    return written_problem(name, options, given, told=str(folder / RECORD), how=how)
