"""The examples of `docs/your-solver.md`: their lines are counted, `mlft.check` passes, and a small run works."""

import importlib
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import mlft
from mlft.seeds import generator

PAGE = Path(__file__).parents[2] / "docs" / "your-solver.md"
MOST = 15
TINY = {
    **{"budget": "9solves", "strategy": "finetune:equal-cost", "test": 5, "bias_draws": 0, "workers": 0},
    "training": {"steps": 6, "batch": 4, "checks": 1},
}
ADAPTERS = ("porous", "reaction", "rod", "bridged")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def port():
    """A port that nobody listens at, in place of the page's."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, port):
    """The files of the page, and the program that its command makes."""
    place = tmp_path_factory.mktemp("user")
    for kind in ("python", "c"):
        for block in blocks(kind):
            (place / re.match(r"(?:#|//) (\w+\.\w+):", block)[1]).write_text(block.replace("4242", str(port)))
    commands = [line[2:] for block in blocks("console") for line in block.splitlines()]
    for command in commands:
        if command.startswith("cc "):
            subprocess.run(shlex.split(command), cwd=place, check=True)
    return place


@pytest.fixture
def module(folder, monkeypatch):
    """Imports a module of the page, from its folder."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr("mlft.experiment.worth.SECONDS", 0.0)  # a solve is timed once
    yield importlib.import_module
    for name in ADAPTERS:
        sys.modules.pop(name, None)


@pytest.fixture
def server(folder, port):
    """The server of the page."""
    process = subprocess.Popen([sys.executable, "server.py"], cwd=folder, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/Info", timeout=5) as answer:
                assert b"integral" in answer.read()
                break
        except OSError:
            time.sleep(0.05)
    yield
    process.kill()
    process.wait()


def own_lines(text):
    """Lines that are not empty and no comment."""
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_each_takes_fifteen_lines_at_most(folder):
    for name in ADAPTERS:
        lines = own_lines((folder / f"{name}.py").read_text())
        assert len(lines) <= MOST and max(map(len, lines)) <= 120 and ";" not in "".join(lines), name


def checked_and_run(problem, folder, modes):
    assert mlft.check(problem, draws=2).ok, mlft.check(problem, draws=2)
    options = {"modes": modes, "width": 4, "depth": 1}
    record = mlft.run(problem, out=folder / "runs" / problem.name, surrogate_options=options, **TINY)
    assert 0 < record.error < 2 and sum(row.failed for row in record.outcome.levels) == 0
    return record


def a_field(problem):
    draws = problem.draw(2, generator(5, "example"))
    return problem.evaluate(draws, problem.finest)


def test_scikit_fem_solves_with_a_variable_coefficient(module, folder):
    problem = module("porous").problem
    checked_and_run(problem, folder, [3, 3])
    x, y = np.meshgrid(*problem.finest.points, indexing="ij")
    u = problem.solve(np.ones((1, 1, *x.shape)), problem.finest).solutions[0, 0]
    waves = [(i, j) for i in range(1, 40, 2) for j in range(1, 40, 2)]
    exact = sum(
        16 / np.pi**4 * np.sin(np.pi * i * x) * np.sin(np.pi * j * y) / (i * j * (i * i + j * j)) for i, j in waves
    )
    assert np.abs(u - exact).max() < 6e-3 * exact.max()
    a = a_field(problem)[:1]
    turned = mlft.Grid((16, 24), (1.0, 1.0), centring="nodal", periodic=False)
    mirrored = problem.solve(a.swapaxes(2, 3), turned).solutions.swapaxes(2, 3)  # axes are where they should be
    assert np.abs(mirrored - problem.solve(a, problem.finest).solutions).max() < 1e-12


PLAIN = """
import sys; sys.path[:0] = [".", {here!r}]
import numpy as np
from test_examples import checked_and_run
from pathlib import Path
import mlft.experiment.worth
mlft.experiment.worth.SECONDS = 0.0
from reaction import problem
checked_and_run(problem, Path("."), [3])
print(*problem.solve(np.full((1, 1, 32), 0.3), problem.finest).solutions.ravel())
"""


def test_py_pde_solves_a_reaction_and_diffusion(folder):
    """In a process without compilation, which takes half a minute here."""
    words = [sys.executable, "-c", PLAIN.format(here=str(Path(__file__).parent))]
    ended = subprocess.run(
        words, cwd=folder, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    flat = np.array(ended.stdout.split(), dtype=float)
    exact = 0.3 * np.e / np.sqrt(1 + 0.09 * (np.e**2 - 1))  # of c' = c - c³
    assert flat.shape == (32,) and 0 < np.abs(flat - exact).max() < 8e-3


def test_a_program_in_c_solves_by_its_command(module, folder):
    problem = module("rod").problem
    record = checked_and_run(problem, folder, [3])
    a = record.samples(2).inputs[:1]
    grid = problem.finest
    x = grid.points[0]
    u = problem.solve(np.ones((1, 1, 64)), grid).solutions[0, 0]
    assert np.abs(u - x * (1 - x) / 2).max() < 2e-4
    face = 2 * a[0, 0, 1:] * a[0, 0, :-1] / (a[0, 0, 1:] + a[0, 0, :-1])
    matrix = np.diag(np.r_[2 * a[0, 0, 0], face] + np.r_[face, 2 * a[0, 0, -1]]) - np.diag(face, 1) - np.diag(face, -1)
    known = np.linalg.solve(matrix * 64**2, np.ones(64))
    assert np.abs(record.samples(2).solutions[0, 0] - known).max() < 1e-10 * known.max()


def test_a_server_solves_through_its_protocol(module, folder, server):
    problem = module("bridged").problem
    record = checked_and_run(problem, folder, [3])
    kept = record.samples(1)
    f = problem.coarsen(kept.inputs[:1], problem.hierarchy[1])
    level = problem.evaluate(problem.draw(1, generator(0, "train", 0)), problem.hierarchy[1])
    known = 1 + np.cumsum(level - level.mean(), axis=2) / 32
    assert np.array_equal(kept.solutions[:1], known) and np.abs(f - level).max() < 0.1
