"""The runs beneath a folder, finished or not."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

from mlft.errors import ConfigError, MlftError
from mlft.experiment.config import CONFIG, Config, configure, read_config
from mlft.experiment.outcome import Outcome
from mlft.experiment.record import COMPARISON, RECORD, read_outcome

_INSIDE = ("samples", "surrogate", "checkpoints", "figures", "lifts")
"""Folders of a run in which no other run is."""


@final
@dataclass(frozen=True)
class Listed:
    """A run that was found.

    Attributes:
        folder: its folder.
        changed: when its record was written, or, of one that is not finished, its configuration; seconds since 1970.
        config: what was asked; None where that cannot be read.
        outcome: what it left; None where it is not finished.
        trouble: why it cannot be read; empty where it can.
    """

    folder: Path
    changed: float
    config: Config | None
    outcome: Outcome | None = None
    trouble: str = ""


def list_runs(folder: str | Path) -> list[Listed]:
    """Return the runs in a folder and beneath it, by their paths: the parts of comparisons, and rivals, are among them.

    Only records and configurations are read. What cannot be read is listed with the reason.

    Raises:
        ConfigError: if it is no folder.
        MlftError: if no run is there.
    """
    folder, found = Path(folder), list[Listed]()
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder: give one with runs beneath it, such as runs")
    closed: list[OSError] = []
    for name, inside, files in os.walk(folder, onerror=closed.append):
        place, compared = Path(name), any(each.startswith("seed-") for each in inside)
        inside[:] = sorted(each for each in inside if each not in _INSIDE and not each.startswith("."))
        if RECORD in files or (CONFIG in files and COMPARISON not in files and not compared):
            found.append(_listed(place, RECORD if RECORD in files else CONFIG))
    found += [Listed(Path(error.filename), 0.0, None, trouble=error.strerror or str(error)) for error in closed]
    if not found:
        raise MlftError(f"there is no run of mlft in {folder} or beneath it; `mlft run ... --out DIR` makes one")
    return sorted(found, key=lambda one: one.folder)


def _listed(place: Path, file: str) -> Listed:
    changed = (place / file).stat().st_mtime
    try:
        if file == RECORD:
            told = read_outcome(place)
            return Listed(place, changed, configure(told.config), told)
        return Listed(place, changed, configure(read_config(place / CONFIG)))
    except MlftError as error:
        return Listed(place, changed, None, trouble=str(error))
