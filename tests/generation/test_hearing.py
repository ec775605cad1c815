"""What a solver prints goes with the samples that fail, and is otherwise left alone."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial

import numpy as np

from mlft.errors import last_lines
from mlft.generation import Request, Supervision, generate, open_pool, solve_batch
from mlft.generation.hearing import overheard, taken
from mlft.problems import FunctionProblem, Solved
from mlft.sources import Drawn
from mlft.store import SampleStore
from small import GRIDS, draw, evaluate


def talking(inputs, grid):
    """Prints in Python, in C and in a child; fails where the first value is positive, alone."""
    for sample in inputs:
        sys.stderr.write(f"step of {'many' if len(inputs) > 1 else 'one'}\n")
        os.write(1, b"from C\n")
        subprocess.run(["echo", "from a child"], check=True)
        if sample[0, 0] > 0:
            raise RuntimeError("diverged")
    return np.tanh(inputs) + 1.0


def named(inputs, grid):
    sys.stdout.write("residual 1e+3\n")
    return Solved(
        np.tanh(inputs) + 1, tuple("lost" if f[0, 0] > 0 else "ok" for f in inputs), notes=("why",) * len(inputs)
    )


def drawn(solver):
    return Drawn(FunctionProblem("talking", GRIDS, draw, evaluate, solver, cost_exponent=1.0), 3, "train")


def signs(source, count):
    return source.inputs(0, range(count))[:, 0, 0] > 0


def test_what_is_printed_goes_to_the_failures_note_and_still_to_the_screen(capfd):
    source = drawn(talking)
    batch = solve_batch(source, 0, stream="train", indices=range(6))
    failed = signs(source, 6)
    assert 0 < failed.sum() < 6
    for wrong, note in zip(failed, batch.notes, strict=True):
        assert ("RuntimeError: diverged; it printed: step of" in note) if wrong else note == ""
    out, err = capfd.readouterr()
    assert "from C" in out and "step of one" in err


def test_a_note_of_the_solvers_own_comes_first_and_those_of_good_samples_are_dropped(capsys):
    batch = solve_batch(drawn(named), 0, stream="train", indices=range(4))
    failed = signs(drawn(named), 4)
    assert 0 < failed.sum() < 4
    assert batch.notes == tuple("why; it printed: residual 1e+3" if wrong else "" for wrong in failed)
    assert capsys.readouterr().out == "residual 1e+3\n"


def test_notes_of_another_number_are_a_wrong_shape():
    batch = solve_batch(
        drawn(lambda f, g: Solved(f + 9.0, ("ok",) * len(f), notes=("",))), 0, stream="train", indices=range(3)
    )
    assert batch.status == ("wrong-shape",) * 3 and "as many notes or none" in batch.notes[0]


def test_a_worker_keeps_what_it_prints_from_the_terminal(tmp_path, capfd):
    source = drawn(talking)
    asked = Supervision(max_failure_rate=1.0, retries=0)
    with open_pool(1) as pool, SampleStore.open(tmp_path, source.identity) as store:
        generate({"train": source}, store, requests=[Request("train", 0, 6)], pool=pool, supervision=asked)
        rows = store.ledger("train", 0)
    failed = signs(source, 6)
    assert [row.status != "ok" for row in rows] == failed.tolist()
    for row in rows:
        known = "RuntimeError: diverged; it printed: "
        assert (row.note.startswith(known) and "from C" in row.note and "from a child" in row.note) == (
            row.status != "ok"
        )
    out, err = capfd.readouterr()
    assert "from" not in out and "step" not in err


def killed(inputs, grid):
    """Prints in Python, in C and in a child, and waits for nothing to be written out before it is killed."""
    ctypes.CDLL(None).printf(b"from C\n")
    subprocess.run(["echo", "from a child"], check=True)
    print("matrix is singular at step 7")  # noqa: T201
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_worker_had_printed_goes_with_its_sample_and_leaves_no_file(tmp_path, capfd, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # which would write out whatever is printed
    source, asked = drawn(killed), Supervision(max_failure_rate=1.0, retries=0)
    with open_pool(1) as pool, SampleStore.open(tmp_path, source.identity) as store:
        generate({"train": source}, store, requests=[Request("train", 0, 1)], pool=pool, supervision=asked)
        (row,) = store.ledger("train", 0)
        assert not list(store.scratch.iterdir())
    assert row.status == "worker-died"
    assert row.note.startswith("its worker died while it was solved alone; it printed: ")
    assert all(said in row.note for said in ("from C", "from a child", "matrix is singular at step 7"))
    out, err = capfd.readouterr()
    assert "from" not in out and "singular" not in out + err


TAKEN = """
import os, sys, json
from pathlib import Path
from mlft.generation.hearing import print_by_lines, taken
print_by_lines()  # as a worker does
with taken(Path(sys.argv[1])) as said:
    print("one"); os.write(2, b"two\\n")
    first = said()
    print("x" * 9000)
    last = said()
print(json.dumps([first, last]))
sys.stderr.write("three")
"""


def test_what_was_taken_is_given_back(tmp_path):
    """In a process of its own: pytest has streams of its own here."""
    ended = subprocess.run(
        [sys.executable, "-c", TAKEN, str(tmp_path / "said")], capture_output=True, text=True, check=True
    )
    assert json.loads(ended.stdout) == ["one\ntwo\n", "x" * 3999 + "\n"] and ended.stderr == "three"
    assert not list(tmp_path.iterdir())


def test_other_threads_are_left_alone(capsys, tmp_path):
    found = []
    for hearing in (partial(taken, tmp_path / "said"), overheard):

        def listen(hearing=hearing):
            with hearing() as said:
                sys.stdout.write("of a thread\n")
                found.append(said())

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
    assert found == ["", ""] and capsys.readouterr().out == "of a thread\n" * 2


def test_another_threads_progress_is_not_the_solvers(capsys):
    with overheard() as said:
        thread = threading.Thread(target=sys.stdout.write, args=("a bar\n",))
        thread.start()
        thread.join()
        sys.stdout.write("mine\n")
        assert said() == "mine\n"
    assert capsys.readouterr().out == "a bar\nmine\n"


def test_a_stream_that_was_closed_is_no_matter(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with overheard() as said:
        assert said() == ""
    assert sys.stdout is None


def test_the_last_lines_are_those_with_something_in_them():
    assert last_lines("\n".join(map(str, range(30)))) == "; it printed: " + " | ".join(map(str, range(20, 30)))
    assert last_lines("a \t b\n\n\x1b[2J\n") == r"; it printed: a b | \x1b[2J" and last_lines(" \n") == ""
    assert last_lines("y" * 5000) == "; it printed: " + "y" * 600
