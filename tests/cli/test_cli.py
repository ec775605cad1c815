import csv
import inspect
import json
import os
import re
import subprocess
import sys

import pytest

import mlft
from mlft.cli.app import app
from mlft.experiment.config import EXECUTION, Config
from mlft.experiment.record import read_outcome
from small import SMALL

OPTIONS = [
    *("--train", "steps=24", "--train", "batch=4", "--train", "checks=3"),
    *("--network", "modes=[3]", "--network", "width=5", "--network", "depth=2"),
    *("--workers", "0", "--test", "7"),
]


def test_problems_lists_every_problem_with_its_equation(mlft_command):
    code, out, _ = mlft_command("problems")
    assert code == 0 and all(name in out for name in mlft.PROBLEMS)
    assert out.count("distance of levels to the finest, over that of the mean: 0.") >= 10
    row = re.search(r"the mean: (.*) \(own transfers (.*)\); coarsen: harmonic mean", out)
    plain, own = ([float(number) for number in part.split(", ")] for part in row.groups())
    assert len(plain) == len(own) == 4 and all(15 * near < far for near, far in zip(own, plain, strict=True))


def test_a_run_ends_with_its_outcome_and_a_report_and_can_be_reported_again(tmp_path, mlft_command):
    words = ("run", "small:problem", "--budget", "24solves", "--strategy", "finetune:equal-cost")
    code, out, err = mlft_command(*words, "--out", tmp_path / "a", *OPTIONS)
    assert code == 0, err
    assert "relative L2 error" in out and "128/32/8 samples" in out
    first, measured, few, sure, alarm, cheapest, paid, *warned, following, last = out.splitlines()
    assert few.startswith("Few draws decide that mean: half err by at most 0.") and "--test" in few
    assert (
        sure.startswith("Of predictions 50% err by at most 0.") and "calibrated on 2 fresh draws; of 4 others" in sure
    )
    assert alarm.startswith("An alarm rings for inputs") and alarm.endswith("of 7 fresh draws, with 5% allowed.")
    assert "relative L2 error" in first and last.startswith("report: ")
    assert measured.startswith("Measured 0.") and measured.endswith(
        "; the plan was made by a rule, which predicts nothing."
    )
    assert cheapest.startswith("At the error reached, ") and following.startswith("Next: mlft predict ")
    assert following.endswith("--problem small:problem")
    assert paid.startswith("The ") and "s of solving and training" in paid
    assert all(line.startswith("Warning: the samples cost ") for line in warned) and len(warned) <= 1
    assert mlft_command("show", tmp_path / "a") == (0, out, "")
    page = (tmp_path / "a" / "report.html").read_bytes()
    code, out, _ = mlft_command("report", tmp_path / "a")
    assert code == 0 and (tmp_path / "a" / "report.html").read_bytes() == page


def test_a_plan_is_printed_saved_and_gone_by(tmp_path, mlft_command):
    words = ("small:problem", "--budget", "60solves", "--seed", "3", *OPTIONS[:-2])
    code, out, err = mlft_command("plan", *words, "--out", tmp_path / "a", "--save", tmp_path / "plan.json")
    assert code == 0, err
    told = json.loads((tmp_path / "plan.json").read_text())
    assert "optimal" in out and "at the same budget:" in out and "rates" in out and "pilot" in out
    assert len(told["plan"]["alternatives"]) == out.count("  predicted ")
    assert not (tmp_path / "a" / "record.json").exists()
    assert mlft_command("run", *words, "--out", tmp_path / "a")[0] == 0  # the same options go by the same plan
    found = read_outcome(tmp_path / "a")
    assert list((found.foresight.first or found.plan).samples) == told["plan"]["samples"]
    plan = ("--plan", tmp_path / "plan.json")
    code, _, err = mlft_command("run", "small:problem", *plan, "--out", tmp_path / "b", *OPTIONS)
    assert code == 0, err
    found = read_outcome(tmp_path / "b")
    assert list(found.plan.samples) == told["plan"]["samples"] and found.plan.rule == "given"
    assert (found.seed, found.config["budget"]) == (3, "60solves") and found.foresight is None
    (tmp_path / "plan.json").write_text("{}")
    code, _, err = mlft_command("run", "--plan", tmp_path / "plan.json", "--out", tmp_path / "c", *OPTIONS)
    assert code == 2 and "holds no plan" in err


