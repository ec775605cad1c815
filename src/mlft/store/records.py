"""What goes into the store and comes out of it: immutable records."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, final

import numpy as np
from jaxtyping import Float

from mlft.status import OK

Array = np.ndarray
_STREAM = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*")


Key = tuple[str, int, int]
"""The name of a sample: its stream, its level, and its index in the stream."""


@final
@dataclass(frozen=True)
class Batch:
    """Samples of one stream on one level that were tried together, and how each ended.

    Attributes:
        stream: the random stream the draws come from, such as "train" or "trust/rougher": lower-case letters, digits,
            hyphens, parted by slashes.
        level: the level, 0 the coarsest.
        indices: index of each sample in its stream.
        status: a name per sample, "ok" or a named failure.
        inputs: inputs of the samples that are ok, in order; the others have no arrays.
        solutions: solutions of the samples that are ok, in order.
        attempts: times each sample was tried; 1 each where not given.
        seconds: solver time of each sample, in seconds, over all its attempts.
        scalars: further numbers of the samples that are ok.
        notes: one line per sample saying why it failed, or "".

    Raises:
        ValueError: for lengths that do not agree, a name that is not allowed, or an index given twice.
    """

    stream: str
    level: int
    indices: tuple[int, ...]
    status: tuple[str, ...]
    inputs: Float[Array, "ok c *grid"]
    solutions: Float[Array, "ok k *grid"]
    seconds: tuple[float, ...]
    attempts: tuple[int, ...] = ()
    scalars: dict[str, Float[Array, " ok"]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.indices)
        plain = {
            "indices": tuple(map(int, self.indices)),  # NumPy's integers are no JSON, and SQLite makes blobs of them
            "seconds": tuple(map(float, self.seconds)),
            "attempts": tuple(map(int, self.attempts)) or (1,) * n,
            "notes": self.notes or ("",) * n,
        }
        for name, values in plain.items():
            object.__setattr__(self, name, values)
        _check_key(self.stream, self.level, self.indices)
        for name in ("status", "seconds", "attempts", "notes"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"a batch of {n} samples has {n} {name}, got {len(getattr(self, name))}")
        ok = self.status.count(OK)
        lengths = {len(self.inputs), len(self.solutions), *(len(values) for values in self.scalars.values())}
        if lengths != {ok}:
            raise ValueError(f"{ok} samples are ok, so each array has {ok} rows; got {sorted(lengths)}")

    def take(self, positions: Sequence[int]) -> "Batch":
        """Return the samples at some positions of the batch, with their arrays."""
        rows = np.cumsum([status == OK for status in self.status]) - 1
        keep = [int(rows[p]) for p in positions if self.status[p] == OK]
        parts: dict[str, Any] = {name: tuple(getattr(self, name)[p] for p in positions) for name in _PER_SAMPLE}
        scalars = {name: values[keep] for name, values in self.scalars.items()}
        return replace(self, inputs=self.inputs[keep], solutions=self.solutions[keep], scalars=scalars, **parts)


_PER_SAMPLE = ("indices", "status", "seconds", "attempts", "notes")


@final
@dataclass(frozen=True)
class Samples:
    """Solved samples of one level, as the store returns them.

    Attributes:
        level: the level, 0 the coarsest.
        indices: index of each sample in its stream.
        inputs: the inputs on the level's grid.
        solutions: the solutions on the level's grid.
        scalars: further numbers per sample, NaN where a sample has none.
    """

    level: int
    indices: tuple[int, ...]
    inputs: Float[Array, "n c *grid"]
    solutions: Float[Array, "n k *grid"]
    scalars: dict[str, Float[Array, " n"]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indices)


@final
@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What the ledger knows of one sample.

    Attributes:
        stream: the random stream of its draw.
        level: its level.
        index: its index in the stream.
        status: "ok" or a named failure.
        attempts: times it was tried.
        seconds: solver time in seconds, over all attempts.
        note: why it failed, in one line.
        row: its row in the arrays of its file; −1 for a failed sample, which has none.
        sha256: hash of its name and arrays, in hexadecimal; empty for a failed sample.
        file: name of the file that records it, in the folder of its level.
    """

    stream: str
    level: int
    index: int
    status: str
    attempts: int
    seconds: float
    note: str
    row: int
    sha256: str
    file: str

    @property
    def key(self) -> Key:
        """The name of the sample."""
        return self.stream, self.level, self.index


_KINDS: tuple[Any, ...] = tuple((int, float) if each.type is float else each.type for each in fields(LedgerRow))


def row_of(values: Sequence[Any]) -> LedgerRow | None:
    """Return the row of some values; None where they are not of its kinds, as those of a forged file need not be."""
    if len(values) != len(_KINDS) or not all(
        isinstance(value, kind) for value, kind in zip(values, _KINDS, strict=True)
    ):
        return None
    row = LedgerRow(*values)
    return row if is_key(row.key) and row.row >= -1 else None


def is_key(values: tuple[Any, ...]) -> bool:
    """Return whether some values name a sample."""
    if len(values) != 3 or not all(map(isinstance, values, (str, int, int))):
        return False
    return _STREAM.fullmatch(values[0]) is not None and min(values[1:]) >= 0


@final
@dataclass(frozen=True)
class Tally:
    """Samples of one stream on one level that ended in one status: how many, tries, and solver seconds."""

    stream: str
    level: int
    status: str
    samples: int
    attempts: int
    seconds: float


@final
@dataclass(frozen=True)
class Recovery:
    """What opening a run folder, or verifying it, found and put right.

    Attributes:
        lost: samples that were acknowledged and are damaged: they are missing now and will be solved again.
        adopted: files that were complete but not in the ledger, and are now.
        set_aside: files renamed to *.damaged or *.duplicate; their healthy samples stay.
    """

    lost: tuple[Key, ...] = ()
    adopted: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()


def _check_key(stream: str, level: int, indices: tuple[int, ...]) -> None:
    if not _STREAM.fullmatch(stream):
        raise ValueError(
            f"a stream is named in lower-case letters, digits and hyphens, parted by slashes, got {stream!r}"
        )
    if level < 0 or any(index < 0 for index in indices):
        raise ValueError(f"levels and indices start at 0, got level {level}, indices {indices}")
    if not indices or len(set(indices)) != len(indices):
        raise ValueError(f"a batch has at least one sample, each once; got indices {indices}")
