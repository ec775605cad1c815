"""Commands that read what others left: `predict`, `show`, `list`; and the version, and the completion of words."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mlft
from finished import NASTY, a_comparison, a_run
from mlft.experiment.listing import list_runs
from small import GRIDS, SMALL, problem

ASKED = {"budget": "24solves", "strategy": "finetune:equal-cost", **SMALL}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run of a problem that is named by its module, and what it predicts for its test draws."""
    record = mlft.run("small:problem", out=tmp_path_factory.mktemp("runs") / "one", **ASKED)
    inputs = record.samples(2, "test").inputs
    return record, inputs, record.surrogate.predict(inputs)


@pytest.fixture
def inputs(made, tmp_path):
    np.save(tmp_path / "inputs.npy", made[1])
    return tmp_path / "inputs.npy"


def test_predictions_go_from_a_file_to_a_file(made, inputs, tmp_path, mlft_command):
    record, fields, known = made
    code, out, err = mlft_command("predict", record.folder, inputs, "-o", tmp_path / "out.npy")
    assert (code, err) == (0, "") and np.array_equal(np.load(tmp_path / "out.npy"), known)
    told = record.outcome.error.relative_l2
    said = f"{told.mean:.3g} ({told.mean_lower:.3g} to {told.mean_upper:.3g})"
    assert out == (
        f"small: {len(fields)} solutions on 28 cells, in the solver's own units, in {tmp_path}/out.npy; for inputs of "
        f"the law that was trained on the mean relative L2 error is {said}\n"
    )


def test_predicting_imports_neither_the_users_code_nor_a_solver(made, inputs, tmp_path):
    words = ["predict", str(made[0].folder), str(inputs), "--out", str(tmp_path / "out.npy")]
    code = f"import sys, atexit; sys.argv[1:] = {words}; from mlft.cli import main\n"
    code += (
        "def wrong(): return [name for name in sys.modules if name == 'small' or name.startswith('mlft.solvers.')]\n"
    )
    code += "atexit.register(lambda: print(wrong()))\nmain()"
    path = os.pathsep.join(one for one in sys.path if "support" not in one)
    told = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}  # as here: another number changes the last bits
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=told)
    assert done.stdout.endswith("\n[]\n"), done.stdout + done.stderr
    assert done.returncode == 0 and np.array_equal(np.load(tmp_path / "out.npy"), made[2]), done.stderr


def test_predictions_with_their_bands_go_into_an_archive(made, inputs, tmp_path, mlft_command):
    record, fields, known = made
    words = ("predict", record.folder, inputs, "--uncertainty", "0.5")
    code, out, err = mlft_command(*words, "-o", tmp_path / "out.npz")
    assert (code, err) == (0, "")
    found, told = np.load(tmp_path / "out.npz"), record.predict(fields, uncertainty=0.5)
    assert sorted(found) == ["band", "error", "half_width", "level", "solved", "value"] and np.array_equal(
        found["value"], known
    )
    assert all(np.array_equal(found[name], value) for name, value in vars(told).items())
    assert out.endswith(f"; 50% of predictions err by at most {told.error:.3g}\n")
    code, _, err = mlft_command(*words, "-o", tmp_path / "out.npy")
    assert code == 2 and "go to a .npz file here" in err
    code, _, err = mlft_command(*words[:-1], "0.9", "-o", tmp_path / "other.npz")
    assert code == 2 and "mlft: the bands are known at the levels 0.5, got 0.9" in err


def test_float32_is_read_in_any_byte_order(made, tmp_path, mlft_command):
    np.save(tmp_path / "inputs.npy", made[1].astype(">f4"))
    assert mlft_command("predict", made[0].folder, tmp_path / "inputs.npy", "-o", tmp_path / "out.npy")[0] == 0
    assert np.abs(np.load(tmp_path / "out.npy") - made[2]).max() < 1e-5


