"""Rows of one level as one file has them: what every format is read into, and written from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from jaxtyping import Float

from mlft.errors import DataError, plain
from mlft.grids import Grid
from mlft.problems.solved import real

Array = np.ndarray


@final
@dataclass(frozen=True)
class Part:
    """Rows of one level: row i of the inputs belongs to row i of the solutions.

    Attributes:
        grid: of the solutions.
        inputs: on the same grid, or on the finest of the data set.
        solutions: on the grid.
        draws: a number a row; rows of several levels with one number are of one draw. None where the file does not say.
        stream: that the numbers count in, such as "train"; rows of different streams are of different draws.
        input_channels: what each channel of the inputs is, a name, or a name and its unit as in "speed [m/s]".
        solution_channels: the same of the solutions.
        about: further facts in plain values, which every format keeps.
        assumed: what the file does not say and is taken to be so, a sentence each.
        source: the file, or "arrays".
    """

    grid: Grid
    inputs: Float[Array, "n c *finest"]
    solutions: Float[Array, "n k *grid"]
    draws: tuple[int, ...] | None = None
    stream: str = ""
    input_channels: tuple[str, ...] = ()
    solution_channels: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    source: str = "arrays"

    def __len__(self) -> int:
        return len(self.solutions)

    def __repr__(self) -> str:
        """Return where the rows are from, how many they are, and their grid."""
        shapes = f"inputs {self.inputs.shape}, solutions {self.solutions.shape}"
        return plain(f"Part({self.source}: {shapes}, grid {self.grid})")

    @property
    def meta(self) -> str:
        """What a format does not say of itself, as JSON: the grid, the draws, the stream, the names, further facts."""
        grid = {name: getattr(self.grid, name) for name in ("cells", "lengths", "centring", "periodic", "origin")}
        told = {
            "grid": grid,
            "draws": self.draws,
            "stream": self.stream,
            "input_channels": self.input_channels,
            "solution_channels": self.solution_channels,
            "about": dict(self.about),
        }
        return json.dumps(told, default=str)


META = "mlft"
"""The name, in files of every format, of what mlft says of its own rows."""


def meta_of(text: str | None, file: object) -> dict[str, Any]:
    """Return what `Part.meta` says, as arguments of a `Part`; nothing where a file has none.

    Raises:
        DataError: if it is damaged.
    """
    if text is None:
        return {}
    try:
        told = json.loads(text)
        grid = told.pop("grid")
        ends = grid["periodic"] if isinstance(grid["periodic"], bool) else tuple(grid["periodic"])
        origin = tuple(grid.get("origin", ()))  # files of before there was one have none
        told["grid"] = Grid(tuple(grid["cells"]), tuple(grid["lengths"]), grid["centring"], ends, origin)
        told["draws"] = None if told["draws"] is None else tuple(map(int, told["draws"]))
        for name in ("input_channels", "solution_channels"):
            told[name] = tuple(map(str, told[name]))
        return {
            name: told[name] for name in ("grid", "draws", "stream", "input_channels", "solution_channels", "about")
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: what mlft wrote about the rows ({META}) is damaged: {plain(str(error))}; export the run again, "
            "or read the arrays and give them to mlft.Dataset.from_arrays"
        ) from None


def numbers(values: object, field: str, where: object) -> Array:
    """Return values as float64, nothing dropped and nothing made a number that was none.

    Raises:
        DataError: for complex, masked, truth, text and object values: naming where, the field, and what to give.
    """
    try:
        return real(values, field)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {error}") from None
