"""A disk that is full or read-only at any write of a run: one sentence, and nothing is lost."""

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import mlft
from mlft import files
from mlft.errors import StoreError
from small import SMALL, problem

ASKED = {"strategy": "finetune", "plan": (20, 6, 2), "budget": "9solves", **SMALL}


class Disk:
    """Takes some files, and is full or closed then: an error of the system, at the opening or at the end of a file."""

    def __init__(self, room: int, number: int) -> None:
        self.room, self.number = room, number

    def write(self, path: Path, content: bytes) -> None:
        if self.room == 0:
            path.write_bytes(content[: len(content) // 2])
            raise OSError(self.number, os.strerror(self.number))
        self.room -= 1
        path.write_bytes(content)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_run_on_a_disk_that_takes_one_more_file_each_time_ends_as_on_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    whole = mlft.run(problem, out=tmp_path / "whole", **ASKED)
    lives = 0
    for lives in itertools.count():
        monkeypatch.setattr(files, "write_flushed", Disk(lives, number).write)
        try:
            found = mlft.run(problem, out=tmp_path / "run", **ASKED)
            break
        except StoreError as error:
            assert os.strerror(number) in str(error) and "\n" not in str(error)
    assert lives > 10
    assert found.error == whole.error
    for name in ("surrogate/model.safetensors", "evaluation.safetensors"):
        assert (found.folder / name).read_bytes() == (whole.folder / name).read_bytes()


DOORS: dict[str, Callable[[Path], object]] = {
    "run": lambda folder: mlft.run(problem, out=folder, **ASKED),
    "plan": lambda folder: mlft.plan(problem, out=folder / "new", save=folder / "plan.toml", **ASKED),
    "compare": lambda folder: mlft.compare(
        problem, out=folder / "new", strategies=["finest-only"], seeds=1, budget="9solves", **SMALL
    ),
    "trust": lambda folder: mlft.trust(folder, samples=4, problem=problem),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_says_what_cannot_be_written(door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlft.run(problem, out=tmp_path, **ASKED)
    (tmp_path / "record.json").unlink() if door == "run" else None

    def closed(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    for name in ("unlink", "mkdir", "replace"):
        monkeypatch.setattr(Path, name, closed)
    monkeypatch.setattr(files, "write_flushed", closed)
    with pytest.raises(StoreError, match=f"{os.strerror(errno.EROFS)}"):
        DOORS[door](tmp_path)


def test_a_plan_is_saved_into_a_new_folder_and_not_over_one(tmp_path: Path) -> None:
    mlft.plan(problem, out=tmp_path / "run", save=tmp_path / "new" / "plan.json", **ASKED)
    assert (tmp_path / "new" / "plan.json").is_file()
    for place in (tmp_path / "new", tmp_path / "new" / "plan.json" / "plan.json"):
        with pytest.raises(StoreError, match=f"cannot write .*{place.name}"):
            mlft.plan(problem, out=tmp_path / "run", save=place, **ASKED)


def test_an_error_of_the_users_own_code_is_no_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "no such table", "table.npy")

    monkeypatch.setattr("mlft.experiment.loop.write_outcome", missing)
    with pytest.raises(FileNotFoundError):
        mlft.run(problem, out=tmp_path, **ASKED)
