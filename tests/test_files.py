"""One way to write a file whole, and one to read a file of others."""

import errno
import os

import pytest

import mlft
from mlft.errors import MlftError
from mlft.experiment.config import read_config
from mlft.experiment.manifest import unfit
from mlft.experiment.plan_file import read_plan
from mlft.experiment.record import read_evaluation, read_outcome
from mlft.files import read_file, write_new, write_whole


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


def test_a_file_that_is_none_or_too_large_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"123")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero", "."):
        with pytest.raises(OSError, match="it is no regular file"):
            read_file(tmp_path / name)
    with pytest.raises(OSError, match="it has 3 bytes, and 2 at most are read"):
        read_file(tmp_path / "large", most=2)
    assert read_file(tmp_path / "large", most=3) == b"123"


@pytest.mark.parametrize("kind", ["pipe", "zero", "large"])
@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("run.toml", lambda folder: read_config(folder / "run.toml")),
        ("plan.json", lambda folder: read_plan(folder / "plan.json")),
        ("record.json", read_outcome),
        ("evaluation.safetensors", read_evaluation),
        ("config.json", mlft.load),
    ],
)
def test_whoever_reads_a_file_waits_for_no_pipe_and_reads_no_device(tmp_path, name, reader, kind):
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    elif kind == "zero":
        (tmp_path / name).symlink_to("/dev/zero")
    else:
        with (tmp_path / name).open("wb") as file:
            file.truncate(2**36)
    if (name, kind) != ("evaluation.safetensors", "large"):  # as large as its grid, and no text
        with pytest.raises(MlftError, match="no regular file|at most are read|holds no surrogate"):
            reader(tmp_path)


def test_a_manifest_that_names_devices_is_not_followed(tmp_path):
    (tmp_path / "manifest.json").write_text('{"files": {"/dev/zero": "0", "a\\u0000": "0"}}')
    assert unfit(tmp_path) == ["manifest.json"]
    (tmp_path / "manifest.json").write_text('{"files": {"/dev/zero": "0"}}')
    assert unfit(tmp_path) == ["/dev/zero", "evaluation.safetensors", "record.json"]
