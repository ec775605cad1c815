"""Runs with worker processes, as users start them: a module of the user's folder, and a script without a guard."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
SMALL = {
    **{"budget": "12solves", "strategy": "finetune:equal-cost", "test": 7, "bias_draws": 0},
    "training": {"steps": 8, "batch": 4, "checks": 1},
    "surrogate_options": {"modes": [3], "width": 5, "depth": 2},
}
SCRIPT = """
import dataclasses
import numpy as np, torch, mlft
from beside import shift

@dataclasses.dataclass
class Law:
    size: int
    def __call__(self, n, generator):
        return torch.randn(n, self.size, generator=generator, dtype=torch.float64).numpy()

def waves(factor):
    def evaluate(draws, grid):
        (x,), k = grid.points, np.arange(draws.shape[1])
        return (draws[:, :, None] * factor * np.cos(2 * np.pi * k[:, None] * x)).sum(1)[:, None]
    return evaluate

class Mine(mlft.Problem):
    name, equation, order, cost_exponent, has_reference = "mine", "u = tanh f", 2.0, 2.0, False
    hierarchy = mlft.hierarchy(mlft.Grid((28,), centring="nodal"), 2)
    draw, evaluate = staticmethod(Law(3)), staticmethod(waves(0.5))
    solve_one = staticmethod(lambda f: np.tanh(f) + shift())
    def solve(self, inputs, grid):
        return mlft.Solved(np.stack([self.solve_one(f) for f in inputs]), ("ok",) * len(inputs))
"""


@pytest.fixture
def folder(tmp_path):
    """A user's folder: a module of theirs, another that it imports, and options."""
    (tmp_path / "mymodule.py").write_text("import beside\n" + (SUPPORT / "small.py").read_text())
    (tmp_path / "beside.py").write_text("def shift():\n    return 1.0\n")
    return tmp_path


def started(folder, *words):
    """The end of a command in the user's folder, which is not on its path."""
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


HEAD = """
import sys
sys.path, sys.argv[0] = [p for p in sys.path if p], "mlft"
from mlft.cli import main
from mlft.reports import drawing
drawing.at_both_widths = lambda draw: drawing.Drawing("<svg></svg>", "<svg></svg>")
main()
"""
"""Without figures, which take longer than the run."""


def test_a_module_in_the_folder_is_solved_by_workers(folder):
    training, options = SMALL["training"], SMALL["surrogate_options"]
    lines = [f"{name} = {json.dumps(value)}" for name, value in SMALL.items() if not isinstance(value, dict)]
    lines += ["[training]", *(f"{name} = {value}" for name, value in training.items())]
    lines += ["[surrogate_options]", *(f"{name} = {value}" for name, value in options.items())]
    (folder / "asked.toml").write_text("\n".join(lines))
    words = ["run", "mymodule:problem", "--config", "asked.toml", "--workers", "1", "--out", "runs/x"]
    ended = started(folder, sys.executable, "-c", HEAD, *words)
    assert ended.returncode == 0, ended.stderr
    told = json.loads((folder / "runs/x/record.json").read_text())
    assert (folder / "runs/x/report.html").exists() and told["config"]["problem"] == "mymodule:problem"
    assert all(level["failed"] == 0 for level in told["levels"]) and "Traceback" not in ended.stderr


def test_a_script_without_a_guard_is_solved_by_workers_with_all_kinds_of_callables(folder):
    """A class, a dataclass that is called, a closure, a lambda and a module beside it."""
    run = f"record = mlft.run(Mine(), out='runs/x', workers=1, **{SMALL!r})\nprint('error', record.error)\n"
    (folder / "script.py").write_text(SCRIPT + run)
    ended = started(folder, sys.executable, "script.py")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("error 0.") and ended.stdout.count("error") == 1
