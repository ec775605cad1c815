"""The ledger: one SQLite row a sample, each with a checksum, and a table of frozen facts."""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, final

from mlft.errors import StoreError
from mlft.files import cannot_write
from mlft.status import OK
from mlft.store.files import SCHEMA, is_ours
from mlft.store.records import LedgerRow, row_of

LEDGER = "ledger.sqlite"
"""The file in a run folder that says which samples there are."""

_TABLES = """
BEGIN;
CREATE TABLE IF NOT EXISTS samples (
    stream TEXT NOT NULL, level INTEGER NOT NULL, sample INTEGER NOT NULL, status TEXT NOT NULL,
    attempts INTEGER NOT NULL, seconds REAL NOT NULL, note TEXT NOT NULL, row INTEGER NOT NULL,
    sha256 TEXT NOT NULL, file TEXT NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (stream, level, sample)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
COMMIT;
"""
_FIELDS = [field.name for field in fields(LedgerRow)]
_VALUES = attrgetter(*_FIELDS)
_INSERT = f"INSERT OR REPLACE INTO samples VALUES ({', '.join('?' * (len(_FIELDS) + 1))})"
_READ_FAILURES = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_BUSY")
_WRITE_FAILURES = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_PERM")


@final
class Ledger:
    """A handle on `ledger.sqlite`; every call that changes it is one transaction, on the disk when it returns.

    Args:
        path: the file.
        read_only: to read what is there, beside a driver or without one; nothing is made and nothing changed.

    Raises:
        StoreError: if it cannot be written (or read), is corrupted, or was written by a newer version of mlft.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path, self._read_only = path, read_only
        existed = path.exists() and path.stat().st_size > 0
        with self._translated():
            place = _to_read(path) if read_only else path
            self._connection = sqlite3.connect(place, isolation_level=None, timeout=5, uri=read_only)
        try:
            self._check(existed)
            if not read_only:
                self._prepare()
        except StoreError:
            self._connection.close()
            raise

    def _check(self, existed: bool) -> None:
        with self._translated():
            self._connection.text_factory = lambda text: text.decode(errors="replace")
            if existed and (found := self._connection.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
                raise self._corrupted(found[0])
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA:
                raise StoreError(f"{self._path} has schema {version}, this version of mlft reads up to {SCHEMA}")

    def _prepare(self) -> None:
        with self._translated():
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_TABLES)
            if self._connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        with self._translated():
            self._connection.close()

    def insert(self, rows: Iterable[LedgerRow]) -> None:
        """Write rows, all or none, over rows of the same name."""
        with self._transaction():
            self._connection.executemany(_INSERT, [_record(row) for row in rows])

    def rewrite(self, rows: Iterable[LedgerRow]) -> None:
        """Make these rows the whole table; what was damaged in it goes."""
        with self._transaction():
            self._connection.execute("DELETE FROM samples")
            self._connection.executemany(_INSERT, [_record(row) for row in rows])

    def rows(
        self, stream: str | None = None, level: int | None = None, *, within: Sequence[int] = ()
    ) -> list[LedgerRow]:
        """Return the healthy rows, ordered by name; a row that does not match its checksum is left out.

        Args:
            stream: rows of this stream alone.
            level: rows of this level alone.
            within: rows from the least to the greatest of these indices alone.
        """
        wanted = {"stream =": stream, "level =": level}
        if within:
            wanted |= {"sample >=": min(within), "sample <=": max(within)}
        return [row for row in map(_row, self._select(wanted)) if row]

    def solved_levels(self) -> dict[str, list[int]]:
        """Return the levels on which each stream has samples that are ok, by the name of the stream."""
        found: dict[str, set[int]] = {}
        for row in self.rows():
            if row.status == OK:
                found.setdefault(row.stream, set()).add(row.level)
        return {stream: sorted(levels) for stream, levels in found.items()}

    def damaged(self) -> list[tuple[Any, ...]]:
        """Return what is left of the rows that do not match their checksum."""
        return [record for record in self._select({}) if not _row(record)]

    def fact(self, name: str) -> str | None:
        """Return the text frozen under a name, and None where there is none, or a damaged one."""
        with self._translated():
            found = self._connection.execute("SELECT value, checksum FROM facts WHERE name = ?", (name,)).fetchone()
        return found[0] if found and found[1] == _checksum((name, found[0])) else None

    def set_fact(self, name: str, value: str) -> None:
        """Freeze a text under a name."""
        with self._transaction():
            record = (name, value, _checksum((name, value)))
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", record)

    def _select(self, wanted: Mapping[str, str | int | None]) -> list[tuple[Any, ...]]:
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where = " AND ".join(f"{condition} ?" for condition in given) or "TRUE"
        with self._translated():
            return self._connection.execute(f"SELECT * FROM samples WHERE {where}", tuple(given.values())).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # a damaged schema may show up in the message itself
            name = getattr(error, "sqlite_errorname", "")
            if self._read_only and name.startswith(_READ_FAILURES):
                raise self._unreadable(str(error)) from error
            if name.startswith(_WRITE_FAILURES):
                raise cannot_write(self._path, str(error)) from error
            raise self._corrupted(str(error)) from error

    def foreign(self, reason: str) -> StoreError:
        """Return the error for a ledger that belongs to other sample files than those beside it."""
        return StoreError(
            f"the ledger {self._path} is not that of the sample files beside it ({reason}): move {self._path.name}* "
            "away and run the same command again, and the ledger is rebuilt from them."
        )

    def _unreadable(self, reason: str) -> StoreError:
        return StoreError(
            f"the ledger {self._path} cannot be read ({reason}): the samples of a run are in the folder where it was "
            "made; give that, with all its files"
        )

    def _corrupted(self, reason: str) -> StoreError:
        one_line = " ".join(reason.split())
        return StoreError(
            f"the ledger {self._path} is corrupted ({one_line}); the sample files are untouched: move "
            f"{self._path.name}* away and run the same command again, and the ledger is rebuilt from them."
        )


def _to_read(path: Path) -> str:
    """Return the name under which SQLite opens a ledger to read it.

    With a write-ahead log beside it a driver has it open, or died: the log is read too. Without one the file is all
    there is, and is opened as one that does not change: otherwise SQLite would leave a log behind. What a driver that
    begins meanwhile writes goes into its log first.
    """
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    return f"{path.resolve().as_uri()}?{mode}"


def canonical(value: Any) -> str:
    """Return a value as JSON text, the same for equal values.

    Raises:
        TypeError: for a value that JSON does not know.
        ValueError: for a number that is not finite.
    """
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _record(row: LedgerRow) -> tuple[Any, ...]:
    values = _VALUES(row)
    return (*values, _checksum(values))


def _row(record: Sequence[Any]) -> LedgerRow | None:
    if record[-1] != _checksum(tuple(record[:-1])):
        return None
    row = row_of(record[:-1])
    return row if row is not None and is_ours(row.file) else None


def _checksum(values: tuple[Any, ...]) -> int:
    return zlib.crc32(repr(values).encode())
