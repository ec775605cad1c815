import errno
import itertools
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlft.errors import StoreError
from mlft.store import Batch, Recovery, SampleStore, Tally, files, folder
from mlft.store.ledger import Ledger

IDENTITY = {"problem": "toy", "options": {"viscosity": 0.01, "grids": [3, 6]}, "seed": 5}
GOLDEN = Path(__file__).parent / "golden" / "store-v1"


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it."""


def batch(indices=(0, 1, 2), level=1, stream="train", status=None, seconds=0.25):
    """Samples whose values tell their name: input 100·level + index, solution its negative."""
    status = status or ("ok",) * len(indices)
    ok = np.array([i for i, name in zip(indices, status, strict=True) if name == "ok"], dtype=float)
    inputs = np.broadcast_to((100 * level + ok)[:, None, None], (len(ok), 2, 5 + level)) + np.arange(5 + level) / 7
    notes = tuple("" if name == "ok" else f"why {i}" for i, name in zip(indices, status, strict=True))
    scalars = {"energy": 10 * ok}
    each = (seconds,) * len(indices)
    return Batch(stream, level, tuple(indices), status, inputs, -inputs[:, :1], each, scalars=scalars, notes=notes)


def reopen(path, verify=False):
    return SampleStore.open(path, IDENTITY, verify=verify)


def file_of(path, level=1):
    (found,) = (path / "samples" / f"level-{level}").glob("*.safetensors")
    return found


def names(path):
    return sorted(p.name for p in path.glob("samples/*/*"))


def assert_holds(store, made):
    read = store.read(made.stream, made.level, made.indices)
    assert np.array_equal(read.inputs, made.inputs)
    assert np.array_equal(read.solutions, made.solutions)
    assert np.array_equal(read.scalars["energy"], made.scalars["energy"])


@pytest.fixture
def filled(tmp_path):
    """A closed store with one file on each of two levels."""
    with reopen(tmp_path) as store:
        store.append(batch())
        store.append(batch((4, 7), level=0))
    return tmp_path


# ---- round trips


shapes = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 6), st.sampled_from([(), (4,), (7,)]))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One store for all examples of a property; each takes a stream of its own."""
    with reopen(tmp_path_factory.mktemp("shared")) as store:
        yield store


_counter = itertools.count()


@given(shape=shapes, seed=st.integers(0, 9), failures=st.sets(st.integers(0, 5)), data=st.data())
def test_what_is_appended_is_read_bit_for_bit_in_the_order_asked(shared, shape, seed, failures, data):
    c, k, n, rest = shape
    rng = np.random.default_rng(seed)
    status = tuple("not-converged" if p in failures else "ok" for p in range(n))
    ok = status.count("ok")
    inputs, solutions = rng.standard_normal((ok, c, 3, *rest)), rng.standard_normal((ok, k, 3, *rest))
    indices = tuple(data.draw(st.permutations(range(10)))[:n])
    seconds = tuple(rng.random(n))
    stream = f"round-{next(_counter)}"
    shared.append(Batch(stream, 2, indices, status, inputs, solutions, seconds))
    solved = [index for index, name in zip(indices, status, strict=True) if name == "ok"]
    asked = data.draw(st.permutations(range(ok)))
    if ok:
        read = shared.read(stream, 2, [solved[p] for p in asked])
        assert np.array_equal(read.inputs, inputs[asked]) and np.array_equal(read.solutions, solutions[asked])
    rows = {row.index: (row.status, row.seconds) for row in shared.ledger(stream, 2)}
    assert rows == dict(zip(indices, zip(status, seconds, strict=True), strict=True))


@given(done=st.sets(st.integers(0, 12)), failed=st.sets(st.integers(0, 12)), asked=st.lists(st.integers(0, 15)))
def test_missing_is_what_is_neither_ok_nor_failed(shared, done, failed, asked):
    stream = f"missing-{next(_counter)}"
    indices = tuple(sorted(done | failed))
    status = tuple("ok" if index in done else "timeout" for index in indices)
    if indices:
        shared.append(batch(indices, status=status, stream=stream))
    assert shared.missing(stream, 1, asked) == [i for i in asked if i not in done | failed]
    assert shared.missing(stream, 1, asked, retry_failed=True) == [i for i in asked if i not in done]
    assert shared.solved(stream, 1, asked) == [i for i in asked if i in done]
    assert shared.missing(stream, 1, 13) == [i for i in range(13) if i not in done | failed]
    assert shared.missing(stream, 2, asked) == shared.missing("other", 1, asked) == asked


