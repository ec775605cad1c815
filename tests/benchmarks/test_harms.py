"""The short forms of the storms of harms and forgeries; the long ones are in `docs/results.md`."""

import random
import signal
import subprocess
import sys
import time

import pytest

from benchmarks.publish import ROOT, read
from benchmarks.storm.calls import ROOM, Ended, call
from benchmarks.storm.nasty import damaged, mutated
from short_form import rows

BOTH = """
from sys import argv
from benchmarks.storm import forged, harms
for benchmark in (forged, harms):
    benchmark.main(["--short", "--results", argv[1]])
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The rows of both short forms by name, run in a process of their own: they fork."""
    folder = tmp_path_factory.mktemp("results")
    words = [sys.executable, "-c", BOTH, str(folder)]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: rows(read(folder / f"{name}.json")) for name in ("forged", "harms")}


def test_a_harmed_run_folder_lies_nowhere_and_loses_nothing(found):
    found = found["harms"]
    assert found["commands"][1] >= 2 * 6 and found["refused"][1] >= 2 and found["told the same"][1] >= 8
    for fault in (
        "silent",
        "lost",
        "solved again",
        "touched",
        "traceback",
        "hang",
        "no sentence",
        "no advice",
        "stuck",
    ):
        assert found[fault][1] == 0, fault


def test_what_is_forged_is_refused_in_one_line_or_tells_the_same(found):
    found = found["forged"]
    assert found["asked"][1:] == (10, 5, 5, 5, 5, 5) and sum(found["refused"][1:]) >= 10
    for fault in ("silent", "executed", "written elsewhere", "traceback", "hang", "memory", "no sentence", "slow"):
        assert sum(found[fault][1:]) == 0, fault


@pytest.mark.parametrize(
    ("work", "fault"),
    [
        (lambda: 1 / 0, "traceback"),
        (lambda: sys.exit(3), "traceback"),
        (lambda: sys.exit(1), "no sentence"),
        (lambda: sys.stderr.write("mlft: a\nmlft: b\n") and sys.exit(1), "no sentence"),
        (lambda: sys.stderr.write("mlft: a\nb\n") and sys.exit(2), "no sentence"),
        (lambda: sys.stderr.write("mlft: a\n") and sys.exit(2), ""),
        (lambda: signal.raise_signal(signal.SIGKILL), "traceback"),
        (lambda: time.sleep(9), "hang"),
        (lambda: b"x" * (ROOM + 2**28), "memory"),
        (lambda: sys.stdout.write("done\n"), ""),
    ],
)
def test_a_fault_is_seen(work, fault):
    assert call(work, seconds=1 if fault == "hang" else 9).fault == fault


def test_a_process_of_its_own_says_what_it_said():
    ended = call(lambda: sys.stdout.write("out\n") and sys.stderr.write("err\n"))
    assert isinstance(ended, Ended) and (ended.code, ended.out, ended.err) == (0, "out\n", "err\n")


def test_mutations_change_what_they_are_given_and_nothing_else():
    tree = {"a": [1, {"b": "x"}], "c": 2.5}
    made = [mutated(tree, random.Random(seed)) for seed in range(200)]
    assert tree == {"a": [1, {"b": "x"}], "c": 2.5} and sum(one != tree for one in made) > 190
    assert len({repr(one) for one in made}) > 100
    assert sum(damaged(b"0123456789", random.Random(seed)) != b"0123456789" for seed in range(200)) > 190
