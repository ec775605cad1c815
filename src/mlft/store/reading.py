"""Reading samples: by the driver that has the store open, and by anybody beside it, without its lock."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import final

import numpy as np

from mlft.errors import StoreError
from mlft.status import OK
from mlft.store import files
from mlft.store.ledger import LEDGER, Ledger
from mlft.store.records import Array, LedgerRow, Samples
from mlft.store.repair import Shelf, sort_out


@final
class StoreReader:
    """The samples in a run folder, to be read: without the lock of the driver, which may write at the same time.

    What the driver acknowledged before a call is there for it. Nothing is written, not even a file of SQLite's, so that
    a folder that cannot be written can be read too.

    Attributes:
        folder: the run folder.
        identity: what the samples are samples of.

    Raises:
        StoreError: if there is no store, or its ledger cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._ledger = Ledger(self.folder / LEDGER, read_only=True)
        told = self._ledger.fact("identity")
        self.identity = {} if told is None else json.loads(told)
        self._shelf = Shelf(self.folder, self.identity, self._ledger)

    def __enter__(self) -> "StoreReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def solved(self, stream: str, level: int) -> list[int]:
        """Return the indices of the solved samples of a stream on a level."""
        return [row.index for row in self._ledger.rows(stream, level) if row.status == OK]

    def streams(self) -> dict[str, list[int]]:
        """Return the levels on which each stream has solved samples."""
        return self._ledger.solved_levels()

    def read(self, stream: str, level: int, indices: int | Iterable[int]) -> Samples:
        """Return solved samples, as `SampleStore.read` does.

        Raises:
            StoreError: if a sample is not in the store, failed, or is damaged.
            ValueError: if none is asked for.
        """
        return read_samples(self._shelf, stream, level, indices)


def read_samples(shelf: Shelf, stream: str, level: int, indices: int | Iterable[int]) -> Samples:
    """Return solved samples in the order asked, each checked against its hash; an integer n asks for 0 to n−1.

    Raises:
        StoreError: if a sample is not in the store, failed, or is damaged.
        ValueError: if none is asked for.
    """
    wanted = indices_of(indices)
    if not wanted:
        raise ValueError(f"no sample of stream {stream!r} on level {level} was asked for; ask for at least one")
    known = {row.index: row for row in shelf.ledger.rows(stream, level, within=wanted)}
    unsolved = [index for index in wanted if index not in known or known[index].status != OK]
    if unsolved:
        first = known[unsolved[0]].status if unsolved[0] in known else "missing"
        raise StoreError(
            f"{len(unsolved)} of {len(wanted)} samples of stream {stream!r} on level {level} are not solved, the "
            f"first of them {unsolved[0]} ({first}); ask `solved` which are"
        )
    rows = [known[index] for index in wanted]
    arrays = _gather(shelf, rows)
    return Samples(
        level=level,
        indices=tuple(wanted),
        inputs=arrays.pop("inputs"),
        solutions=arrays.pop("solutions"),
        scalars=files.scalars_of(arrays, range(len(rows))),
    )


def solved_of(ledger: Ledger, stream: str, level: int, indices: int | Iterable[int]) -> list[int]:
    """Return those indices whose samples are ok, in the order asked; an integer n asks for 0 to n−1."""
    wanted = indices_of(indices)
    there = {row.index for row in ledger.rows(stream, level, within=wanted) if row.status == OK}
    return [index for index in wanted if index in there]


def indices_of(indices: int | Iterable[int]) -> list[int]:
    """Return some indices as a list; an integer n stands for 0 to n−1."""
    return list(range(indices)) if isinstance(indices, int) else [int(index) for index in indices]


def _gather(shelf: Shelf, rows: Sequence[LedgerRow]) -> dict[str, Array]:
    """Return the arrays of some samples of one level, checked, in the order of `rows`."""
    places = defaultdict(list)
    for place, row in enumerate(rows):
        places[row.file].append(place)
    found = []
    for name, group in places.items():
        path = shelf.path(rows[0].level, name)
        found.append((path.parent, group, _checked_arrays(path, [rows[place] for place in group])))
    _for_all_or_none([arrays for _, _, arrays in found])
    gathered: dict[str, Array] = {}
    for folder, group, arrays in found:
        for field, values in arrays.items():
            if field not in gathered:
                gathered[field] = np.full((len(rows), *values.shape[1:]), np.nan)
            if gathered[field].shape[1:] != values.shape[1:]:
                shapes = sorted({gathered[field].shape[1:], values.shape[1:]})
                raise StoreError(f"the samples of {folder} have {field} of different shapes: {shapes}")
            gathered[field][group] = values
    return gathered


def _checked_arrays(path: Path, rows: Sequence[LedgerRow]) -> dict[str, Array]:
    content = files.read_bytes(path)
    _, damaged = sort_out(rows, content)
    if damaged:
        raise StoreError(
            f"{len(damaged)} samples in {path} are damaged, the first of them {damaged[0].index}; open the store "
            "with verify=True and solve what is missing again"
        )
    keep = [row.row for row in rows]
    return {name: values[keep] for name, values in files.read_arrays(content).items()}


def _for_all_or_none(parts: Sequence[dict[str, Array]]) -> None:
    """Leave the inputs out of all parts if one has none: those are kept elsewhere, once a draw."""
    if any(arrays["inputs"].shape[1] == 0 for arrays in parts):
        for arrays in parts:
            arrays["inputs"] = arrays["inputs"][:, :0]
