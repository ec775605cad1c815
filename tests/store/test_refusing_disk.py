"""A disk that is full, read-only or not ours gives one line, and loses nothing."""

import errno
import os

import pytest

from mlft.errors import StoreError
from mlft.store import folder
from toy_store import assert_holds, batch, names, reopen


def refuse(monkeypatch, number, target=os, name="fsync"):
    def refusing(*args, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(target, name, refusing)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_disk_that_refuses_gives_one_line_and_loses_nothing(filled, monkeypatch, number, moment):
    before = names(filled)
    with reopen(filled) as store:
        with monkeypatch.context() as patch, pytest.raises(StoreError) as caught:
            refuse(patch, number, name=moment)
            store.append(batch((3,)))
        assert os.strerror(number) in str(caught.value) and "\n" not in str(caught.value)
        assert names(filled) == before
        assert store.missing("train", 1, 4) == [3]
        store.append(batch((3,)))
        assert_holds(store, batch((3,)))
        assert_holds(store, batch())


def test_a_ledger_that_cannot_grow_gives_one_line_and_loses_nothing(filled):
    with reopen(filled) as store:
        pages = store._ledger._connection.execute("PRAGMA page_count").fetchone()[0]
        store._ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="cannot write .*full"):
            store.append(batch(tuple(range(10, 60))))
        assert store.missing("train", 1, 3) == []
    with reopen(filled) as store:
        assert store.missing("train", 1, range(10, 60)) == []  # the file was whole, and is adopted
        assert_holds(store, batch(tuple(range(10, 60))))


def test_a_folder_that_cannot_be_made_gives_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write .*file.*File exists"):
        reopen(tmp_path / "file" / "run")


def test_a_refusal_while_opening_lets_the_next_driver_in(filled, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(StoreError, match="Read-only"):
        refuse(patch, errno.EROFS, target=folder.Path, name="mkdir")
        reopen(filled)
    reopen(filled).close()
