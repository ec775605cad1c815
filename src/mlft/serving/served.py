"""A finished run, read once and ready to answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from mlft.errors import MlftError
from mlft.experiment.finished import Record
from mlft.experiment.record import read_bands, read_evaluation
from mlft.grids import Grid
from mlft.surrogates import Fast, Surrogate
from mlft.uncertainty import Banded, Bands

Array = np.ndarray


@final
@dataclass(frozen=True)
class Served:
    """What requests are answered from.

    Attributes:
        record: the run.
        bands: about its predictions; None where it keeps none.
        shown: a few test draws in full: errors, chosen, inputs, solutions, predictions.
        fast: what predicts in place of the surrogate; None for itself.
    """

    record: Record
    bands: Bands | None
    shown: dict[str, Array]
    fast: Fast | None = None

    @property
    def grid(self) -> Grid:
        """The finest grid, on which inputs and solutions are."""
        return self.record.surrogate.grid

    @property
    def points(self) -> int:
        """Of the grid."""
        return int(np.prod(self.grid.shape))

    @property
    def channels(self) -> tuple[int, int]:
        """Of the inputs, and of the solutions."""
        return self.record.surrogate.channels

    @property
    def levels(self) -> tuple[float, ...]:
        """At which there are bands."""
        return () if self.bands is None else tuple(map(float, self.bands.levels))

    @property
    def level(self) -> float:
        """That is taken where none is asked for: 0.9, or the highest where that is less."""
        return max((level for level in self.levels if level <= 0.9 + 1e-9), default=self.levels[0])

    def predict(self, inputs: Array) -> Array:
        """Return the solutions; see `Record.predict`."""
        return (self.fast or self.record.surrogate).predict(inputs)

    def familiar(self, inputs: Array) -> list[tuple[float, float, str]]:
        """Return for each input its score, the threshold above which the alarm rings, and why it does, or ""."""
        found = self.record.familiarity(inputs)
        return [(float(score), found.threshold, why) for score, why in zip(found.score, found.reasons, strict=True)]

    def banded(self, value: Array, level: float) -> Banded:
        """Return a prediction with its bands.

        Raises:
            ValueError: for a level that the run's bands are not calibrated at, or without bands.
        """
        if self.bands is None:
            raise ValueError("this run keeps no bands: uncertainty cannot be asked for")
        return self.bands.about(value, level)


def read_served(run: str | Path | Record, *, fast: bool = False) -> Served:
    """Return a finished run as it is served.

    Args:
        run: its folder, or its record.
        fast: whether ONNX Runtime runs its network.

    Raises:
        MlftError: if the folder holds no finished run, or its files are damaged: which, and what to do; or if `fast`
            is asked for without the extra `onnx`, or for a network that ONNX has no form of.
    """
    record = run if isinstance(run, Record) else Record.load(run)
    record.surrogate.eval()
    bands = read_bands(record.folder, record.outcome.grid)
    return Served(record, bands, read_evaluation(record.folder), _fast(record.surrogate) if fast else None)


def _fast(surrogate: Surrogate) -> Fast:
    try:
        return Fast(surrogate)
    except ImportError as error:
        raise MlftError(str(error)) from None
    except Exception as error:  # torch's own, of many kinds
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise MlftError(
            f"ONNX Runtime cannot run the network of this run ({reason}): serve it without --fast (fast=False)"
        ) from error
