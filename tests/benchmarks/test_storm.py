import dataclasses
import subprocess
import sys

import pytest

from benchmarks.publish import ROOT, read
from benchmarks.storm.commands import Ended
from benchmarks.storm.folder import FOR_THE_CLOCK, Held, solved_again
from benchmarks.storm.tally import Tally
from benchmarks.storm.waves import named, problem
from mlft.sources import Drawn
from short_form import rows

ALL = """
from sys import argv
from benchmarks.storm import __main__ as storm, kill, resume
for benchmark in (kill, resume, storm):
    benchmark.main(["--short", "--results", argv[1]])
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The rows of all short forms by name, run in a process of their own: they fork."""
    folder = tmp_path_factory.mktemp("results")
    words = [sys.executable, "-c", ALL, str(folder)]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: rows(read(folder / f"{name}.json")) for name in ("kill", "resume", "storm")}


def test_nothing_acknowledged_is_lost_when_drivers_and_workers_are_killed(found):
    found = {name: number for name, number in found["kill"].values()}
    assert found["drivers killed (SIGKILL)"] == 2 and found["workers killed (SIGKILL)"] == 1
    assert found["samples asked for"] == found["acknowledged, each once"] >= 2 * 21
    assert found["files with one flipped bit"] == found["of them found"] > 0
    for name in ("unreadable", "solved again after they were acknowledged", "workers left behind by a dead driver"):
        assert found[name] == 0
    assert found["samples that differ from an undisturbed run in any bit"] == 0


def test_a_killed_run_ends_as_an_undisturbed_one(found):
    found = found["resume"]
    assert [row[3] for row in found.values()] == ["yes"] * 4
    assert found["samples"][1] > 10 and 0 < float(found["relative L2 error"][1]) < 1


def test_nothing_is_lost_silent_or_left_and_no_traceback_is_told_in_the_storm(found):
    found = found["storm"]
    assert len(found) >= 9
    for storm, cases, *broken in found.values():
        assert cases > 0 and broken == [0, 0, 0, 0], storm


def test_a_storm_counts_what_breaks():
    tally = Tally("test", cases=1)
    assert tally.healthy
    tally.add("silent", ["a number"])
    assert tally.row == ("test", 1, 0, 1, 0, 0) and not tally.healthy
    assert not Tally("nothing tried").healthy


def test_an_end_in_other_words_than_one_sentence_is_unnamed():
    for code, told in ((1, "Traceback\nmlft: no"), (1, ""), (3, "mlft: no"), (-11, ""), (1, "mlft: a\nmlft: b")):
        assert Ended(code, told).unnamed, (code, told)
    for code, told in ((0, ""), (-9, ""), (2, "bars\nmlft: no")):
        assert not Ended(code, told).unnamed


def test_folders_that_differ_differ():
    calm = Held({("train", 0, 0): "ok a"}, {"w": b"1"}, {"error": 1.0}, frozenset({"record.json"}))
    changes = {"samples": {}, "weights": {"w": b"2"}, "record": {"error": 2.0}, "files": frozenset()}
    assert calm.differences(calm) == []
    for name, value in changes.items():
        assert len(dataclasses.replace(calm, **{name: value}).differences(calm)) == 1, name


def test_folders_may_hold_more_or_fewer_draws_for_the_clock_but_none_that_differs():
    """How many are solved depends on how busy the machine is."""
    train, clock = {("train", 0, 0): "ok a"}, {(FOR_THE_CLOCK, 0, index): f"ok {index}" for index in range(3)}
    calm, busy = (Held(train | dict(list(clock.items())[:n]), {}, {}, frozenset()) for n in (3, 1))
    assert calm.differences(busy) == busy.differences(calm) == []
    other = dataclasses.replace(busy, samples=busy.samples | {(FOR_THE_CLOCK, 0, 0): "ok b"})
    assert len(calm.differences(other)) == 1
    assert len(calm.differences(dataclasses.replace(calm, samples=clock))) == 1


def test_what_was_acknowledged_and_is_solved_again_is_seen():
    known = {("train", 2, 0), ("train", 2, 1), ("test", 2, 0)}
    fields = {key: Drawn(problem, 0, key[0]).inputs(key[1], [key[2]])[0] for key in known}
    line = {key: f"{named(field)} 7\n" for key, field in fields.items()}
    assert solved_again(known, line["train", 2, 0]) == []  # on purpose, once
    assert len(solved_again(known, 2 * line["train", 2, 0])) == 1
    assert len(solved_again(known, line["train", 2, 1] + line["test", 2, 0])) == 2
