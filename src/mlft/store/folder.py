"""The sample store: a handle on the part of a run folder that holds every sample ever solved."""

import contextlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, final

from mlft.errors import StoreError
from mlft.files import cannot_write
from mlft.status import OK
from mlft.store import files
from mlft.store.ledger import LEDGER, Ledger, canonical
from mlft.store.lock import Lock
from mlft.store.reading import indices_of, read_samples, solved_of
from mlft.store.records import Batch, LedgerRow, Recovery, Samples, Tally
from mlft.store.repair import Shelf, recover, refuse_other_files, refuse_other_ledger, verify


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

    def __init__(self, shelf: Shelf, lock: Lock, recovery: Recovery) -> None:
        self.folder = shelf.folder
        self.identity = shelf.identity
        self.recovery = recovery
        self._shelf = shelf
        self._ledger = shelf.ledger
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
        asked: dict[str, Any] = json.loads(canonical(identity))
        with contextlib.ExitStack() as stack:
            try:
                files.make_folder(folder / "samples")
                lock = Lock(folder / ".lock")
                stack.callback(lock.release)
                ledger = Ledger(folder / LEDGER)
                stack.callback(ledger.close)
                shelf = Shelf(folder, asked, ledger)
                store = cls(shelf, lock, _prepare(shelf, verify))
                shutil.rmtree(store.scratch, ignore_errors=True)
                store.scratch.mkdir(exist_ok=True)
            except OSError as error:
                raise cannot_write(Path(error.filename or folder), error.strerror or str(error)) from error
            stack.pop_all()
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
        """A hidden folder for what need not survive, emptied when the store is opened and closed."""
        return self.folder / ".scratch"

    def append(self, batch: Batch) -> None:
        """Write a batch to the disk and acknowledge it.

        A sample that failed before may be replaced, one that is ok may not.

        Raises:
            StoreError: if a sample is in the store already, or the disk is full; then nothing is acknowledged.
        """
        self._refuse_again(batch.stream, batch.level, batch.indices)
        self._shelf.write(batch)

    def adopt(self, path: Path, rows: Sequence[LedgerRow]) -> None:
        """Acknowledge a sample file that a worker wrote into `scratch` and flushed; it is renamed, not copied.

        Args:
            path: the file.
            rows: what its header records.

        Raises:
            StoreError: if a sample is in the store already, or the folder cannot be written.
        """
        self._refuse_again(rows[0].stream, rows[0].level, [row.index for row in rows])
        target = self._shelf.path(rows[0].level, path.name)
        try:
            files.move(path, target)
        except OSError as error:
            raise cannot_write(target, error.strerror or str(error)) from error
        self._ledger.insert(rows)

    def read(self, stream: str, level: int, indices: int | Iterable[int]) -> Samples:
        """Return solved samples in the order asked; an integer n asks for the first n, 0 to n−1.

        Every sample is checked against its hash.

        Raises:
            StoreError: if a sample is not in the store, failed, or is damaged (then `verify` and solve again).
            ValueError: if none is asked for.
        """
        return read_samples(self._shelf, stream, level, indices)

    def missing(
        self, stream: str, level: int, indices: int | Iterable[int], *, retry_failed: bool = False
    ) -> list[int]:
        """Return those indices that are not acknowledged, in the order asked; an integer n asks for 0 to n−1.

        A sample that failed by name is acknowledged, unless `retry_failed` asks for it again.
        """
        wanted = indices_of(indices)
        rows = self._ledger.rows(stream, level, within=wanted)
        there = {row.index for row in rows if row.status == OK or not retry_failed}
        return [index for index in wanted if index not in there]

    def solved(self, stream: str, level: int, indices: int | Iterable[int]) -> list[int]:
        """Return those indices whose samples are ok, in the order asked; an integer n asks for 0 to n−1."""
        return solved_of(self._ledger, stream, level, indices)

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
        return verify(self._shelf)

    def _refuse_again(self, stream: str, level: int, indices: Sequence[int]) -> None:
        again = self.solved(stream, level, indices)
        if again:
            raise StoreError(
                f"samples {again[:5]} of stream {stream!r} on level {level} are in the store already; ask `missing` "
                "what is to be solved"
            )


def _prepare(shelf: Shelf, verified: bool) -> Recovery:
    """Check the identity, and bring files and ledger together; a new or lost ledger gets the identity last."""
    known = shelf.ledger.fact("identity")
    if known is not None:
        refuse_other_ledger(shelf, json.loads(known))
    else:
        refuse_other_files(shelf)
    found = recover(shelf)
    if known is None:
        shelf.ledger.set_fact("identity", canonical(shelf.identity))
    checked = verify(shelf) if verified else Recovery()
    return Recovery((*found.lost, *checked.lost), found.adopted, (*found.set_aside, *checked.set_aside))
