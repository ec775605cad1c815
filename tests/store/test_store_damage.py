import hashlib
import json
import os
import shutil
import sqlite3
import zlib

import pytest
from safetensors.numpy import save

from mlft.errors import StoreError
from mlft.store import Recovery, SampleStore, files
from mlft.store.ledger import Ledger
from toy_store import IDENTITY, Killed, assert_holds, batch, file_of, flip, names, reopen

# ---- crashes


def kill_at(monkeypatch, target, name, after=False):
    real = getattr(target, name)

    def dying(*args, **options):
        if after:
            real(*args, **options)
        raise Killed

    monkeypatch.setattr(target, name, dying)


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_an_interrupted_write_leaves_nothing_visible(filled, monkeypatch, moment):
    before = names(filled)
    with monkeypatch.context() as patch, pytest.raises(Killed), reopen(filled) as store:
        kill_at(patch, os, moment)
        store.append(batch((3, 5)))
    assert len(names(filled)) == len(before) + 1
    with reopen(filled) as store:
        assert names(filled) == before
        assert store.missing("train", 1, 6) == [3, 4, 5]
        store.append(batch((3, 5)))
        assert_holds(store, batch((3, 5)))


def test_a_file_renamed_but_not_acknowledged_is_adopted(filled, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed), reopen(filled) as store:
        kill_at(patch, Ledger, "insert")
        store.append(batch((3, 5), status=("ok", "timeout")))
    with reopen(filled) as store:
        assert len(store.recovery.adopted) == 1
        assert store.missing("train", 1, 6) == [4]
        assert_holds(store, batch((3,)))


def test_an_unacknowledged_file_that_is_damaged_gives_its_healthy_samples(filled, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed), reopen(filled) as store:
        kill_at(patch, Ledger, "insert")
        store.append(batch((3, 5, 6)))
    (new,) = filled.glob("samples/level-1/train-0000003*")
    flip(new, len(new.read_bytes()) - 1, 1)  # in the solution of sample 6
    with reopen(filled) as store:
        assert store.recovery.set_aside == (new.name,)
        assert store.missing("train", 1, 7) == [4, 6]
        assert_holds(store, batch((3, 5)))


def test_a_file_that_brings_nothing_new_is_set_aside(filled):
    made = batch((1, 2))
    content = files.encode(made, IDENTITY)
    (filled / "samples" / "level-1" / files.name_of(made, content)).write_bytes(content)
    with reopen(filled) as store:
        assert len(store.recovery.set_aside) == 1
        assert [name for name in names(filled) if name.endswith(".duplicate")]
        assert_holds(store, batch())
    with reopen(filled) as store:
        assert store.recovery == Recovery()


def test_data_reach_the_disk_before_their_name_and_their_name_before_the_ledger(tmp_path, monkeypatch):
    steps = []
    with reopen(tmp_path) as store:
        for target, name in ((os, "fsync"), (os, "replace"), (Ledger, "insert")):
            real = getattr(target, name)
            monkeypatch.setattr(target, name, lambda *a, real=real, name=name: (steps.append(name), real(*a))[1])
        (tmp_path / "samples" / "level-1").mkdir()
        store.append(batch())
    assert steps == ["fsync", "replace", "fsync", "insert"]


def test_what_a_dead_driver_left_in_scratch_is_removed(filled):
    with reopen(filled) as store:
        (store.scratch / "parcel").write_text("half")
        kept = shutil.copytree(filled, filled.parent / "copy")
    with reopen(kept) as store:
        assert list(store.scratch.iterdir()) == []


def test_samples_whose_file_has_gone_are_missing(filled):
    file_of(filled).unlink()
    with reopen(filled) as store:
        assert store.recovery.lost == (("train", 1, 0), ("train", 1, 1), ("train", 1, 2))
        assert store.missing("train", 1, 3) == [0, 1, 2]
        assert_holds(store, batch((4, 7), level=0))


def test_a_ledger_that_lost_its_identity_takes_that_of_its_files_and_no_other(filled):
    for change in (
        "DELETE FROM facts WHERE name = 'identity'",
        "UPDATE facts SET value = '{}' WHERE name = 'identity'",
    ):
        with sqlite3.connect(filled / "ledger.sqlite") as ledger:
            ledger.execute(change)
        ledger.close()
        with pytest.raises(StoreError, match="holds samples of another run: seed is"):
            SampleStore.open(filled, {**IDENTITY, "seed": 99})
        with reopen(filled) as store:
            assert store.recovery == Recovery()
            assert_holds(store, batch())


# ---- damage


def assert_repaired_by_solving_again(path, *made):
    with reopen(path) as store:
        for each in made:
            missing = set(store.missing(each.stream, each.level, each.indices))
            if missing:
                store.append(each.take([p for p, index in enumerate(each.indices) if index in missing]))
            assert_holds(store, each)
    with reopen(path, verify=True) as store:
        assert store.recovery == Recovery()


def positions(size, count):
    return sorted({round(p * (size - 1) / (count - 1)) for p in range(count)})