def test_a_file_does_what_the_options_do(tmp_path, mlft_command):
    file = tmp_path / "run.toml"
    head = 'budget = "24solves"\nworkers = 0\ntest = 7\n'
    training = "[training]\nsteps = 24\nbatch = 4\nchecks = 3\n"
    file.write_text(head + training + "[surrogate_options]\nmodes = [3]\nwidth = 5\ndepth = 2\n")
    assert mlft_command("run", "small:problem", "--config", file, "--out", tmp_path / "a")[0] == 0
    assert mlft_command("run", "small:problem", "--budget", "24solves", "--out", tmp_path / "b", *OPTIONS)[0] == 0
    records = [read_outcome(tmp_path / name) for name in "ab"]
    assert records[0].error == records[1].error


def test_a_comparison_writes_its_table_and_report(tmp_path, mlft_command):
    words = ("compare", "small:problem", "--budget", "24solves", "--seeds", "2", "--seed", "5", "--out", tmp_path / "c")
    code, out, err = mlft_command(*words, "--strategies", "finetune,single-level:0", *OPTIONS)
    assert code == 0, err
    with (tmp_path / "c" / "compare.csv").open() as stream:
        assert [row["seed"] for row in csv.DictReader(stream)] == ["5", "5", "6", "6"]
    assert (tmp_path / "c" / "report.html").exists()
    assert out.startswith("small, 24 solves: strategies at equal cost\n  strategy ")
    assert "\n  single-level:0 ★  " in out and "\\x" not in out
    assert mlft_command("show", tmp_path / "c") == (0, out, "")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("run", "burger", "--budget", "9solves"), 2, "did you mean 'burgers'"),
        (("run", "burgers", "--budget", "9solves", "--set", "cell=64"), 2, "did you mean 'cells'"),
        (("run", "burgers", "--budget", "9solves", "--train", "step=64"), 2, "did you mean 'steps'"),
        (("run", "burgers", "--budget", "9solves", "--set", "cells"), 2, "NAME=VALUE"),
        (("run", "burgers", "--budget", "-1s"), 2, "positive and at most"),
        (("run", "burgers"), 2, "budget is needed"),
        (("run", "--budget", "9solves"), 2, "problem is needed"),
        (("run", "burgers", "--buget", "9solves"), 2, "--budget"),
        (("run", "burgers", "--budget", "0.1solves"), 1, "give at least"),
        (("run", "burgers", "--budget", "9solves", "--strategy", "finetuning"), 2, "did you mean 'finetune'"),
        (("run", "burgers", "--budget", "9solves", "--strategy", "single-level:9"), 2, "levels 0 to"),
        (("compare", "burgers", "--budget", "9solves", "--strategies", "x"), 2, "unknown strategy"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_to_do(tmp_path, mlft_command, words, code, message):
    got, _, err = mlft_command(*words, "--out", tmp_path / "x", *(["--workers", "0"] if "compare" not in words else []))
    assert got == code and message in " ".join(err.split())


def test_a_failure_is_one_line_and_exit_code_one(tmp_path, mlft_command):
    code, _, err = mlft_command("run", "small:hopeless", "--budget", "24solves", "--out", tmp_path / "x", *OPTIONS)
    assert code == 1 and "not-finite" in err.splitlines()[-1]
    code, _, err = mlft_command("report", tmp_path)
    assert code == 1 and err.startswith("mlft: ") and len(err.splitlines()) == 1


def test_a_run_folder_that_cannot_be_written_is_one_line(tmp_path, mlft_command):
    (tmp_path / "file").write_text("")
    code, _, err = mlft_command(
        "run", "small:problem", "--budget", "24solves", "--out", tmp_path / "file" / "x", *OPTIONS
    )
    assert code == 1 and "cannot be written" in err


def test_small_options_say_the_same_as_the_command_line():
    assert SMALL["training"] == {"steps": 24, "batch": 4, "checks": 3} and SMALL["workers"] == 0


def options_of(command):
    """The names of the parameters of a command."""
    found = next(one for one in app.registered_commands if one.callback.__name__ == command)
    return set(inspect.signature(found.callback).parameters)


def test_every_field_of_the_configuration_is_an_option_of_every_command_that_runs():
    fields = set(Config.model_fields)
    assert options_of("run") == fields | {"out", "config", "more"}
    assert options_of("plan") == fields - {"plan", "baselines"} | {"out", "config", "save"}
    own = {"out", "config", "strategies", "seeds", "jobs"}
    assert options_of("compare") == fields - {"plan", "strategy", "baselines"} | own
    assert options_of("trust") == set(EXECUTION) | {"folder", "samples", "problem"}
    assert options_of("check") == {"problem", "options", "seed", "draws", "config"}
    assert all(field.description for field in Config.model_fields.values())


def test_every_command_says_its_options(mlft_command):
    for command in ("run", "plan", "compare", "trust", "check"):
        code, out, _ = mlft_command(command, "--help")
        assert code == 0 and ("--timeout" in out) == (command != "check"), command
    code, out, _ = mlft_command("run", "--help")
    words = re.sub(r"[│\s]+", " ", out)
    assert "finetune:equal-cost" in words and "--retry-failed" in words and "--max-failure-rate" in words


def test_options_of_execution_are_heard(tmp_path, mlft_command):
    words = ("plan", "small:problem", "--budget", "60solves", "--out", tmp_path, *OPTIONS[:-4])
    code, _, err = mlft_command(*words, "--workers", "0", "--timeout", "3")
    assert code == 2 and "a time-out cannot be kept with workers = 0" in err
    code, _, err = mlft_command(*words, "--retries", "-1")
    assert code == 2 and "retries" in err


def test_a_repaired_solver_is_tried_again_from_the_command_line(tmp_path, mlft_command):
    words = ("run", "small:failing", "--budget", "24solves", "--strategy", "finetune:equal-cost", *OPTIONS)
    code, _, err = mlft_command(*words, "--out", tmp_path / "x", "--max-failure-rate", "0")
    assert code == 1 and "--retry-failed" in err.splitlines()[-1]
    code, _, err = mlft_command(*words, "--out", tmp_path / "x", "--max-failure-rate", "1", "--retry-failed")
    assert code == 0, err


def test_a_file_of_other_types_is_refused_by_check_too(mlft_command, tmp_path):
    cases = {
        "problem = 5": "option 'problem': Input should be a valid string; got 5",
        'problem = "poisson"\noptions = 5': "option 'options': Input should be a valid dictionary; got 5",
        'problem = "poisson"\nseed = "a"': "option 'seed': Input should be a valid integer",
    }
    for number, text in enumerate(cases):
        (tmp_path / f"{number}.toml").write_text(text)
    code = """if True:
        import contextlib, sys
        from mlft.cli import main
        for file in sys.argv[1:]:
            sys.argv[1:] = ["check", "--config", file]
            with contextlib.suppress(SystemExit):
                main()"""
    files = [f"{tmp_path}/{number}.toml" for number in range(len(cases))]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True)
    assert [told in line for told, line in zip(cases.values(), done.stderr.splitlines(), strict=True)] == [True] * 3
    (tmp_path / "c.toml").write_text('problem = "poisson"\noptions = 5')
    code, _, err = mlft_command("check", "--config", str(tmp_path / "c.toml"), "--set", "cells=16")
    assert code == 2 and re.search("option 'options' in .*c.toml is a table of names and values; got 5", err)


