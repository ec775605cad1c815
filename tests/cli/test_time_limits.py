"""`--scheduler` with the workers of a real Dask cluster, and SIGTERM in the middle of solves, as Slurm sends it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

import mlft
from mlft.cli import STOPPED

MODULE = """
import time
from pathlib import Path
import small
from mlft import FunctionProblem

def solve(inputs, grid):
    for _ in inputs:
        time.sleep(0.1 if (Path(__file__).parent / "slow").exists() else 0)
    return small.solve(inputs, grid)

problem = FunctionProblem("slowly", small.GRIDS, small.draw, small.evaluate, solve, cost_exponent=2.0)
"""
WORDS = ["run", "slowly:problem", "--budget", "12solves", "--strategy", "finetune:equal-cost", "--test", "7"]
WORDS += ["--bias-draws", "0", "--symmetry", "none", "--train", "steps=8", "--train", "batch=4", "--train", "checks=1"]
WORDS += ["--network", "modes=[3]", "--network", "width=5", "--network", "depth=2"]
COMMAND = [sys.executable, "-c", "from mlft.cli import main; main()"]
SCHEDULER = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file"]
WORKER = ["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--scheduler-file"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder with a module, whose solves are slow while it holds a file of that name."""
    place = tmp_path_factory.mktemp("user")
    (place / "slowly.py").write_text(MODULE)
    return place


@pytest.fixture(scope="module")
def surroundings(folder):
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


def waited(found, seconds=180):
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def scheduler(folder, surroundings):
    """The address of a scheduler with two workers, each a process of the command line."""
    file, quiet = folder / "scheduler.json", {"cwd": folder, "env": surroundings, "stderr": subprocess.DEVNULL}
    words = [SCHEDULER, WORKER, WORKER]
    processes = [subprocess.Popen([sys.executable, "-m", "dask", *some, str(file)], **quiet) for some in words]
    waited(lambda: file.exists() and file.read_text().endswith("}"))
    yield json.loads(file.read_text())["address"]
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def undisturbed(folder):
    sys.path[:0] = [str(folder)]
    yield mlft.Record.load(of_command(folder / "undisturbed", "--workers", "0"))
    sys.path.remove(str(folder))
    sys.modules.pop("slowly")


def of_command(out, *words):
    """The run folder of a command in this process."""
    from mlft.cli.app import app

    app([*WORDS, *words, "--out", str(out)], standalone_mode=False)
    return out


def trained_on(out):
    """The files of training samples that are in a run folder."""
    return {path.name for path in out.glob("samples/*/train-*.safetensors")}


def assert_equal(folder, known):
    record = mlft.Record.load(folder)
    assert record.error == known.error
    assert [row.failed for row in record.outcome.levels] == [0, 0, 0]
    for level in range(3):
        found, other = (each.samples(level) for each in (record, known))
        assert np.array_equal(found.solutions, other.solutions) and len(found.solutions)


def test_a_run_by_the_address_of_a_scheduler_is_that_of_this_process(folder, scheduler, undisturbed, capsys):
    assert_equal(of_command(folder / "dask", "--scheduler", scheduler), undisturbed)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("where", ["workers", pytest.param("scheduler", marks=pytest.mark.slow)])
def test_a_run_that_reaches_its_time_limit_ends_in_order_and_goes_on(
    folder, surroundings, undisturbed, where, request, capsys
):
    to = ["--workers", "1"] if where == "workers" else ["--scheduler", request.getfixturevalue("scheduler")]
    out = folder / f"stopped-{where}"
    (folder / "slow").touch()
    words = [*COMMAND, *WORDS, *to, "--out", str(out)]
    process = subprocess.Popen(words, cwd=folder, env=surroundings, stderr=subprocess.PIPE, text=True)
    waited(lambda: trained_on(out))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=30)[1]
    (folder / "slow").unlink()
    assert process.returncode == 1 and told.rstrip().endswith(STOPPED) and "Traceback" not in told
    assert not psutil.wait_procs(children, timeout=10)[1] and not (out / "record.json").exists()
    kept = trained_on(out)
    assert_equal(of_command(out, *to), undisturbed)
    assert kept < trained_on(out)
    assert "Traceback" not in capsys.readouterr().err