def test_a_flipped_bit_anywhere_in_a_sample_file_is_found_and_solved_again(filled, tmp_path_factory):
    size = file_of(filled).stat().st_size
    header = int.from_bytes(file_of(filled).read_bytes()[:8], "little") + 8
    for byte in [*range(9), *positions(header, 17), *range(header, size, 37), size - 1]:
        copy = shutil.copytree(filled, tmp_path_factory.mktemp("flip") / "store")
        flip(file_of(copy), byte, byte % 8)
        with reopen(copy, verify=True) as store:
            assert store.recovery.set_aside == (file_of(filled).name,), byte
            assert len(store.recovery.lost) == (1 if byte >= header else store.recovery.lost and 3 or 0), byte
            assert [name for name in names(copy) if name.endswith(".damaged")]
        assert_repaired_by_solving_again(copy, batch(), batch((4, 7), level=0))


def test_reading_a_damaged_sample_says_so_and_its_neighbours_are_read(filled):
    flip(file_of(filled), -1)
    with reopen(filled) as store:
        with pytest.raises(StoreError, match=r"1 samples in .* are damaged, the first of them 2; .*verify=True"):
            store.read("train", 1, 3)
        assert_holds(store, batch((0, 1)))


def test_the_healthy_samples_of_a_damaged_file_stay_without_being_solved_again(filled):
    flip(file_of(filled), -1)  # in the solution of sample 2
    with reopen(filled, verify=True) as store:
        assert store.recovery.lost == (("train", 1, 2),)
        assert store.missing("train", 1, 3) == [2]
        assert_holds(store, batch((0, 1)))
    with reopen(filled, verify=True) as store:
        assert store.recovery == Recovery()
        assert_holds(store, batch((0, 1)))


def test_a_file_damaged_in_its_header_alone_loses_no_sample(filled):
    content = file_of(filled).read_bytes()
    flip(file_of(filled), content.index(b"digest"))
    with reopen(filled, verify=True) as store:
        assert store.recovery.lost == () and len(store.recovery.set_aside) == 1
        assert_holds(store, batch())


def test_a_truncated_file_is_found(filled):
    content = file_of(filled).read_bytes()
    file_of(filled).write_bytes(content[:-1])
    with reopen(filled, verify=True) as store:
        assert store.recovery.lost == (("train", 1, 0), ("train", 1, 1), ("train", 1, 2))


def test_a_flipped_bit_in_a_ledger_row_makes_its_sample_missing(filled):
    content = (filled / "ledger.sqlite").read_bytes()
    with reopen(filled) as store:
        sha256 = store.ledger("train", 1)[1].sha256
    start = content.index(sha256.encode())
    end = start + len(sha256) + len(file_of(filled).name) + 4
    for byte in range(start - 10, end, 3):  # status, seconds, hash, file, checksum
        flip(filled / "ledger.sqlite", byte, byte % 7)
        with reopen(filled) as store:
            assert store.missing("train", 1, 3) == [1], byte
            assert [row.index for row in store.ledger("train", 1)] == [0, 2]
        (filled / "ledger.sqlite").write_bytes(content)


def test_verify_writes_a_damaged_row_anew_from_its_file(filled):
    with reopen(filled) as store:
        rows = store.ledger()
    content = (filled / "ledger.sqlite").read_bytes()
    flip(filled / "ledger.sqlite", content.index(file_of(filled).name.encode()))
    with reopen(filled, verify=True) as store:
        assert store.recovery == Recovery() and store.ledger() == rows
        assert_holds(store, batch())


def test_verify_removes_a_damaged_row_whose_file_is_damaged_too(filled):
    content = (filled / "ledger.sqlite").read_bytes()
    flip(filled / "ledger.sqlite", content.index(file_of(filled).name.encode()))
    flip(file_of(filled), 9)
    with reopen(filled, verify=True) as store:
        assert len(store.recovery.lost) == 3
        assert store.verify() == Recovery()
    assert_repaired_by_solving_again(filled, batch(), batch((4, 7), level=0))


def forge_row(ledger, **changes):
    """Change a row of the ledger, its checksum right."""
    with sqlite3.connect(ledger) as connection:
        names = [column[1] for column in connection.execute("PRAGMA table_info(samples)")][:-1]
        row = dict(zip(names, connection.execute("SELECT * FROM samples").fetchone(), strict=False))
        made = tuple((row | changes).values())
        connection.execute(f"DELETE FROM samples WHERE (stream, level, sample) = {tuple(row.values())[:3]}")
        marks = ", ".join("?" * (len(made) + 1))
        connection.execute(f"INSERT INTO samples VALUES ({marks})", (*made, zlib.crc32(repr(made).encode())))
    connection.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../../../mine"},
        {"file": "../../../mine-0000000-0123456789abcdef.safetensors"},
        {"level": "../../.."},
        {"level": -1},
        {"note": b"x"},
        {"sample": 1.5},
        {"stream": "A"},
        {"seconds": "x"},
    ],
)
def test_a_forged_row_is_no_row_and_moves_no_file(filled, changes):
    mine = [filled.parent / name for name in ("mine", "mine-0000000-0123456789abcdef.safetensors")]
    for path in mine:
        path.write_text("mine")
    forge_row(filled / "ledger.sqlite", **changes)
    with reopen(filled, verify=True) as store:
        assert len(store.ledger()) == 5
        assert_holds(store, batch())
    assert [path.read_text() for path in mine] == ["mine", "mine"]


