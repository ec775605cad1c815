"""A data set: inputs and solutions of one level or several, and which rows of them are of one draw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int

from mlft.datasets.checks import channels_of, checked, refuse_unlike_draws
from mlft.datasets.ground import NONE, Hints, ground, like
from mlft.datasets.part import Part
from mlft.errors import DataError, plain
from mlft.grids import Grid, Hierarchy, prolong, restrict
from mlft.problems.transfers import Transfer, transfer_names, unfit

Array = np.ndarray


@final
@dataclass(frozen=True)
class Level:
    """The rows of one level of a data set.

    Attributes:
        grid: of the solutions.
        inputs: on the same grid, or on the finest.
        solutions: on the grid.
        draws: the draw of each row: rows of several levels with one number are solutions for one input.
    """

    grid: Grid
    inputs: Float[Array, "n c *finest"]
    solutions: Float[Array, "n k *grid"]
    draws: Int[Array, " n"]

    def __len__(self) -> int:
        return len(self.draws)


@final
@dataclass(frozen=True)
class Dataset:
    """Inputs and solutions that are there already, of one level or several, coarsest first, in float64.

    Attributes:
        levels: the rows of each level.
        name: in the record of a fit.
        input_channels: what each channel of the inputs is, a name, or a name and its unit as in "speed [m/s]".
        solution_channels: the same of the solutions.
        files: where the rows were read from; none for arrays.
        assumed: what nobody said and is taken to be so, a sentence each.
        left_out: rows that were left out because they are not finite.
        about: further facts, of a run that the rows are of.
        prolong_function: see `with_transfers`.
        coarsen_function: see `with_transfers`.
    """

    levels: tuple[Level, ...]
    name: str = "data"
    input_channels: tuple[str, ...] = ()
    solution_channels: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    left_out: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)
    prolong_function: Transfer | None = None
    coarsen_function: Transfer | None = None

    @classmethod
    def from_arrays(
        cls,
        inputs: Array | Sequence[Array],
        solutions: Array | Sequence[Array],
        *,
        grid: Grid | None = None,
        coupled: bool = True,
        name: str = "data",
        drop: bool = False,
    ) -> "Dataset":
        """Return a data set of arrays (rows, channels, *grid); of several levels a list of them, coarsest first.

        Args:
            inputs: of each level, on its own grid or on the finest.
            solutions: of each level, on its grid.
            grid: the finest, such as `mlft.Grid((64, 64), periodic=False)`; coarser ones are told by their shapes.
                Without it values are taken for averages over the cells of a box of side 1 that is not periodic.
            coupled: whether row i of every level is the same draw, as far as a level has so many; else no two levels
                share one.
            name: in the record of a fit.
            drop: leave rows out that are not finite, in place of refusing them.

        Raises:
            DataError: for arrays of another layout, of no numbers, or with rows that are not finite.
        """
        several = isinstance(solutions, list | tuple)
        given, solved = _listed(inputs, several), _listed(solutions, several)
        if len(given) != len(solved) or not solved:
            raise DataError(f"{len(given)} levels of inputs and {len(solved)} of solutions; as many, and one at least")
        parts, start = [], 0
        for level, (x, y) in enumerate(zip(given, solved, strict=True)):
            where = f"level {level}" if several else "arrays"
            own = grid if grid is None or level == len(solved) - 1 else like(grid, np.shape(y)[2:], where)
            part = of_arrays(x, y, own, where=where)
            draws, mine = tuple(range(start, start + len(part))), _unshared(part.inputs, x)
            parts.append(replace(part, draws=draws, inputs=mine, solutions=_unshared(part.solutions, y)))
            start += 0 if coupled else len(part)
        return of_parts(parts, name=name, drop=drop)

    def named(self, *, inputs: Sequence[str] = (), solutions: Sequence[str] = ()) -> "Dataset":
        """Return the data set with names of channels, or a name and its unit as in "speed [m/s]".

        Raises:
            DataError: for more or fewer names than channels.
        """
        for kind, names, count in zip(("inputs", "solutions"), (inputs, solutions), self.channels, strict=True):
            if names and len(names) != count:
                raise DataError(f"{len(names)} names for {count} channels of {kind}: {', '.join(names)}")
        return replace(self, input_channels=tuple(inputs), solution_channels=tuple(solutions))

    def with_transfers(
        self, *, prolong_function: Transfer | None = None, coarsen_function: Transfer | None = None
    ) -> "Dataset":
        """Return the data set with your own ways from grid to grid, as of levels that are no refinements of each other.

        Args:
            prolong_function: (fields, grid) → the fields (n, channels, *grid) of a coarser level on the finest grid:
                its solutions, and inputs that are known on its own grid alone. Reconstruction by polynomials without,
                which needs cells that are refined by 2, 4, 8, …
            coarsen_function: (inputs, grid) → inputs of the finest grid on a coarser level's. By it coupled rows are
                checked, and inputs that are on two levels found; averages, or every other point, without, where cells
                are refined by 2, 4, 8, …

        Raises:
            DataError: for coupled rows whose inputs are not of one draw, or fields of another shape.
        """
        made = replace(self, prolong_function=prolong_function, coarsen_function=coarsen_function)
        refuse_unlike_draws([(level.grid, level.inputs, level.draws) for level in made.levels], made.coarsened)
        return made

    def prolonged(self, fields: Float[Array, "n c *coarse"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return fields of a coarser level on a finer grid, by `prolong_function` where there is one.

        Raises:
            DataError: if that returns something else than fields on the grid.
            ValueError: without one, if the grid is not theirs refined by a power of two.
        """
        if self.prolong_function is None or fields.shape[2:] == grid.shape:
            return prolong(fields, to=grid)
        return _moved(self.prolong_function, "prolong_function", fields, grid)

    def coarsened(self, inputs: Float[Array, "n c *fine"], grid: Grid) -> Float[Array, "n c *grid"]:
        """Return inputs on a coarser grid: those of the finest by `coarsen_function` where there is one.

        Raises:
            DataError: if that returns something else than fields on the grid.
            ValueError: without one, if their grid is not the coarser one refined by a power of two.
        """
        if (
            self.coarsen_function is None
            or inputs.shape[2:] != self.levels[-1].grid.shape
            or grid.shape == inputs.shape[2:]
        ):
            return restrict(inputs, to=grid)
        return _moved(self.coarsen_function, "coarsen_function", inputs, grid)

    @property
    def transfers(self) -> dict[str, str]:
        """The names of the functions of `with_transfers` that are given."""
        return transfer_names(prolong=self.prolong_function, coarsen=self.coarsen_function)

    @property
    def hierarchy(self) -> Hierarchy:
        """The grids, coarsest first."""
        return tuple(level.grid for level in self.levels)

    @property
    def coupled(self) -> bool:
        """Whether some draw is on several levels."""
        counts = sum(len(level) for level in self.levels)
        return len(np.unique(np.concatenate([level.draws for level in self.levels]))) < counts

    @property
    def channels(self) -> tuple[int, int]:
        """Of the inputs and of the solutions."""
        return self.levels[-1].inputs.shape[1], self.levels[-1].solutions.shape[1]

    def only(self, *levels: int) -> "Dataset":
        """Return some levels alone, as in `data.only(-1)` for the finest.

        Raises:
            DataError: for a level that is not there.
        """
        count = len(self.levels)
        if not levels or not all(-count <= level < count for level in levels):
            raise DataError(f"the data set has levels 0 (coarsest) to {count - 1}, got {levels}")
        chosen = [self.levels[level] for level in sorted({level % count for level in levels})]
        return replace(self, levels=_renumbered(chosen))

    def __repr__(self) -> str:
        """Return its name, and the rows and the grid of each level."""
        rows = ", ".join(f"{len(level)} rows on {level.grid}" for level in self.levels)
        joined = "" if len(self.levels) == 1 else ", coupled" if self.coupled else ", no draw on two levels"
        return plain(f"Dataset({self.name!r}: {rows}{joined}; {self.channels[0]} → {self.channels[1]} channels)")