def test_a_problem_is_checked_from_the_command_line(mlft_command):
    code, out, err = mlft_command("check", "small:problem", "--draws", "3")
    assert code == 0, err
    assert "inputs" in out and "batch" in out
    code, _, err = mlft_command("check", "smal:problem")
    assert code == 2 and "cannot be imported" in " ".join(err.split()) or "imported" in err
    code, _, err = mlft_command("check", "burgers", "--draws", "1")
    assert code != 0


def test_help_needs_neither_networks_nor_solvers():
    heavy = ("torch", "numba", "scipy", "matplotlib", "loky", "numpy")
    code = f"import sys, mlft.cli.app; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_a_terminal_that_knows_no_greek_letters_gets_question_marks():
    code = "import sys; sys.argv[1:] = ['check', 'poisson']; from mlft.cli import main; main()"
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=plain)
    assert (done.returncode, done.stderr) == (0, b"") and b"levels 0?3" in done.stdout


OWN = """import numpy as np, torch, mlft

def draw(n, generator):
    return torch.randn(n, 3, generator=generator, dtype=torch.float64).numpy()

def evaluate(draws, grid):
    return np.stack([np.sin(np.pi * (k + 1) * grid.points[0]) for k in range(3)]).T @ draws.T

def solve(inputs, grid):
    return inputs**3

grids = mlft.hierarchy(mlft.Grid((32,), centring="nodal", periodic=False), 2)
problem = mlft.FunctionProblem("own", grids, draw, lambda d, g: evaluate(d, g).T[:, None], solve, cost_exponent=1.0)
"""


def test_a_module_in_the_folder_where_one_stands_runs_with_workers(tmp_path):
    (tmp_path / "mymodule.py").write_text(OWN)
    words = ["run", "mymodule:problem", "--budget", "24solves", "--strategy", "finest-only", *OPTIONS[:-4]]
    command = [sys.executable, "-c", "from mlft.cli import main; main()", *words, "--test", "7", "--out", "a"]
    done = subprocess.run([*command, "--workers", "1"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "own, finest-only" in done.stdout and (tmp_path / "a" / "report.html").is_file()
