"""The files of a finished run: `record.json` and its like, written from typed records and read back into them."""

import csv
import dataclasses
import functools
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, Int, Real, jaxtyped
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mlft.errors import MlftError
from mlft.experiment.outcome import SCHEMA, BudgetComparison, Comparison, ComparisonRow, Outcome, TrustOutcome
from mlft.experiment.outcome.places import misplaced
from mlft.familiarity import INDICATORS, MINIMUM, Alarm, Law, bands_of
from mlft.files import MOST_TEXT, read_file, write_whole
from mlft.grids import Grid
from mlft.uncertainty import Bands

RECORD, BEFORE = "record.json", "record.before.json"
EVALUATION, BANDS, FAMILIARITY = "evaluation.safetensors", "bands.safetensors", "familiarity.safetensors"
COMPARISON, ROWS, BUDGETS = "compare.json", "compare.csv", "budgets.json"
TRUST, TRUST_ARRAYS = "trust.json", "trust.safetensors"

PLACES = {"10% quantile": 0.1, "median": 0.5, "90% quantile": 0.9, "the worst": 1.0}
"""The test samples that a run keeps in full, by the quantile of the errors that theirs is; before schema 3 three."""

_SHOWN: dict[str, Any] = {
    "errors": Real[np.ndarray, " n"],
    "chosen": Int[np.ndarray, " shown"],
    "inputs": Real[np.ndarray, "shown _c *grid"],
    "solutions": Real[np.ndarray, "shown k *grid"],
    "predictions": Real[np.ndarray, "shown k *grid"],
}
_BANDS: dict[str, Any] = {
    "levels": Float[np.ndarray, " levels"],
    "scale": Float[np.ndarray, "k *grid"],
    "points": Float[np.ndarray, " levels"],
    "fields": Float[np.ndarray, " levels"],
    "errors": Float[np.ndarray, " levels"],
    "draws": Int[np.ndarray, "2"],
}
_LAW: dict[str, Any] = {
    "mean": Float[np.ndarray, "c *grid"],
    "scale": Float[np.ndarray, " c"],
    "spread": Float[np.ndarray, "c *grid"],
    "components": Float[np.ndarray, "r p"],
    "deviations": Float[np.ndarray, " r"],
    "waves": Float[np.ndarray, "c bands"],
    "wave_deviations": Float[np.ndarray, "c bands"],
}
_ALARM: dict[str, Any] = {
    "usual": Float[np.ndarray, "indicators 3"],
    "strangeness": Float[np.ndarray, " n"],
    "draws": Int[np.ndarray, "2"],
}
_SPECTRUM, _GREEN = ("numbers", "error", "solution"), ("matrix", "operator", "known")

Arrays = dict[str, np.ndarray]
Thing = TypeVar("Thing")
Told = TypeVar("Told", Outcome, Comparison, BudgetComparison, TrustOutcome)


def write_outcome(folder: Path, told: Outcome) -> None:
    """Write `record.json`, whole or not at all."""
    write_whole(folder / RECORD, _dumped(told))


def read_outcome(folder: Path, name: str = RECORD) -> Outcome:
    """Return what a finished run left; a record of an older schema is read as today's.

    Args:
        folder: the run folder.
        name: of the record's file; `BEFORE` is what a run had found before it was asked for more.

    Raises:
        MlftError: if the folder holds no finished run, its record is damaged, or a newer version wrote it.
    """
    found = _read(Outcome, folder / name, "finished run", "mlft run")
    where = misplaced(found)
    if where is not None:
        raise MlftError(f"the record {folder / name} is damaged: {where}; {_anew(name, 'mlft run')}")
    return found


def write_comparison(folder: Path, told: Comparison | BudgetComparison) -> None:
    """Write `compare.csv`, then `compare.json`, or `budgets.json` of several budgets, each whole or not at all.

    The file of the other kind goes: what is in a folder is the comparison that was asked for last.
    """
    mine, other = (COMPARISON, BUDGETS) if isinstance(told, Comparison) else (BUDGETS, COMPARISON)
    (folder / other).unlink(missing_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in dataclasses.fields(ComparisonRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) for row in told.rows)
    write_whole(folder / ROWS, text.getvalue().encode())
    write_whole(folder / mine, _dumped(told))


def read_comparison(folder: Path) -> Comparison:
    """Return what a comparison left.

    Raises:
        MlftError: if the folder holds none, it is damaged or has no rows, or a newer version wrote it.
    """
    found = _read(Comparison, folder / COMPARISON, "comparison", "mlft compare")
    if not found.rows:
        raise MlftError(f"the comparison in {folder} has no rows; run `mlft compare` on the folder again")
    return found