def of_arrays(inputs: object, solutions: object, grid: Grid | None, hints: Hints = NONE, *, where: str) -> Part:
    """Return two arrays (rows, channels, *grid) as a part, with the grid that is given, or that their shape tells.

    Raises:
        DataError: for another layout, or values that are no real numbers.
    """
    given, solved = checked(inputs, "inputs", where), checked(solutions, "solutions", where)
    if len(given) != len(solved):
        raise DataError(f"{where}: {len(given)} rows of inputs and {len(solved)} of solutions; each input has its own")
    channels_of(given, solved, grid, where)
    assumed: tuple[str, ...] = ()
    if grid is None:
        grid, assumed = ground(solved.shape[2:], hints, where=where)
    return Part(grid, given, solved, assumed=assumed, source=where)


def of_parts(parts: Sequence[Part], *, name: str, drop: bool = False) -> Dataset:
    """Return the data set of parts: those of one grid are one level, one after the other.

    Rows are of one draw where their numbers and streams are; numbers that nobody gave are new ones.

    Raises:
        DataError: for no rows, boxes or channels that differ, a draw twice on a level, rows that are not finite, or
            coupled rows that are not of one draw.
    """
    if not parts:
        raise DataError("a data set needs at least one level of rows, got none")
    _refuse_unlike(parts)
    order = sorted({part.grid for part in parts}, key=lambda grid: grid.cells)
    numbers = [*_numbered(parts)]
    levels, lost = [], 0
    for grid in order:
        mine = [(part, draws) for part, draws in zip(parts, numbers, strict=True) if part.grid == grid]
        found, left = _level(grid, mine, order[-1], drop)
        levels.append(found)
        lost += left
    refuse_unlike_draws([(level.grid, level.inputs, level.draws) for level in levels], _restricted)
    first = parts[-1]
    return Dataset(
        _renumbered(levels),
        name,
        next((part.input_channels for part in parts if part.input_channels), ()),
        next((part.solution_channels for part in parts if part.solution_channels), ()),
        tuple(dict.fromkeys(part.source for part in parts if Path(part.source).exists())),
        tuple(dict.fromkeys(text for part in parts for text in part.assumed)),
        lost,
        first.about,
    )


