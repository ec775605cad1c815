"""The samples of a finished run: where they are, and those of a level with their inputs."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.errors import MlftError, unknown_name
from mlft.experiment.outcome import Outcome
from mlft.experiment.session import INPUTS
from mlft.store import LEDGER, StoreReader

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


def samples_of(folder: Path, told: Outcome, stream: str, level: int) -> LevelSamples:
    """Return the solved samples of a stream on a level of a run; see `mlft.Record.samples`.

    Raises:
        ConfigError: for a stream that the run does not have, naming those that it has.
        MlftError: if none of the level is there, or the store is another run's.
        StoreError: if the store is not there, or is damaged.
    """
    with StoreReader(store_of(folder, told)) as store:
        _refuse_other_store(store, told)
        return _read(store, stream, level, len(told.levels) - 1)


def levels_of(folder: Path, told: Outcome, stream: str) -> tuple[int, ...]:
    """Return the levels of a run that have samples of a stream, with their inputs.

    Raises:
        MlftError: as `samples_of`.
    """
    with StoreReader(store_of(folder, told)) as store:
        finest = len(told.levels) - 1
        kept = set(store.solved(INPUTS + stream, finest))
        return tuple(level for level in range(finest + 1) if kept & set(store.solved(stream, level)))


def _refuse_other_store(store: StoreReader, told: Outcome) -> None:
    known, asked = store.identity, {"problem": told.problem, "seed": told.seed}
    for name, value in asked.items():
        if known.get(name) != value:
            raise MlftError(
                f"the samples in {store.folder} are of another run: {name} is {known.get(name)!r} there and {value!r} "
                "in the record; give the folder as the run left it"
            )


def _read(store: StoreReader, stream: str, level: int, finest: int) -> LevelSamples:
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
