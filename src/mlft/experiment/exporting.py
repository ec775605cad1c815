"""Out of a run again: its samples in the formats of others, a data set a level, and its surrogate."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from mlft.datasets import FORMATS, Part, write
from mlft.errors import ConfigError, DataError, MlftError, unknown_name
from mlft.experiment.naming import named_problem
from mlft.experiment.outcome import Outcome
from mlft.experiment.record import read_evaluation
from mlft.files import writing
from mlft.grids import Grid, restrict
from mlft.problems import PROBLEMS
from mlft.surrogates.export import as_exported

if TYPE_CHECKING:
    from mlft.experiment.finished import Record
    from mlft.experiment.samples import LevelSamples

Array = np.ndarray

SURROGATES = ("onnx", "pt2")
"""What a surrogate is exported to: ONNX, and an archive of `torch.export`."""

_ONE_GRID = ("neuralop", "pdebench", "well")


@final
@dataclass(frozen=True)
class Exported:
    """Files that were written.

    Attributes:
        files: where they are.
        words: what they hold, and what of it is not as it was.
    """

    files: tuple[Path, ...]
    words: str

    def __str__(self) -> str:
        """Return the files, and the words."""
        return "\n".join([*map(str, self.files), self.words])


def export(
    record: "Record", to: str, out: str | Path, *, streams: Sequence[str] = ("train", "test"), force: bool = False
) -> Exported:
    """Write the samples or the surrogate of a finished run, and return the files.

    Args:
        record: of the run.
        to: a name in `mlft.datasets.FORMATS`, or "onnx" or "pt2" for the surrogate.
        out: a folder, made if it is not there; of a surrogate also the file, by its ending.
        streams: of the samples.
        force: overwrite files that are there.

    Raises:
        ConfigError: for an unknown format or stream.
        DataError: if a file is there, or samples do not fit the format; nothing is written then.
        MlftError: if the run's samples are not there, or an extra is not installed.
    """
    if to not in (*FORMATS, *SURROGATES):
        raise unknown_name("format", to, [*FORMATS, *SURROGATES])
    if to in SURROGATES:
        return _surrogate(record, to, Path(out), force)
    parts = list(_parts(record, to, streams))
    files = write(parts, out, to=to, name=record.outcome.problem.replace(":", "-"), force=force)
    rows = ", ".join(f"{len(part)} of {part.stream} on {part.grid}" for part in parts)
    single = to in ("neuralop", "well")
    return Exported(files, f"samples: {rows}; in {'single precision, float32' if single else 'float64, bit for bit'}")


def part_of(told: Outcome, found: "LevelSamples", stream: str) -> Part:
    """Return the samples of a level of a run as rows, with what they are of."""
    level = told.levels[found.level]
    grid = replace(told.grid, cells=tuple(map(int, level.grid.split("x"))))
    about: dict[str, str | int] = {
        "problem": told.problem,
        "equation": told.equation,
        "options": json.dumps(told.config.get("options", {})),
        "strategy": told.strategy,
        "budget": told.budget.asked,
        "seed": told.seed,
        "level": found.level,
        "levels": len(told.levels),
        "grid": level.grid,
        "mlft_version": told.version,
    }
    names = told.channels.get("inputs", ()), told.channels.get("solutions", ())
    return Part(grid, found.inputs, found.solutions, found.indices, stream, *names, about=about)


def _parts(record: "Record", to: str, streams: Sequence[str]) -> Iterator[Part]:
    """Yield the samples of each stream and level that the run has some of."""
    none = True
    for stream in streams:
        for level in range(len(record.outcome.levels)):
            if level not in record.levels_of(stream):
                continue
            none = False
            part = part_of(record.outcome, record.samples(level, stream), stream)
            if to in _ONE_GRID and part.inputs.shape[2:] != part.grid.shape:
                part = replace(part, inputs=_coarse(record, part.inputs, part.grid))
            yield part
    if none:
        raise MlftError(f"{record.folder} has no samples of {' or '.join(streams)}: nothing is written")


def _coarse(record: "Record", inputs: Array, grid: Grid) -> Array:
    """Return what a coarser level was given to solve, by the problem's own rule where it has one."""
    told = record.outcome
    if "coarsen" not in told.transfers:
        try:
            return restrict(inputs, to=grid)
        except ValueError:
            raise DataError(
                f"inputs of {'x'.join(map(str, inputs.shape[2:]))} points have no averages on {grid} cells, of which "
                "theirs are not a refinement by 2, 4, 8, …: write npz or xarray, which keep the finest"
            ) from None
    name, options = told.config.get("problem", ""), told.config.get("options", {})
    problem = record.problem or (named_problem(name, options) if name in PROBLEMS else None)
    if problem is None:
        raise ConfigError(
            f"the problem '{name}' makes inputs of coarser grids by a rule of its own, {told.transfers['coarsen']}: "
            "name it (--problem, or Record.load(folder, problem=...)), or write npz or xarray, which keep the finest"
        )
    return problem.coarsen(inputs, grid)


def _surrogate(record: "Record", to: str, out: Path, force: bool) -> Exported:
    """Write the surrogate, its normalisers inside, and say how far its numbers are from `record.predict`'s."""
    file = out if out.suffix == f".{to}" else out / f"surrogate.{to}"
    if file.exists() and not force:
        raise ConfigError(f"{file} is there already: give another --out, or --force to overwrite it")
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            record.surrogate.export(file)
        except ImportError as error:
            raise MlftError(str(error)) from None
        except (RuntimeError, TypeError, NotImplementedError) as error:
            reason = str(error).splitlines()[0][:200]
            raise MlftError(f"the surrogate cannot be written as {to}: {reason}") from None
    return Exported((file,), f"{_shapes(record)}; {_limit(record)}")


def _shapes(record: "Record") -> str:
    grid, (ins, outs) = record.outcome.grid, record.surrogate.channels
    points = ", ".join(map(str, grid.shape))
    return (
        f"surrogate: (samples, {ins}, {points}) to (samples, {outs}, {points}), in the solver's own units, normalisers "
        "inside"
    )


def _limit(record: "Record") -> str:
    """Return what the precision of the network's numbers costs, by test samples that the run keeps."""
    kind = str(record.surrogate.dtype).removeprefix("torch.")
    if kind != "float32":
        return f"numbers in and out are {kind}"
    kept = read_evaluation(record.folder)
    inputs, solutions = (np.asarray(kept[name], dtype=np.float64) for name in ("inputs", "solutions"))
    told = "numbers in and out are float32: 7 digits, magnitudes from 1e-38 to 3e38"
    for what, values in (("inputs", inputs), ("solutions", solutions)):
        largest = float(np.abs(values).max())
        if largest and not 1e-37 < largest < 3e38:
            return f"{told}; {what} of this run reach {largest:.2g}, for which the file is of no use: scale the units"
    found, known = as_exported(record.surrogate).predict(inputs), record.surrogate.predict(inputs)
    off, spread = (float(np.sqrt(np.mean(part**2))) for part in (found - known, known - known.mean(axis=0)))
    share = f"{off / spread:.1g} of how far they are from each other" if spread else f"{off:.1g}"
    return f"{told}; on {len(inputs)} test samples its solutions are {share} away from `record.predict`'s (measured)"