def read_budgets(folder: Path) -> BudgetComparison:
    """Return what a comparison at several budgets left.

    Raises:
        MlftError: as `read_comparison`, or for a folder named that is not within.
    """
    found = _read(BudgetComparison, folder / BUDGETS, "comparison at several budgets", "mlft compare")
    if not found.rows:
        raise MlftError(f"the comparison in {folder} has no rows; run `mlft compare` on the folder again")
    if len(found.folders) != len(found.budgets) or any(
        Path(name).name != name or name == ".." for name in found.folders
    ):
        raise MlftError(f"the record {folder / BUDGETS} is damaged: folders; {_anew(BUDGETS, 'mlft compare')}")
    return found


def write_trust(folder: Path, told: TrustOutcome, arrays: dict[str, np.ndarray]) -> None:
    """Write `trust.safetensors`, then `trust.json`, each whole or not at all."""
    write_whole(folder / TRUST_ARRAYS, _packed(arrays))
    write_whole(folder / TRUST, _dumped(told))


def read_trust(folder: Path) -> tuple[TrustOutcome, dict[str, np.ndarray]]:
    """Return what `mlft trust` found: the numbers, and the arrays of its pictures.

    Raises:
        MlftError: if they are missing or damaged, or a newer version wrote them.
    """
    told = _read(TrustOutcome, folder / TRUST, "look at its trust", "mlft trust")
    needed = _SPECTRUM if told.green is None else _SPECTRUM + _GREEN
    return told, _unpacked(folder / TRUST_ARRAYS, needed, _anew(TRUST, "mlft trust"))


