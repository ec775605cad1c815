"""A program as a solver: what it is given, how it may end, and what is left of it."""

import os
import pickle
import re
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

import mlft
from mlft.errors import GenerationError, UnreachableError
from mlft.generation import Request, Supervision, generate, open_pool, solve_batch
from mlft.outside import formats
from mlft.sources import Drawn
from mlft.store import SampleStore
from small import GRIDS, draw, evaluate

LINE, PLANE = mlft.Grid((12,), (3.0,)), mlft.Grid((6, 5), (3.0, 1.0))
FIELDS = np.random.default_rng(2).normal(size=(3, 2, 6, 5))


def python(code, *words, **options):
    """A program of some lines; `a` are its words, the paths of input and output first."""
    text = f"import sys, json, numpy as np; a = sys.argv[1:]\n{code}"
    return mlft.CommandSolver([sys.executable, "-c", text, "{input}", "{output}", *words], **options)


def doubled(where, **options):
    """Copies a file of numbers, whatever its form."""
    return mlft.CommandSolver(["cp", "{input}", "{output}"], input=f"in{where}", output=f"out{where}", **options)


# ---- What goes in and comes out


@pytest.mark.parametrize("ending", [".npy", ".txt", ".csv", ".dat"])
def test_numbers_go_in_and_come_out_to_the_last_bit(ending):
    for fields, grid in ((FIELDS, PLANE), (FIELDS[:, :, :4, 0], mlft.Grid((4,)))):
        found = doubled(ending)(fields, grid, 0)
        assert found.status == ("ok",) * 3 and np.array_equal(found.solutions, fields)


def test_a_json_input_says_where_it_is_and_a_json_output_may_lack_the_channels():
    code = "d = json.load(open(a[0])); json.dump([[d['level'] + x for x in r] for r in d['input'][1]], open(a[1], 'w'))"
    found = python(code, input="in.json", output="out.json")(FIELDS, PLANE, 2)
    assert np.array_equal(found.solutions, FIELDS[:, 1:] + 2)
    code = (
        "d = json.load(open(a[0])); open(a[1], 'w').write(' '.join(map(str, d['cells'] + d['lengths'] + d['spacing'])))"
    )
    told = python(code, input="in.json", output="out.txt")(FIELDS[:, :1], mlft.Grid((2, 3)), 0)
    assert told.solutions[0, 0].tolist() == [[2.0, 3.0, 1.0], [1.0, 0.5, 1 / 3]]


def test_words_and_templates_are_filled_and_other_braces_stay():
    places = formats.fillings(FIELDS[0], PLANE, 1)
    assert (
        formats.fill("{level} {cells} {cells[1]} {lengths[0]} {spacing}", places) == "1 6x5 5 3 0.5x0.20000000000000001"
    )
    assert formats.fill("dict { a 1; } ${level} {}", places) == "dict { a 1; } ${level} {}"
    assert formats.fill("{number[1]}", places) == f"{FIELDS[0, 1, 0, 0]:.17g}"
    assert np.array_equal(np.array(formats.fill("{values}", places).split(), float), FIELDS[0].ravel())
    assert np.array_equal(np.array(formats.fill("{values[1]}", places).split(), float), FIELDS[0, 1].ravel())
    with pytest.raises(ValueError, match=r"\{cells\[2\]\} has no filling: there are 2 of cells"):
        formats.fill("{cells[2]}", places)


def test_a_template_is_the_input_and_a_file_of_one_is_read(tmp_path):
    text = "box { cells {cells}; rate {number[0]}; }\n{values[1]}\n"
    (tmp_path / "case.txt").write_text(text)
    code = "t = open(a[0]).read().split('}'); assert '{ cells 12; rate 0.5' in t[0]; open(a[1], 'w').write(t[1])"
    for template in (text, tmp_path / "case.txt", str(tmp_path / "case.txt")):
        solver = python(code, template=template, input="case.inp", output="u.txt")
        fields = np.stack([np.full(12, 0.5), np.arange(12.0)])[None]
        assert np.array_equal(solver(fields, LINE, 0).solutions, fields[:, 1:])


