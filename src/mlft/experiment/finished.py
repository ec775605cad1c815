"""A finished run, to be used: its outcome, its surrogate, its samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final, overload

import numpy as np
from jaxtyping import Float
from torch import nn

import mlft
from mlft.errors import ConfigError, MlftError, unknown_name
from mlft.experiment.asking import written_problem
from mlft.experiment.corrected import Corrected, corrections
from mlft.experiment.labelled import dataset
from mlft.experiment.manifest import refuse_unfit
from mlft.experiment.outcome import Outcome
from mlft.experiment.record import RECORD, read_bands, read_outcome
from mlft.experiment.session import INPUTS
from mlft.markup import html_table, in_words
from mlft.problems import Problem
from mlft.store import LEDGER, StoreReader
from mlft.surrogates import Surrogate, load
from mlft.uncertainty import Banded

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray

Array = np.ndarray


@final
@dataclass(frozen=True)
class LevelSamples:
    """Solved samples of one level of a finished run.

    Attributes:
        level: the level, 0 the coarsest.
        indices: index of each sample in its stream.
        inputs: the input functions, on the finest grid.
        solutions: the solver's, on the level's own grid.
    """

    level: int
    indices: tuple[int, ...]
    inputs: Float[Array, "n _c *_grid"]
    solutions: Float[Array, "n _k *_coarse"]

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        """Return the level, and the shapes."""
        return f"LevelSamples(level {self.level}: inputs {self.inputs.shape}, solutions {self.solutions.shape})"


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
    """

    outcome: Outcome
    surrogate: Surrogate
    folder: Path
    corrections: tuple[Corrected, ...] = ()

    @classmethod
    def load(
        cls, folder: str | Path, *, problem: str | Problem | None = None, network: nn.Module | None = None
    ) -> "Record":
        """Return the record of a finished run folder, or of a copy of it: nothing is solved, trained or written.

        Without a problem no solver is loaded, and no code of the user's imported; `corrections` are empty then.

        Args:
            folder: the run folder.
            problem: what the corrected solvers of a run that lifts labels solve with: the name or "module:attribute"
                that the run was given, which is leave to import it, or a problem of your own.
            network: for a network of your own, an instance of the same shapes.

        Raises:
            MlftError: if the folder holds no finished run, or its files are damaged: which, and what to do.
            ConfigError: for another problem than the run's, or a network of your own that is not given.
        """
        folder = Path(folder)
        refuse_unfit(folder)
        told = read_outcome(folder)
        surrogate = load(folder / "surrogate", network=network)
        return cls(told, surrogate, folder, () if problem is None else _corrections(folder, told, problem))

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
    def predict(self, inputs: Array) -> Array: ...

    @overload
    def predict(self, inputs: Array, uncertainty: float) -> Banded: ...

    def predict(self, inputs: Array, uncertainty: float | None = None) -> Array | Banded:
        """Return the surrogate's solutions for inputs on the finest grid, in the solver's own units, or with bands.

        Args:
            inputs: (samples, channels, *grid).
            uncertainty: the level of the bands, one of those in `outcome.sure`, such as 0.9: then value, half-widths
                and a bound of the relative L2 error come back. They hold for inputs of the law that was trained on.

        Raises:
            ValueError: for a wrong shape, or inputs that are not finite.
            ConfigError: for a level that the run's bands are not calibrated at.
            MlftError: if the run keeps no bands, or damaged ones.
        """
        value = self.surrogate.predict(inputs)
        return value if uncertainty is None else self._banded(value, uncertainty)

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
        with StoreReader(store_of(self.folder, self.outcome)) as store:
            _refuse_other_store(store, self.outcome)
            return _samples(store, stream, level, levels - 1)

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
        fields = {"input": found.inputs, "solution": found.solutions}
        if predicted:
            fields["prediction"] = self.surrogate.predict(found.inputs)
        return dataset(self.outcome, level, found.indices, fields, stream=stream)

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
            ("error", f"{in_words(found.mean, found.mean_lower, found.mean_upper)}, {told.error.samples} fresh draws"),
            *([("predicted", in_words(predicted.value, predicted.lower, predicted.upper))] if predicted else []),
            ("samples", " / ".join(f"{row.samples} on {row.grid}" for row in told.levels if row.samples)),
            ("spent", f"{told.budget.spent.solves:.4g} solves, of {told.budget.asked}"),
            ("strategy", f"{told.strategy}, seed {told.seed}"),
            ("folder", str(self.folder)),
        ]
        return html_table(f"{told.problem}: {told.equation}", rows)


def store_of(folder: Path, told: Outcome) -> Path:
    """Return the folder of a run's samples: its own, or one that it lies in and shares, as its record says.

    Raises:
        MlftError: if the record says another.
    """
    parts, store = Path(told.store).parts, folder / told.store
    if len(parts) > 2 or any(part != ".." for part in parts) or (parts and not (store / LEDGER).is_file()):
        raise MlftError(
            f"the samples of {folder} are in {told.store!r}, says its record; they are in the run folder, or in one of "
            "the two that it lies in: give the folder as the run left it"
        )
    return store


def _corrections(folder: Path, told: Outcome, given: str | Problem) -> tuple[Corrected, ...]:
    name, options = told.config.get("problem", told.problem), told.config.get("options", {})
    how = f"mlft.Record.load({str(folder)!r}, problem={name!r})"
    return corrections(written_problem(name, options, given, told=str(folder / RECORD), how=how), folder)


def _refuse_other_store(store: StoreReader, told: Outcome) -> None:
    known, asked = store.identity, {"problem": told.problem, "seed": told.seed}
    for name, value in asked.items():
        if known.get(name) != value:
            raise MlftError(
                f"the samples in {store.folder} are of another run: {name} is {known.get(name)!r} there and {value!r} "
                "in the record; give the folder as the run left it"
            )


def _samples(store: StoreReader, stream: str, level: int, finest: int) -> LevelSamples:
    """Return the samples of a stream on a level whose inputs are kept."""
    known = {name: levels for name, levels in store.streams().items() if not name.startswith(INPUTS)}
    if stream not in known:
        raise unknown_name("stream of samples", stream, list(known))
    kept = set(store.solved(INPUTS + stream, finest))
    indices = [index for index in store.solved(stream, level) if index in kept]
    if not indices:
        there = ", ".join(map(str, known[stream]))
        raise MlftError(
            f"no sample of stream {stream!r} with its input is on level {level}: it has samples on level {there}"
        )
    inputs = store.read(INPUTS + stream, finest, indices).solutions
    return LevelSamples(level, tuple(indices), inputs, store.read(stream, level, indices).solutions)
