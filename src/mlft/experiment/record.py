"""What a run leaves behind: a record of plain values, and the arrays that the report draws."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from safetensors.numpy import load_file, save

from mlft.errors import MlftError
from mlft.files import write_whole
from mlft.surrogates import Surrogate

RECORD, EVALUATION = "record.json", "evaluation.safetensors"


@final
@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        facts: everything in `record.json`: problem, version, seed, strategy, budget, levels, plan, stages, error,
            seconds, baselines, config.
        surrogate: the fitted surrogate; `surrogate.predict(inputs)` works at once.
        folder: the run folder.
    """

    facts: dict[str, Any]
    surrogate: Surrogate
    folder: Path

    @property
    def error(self) -> float:
        """Mean relative L2 error on fresh draws."""
        return float(self.facts["error"]["relative_l2"]["mean"])

    def __str__(self) -> str:
        """Return the outcome in one line."""
        facts = self.facts
        samples = "/".join(map(str, facts["plan"]["samples"]))
        spent = facts["budget"]["spent"]["solves"]
        return (
            f"{facts['problem']}, {facts['strategy']}, seed {facts['seed']}: relative L2 error {self.error:.4g} "
            f"(mean of {facts['error']['samples']} fresh draws), {samples} samples, {spent:.4g} solves spent"
        )


def plain(value: Any) -> Any:
    """Return values as JSON takes them: tuples as lists, keys as text, NumPy's numbers as Python's, NaN as None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def write_json(file: Path, facts: dict[str, Any]) -> None:
    """Write plain values as JSON, whole or not at all; NaN becomes null."""
    write_whole(file, json.dumps(plain(facts), indent=2, allow_nan=False).encode())


def read_facts(folder: Path, name: str = RECORD) -> dict[str, Any]:
    """Return the facts of a finished run, or those of another file of its folder.

    Raises:
        MlftError: if the folder holds no finished run, or its record is damaged.
    """
    file = folder / name
    try:
        return dict(json.loads(file.read_text()))
    except FileNotFoundError:
        raise MlftError(f"{folder} holds no finished run: {name} is missing; run `mlft run` on it first") from None
    except (OSError, json.JSONDecodeError) as error:
        raise MlftError(f"the record {file} cannot be read: {error}; run `mlft run` on the folder again") from None


def write_evaluation(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the arrays of the report: errors per test sample, and a few samples in full."""
    write_whole(folder / EVALUATION, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def read_evaluation(folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the report.

    Raises:
        MlftError: if they are missing.
    """
    if not (folder / EVALUATION).exists():
        raise MlftError(f"{folder / EVALUATION} is missing; run `mlft run` on the folder again")
    return dict(load_file(folder / EVALUATION))