def test_a_store_opened_again_has_everything(filled):
    with reopen(filled) as store:
        assert store.recovery == Recovery()
        assert_holds(store, batch())
        assert_holds(store, batch((4, 7), level=0))


def test_streams_and_levels_are_apart(tmp_path):
    with reopen(tmp_path) as store:
        for made in (batch(), batch(level=2), batch(stream="test")):
            store.append(made)
            assert_holds(store, made)


def test_a_failed_sample_has_a_row_by_name_and_no_array(tmp_path):
    made = batch(status=("ok", "timeout", "ok"))
    with reopen(tmp_path) as store:
        store.append(made)
        row = store.ledger()[1]
        assert (row.status, row.row, row.sha256, row.note) == ("timeout", -1, "", "why 1")
        with pytest.raises(StoreError, match=r"1 of 2 samples .* the first of them 1 \(timeout\)"):
            store.read("train", 1, [0, 1])
        assert np.array_equal(store.read("train", 1, [2]).inputs, made.inputs[1:])


def test_a_batch_of_failures_alone_survives_a_rebuild(tmp_path):
    with reopen(tmp_path) as store:
        store.append(batch(status=("timeout",) * 3))
    (tmp_path / "ledger.sqlite").unlink()
    with reopen(tmp_path) as store:
        assert [row.status for row in store.ledger()] == ["timeout"] * 3


def test_the_summary_counts_by_stream_level_and_status(filled):
    with reopen(filled) as store:
        store.append(replace(batch((9,), status=("timeout",)), attempts=(2,)))
        assert store.summary() == [
            Tally("train", 0, "ok", 2, 2, 0.5),
            Tally("train", 1, "ok", 3, 3, 0.75),
            Tally("train", 1, "timeout", 1, 2, 0.25),
        ]


def test_numpy_numbers_are_stored_as_plain_ones(tmp_path):
    with reopen(tmp_path) as store:
        store.append(replace(batch(), seconds=tuple(np.full(3, 0.5))))
        assert [(row.index, row.seconds) for row in store.ledger()] == [(0, 0.5), (1, 0.5), (2, 0.5)]


def test_scalars_that_some_files_lack_are_nan_there(tmp_path):
    with reopen(tmp_path) as store:
        store.append(batch())
        store.append(replace(batch((3,)), scalars={}))
        assert store.read("train", 1, 4).scalars["energy"].tolist()[:3] == [0, 10, 20]
        assert np.isnan(store.read("train", 1, 4).scalars["energy"][3])


# ---- what is refused


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 6}, "seed is 5 there, 6 was asked"),
        ({"problem": "burgers"}, "problem is 'toy' there, 'burgers' was asked"),
        ({"options": {"viscosity": 0.02, "grids": [3, 6]}}, r"options.viscosity is 0.01 there, 0.02 was asked"),
        ({"options": {"grids": [3, 6]}}, r"options.viscosity is 0.01 there, None was asked"),
    ],
)
@pytest.mark.parametrize("rebuilt", [False, True])
def test_another_problem_or_seed_is_refused_by_name(filled, other, message, rebuilt):
    if rebuilt:
        (filled / "ledger.sqlite").unlink()
    with pytest.raises(StoreError, match=message):
        SampleStore.open(filled, IDENTITY | other)
    with reopen(filled) as store:
        assert_holds(store, batch())


def test_tuples_and_lists_are_one_identity(filled):
    SampleStore.open(filled, IDENTITY | {"options": {"viscosity": 0.01, "grids": (3, 6)}}).close()


def test_a_second_driver_is_refused_and_told_the_first(filled):
    with reopen(filled), pytest.raises(StoreError, match=f"another driver .process {os.getpid()}."):
        reopen(filled)
    reopen(filled).close()


def test_a_refused_driver_changes_nothing(filled):
    with reopen(filled) as store:
        with pytest.raises(StoreError):
            reopen(filled)
        store.append(batch((3,)))
        assert store.scratch.is_dir()


def test_a_sample_is_stored_once(filled):
    with reopen(filled) as store:
        before = names(filled)
        with pytest.raises(StoreError, match=r"samples \[2\] of stream 'train' on level 1 are in the store already"):
            store.append(batch((2, 3)))
        assert names(filled) == before and store.missing("train", 1, 4) == [3]


