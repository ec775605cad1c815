"""One way to write a file whole."""

import errno
import os

import pytest

from mlft.files import write_new, write_whole


def test_a_file_is_the_new_one_or_the_old_one_never_a_part(tmp_path, monkeypatch):
    file = tmp_path / "record.json"
    write_whole(file, b"old")
    for call in ("fsync", "replace"):
        monkeypatch.setattr(os, call, _full)
        with pytest.raises(OSError, match="No space"):
            write_whole(file, b"new and longer")
        monkeypatch.undo()
        assert file.read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["record.json"]
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"


def _full(*_):
    raise OSError(28, "No space left on device")


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (calls.append("fsync"), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    write_whole(tmp_path / "a", b"x")
    assert calls == ["fsync", "replace", "fsync"]


def test_of_several_that_write_a_new_file_the_first_does_and_none_leaves_a_part(tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    assert write_new(file, b"first") and not write_new(file, b"second")
    assert file.read_bytes() == b"first" and [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(OSError, match="No space"):
        write_new(tmp_path / "other", b"third")
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_where_a_file_system_knows_no_links_the_first_writes_all_the_same(code, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(code, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "config.toml"
    assert write_new(file, b"first") and not write_new(file, b"second")
    assert file.read_bytes() == b"first" and [path.name for path in tmp_path.iterdir()] == ["config.toml"]