def write_evaluation(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the arrays of the report: errors per test sample, and a few samples in full."""
    write_whole(folder / EVALUATION, _packed(arrays))


def read_evaluation(folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the report.

    Raises:
        MlftError: if they are missing or damaged, or not of the shapes of the run.
    """
    remedy = _anew(RECORD, "mlft run")
    arrays, told = _unpacked(folder / EVALUATION, tuple(_SHOWN), remedy), read_outcome(folder)
    kinds = _SHOWN | {f"lift-{row.level}": Real[np.ndarray, "3 _k *grid"] for row in told.lifts}
    with jaxtyped("context"):
        known: list[Any] = [("the grid", np.broadcast_to(0.0, told.grid.shape), Real[np.ndarray, "*grid"])]
        known += [(name, arrays.get(name), kind) for name, kind in kinds.items()]
        odd = [name for name, array, kind in known if not isinstance(array, kind)]
    chosen, counts = arrays["chosen"], (len(PLACES) - 1, len(PLACES))
    if not odd and (len(chosen) not in counts or not np.isin(chosen, np.arange(len(arrays["errors"]))).all()):
        odd = ["chosen"]
    if odd:
        raise MlftError(f"{folder / EVALUATION} is of another run: {', '.join(odd)} has another shape; {remedy}")
    return arrays


def write_bands(folder: Path, bands: Bands) -> None:
    """Write the bands about a run's predictions: the scale at each point, and the quantiles by level."""
    counts = np.array([bands.scaled, bands.calibrated], dtype=np.int64)
    arrays = {name: getattr(bands, name) for name in ("levels", "scale", "points", "fields", "errors")}
    write_whole(folder / BANDS, _packed(arrays | {"draws": counts}))


def read_bands(folder: Path, grid: Grid) -> Bands | None:
    """Return the bands about a run's predictions; None where the run keeps none.

    Args:
        folder: the run folder.
        grid: the finest, of the run.

    Raises:
        MlftError: if they are damaged, or of another run.
    """

    def unlike(arrays: Arrays) -> list[str]:
        return ["scale"] * (arrays["scale"].shape[1:] != grid.shape or not (arrays["scale"] > 0).all())

    arrays = _fitting(folder / BANDS, _BANDS, unlike)
    if arrays is None:
        return None
    scaled, calibrated = map(int, arrays.pop("draws"))
    return Bands(scaled=scaled, calibrated=calibrated, **{name: arrays[name] for name in _BANDS if name != "draws"})


def write_alarm(folder: Path, alarm: Alarm) -> None:
    """Write the alarm for unfamiliar inputs: what is known of the law, what is usual, and how strange its draws are."""
    arrays = {name: getattr(alarm.law, name) for name in _LAW}
    arrays |= {"usual": alarm.usual, "strangeness": alarm.strangeness}
    counts = np.array([alarm.trained, alarm.fitted], dtype=np.int64)
    write_whole(folder / FAMILIARITY, _packed(arrays | {"draws": counts}))


def read_alarm(folder: Path, grid: Grid) -> Alarm | None:
    """Return the alarm of a run for unfamiliar inputs; None where the run keeps none.

    Args:
        folder: the run folder.
        grid: the finest, of the run.

    Raises:
        MlftError: if it is damaged, or of another run.
    """
    arrays = _fitting(folder / FAMILIARITY, _LAW | _ALARM, lambda arrays: _unlike(arrays, grid))
    if arrays is None:
        return None
    trained, fitted = map(int, arrays.pop("draws"))
    law = Law(grid=grid, **{name: arrays[name] for name in _LAW})
    return Alarm(law, arrays["usual"], arrays["strangeness"], trained, fitted)


def _fitting(file: Path, kinds: dict[str, Any], unlike: Callable[[Arrays], list[str]]) -> Arrays | None:
    """Return the arrays of a file, each of its kind; None where there is no file.

    Args:
        file: in a run folder.
        kinds: of the arrays, by name.
        unlike: names those that do not belong to the run.
    """
    if not file.is_file():
        return None
    remedy = _anew(RECORD, "mlft run")
    arrays = _unpacked(file, tuple(kinds), remedy)
    with jaxtyped("context"):
        odd = [name for name, kind in kinds.items() if not isinstance(arrays[name], kind)]
    odd = odd or unlike(arrays)
    if odd:
        raise MlftError(f"{file} is of another run: {', '.join(odd)} has another shape; {remedy}")
    return arrays


def _unlike(arrays: dict[str, np.ndarray], grid: Grid) -> list[str]:
    """Return which arrays of an alarm do not belong to a grid, or cannot be calculated with."""
    shape, bands = arrays["mean"].shape, len(bands_of(grid).starts)
    wrong = {
        "mean": shape[1:] != grid.shape,
        "components": arrays["components"].shape[1] != arrays["mean"].size,
        "waves": arrays["waves"].shape[1] != bands,
        "usual": len(arrays["usual"]) != len(INDICATORS),
        "strangeness": len(arrays["strangeness"]) < MINIMUM or not (np.diff(arrays["strangeness"]) >= 0).all(),
    }
    wrong |= {name: not (arrays[name] > 0).all() for name in ("scale", "spread", "deviations", "wave_deviations")}
    return [name for name, is_so in wrong.items() if is_so]


def to_plain(told: Any) -> Any:
    """Return a typed record as plain values; a number that is not finite becomes None."""
    return json.loads(_adapter(type(told)).dump_json(told))


def from_plain(kind: type[Thing], value: Any) -> Thing:
    """Return the typed record that `to_plain` gave as plain values.

    Raises:
        pydantic.ValidationError: if it is none.
    """
    made: Thing = _adapter(kind).validate_python(value)
    return made


_adapter: Callable[[Any], Any] = functools.cache(TypeAdapter)
"""Returns what turns a typed record into JSON and back, made once: that takes a tenth of a second."""


def _dumped(told: Outcome | Comparison | BudgetComparison | TrustOutcome) -> bytes:
    """Return a record as JSON; a number that is not finite becomes null."""
    return bytes(_adapter(type(told)).dump_json(told, indent=2)) + b"\n"


def _read(kind: type[Told], file: Path, what: str, command: str) -> Told:
    try:
        told = json.loads(read_file(file, most=MOST_TEXT))
    except FileNotFoundError:
        raise MlftError(f"{file.parent} holds no {what}: {file.name} is missing; run `{command}` on it first") from None
    except (OSError, ValueError, RecursionError) as error:
        raise MlftError(f"the record {file} cannot be read: {error}; {_anew(file.name, command)}") from None
    schema = told.get("schema", 0) if isinstance(told, dict) else None
    if not isinstance(schema, int) or schema > SCHEMA:
        raise MlftError(
            f"the record {file} has schema {schema!r}; this version of mlft reads up to {SCHEMA}: use the one that "
            f"wrote it, or run `{command}` on a new folder"
        )
    try:
        return _adapter(kind).validate_python(_upgraded(told, file) if schema < SCHEMA else told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise MlftError(
            f"the record {file} is damaged, or of another version of mlft: {where}: {first['msg'].lower()}; "
            f"{_anew(file.name, command)}"
        ) from None


def _anew(name: str, command: str) -> str:
    """Return what makes a file of a folder anew: a command that finds its record there takes it as it is."""
    return f"delete {name} there and run `{command}` on the folder again"


def _upgraded(told: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return a record of an older schema as one of today's.

    Schema 0 had no number, and other words for what a rule did not foresee; schema 1 knew neither how sure a run is nor
    the symmetries of its solver; schema 2 kept no worst draw and no errors in other norms.
    """
    new = {**told, "schema": SCHEMA}
    if file.name == RECORD and "schema" not in told:
        new["foresight"] = told.get("foresight") or None
    if file.name == COMPARISON and "rows" not in told:
        new["rows"] = _rows(file.with_name(ROWS))
    return new


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        rows = list(csv.DictReader(read_file(file, most=MOST_TEXT).decode().splitlines()))
    except (OSError, ValueError) as error:
        raise MlftError(f"{file} cannot be read: {error}; run `mlft compare` on the folder again") from None
    return [{name: value or None for name, value in row.items()} for row in rows]


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def _unpacked(file: Path, needed: Sequence[str], remedy: str) -> dict[str, np.ndarray]:
    try:
        found = dict(load(read_file(file)))
    except FileNotFoundError:
        raise MlftError(f"{file} is missing; {remedy}") from None
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise MlftError(f"{file} cannot be read: {error}; {remedy}") from None
    missing = [name for name in needed if name not in found]
    if missing:
        raise MlftError(f"{file} has no {', '.join(missing)}; {remedy}")
    return found
