"""The sample store: a handle on the part of a run folder that holds every sample ever solved."""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, final

import numpy as np

from mlft.errors import StoreError
from mlft.store import files
from mlft.store.ledger import Ledger, canonical
from mlft.store.lock import Lock
from mlft.store.records import Array, Batch, Key, LedgerRow, Recovery, Samples, Tally


@final
class SampleStore:
    """Every sample that a run ever solved: append-only, crash-safe, one driver at a time.

    A batch becomes an immutable file, written to a temporary name, flushed, renamed, and only then acknowledged in
    the ledger, in one transaction. A crash at any moment therefore leaves whole samples or none, and what `append`
    returned from is there after a power cut. Damage is found by hashes and repaired by solving again.

    Attributes:
        folder: the run folder.
        identity: what the samples are samples of; two runs with one identity solve the same samples.
        recovery: what `open` found and put right.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], ledger: Ledger, lock: Lock) -> None:
        self.folder = folder
        self.identity = dict(identity)
        self.recovery = Recovery()
        self._ledger = ledger
        self._lock = lock

    @classmethod
    def open(cls, folder: str | Path, identity: Mapping[str, Any], *, verify: bool = False) -> "SampleStore":
        """Return the store in a run folder, made if there is none, as the last driver acknowledged it.

        Temporary files of a crashed driver are removed; a complete file that the ledger does not know is adopted; a
        sample whose file has gone is missing again.

        Args:
            folder: the run folder.
            identity: plain values, such as the problem's name, its options, and the seed.
            verify: also check the hash of every file; see `verify`.

        Raises:
            StoreError: if another driver has it open, it holds samples of another identity, its ledger is corrupted,
                or it cannot be written.
        """
        folder = Path(folder)
        try:
            files.make_folder(folder / "samples")
            lock = Lock(folder / ".lock")
        except OSError as error:
            raise files.cannot_write(folder, error.strerror or str(error)) from error
        try:
            store = cls(folder, json.loads(canonical(identity)), Ledger(folder / "ledger.sqlite"), lock)
        except BaseException:
            lock.release()
            raise
        try:
            store._recover(verify)
        except OSError as error:
            store.close()
            raise files.cannot_write(folder, error.strerror or str(error)) from error
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the ledger and let the next driver in; closing twice does nothing."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        try:
            self._ledger.close()
        finally:
            self._lock.release()

    def __enter__(self) -> "SampleStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def scratch(self) -> Path:
        """A folder for what need not survive, emptied when the store is opened and closed."""
        return self.folder / "scratch"

    def append(self, batch: Batch) -> None:
        """Write a batch to the disk and acknowledge it.

        A sample that failed before may be replaced, one that is ok may not.

        Raises:
            StoreError: if a sample is in the store already, or the disk is full; then nothing is acknowledged.
        """
        again = self.solved(batch.stream, batch.level, batch.indices)
        if again:
            raise StoreError(
                f"samples {again[:5]} of stream {batch.stream!r} on level {batch.level} are in the store already; "
                "ask `missing` what is to be solved"
            )
        self._write(batch)

    def read(self, stream: str, level: int, indices: int | Iterable[int]) -> Samples:
        """Return solved samples in the order asked; an integer n asks for the first n, 0 to n−1.

        Every sample is checked against its hash.

        Raises:
            StoreError: if a sample is not in the store, failed, or is damaged (then `verify` and solve again).
            ValueError: if none is asked for.
        """
        wanted = _indices(indices)
        if not wanted:
            raise ValueError(f"no sample of stream {stream!r} on level {level} was asked for; ask for at least one")
        known = {row.index: row for row in self._ledger.rows(stream, level, within=wanted)}
        unsolved = [index for index in wanted if index not in known or known[index].status != "ok"]
        if unsolved:
            first = known[unsolved[0]].status if unsolved[0] in known else "missing"
            raise StoreError(
                f"{len(unsolved)} of {len(wanted)} samples of stream {stream!r} on level {level} are not solved, the "
                f"first of them {unsolved[0]} ({first}); ask `solved` which are"
            )
        rows = [known[index] for index in wanted]
        arrays = self._gather(rows)
        return Samples(
            level=level,
            indices=tuple(wanted),
            inputs=arrays.pop("inputs"),
            solutions=arrays.pop("solutions"),
            scalars=files.scalars_of(arrays, range(len(rows))),
        )

    def missing(
        self, stream: str, level: int, indices: int | Iterable[int], *, retry_failed: bool = False
    ) -> list[int]:
        """Return those indices that are not acknowledged, in the order asked; an integer n asks for 0 to n−1.

        A sample that failed by name is acknowledged, unless `retry_failed` asks for it again.
        """
        wanted = _indices(indices)
        rows = self._ledger.rows(stream, level, within=wanted)
        there = {row.index for row in rows if row.status == "ok" or not retry_failed}
        return [index for index in wanted if index not in there]

    def solved(self, stream: str, level: int, indices: int | Iterable[int]) -> list[int]:
        """Return those indices whose samples are ok, in the order asked; an integer n asks for 0 to n−1."""
        wanted = _indices(indices)
        rows = self._ledger.rows(stream, level, within=wanted)
        there = {row.index for row in rows if row.status == "ok"}
        return [index for index in wanted if index in there]

    def ledger(self, stream: str | None = None, level: int | None = None) -> list[LedgerRow]:
        """Return the rows of the ledger, ordered by stream, level and index."""
        return self._ledger.rows(stream, level)

    def summary(self) -> list[Tally]:
        """Return how many samples ended in which status, with tries and solver seconds, by stream and level."""
        groups = defaultdict(list)
        for row in self._ledger.rows():
            groups[row.stream, row.level, row.status].append(row)
        return [
            Tally(*name, len(rows), sum(row.attempts for row in rows), sum(row.seconds for row in rows))
            for name, rows in sorted(groups.items())
        ]

    def freeze(self, name: str, value: Any) -> Any:
        """Return the value frozen under a name, which is this one unless there was one before.

        Facts are what a plan is decided from, such as the costs that the pilot measured. They live in the ledger
        alone: after a rebuild they are to be worked out again from the samples.

        Raises:
            TypeError: for a value that is no plain value (None, numbers, text, lists, dicts with text keys).
            ValueError: for a number that is not finite.
        """
        name = f"fact/{name}"
        text = self._ledger.fact(name)
        if text is None:
            text = canonical(value)
            self._ledger.set_fact(name, text)
        return json.loads(text)

    def frozen(self, name: str) -> Any:
        """Return the value frozen under a name, and None where there is none."""
        text = self._ledger.fact(f"fact/{name}")
        return None if text is None else json.loads(text)

    def verify(self) -> Recovery:
        """Check every sample against its hash, and return what was found; what is lost is missing from now on.

        A damaged file is renamed to *.damaged, after its healthy samples have been written to a new one.

        Raises:
            StoreError: if the repair cannot be written.
        """
        lost = [record[:3] for record in self._ledger.damaged()]
        if lost:
            self._ledger.rewrite(self._ledger.rows())
        aside = []
        for (folder, name), rows in _by_file(self._ledger.rows()).items():
            path = self._path(folder, name)
            content = files.read_bytes(path)
            if not files.is_intact(name, content):
                lost += self._salvage(path, content, rows)
                aside.append(name)
        return Recovery(tuple(lost), (), tuple(aside))

    def _recover(self, verify: bool) -> None:
        self._check_identity()
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        for temporary in self.folder.glob("samples/level-*/.*.tmp"):
            temporary.unlink()
        adopted, aside = self._adopt()
        lost = self._drop_vanished()
        if self._ledger.fact("identity") is None:
            self._ledger.set_fact("identity", canonical(self.identity))
        checked = self.verify() if verify else Recovery()
        self.recovery = Recovery((*lost, *checked.lost), tuple(adopted), (*aside, *checked.set_aside))

    def _check_identity(self) -> None:
        text = self._ledger.fact("identity")
        if text is not None:
            _refuse_other(self.folder, json.loads(text), self.identity)

    def _adopt(self) -> tuple[list[str], list[str]]:
        """Take in complete files that the ledger does not know: a driver died before it acknowledged them."""
        known = set(_by_file(self._ledger.rows()))
        adopted: list[str] = []
        aside: list[str] = []
        for path in sorted(self.folder.glob(f"samples/level-*/*{files.SUFFIX}")):
            if (path.parent.name, path.name) not in known:
                (adopted if self._adopt_file(path) else aside).append(path.name)
        return adopted, aside

    def _adopt_file(self, path: Path) -> bool:
        """Take in the samples of one file whole; if it is damaged or brings nothing new, set it aside."""
        content = files.read_bytes(path)
        try:
            identity, rows = files.read_header(content, path.name)
        except files.UnreadableError:
            rows = []
        if not rows or path.parent.name != files.level_folder(rows[0].level):
            files.set_aside(path, "damaged")
            return False
        _refuse_other(self.folder, identity, self.identity)
        new = self._improvements(rows)
        if new and files.is_intact(path.name, content):
            self._ledger.insert(new)
            return True
        files.set_aside(path, "damaged" if new else "duplicate")
        self._rescue(_sort_out(new, content)[0], content)
        return False

    def _improvements(self, rows: list[LedgerRow]) -> list[LedgerRow]:
        """Return the rows of one file that the ledger has not, or only as a failure of fewer attempts."""
        within = [row.index for row in rows]
        known = {row.index: row for row in self._ledger.rows(rows[0].stream, rows[0].level, within=within)}
        return [row for row in rows if row.index not in known or _better(row, known[row.index])]

    def _drop_vanished(self) -> list[Key]:
        groups = _by_file(self._ledger.rows())
        lost = [row for place, rows in groups.items() if not self._path(*place).is_file() for row in rows]
        self._drop(lost)
        return [row.key for row in lost]

    def _drop(self, rows: list[LedgerRow]) -> None:
        if rows:
            gone = set(rows)
            self._ledger.rewrite([row for row in self._ledger.rows() if row not in gone])

    def _salvage(self, path: Path, content: bytes, rows: list[LedgerRow]) -> list[Key]:
        """Move the healthy samples of a damaged file to a new one; return the others."""
        healthy, damaged = _sort_out(rows, content)
        if path.exists():
            files.set_aside(path, "damaged")
        self._rescue(healthy, content)
        self._drop(damaged)
        return [row.key for row in damaged]

    def _rescue(self, rows: list[LedgerRow], content: bytes) -> None:
        if rows:
            failed_only = all(row.row < 0 for row in rows)
            self._write(files.to_batch(rows, {} if failed_only else files.read_arrays(content)))

    def _write(self, batch: Batch) -> None:
        content = files.encode(batch, self.identity)
        name = files.name_of(batch, content)
        files.write_durably(self._path(files.level_folder(batch.level), name), content)
        self._ledger.insert(files.read_header(content, name)[1])

    def _gather(self, rows: Sequence[LedgerRow]) -> dict[str, Array]:
        """Return the arrays of some samples of one level, checked, in the order of `rows`."""
        gathered: dict[str, Array] = {}
        places = defaultdict(list)
        for place, row in enumerate(rows):
            places[row.file].append(place)
        for name, group in places.items():
            path = self._path(files.level_folder(rows[0].level), name)
            for field, values in _checked_arrays(path, [rows[place] for place in group]).items():
                if field not in gathered:
                    gathered[field] = np.full((len(rows), *values.shape[1:]), np.nan)
                if gathered[field].shape[1:] != values.shape[1:]:
                    shapes = sorted({gathered[field].shape[1:], values.shape[1:]})
                    raise StoreError(f"the samples of {path.parent} have {field} of different shapes: {shapes}")
                gathered[field][group] = values
        return gathered

    def _path(self, folder: str, name: str) -> Path:
        return self.folder / "samples" / folder / name


def _checked_arrays(path: Path, rows: Sequence[LedgerRow]) -> dict[str, Array]:
    content = files.read_bytes(path)
    _, damaged = _sort_out(rows, content)
    if damaged:
        raise StoreError(
            f"{len(damaged)} samples in {path} are damaged, the first of them {damaged[0].index}; open the store "
            "with verify=True and solve what is missing again"
        )
    keep = [row.row for row in rows]
    return {name: values[keep] for name, values in files.read_arrays(content).items()}


def _indices(indices: int | Iterable[int]) -> list[int]:
    return list(range(indices)) if isinstance(indices, int) else [int(index) for index in indices]


def _by_file(rows: Iterable[LedgerRow]) -> dict[tuple[str, str], list[LedgerRow]]:
    groups = defaultdict(list)
    for row in rows:
        groups[files.level_folder(row.level), row.file].append(row)
    return dict(groups)


def _sort_out(rows: Iterable[LedgerRow], content: bytes) -> tuple[list[LedgerRow], list[LedgerRow]]:
    """Return the rows whose sample is healthy in the bytes of its file, and the others."""
    try:
        arrays = files.read_arrays(content)
    except files.UnreadableError:
        arrays = {}
    healthy: list[LedgerRow] = []
    damaged: list[LedgerRow] = []
    for row in rows:
        good = files.fingerprint(row.key, arrays, row.row) == row.sha256
        (healthy if good else damaged).append(row)
    return healthy, damaged


def _better(row: LedgerRow, known: LedgerRow) -> bool:
    return known.status != "ok" and (row.status == "ok" or row.attempts > known.attempts)


def _refuse_other(folder: Path, found: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    there, here = _flat(found), _flat(asked)
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            raise StoreError(
                f"{folder} holds samples of another run: {name} is {there.get(name)!r} there, {here.get(name)!r} was "
                "asked; give another folder, or ask for the same"
            )


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    items = (_flat(inner, f"{name}.{key}" if name else key) for key, inner in value.items())
    return {key: inner for item in items for key, inner in item.items()}