def test_a_program_and_a_script_beside_it_are_found_from_the_folder_of_the_sample(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twice.py").write_text("import sys, numpy as np; np.save(sys.argv[2], 2 * np.load(sys.argv[1]))")
    (tmp_path / "run.sh").write_text('#!/bin/sh\necho "$PWD" >&2\nexec "$@"\n')
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "input.npy").write_text("of another")
    solver = mlft.CommandSolver(["./run.sh", sys.executable, "twice.py", "input.npy", "{output}"])
    monkeypatch.chdir("/")
    assert np.array_equal(pickle.loads(pickle.dumps(solver))(FIELDS, PLANE, 0).solutions, 2 * FIELDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input.npy", "run.sh", "twice.py"]


def test_a_number_on_the_command_line():
    found = python("np.save(a[1], np.full(12, float(a[2])))", "{number[1]}")(
        FIELDS[:, :, :1].repeat(12, 2)[..., 0], LINE, 0
    )
    assert np.array_equal(found.solutions[:, 0, 0], FIELDS[:, 1, 0, 0])


# ---- How it may end

ENDS = {
    "exit-3": ("print('one'); print('two', file=sys.stderr); sys.exit(3)", "ended so; it printed: one | two"),
    "killed-SIGSEGV": ("import os; os.kill(os.getpid(), 11)", "ended so"),
    "no-output": ("print('well')", "left no output.npy; it printed: well"),
    "bad-output": ("open(a[1], 'w').write('1 2 three')", "output.npy: it is no .npy file of numbers"),
    "wrong-shape": (
        "np.save(a[1], np.zeros((1, 6, 4)))",
        "a solution on 6x5 has shape (channels, 6, 5), got (1, 6, 4)",
    ),
    "not-finite": ("np.save(a[1], np.full((6, 5), np.nan))", ""),
    "timeout": ("import time; print('slow', flush=True); time.sleep(50)", "took longer than 0.6 s; it printed: slow"),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_failure_has_a_name_and_its_last_lines_and_its_folder_may_stay(name, tmp_path):
    code, said = ENDS[name]
    limit = 0.6 if name == "timeout" else None
    solver = python(f"x = np.load(a[0])\nif x[0, 0, 0] < 0:\n    {code}\nelse: np.save(a[1], x)", timeout=limit)
    fields = np.abs(FIELDS)
    fields[1, 0, 0, 0] *= -1
    found = solver(fields, PLANE, 0)
    if name == "timeout":  # a busy machine may start no program in time: then all are late
        assert found.status[1] == name and said.partition(";")[0] in found.notes[1]
        return
    assert found.status == ("ok", name, "ok") and said in found.notes[1] and found.notes[0] == found.notes[2] == ""
    assert np.array_equal(found.solutions[[0, 2]], fields[[0, 2]])
    kept = python(code, folder=tmp_path / "kept", timeout=limit)(fields[1:2], PLANE, 0)
    (folder,) = (tmp_path / "kept").iterdir()
    assert f"its files are in {folder}" in kept.notes[0] and (folder / "input.npy").exists()


@pytest.mark.parametrize(
    ("ending", "text"), [(".npy", ""), (".json", "[[1, 2"), (".txt", "1 2\n3"), (".csv", "a,b"), (".npy", "complex")]
)
def test_a_file_of_other_things_is_a_bad_output(ending, text):
    code = f"open(a[1], 'w').write({text!r})" if text != "complex" else "np.save(a[1], np.zeros((6, 5)) + 1j)"
    found = python(code, output=f"out{ending}")(FIELDS[:1], PLANE, 0)
    assert found.status == ("bad-output",) and ("complex" in found.notes[0] or f"no {ending} file" in found.notes[0])


def test_columns_are_no_channels():
    found = python("np.savetxt(a[1], np.arange(24).reshape(12, 2))", output="u.txt")(FIELDS[:, :, :1, 0], LINE, 0)
    assert found.status == ("wrong-shape",) * 3 and "(channels, 12), got (12, 2)" in found.notes[0]


def test_samples_of_other_channels_than_the_first_fail():
    code = "x = np.load(a[0]); np.save(a[1], x if x[0, 0, 0] > 0 else x[:1])"
    fields = np.abs(FIELDS) * np.array([1, -1, 1])[:, None, None, None]
    found = python(code)(fields, PLANE, 0)
    assert found.status == ("ok", "wrong-shape", "ok") and "1 channels, and others have 2" in found.notes[1]


def test_all_that_it_started_ends_with_it():
    code = "import subprocess, time; p = subprocess.Popen(['sleep', '83.5']); np.save(a[1], np.full(12, p.pid * 1.0))"
    for more in ("", "; time.sleep(60)"):
        solver = python(code + more, timeout=8.0 if not more else 1.5, folder=None)
        found = solver(FIELDS[:1, :, :1, 0], LINE, 0)
        assert found.status == (("timeout",) if more else ("ok",))
        assert not [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "83.5"]]


def test_all_that_it_started_ends_with_a_process_that_is_killed(tmp_path):
    text = f"import mlft, numpy as np; mlft.CommandSolver(['sh', '-c', 'echo $$ > {tmp_path}/pid; sleep 91 & wait'])"
    text += "(np.zeros((1, 1, 12)), mlft.Grid((12,)), 0)"
    asked = subprocess.Popen([sys.executable, "-c", text])
    file = tmp_path / "pid"
    assert _waited(lambda: file.exists() and file.read_text().strip(), 60)
    group = int(file.read_text())
    asked.kill()
    asked.wait()
    assert _waited(lambda: not _alive(group), 20)


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return any(os.getpgid(one.pid) == group and one.status() != "zombie" for one in _processes())


def _processes():
    found = []
    for one in psutil.process_iter():
        try:
            os.getpgid(one.pid), one.status()
            found.append(one)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def _waited(ready, seconds):
    end = time.monotonic() + seconds
    while not (found := ready()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


# ---- In a run


def a_problem(solver):
    return mlft.FunctionProblem("outside", GRIDS, draw, evaluate, solver, cost_exponent=1.0)


def test_it_solves_in_workers_with_its_failures_in_the_ledger(tmp_path):
    code = "x = np.load(a[0])\nif x[0, 3] > 0.8: sys.exit('no convergence in step 7')\nnp.save(a[1], np.tanh(x) + 1)"
    drawn = Drawn(a_problem(python(code)), 0, "train")
    with SampleStore.open(tmp_path, drawn.identity) as store, open_pool(1) as pool:
        asked = Supervision(max_failure_rate=0.5)
        generate({"train": drawn}, store, requests=[Request("train", 1, 12)], pool=pool, supervision=asked)
        rows = store.ledger("train", 1)
        fields = drawn.inputs(1, range(12))
        wrong = [int(i) for i in np.flatnonzero(fields[:, 0, 3] > 0.8)]
        assert 0 < len(wrong) < 6 and [row.index for row in rows if row.status == "exit-1"] == wrong
        assert all("it printed: no convergence in step 7" in rows[i].note for i in wrong)
        right = [i for i in range(12) if i not in wrong]
        assert np.array_equal(store.read("train", 1, right).solutions, np.tanh(fields[right]) + 1)


def test_a_command_that_cannot_be_started_stops_and_blames_no_sample(tmp_path):
    drawn = Drawn(a_problem(mlft.CommandSolver(["./nowhere", "{input}"])), 0, "train")
    with pytest.raises(
        UnreachableError, match=r"'\./nowhere' cannot be started \(No such file.*what is solved is kept"
    ):
        solve_batch(drawn, 0, stream="train", indices=[0, 1])
    with SampleStore.open(tmp_path, drawn.identity) as store, open_pool(0) as pool:
        with pytest.raises(UnreachableError):
            generate({"train": drawn}, store, requests=[Request("train", 0, 3)], pool=pool)
        assert not store.ledger("train", 0)


def test_too_many_failures_are_told_with_what_the_program_said(tmp_path):
    drawn = Drawn(a_problem(python("sys.exit('no licence')")), 0, "train")
    said = "'exit-1'.*it printed: no licence. What was solved is stored"
    with (
        SampleStore.open(tmp_path, drawn.identity) as store,
        open_pool(0) as pool,
        pytest.raises(GenerationError, match=said),
    ):
        generate({"train": drawn}, store, requests=[Request("train", 0, 3)], pool=pool)


# ---- Bad input


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"command": "heat {input}"}, "a command is a list of words, as in ['./heat', '{input}'], got 'heat {input}'"),
        ({"command": []}, "a command is a list of words"),
        (
            {"command": ["heat", "{inptu}"]},
            "the word '{inptu}' of the command has {inptu}, and what can be filled in is",
        ),
        (
            {"input": "in.inp"},
            "a file of a sample is a name that ends in one of .npy, .json, .txt, .csv, .dat, got 'in.i",
        ),
        ({"output": "out.inp", "template": "x"}, "got 'out.inp'"),
        ({"input": "a/in.npy"}, "got 'a/in.npy'"),
        ({"template": "{mesh}"}, "the template has {mesh}, and what can be filled in is level, cells,"),
        ({"timeout": 0}, "a time-out is more than 0 seconds, or None, got 0"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_what_is_allowed(changes, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        mlft.CommandSolver(**{"command": ["heat"], **changes})


def test_signals_without_a_name_have_their_number():
    found = python(f"import os; os.kill(os.getpid(), {signal.SIGRTMIN + 3})")(FIELDS[:1], PLANE, 0)
    assert re.fullmatch(r"killed-\d+", found.status[0])
