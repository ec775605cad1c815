"""What is done about a crash or a flipped bit: take in, set aside, move what is healthy, forget what is not."""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from mlft.errors import StoreError
from mlft.status import OK
from mlft.store import files
from mlft.store.ledger import Ledger
from mlft.store.records import Batch, Key, LedgerRow, Recovery, is_key


@final
@dataclass(frozen=True)
class Shelf:
    """The sample files of a run folder, and the ledger that acknowledges them."""

    folder: Path
    identity: dict[str, Any]
    ledger: Ledger

    def path(self, level: int, name: str) -> Path:
        """Return where a file of a level is."""
        return self.folder / "samples" / files.level_folder(level) / name

    def write(self, batch: Batch) -> None:
        """Write a batch to the disk, and acknowledge it."""
        content = files.encode(batch, self.identity)
        name = files.name_of(batch, content)
        files.write_durably(self.path(batch.level, name), content)
        self.ledger.insert(files.read_header(content, name)[1])

    def by_file(self) -> dict[Path, list[LedgerRow]]:
        """Return the healthy rows of the ledger by file."""
        groups = defaultdict(list)
        for row in self.ledger.rows():
            groups[self.path(row.level, row.file)].append(row)
        return dict(groups)


def recover(shelf: Shelf) -> Recovery:
    """Bring files and ledger together again after a crash of the driver, and return what was found.

    Raises:
        StoreError: if a file holds samples of another identity.
    """
    for temporary in shelf.folder.glob("samples/level-*/.*.tmp"):
        if files.is_ours(temporary.name.removeprefix(".").removesuffix(".tmp")):
            temporary.unlink()
    adopted: list[str] = []
    aside: list[str] = []
    known = shelf.by_file()
    for path in _sample_files(shelf):
        if path not in known:  # a driver died before it acknowledged it, or the ledger was lost
            (adopted if _adopt(shelf, path) else aside).append(path.name)
    gone = [row for path, rows in shelf.by_file().items() if not path.is_file() for row in rows]
    return Recovery(_forget(shelf, gone), tuple(adopted), tuple(aside))


def verify(shelf: Shelf) -> Recovery:
    """Check the bytes of every file and row, move what is healthy, and return what was found."""
    lost: list[Key] = []
    if damaged := shelf.ledger.damaged():
        shelf.ledger.rewrite(shelf.ledger.rows())
        _restore(shelf)
        there = {row.key for row in shelf.ledger.rows()}
        lost += [record[:3] for record in damaged if is_key(record[:3]) and record[:3] not in there]
    aside = []
    for path, rows in shelf.by_file().items():
        content = files.read_bytes(path)
        if not files.is_intact(path.name, content):
            lost += _salvage(shelf, path, content, rows)
            aside.append(path.name)
    return Recovery(tuple(lost), (), tuple(aside))


def sort_out(rows: Iterable[LedgerRow], content: bytes) -> tuple[list[LedgerRow], list[LedgerRow]]:
    """Return the rows whose sample is healthy in the bytes of its file, and the others."""
    try:
        arrays = files.read_arrays(content)
    except files.UnreadableError:
        arrays = {}
    healthy: list[LedgerRow] = []
    damaged: list[LedgerRow] = []
    sign = files.signer(arrays)
    for row in rows:
        (healthy if sign(row.key, row.row) == row.sha256 else damaged).append(row)
    return healthy, damaged


