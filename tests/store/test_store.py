import itertools
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlft.errors import StoreError
from mlft.store import Batch, Recovery, SampleStore, Tally
from toy_store import GOLDEN, IDENTITY, assert_holds, batch, file_of, flip, names, reopen

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
        {"stream": "../path"},
        {"stream": "no//path"},
        {"stream": "/path"},
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


def test_a_stream_may_have_parts_and_its_files_lie_beside_the_others(tmp_path):
    with SampleStore.open(tmp_path, IDENTITY) as store:
        store.append(batch(stream="trust/other-law"))
        store.append(batch(stream="trust"))
    with SampleStore.open(tmp_path, IDENTITY, verify=True) as store:
        assert store.recovery.lost == () and store.solved("trust/other-law", 1, 3) == [0, 1, 2]
    assert len(list((tmp_path / "samples" / "level-1").glob("trust*.safetensors"))) == 2


def test_samples_with_and_without_inputs_are_read_together_without(tmp_path):
    with SampleStore.open(tmp_path, IDENTITY) as store:
        whole, bare = batch(indices=(0, 1)), batch(indices=(2, 5))
        store.append(whole)
        store.append(replace(bare, inputs=bare.inputs[:, :0]))
        for order in ((0, 5, 1), (5, 0, 1)):
            found = store.read("train", 1, order)
            assert found.inputs.shape[:2] == (3, 0) and found.indices == order
            known = {0: whole.solutions[0], 1: whole.solutions[1], 5: bare.solutions[1]}
            assert all(np.array_equal(field, known[index]) for field, index in zip(found.solutions, order, strict=True))
        assert np.array_equal(store.read("train", 1, (1, 0)).inputs, whole.inputs[::-1])


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