def test_a_failed_sample_may_be_replaced_and_stays_so_after_a_rebuild(tmp_path):
    with reopen(tmp_path) as store:
        store.append(batch((8,), status=("timeout",)))
        store.append(batch((8,)))
        assert_holds(store, batch((8,)))
    (tmp_path / "ledger.sqlite").unlink()
    with reopen(tmp_path) as store:
        assert_holds(store, batch((8,)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"stream": "no/path"},
        {"level": -1},
        {"indices": (0, 1, 1)},
        {"indices": (0, 1)},
        {"status": ("ok", "ok", "timeout")},
        {"seconds": (0.1,)},
        {"scalars": {"energy": np.ones(2)}},
    ],
)
def test_a_batch_that_does_not_add_up_is_refused(wrong):
    with pytest.raises((ValueError, TypeError)):  # shapes are refused by jaxtyping where it runs
        replace(batch(), **wrong)


def test_samples_of_different_shapes_are_refused_in_words(tmp_path):
    with reopen(tmp_path) as store:
        store.append(batch((0,)))
        store.append(replace(batch((1,)), inputs=np.ones((1, 3, 6))))
        with pytest.raises(StoreError, match=r"inputs of different shapes: \[\(2, 6\), \(3, 6\)\]"):
            store.read("train", 1, 2)
        with pytest.raises(ValueError, match="at least one"):
            store.read("train", 1, 0)


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


# ---- damage


def flip(path, byte, bit=0):
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


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


def test_verify_removes_a_damaged_row_for_good(filled):
    content = (filled / "ledger.sqlite").read_bytes()
    flip(filled / "ledger.sqlite", content.index(file_of(filled).name.encode()))
    with reopen(filled, verify=True) as store:
        assert len(store.recovery.lost) == 1 and store.recovery.lost[0][:2] == ("train", 1)
        assert store.verify() == Recovery()
    assert_repaired_by_solving_again(filled, batch(), batch((4, 7), level=0))


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


# ---- a disk that refuses


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


# ---- frozen facts


def test_the_first_fact_frozen_stays(filled):
    costs = {"pilot": [0.25, 1 / 3], "levels": 2}
    with reopen(filled) as store:
        assert store.frozen("costs") is None
        assert store.freeze("costs", costs) == costs
        assert store.freeze("costs", {"pilot": []}) == costs
    with reopen(filled) as store:
        assert store.frozen("costs") == costs
        assert store.frozen("identity") is None


@pytest.mark.parametrize("value", [float("nan"), {1, 2}])
def test_a_fact_is_a_plain_value(filled, value):
    with reopen(filled) as store, pytest.raises((TypeError, ValueError)):
        store.freeze("costs", value)


def test_a_damaged_fact_is_frozen_anew(filled):
    with reopen(filled) as store:
        store.freeze("costs", "as measured")
    content = (filled / "ledger.sqlite").read_bytes()
    flip(filled / "ledger.sqlite", content.index(b"as measured"))
    with reopen(filled) as store:
        assert store.frozen("costs") is None
        assert store.freeze("costs", "again") == store.frozen("costs") == "again"


# ---- schemas


def test_a_golden_store_of_schema_1_opens(tmp_path, request):
    if request.config.getoption("--update-golden"):
        write_golden()
    copy = shutil.copytree(GOLDEN, tmp_path / "store")
    with reopen(copy, verify=True) as store:
        assert store.recovery == Recovery()
        assert_holds(store, batch())
        assert_holds(store, batch((4,), level=0))
        assert [(row.index, row.status) for row in store.ledger("train", 0)] == [(4, "ok"), (7, "timeout")]
        assert store.frozen("costs") == [0.25, 1.0]


def write_golden():
    shutil.rmtree(GOLDEN, ignore_errors=True)
    with reopen(GOLDEN) as store:
        store.append(batch())
        store.append(batch((4, 7), level=0, status=("ok", "timeout")))
        store.freeze("costs", [0.25, 1.0])
    (GOLDEN / ".lock").unlink()


def test_a_golden_file_rebuilds_its_ledger(tmp_path):
    copy = shutil.copytree(GOLDEN, tmp_path / "store")
    (copy / "ledger.sqlite").unlink()
    with reopen(copy) as store:
        assert len(store.recovery.adopted) == 2
        assert_holds(store, batch())


def test_a_sample_file_is_readable_without_this_package(filled):
    content = file_of(filled).read_bytes()
    length = int.from_bytes(content[:8], "little")
    entry = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["mlft"])
    assert entry["identity"] == IDENTITY and entry["samples"][0][:2] == [0, "ok"]