def refuse_other(folder: Path, found: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Check that two identities are one.

    Raises:
        StoreError: if they are not, naming the first key that differs and both its values.
    """
    there, here = _flat(found), _flat(asked)
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            raise StoreError(
                f"{folder} holds samples of another run: {name} is {there.get(name)!r} there, {here.get(name)!r} was "
                "asked; give another folder, or ask for the same"
            )


def refuse_other_ledger(shelf: Shelf, found: Mapping[str, Any]) -> None:
    """Check that a ledger is of the store that is asked for.

    Raises:
        StoreError: if it is not; where the sample files beside it are, saying so.
    """
    try:
        refuse_other(shelf.folder, found, shelf.identity)
    except StoreError as error:
        if any(_identity(path) == shelf.identity for path in _sample_files(shelf)):
            raise shelf.ledger.foreign(str(error)) from None
        raise


def refuse_other_files(shelf: Shelf) -> None:
    """Check that the files that a ledger without an identity knows are of the store's, by their heads.

    Raises:
        StoreError: if one is not.
    """
    for path in shelf.by_file():
        with contextlib.suppress(OSError, files.UnreadableError):  # what is damaged is found by its hash
            refuse_other(shelf.folder, files.read_head(path)[0], shelf.identity)


def _sample_files(shelf: Shelf) -> list[Path]:
    """Return the sample files in the folders of the levels, whatever the ledger knows of them."""
    return [path for path in sorted(shelf.folder.glob(f"samples/level-*/*{files.SUFFIX}")) if files.is_ours(path.name)]


def _identity(path: Path) -> dict[str, Any] | None:
    """Return what a sample file says that it is of; None where it cannot be read."""
    try:
        return files.read_head(path)[0]
    except (OSError, files.UnreadableError):
        return None


def _restore(shelf: Shelf) -> None:
    """Write rows that the ledger has lost anew, from the heads of the files that are whole."""
    for path in shelf.by_file():
        content = files.read_bytes(path)
        if files.is_intact(path.name, content):
            shelf.ledger.insert(_improvements(shelf.ledger, files.read_header(content, path.name)[1]))


def _adopt(shelf: Shelf, path: Path) -> bool:
    """Take in the samples of one file whole; if it is damaged or brings nothing new, set it aside."""
    content = files.read_bytes(path)
    try:
        identity, rows = files.read_header(content, path.name)
    except files.UnreadableError:
        identity, rows = {}, []
    if not rows or path != shelf.path(rows[0].level, path.name):
        files.set_aside(path, "damaged")
        return False
    refuse_other(shelf.folder, identity, shelf.identity)
    new = _improvements(shelf.ledger, rows)
    if new and files.is_intact(path.name, content):
        shelf.ledger.insert(new)
        return True
    files.set_aside(path, "damaged" if new else "duplicate")
    _rescue(shelf, sort_out(new, content)[0], content)
    return False


def _improvements(ledger: Ledger, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """Return the rows of one file that the ledger has not, or only as a failure of fewer attempts."""
    within = [row.index for row in rows]
    known = {row.index: row for row in ledger.rows(rows[0].stream, rows[0].level, within=within)}
    return [row for row in rows if row.index not in known or _is_better(row, known[row.index])]


def _is_better(row: LedgerRow, known: LedgerRow) -> bool:
    return known.status != OK and (row.status == OK or row.attempts > known.attempts)


def _salvage(shelf: Shelf, path: Path, content: bytes, rows: Sequence[LedgerRow]) -> tuple[Key, ...]:
    """Move the healthy samples of a damaged file to a new one; return the others."""
    healthy, damaged = sort_out(rows, content)
    if path.exists():
        files.set_aside(path, "damaged")
    _rescue(shelf, healthy, content)
    return _forget(shelf, damaged)


def _rescue(shelf: Shelf, rows: Sequence[LedgerRow], content: bytes) -> None:
    if rows:
        failed_only = all(row.row < 0 for row in rows)
        shelf.write(files.to_batch(rows, {} if failed_only else files.read_arrays(content)))


def _forget(shelf: Shelf, rows: Sequence[LedgerRow]) -> tuple[Key, ...]:
    if rows:
        gone = set(rows)
        shelf.ledger.rewrite([row for row in shelf.ledger.rows() if row not in gone])
    return tuple(row.key for row in rows)


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    items = (_flat(inner, f"{name}.{key}" if name else key) for key, inner in value.items())
    return {key: inner for item in items for key, inner in item.items()}