def test_a_file_that_is_there_is_overwritten_only_by_force(made, inputs, tmp_path, mlft_command):
    words = ("predict", made[0].folder, inputs, "-o", tmp_path / "out.npy")
    (tmp_path / "out.npy").write_bytes(b"mine")
    code, _, err = mlft_command(*words)
    assert code == 2 and "out.npy is there already: give another --out, or --force" in err
    assert (tmp_path / "out.npy").read_bytes() == b"mine"
    assert mlft_command(*words, "--force")[0] == 0 and len(np.load(tmp_path / "out.npy")) == len(made[2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inputs.npy", "out.npy"]


def saved(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


GOOD = np.zeros((3, 1, 28))
CLAIMS = saved(GOOD).replace(b"(3, 1, 28)", b"(10**9,)  ").replace(b"10**9,", b"300000,")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (saved(np.array([{"a": 1}], dtype=object), allow_pickle=True), "cannot be read as an array of numbers"),
        (b"\x80\x04N.", "is no array of NumPy: write the inputs with numpy.save('inputs.npy', inputs)"),
        (b"", "is no array of NumPy"),
        (saved(GOOD)[:-1], "cannot be read as an array of numbers"),
        (saved(GOOD)[:40], "cannot be read as an array of numbers"),
        (CLAIMS, "cannot be read as an array of numbers"),
        (saved(GOOD.astype(int)), "holds int64, and inputs are float64 or float32"),
        (saved(GOOD.astype(complex)), "holds complex128"),
        (saved(GOOD.astype("f2")), "holds float16"),
        (saved(GOOD.astype("U3")), "holds str"),
        (saved(GOOD[:, :, 1:]), "takes inputs of shape (samples, 1, 28), got (3, 1, 27)"),
        (saved(GOOD[0]), "shape (1, 28), and inputs have (samples, channels, *grid)"),
        (saved(np.float64(3.0)), "shape (), and inputs have (samples, channels, *grid)"),
        (saved(GOOD[:0]), "shape (0, 1, 28), and inputs have (samples, channels, *grid), with at least one sample"),
        (saved(GOOD[:, :, None]), "takes inputs of shape (samples, 1, 28), got (3, 1, 1, 28)"),
        (saved(np.where(np.arange(84).reshape(3, 1, 28) == 40, np.nan, 0.0)), "1 of 3 are not, first sample 1"),
    ],
    ids=range(16),
)
def test_inputs_that_are_none_are_refused_in_a_line(content, message, made, tmp_path, mlft_command):
    (tmp_path / "inputs.npy").write_bytes(content)
    code, out, err = mlft_command("predict", made[0].folder, tmp_path / "inputs.npy", "-o", tmp_path / "out.npy")
    assert (code, out) == (2, "") and err.startswith("mlft: ") and message in err and len(err.splitlines()) == 1
    assert not (tmp_path / "out.npy").exists()


def test_inputs_that_are_unlike_the_law_are_told_of_refused_or_solved(made, tmp_path, mlft_command):
    record, fields, _ = made
    odd = np.concatenate([fields[:1], 50 * fields[1:2]])
    np.save(tmp_path / "odd.npy", odd)
    words = ("predict", record.folder, tmp_path / "odd.npy", "--force", "-o", tmp_path / "out.npy")
    code, out, err = mlft_command(*words)
    assert (code, err) == (0, "") and "inputs" in out.splitlines()[1] and "input 1 (" in out.splitlines()[1]
    code, out, err = mlft_command(*words, "--unfamiliar", "ignore")
    assert (code, err, len(out.splitlines())) == (0, "", 1)
    code, out, err = mlft_command(*words, "--unfamiliar", "raise")
    assert (code, out) == (1, "") and "unlike those that were trained on" in err and len(err.splitlines()) == 1
    code, _, err = mlft_command(*words, "--unfamiliar", "sovle")
    assert code == 2 and "one of ignore, warn, raise, solve, got 'sovle'" in err
    code, _, err = mlft_command(*words, "--unfamiliar", "solve")
    assert code == 2 and "needs the solver" in err
    code, out, err = mlft_command(*words, "--unfamiliar", "solve", "--problem", "small:problem")
    rings = record.familiarity(odd).rings
    which = ", ".join(map(str, np.flatnonzero(rings)))
    assert (code, err) == (0, "") and out.splitlines()[-1] == f"solved in their place: {which}"
    known = problem.solve(odd, problem.finest).solutions
    assert rings[1] and np.array_equal(np.load(tmp_path / "out.npy")[1], known[1])


def test_predictions_on_a_coarser_grid_come_with_their_error_there(made, tmp_path, mlft_command):
    record, fields, _ = made
    np.save(tmp_path / "coarse.npy", mlft.restrict(fields, to=GRIDS[1]))
    code, out, err = mlft_command("predict", record.folder, tmp_path / "coarse.npy", "-o", tmp_path / "out.npy")
    assert (code, err) == (0, "") and np.load(tmp_path / "out.npy").shape == (len(fields), 1, 14)
    assert "solutions on 14 cells" in out and f"error there is {record.outcome.grids[1].mean:.3g} (" in out


def test_what_is_not_there_is_refused_in_a_line(made, inputs, tmp_path, mlft_command):
    def ended(folder, fields, out):
        code, _, err = mlft_command("predict", folder, fields, "--out", out)
        assert len(err.splitlines()) == 1
        return code, err

    assert ended(tmp_path, inputs, tmp_path / "out.npy")[1].startswith(f"mlft: {tmp_path} holds no finished run")
    assert "cannot be read: No such file" in ended(made[0].folder, tmp_path / "none.npy", tmp_path / "out.npy")[1]
    assert "go to a .npy file here" in ended(made[0].folder, inputs, tmp_path / "out.txt")[1]
    assert "there is no folder" in ended(made[0].folder, inputs, tmp_path / "no" / "out.npy")[1]
    os.mkfifo(tmp_path / "pipe.npy")
    assert "it is no regular file" in ended(made[0].folder, tmp_path / "pipe.npy", tmp_path / "out.npy")[1]


def test_a_run_is_shown_with_its_trust_and_what_comes_next(made, tmp_path, mlft_command):
    code, out, _ = mlft_command("show", made[0].folder)
    assert code == 0 and out.splitlines()[0] == str(made[0].outcome)
    assert out.endswith(f"no report.html yet: mlft report {made[0].folder}\n")
    folder = shutil.copytree(made[0].folder, tmp_path / "run")
    trusted = mlft_command("trust", folder, "--samples", "4", "--problem", "small:problem", "--workers", "0")
    assert trusted[0] == 0, trusted[2]
    found = trusted[1].splitlines()[:-1]
    shown = mlft_command("show", folder)[1].splitlines()
    assert shown[-len(found) - 2] == "" and shown[-len(found) - 1 : -1] == found
    predicted = a_run(tmp_path / "planned")
    lines = mlft_command("show", predicted)[1].splitlines()
    assert lines[1].startswith("Measured 0.1") and lines[1].endswith("; predicted 0.141 (95% interval 0.118 to 0.169).")
    assert f"Next: mlft predict {predicted} inputs.npy" in lines[-2]


def test_what_cannot_be_shown_is_refused_in_a_line(made, tmp_path, mlft_command):
    folder = shutil.copytree(made[0].folder, tmp_path / "run")
    (folder / "record.json").rename(folder / "elsewhere.json")
    code, _, err = mlft_command("show", folder)
    assert code == 1 and err == f"mlft: {folder} is not finished: run the command that began it again, and it goes on\n"
    code, _, err = mlft_command("show", tmp_path)
    assert code == 1 and "holds no finished run" in err
    (folder / "elsewhere.json").rename(folder / "record.json")
    (folder / "surrogate" / "config.json").write_text("{}")
    code, _, err = mlft_command("show", folder)
    assert code == 1 and "surrogate/config.json in" in err and "is damaged" in err


def test_forged_names_neither_move_the_cursor_nor_colour_a_line(tmp_path, mlft_command):
    told = "\x1b[2J[red]" + NASTY
    folder = a_run(tmp_path / "runs" / "run", problem=told, strategy=told)
    for command in (("show", folder), ("list", tmp_path / "runs")):
        code, out, _ = mlft_command(*command)
        assert code == 0 and "\x1b" not in out and "\\x1b[2J[red]" in out.replace("\n", "")


def test_runs_are_listed_finished_or_not_and_unreadable_ones_by_name(made, tmp_path, mlft_command):
    runs = tmp_path / "runs"
    shutil.copytree(made[0].folder, runs / "b" / "one")
    begun = Path(shutil.copytree(made[0].folder, runs / "begun"))
    (begun / "record.json").unlink()
    broken = Path(shutil.copytree(made[0].folder, runs / "broken"))
    (broken / "record.json").write_text("{")
    a_run(runs / "a run")
    a_comparison(runs / "compared", {"finetune": {0: 0.2}})
    (runs / "compared" / "config.toml").write_text("")
    names = ["a run", "b/one", "begun", "broken"]
    assert [one.folder.relative_to(runs).as_posix() for one in list_runs(runs)] == names
    code, out, _ = mlft_command("list", runs)
    assert code == 0 and max(map(len, out.splitlines())) > 80
    head, _, first, second, third = [line.split() for line in out.splitlines() if line.strip()][:5]
    assert head[:4] == ["run", "problem", "strategy", "budget"]
    assert first[:6] == ["a", "run", "burgers", "finetune", "64solves", "0"] and "0.141" in first
    assert second[:4] == ["b/one", "small", "finetune:equal-cost", "24solves"] and f"{made[0].error:.3g}" in second
    assert third[:3] == ["begun", "small:problem", "finetune:equal-cost"] and third[5:7] == ["not", "finished"]
    assert f"cannot be read: {broken}: the record {broken}/record.json cannot be read" in out


def test_a_list_of_nothing_says_so(tmp_path, mlft_command):
    code, _, err = mlft_command("list", tmp_path)
    assert code == 1 and err.startswith(f"mlft: there is no run of mlft in {tmp_path}")
    code, _, err = mlft_command("list", tmp_path / "none")
    assert code == 2 and "is no folder" in err


def test_the_version_is_said(mlft_command):
    assert mlft_command("--version") == (0, f"mlft {mlft.__version__}\n", "")


def test_a_shell_completes_the_names_of_commands():
    code = "import sys; sys.argv = ['mlft']; from mlft.cli import main; main()"
    asked = {**os.environ, "_MLFT_COMPLETE": "complete_bash", "COMP_WORDS": "mlft pr", "COMP_CWORD": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=asked)
    assert done.stdout.split() == ["problems", "predict"], done.stderr