def forge_head(path, entry):
    """Write a sample file whose head holds some entry, its digests right; return its path."""
    text = json.dumps(entry)
    content = save({}, {"mlft": text, "digest": hashlib.sha256(text.encode()).hexdigest()})
    made = path.with_name(f"train-0000000-{hashlib.sha256(content).hexdigest()[:16]}.safetensors")
    made.write_bytes(content)
    return made


ENTRY = {"schema": 1, "identity": IDENTITY, "stream": "train", "level": 1, "samples": [[9, "ok", 1, 1.0, "", 0, "a"]]}


@pytest.mark.parametrize(
    "entry",
    [
        3,
        ENTRY | {"samples": 3},
        ENTRY | {"samples": [["9", "ok", 1, 1.0, "", 0, "a"]]},
        ENTRY | {"samples": [[9, "ok", 1, 1.0, "", None, "a"]]},
        ENTRY | {"samples": [[9, None, 1, 1.0, "", 0, "a"]]},
        ENTRY | {"stream": ["train"]},
        ENTRY | {"level": "1"},
    ],
)
def test_a_file_with_a_forged_head_is_set_aside(filled, entry):
    made = forge_head(file_of(filled), entry)
    with reopen(filled, verify=True) as store:
        assert store.recovery.set_aside == (made.name,)
        assert_holds(store, batch())


def test_a_file_whose_head_says_that_it_is_longer_than_the_world_is_no_sample_file(filled):
    (filled / "ledger.sqlite").unlink()
    path = file_of(filled)
    path.write_bytes((2**62).to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(files.UnreadableError):
        files.read_head(path)
    with reopen(filled) as store:
        assert store.recovery.set_aside == (path.name,)


def test_a_ledger_of_another_run_beside_these_files_is_said_to_be_one(filled, tmp_path):
    with SampleStore.open(tmp_path / "other", IDENTITY | {"seed": 99}):
        pass
    shutil.copy(tmp_path / "other" / "ledger.sqlite", filled)
    with pytest.raises(
        StoreError, match=r"not that of the sample files .*seed is 99.*move ledger\.sqlite\* away"
    ) as caught:
        reopen(filled)
    assert "\n" not in str(caught.value)
    (filled / "ledger.sqlite").unlink()
    with reopen(filled) as store:
        assert_holds(store, batch())


def test_a_lock_that_links_to_a_file_elsewhere_does_not_empty_it(filled, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (filled / ".lock").unlink()
    (filled / ".lock").symlink_to(tmp_path / "mine")
    with pytest.raises(StoreError, match=r"cannot write .*\.lock"):
        reopen(filled)
    assert (tmp_path / "mine").read_text() == "mine"


def test_no_flipped_bit_of_the_ledger_gives_a_wrong_sample(filled, tmp_path_factory):
    size = (filled / "ledger.sqlite").stat().st_size
    content = (filled / "ledger.sqlite").read_bytes()
    used = [byte for byte in range(size) if content[byte]]
    outcomes = set()
    for byte in used[::23]:
        copy = shutil.copytree(filled, tmp_path_factory.mktemp("flip") / "store")
        flip(copy / "ledger.sqlite", byte, byte % 8)
        try:
            with reopen(copy, verify=True):
                pass
        except StoreError as error:
            outcomes.add("refused")
            assert "the ledger" in str(error) or "schema" in str(error), (byte, error)
            for path in copy.glob("ledger.sqlite*"):
                path.unlink()
        else:
            outcomes.add("opened")
        assert_repaired_by_solving_again(copy, batch(), batch((4, 7), level=0))
    assert outcomes == {"refused", "opened"}


def test_a_corrupted_ledger_is_refused_in_one_line_and_rebuilt_from_the_files(filled):
    with reopen(filled) as store:
        rows = store.ledger()
    ledger = filled / "ledger.sqlite"
    ledger.write_bytes(b"not a ledger" + ledger.read_bytes()[12:])
    before = names(filled)
    with pytest.raises(StoreError) as caught:
        reopen(filled)
    message = str(caught.value)
    assert "is corrupted" in message and "sample files are untouched" in message
    assert "move ledger.sqlite* away and run the same command again" in message and "\n" not in message
    assert names(filled) == before
    ledger.rename(filled / "old.sqlite")
    with reopen(filled) as store:
        assert store.ledger() == rows
        assert_holds(store, batch())


def test_a_ledger_of_a_newer_schema_is_refused(filled):
    import sqlite3

    connection = sqlite3.connect(filled / "ledger.sqlite")
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreError, match="has schema 2, this version of mlft reads up to 1"):
        reopen(filled)