def _restricted(inputs: Array, grid: Grid) -> Array:
    return restrict(inputs, to=grid)


def _moved(function: Transfer, name: str, fields: Array, grid: Grid) -> Array:
    """Return fields on another grid by a caller's function, which may write to what it is given."""
    made = function(fields.copy(), grid)
    wrong, advice = unfit(made, (*fields.shape[:2], *grid.shape))
    if wrong:
        told = f"{name}, asked for fields of {_times(fields.shape[2:])} points on {grid} cells, returned {wrong}"
        raise DataError(f"{told}; {advice}")
    return np.asarray(made, dtype=np.float64)


def _unshared(values: Array, given: Any) -> Array:
    """Return values that do not change when a caller writes to what was given."""
    return values.copy() if isinstance(given, np.ndarray) and np.may_share_memory(values, given) else values


def _listed(arrays: Any, several: bool) -> list[Any]:
    return list(arrays) if several else [arrays]


def _level(grid: Grid, mine: Sequence[tuple[Part, Array]], finest: Grid, drop: bool) -> tuple[Level, int]:
    """Return the rows of a level, and how many were left out."""
    inputs, solutions, draws, lost = [], [], [], 0
    on = {part.inputs.shape[2:] for part, _ in mine}
    for part, numbers in mine:
        if part.inputs.shape[2:] not in (grid.shape, finest.shape) or len(on) > 1:
            raise DataError(
                f"{part.source}: inputs have {_times(part.inputs.shape[2:])} points and solutions {grid} cells; "
                f"inputs are to be on the same grid, or all of a level's on the finest, {finest} cells"
            )
        keep = _finite(part, drop)
        lost += int((~keep).sum())
        inputs.append(part.inputs if keep.all() else part.inputs[keep])
        solutions.append(part.solutions if keep.all() else part.solutions[keep])
        draws.append(numbers[keep])
    rows = np.concatenate(draws)
    if len(np.unique(rows)) < len(rows):
        values, counts = np.unique(rows, return_counts=True)
        raise DataError(
            f"{mine[0][0].source}: {int((counts > 1).sum())} draws are on the level of {grid} cells more than once, "
            f"first draw {values[counts > 1][0]}: a level has a row of each; are the same rows given twice?"
        )
    if not len(rows):
        raise DataError(f"{mine[0][0].source}: no row on {grid} cells is finite; nothing is left to learn from")
    return Level(grid, _joined(inputs), _joined(solutions), rows), lost


def _joined(arrays: Sequence[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)  # a copy of all rows takes their memory again


def _renumbered(levels: Sequence[Level]) -> tuple[Level, ...]:
    """Return levels whose draws are numbered 0, 1, … without a gap."""
    _, numbers = np.unique(np.concatenate([level.draws for level in levels]), return_inverse=True)
    ends = np.cumsum([len(level) for level in levels])[:-1]
    return tuple(replace(level, draws=own) for level, own in zip(levels, np.split(numbers, ends), strict=True))


def _finite(part: Part, drop: bool) -> Array:
    """Return which rows are finite; refuse those that are not, unless they are to be dropped."""
    keep = np.ones(len(part), dtype=bool)
    for field_, values in (("inputs", part.inputs), ("solutions", part.solutions)):
        good = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        bad = np.flatnonzero(~good)
        if len(bad) and not drop:
            raise DataError(
                f"{part.source}: {len(bad)} of {len(values)} rows of {field_} have values that are not finite, first "
                f"row {bad[0]}: finite numbers are expected; repair them, or leave such rows out (drop=True, --drop)"
            )
        keep &= good
    return keep


def _numbered(parts: Sequence[Part]) -> Iterator[Array]:
    """Yield the draws of each part, numbered through all streams; those that nobody numbered get new ones."""
    known: dict[tuple[str, int], int] = {}
    for i, part in enumerate(parts):
        keys = [(f"part {i}", row) for row in range(len(part))]
        if part.draws is not None:
            keys = [(f"stream {part.stream}", draw) for draw in part.draws]
        if len(keys) != len(part):
            raise DataError(f"{part.source}: {len(keys)} draws are named for {len(part)} rows; each row has one")
        yield np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def _refuse_unlike(parts: Sequence[Part]) -> None:
    first = parts[0]
    for part in parts:
        told = {
            "side lengths": (part.grid.lengths, first.grid.lengths),
            "centring": (part.grid.centring, first.grid.centring),
            "periodic ends": (part.grid.periodic, first.grid.periodic),
            "origin": (part.grid.origin, first.grid.origin),
            "channels of inputs": (part.inputs.shape[1], first.inputs.shape[1]),
            "channels of solutions": (part.solutions.shape[1], first.solutions.shape[1]),
            "names of input channels": (part.input_channels, first.input_channels),
            "names of solution channels": (part.solution_channels, first.solution_channels),
        }
        for what, (here, there) in told.items():
            if here != there:
                raise DataError(f"{part.source}: {what} {here}, and {first.source} has {there}: all rows have the same")


def _times(points: Sequence[int]) -> str:
    return "x".join(map(str, points))
