"""What a report says repeats a run does: the command line and the call ask for the same."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

import mlft
from mlft.experiment.asking import ask
from mlft.experiment.config import configure, write_config
from mlft.experiment.repeating import command
from small import GRIDS, SMALL, draw, evaluate, solve

ODD: list[dict[str, Any]] = [
    {},
    {"options": {"cells": 64, "levels": 3, "viscosity": 0.01}, "seed": 7, "costs": "measured"},
    {"training": {"steps": 90, "rate": 1e-3}, "surrogate_options": {"modes": [5], "width": 8}, "symmetry": "none"},
    {
        "strategy": "lift",
        "baselines": ("finest-only", "single-level:0"),
        "test": 50,
        "retry_failed": True,
        "workers": 2,
    },
    {"budget": "1.5min", "estimator": "kernel-initial", "threads": 2, "max_failure_rate": 0.5, "timeout": 3.5},
    {"strategy": "finetune:equal-cost", "plan": (64, 8, 4, 2)},
]


@pytest.mark.parametrize("options", ODD)
def test_the_command_asks_for_the_same_in_another_folder(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlft_command: Any
) -> None:
    asked = ask("burgers", **{"budget": "64solves", **options})
    (tmp_path / "a run").mkdir()
    write_config(tmp_path / "a run" / "config.toml", asked.config)
    words = shlex.split(command(asked, tmp_path / "a run"))
    told: dict[str, Any] = {}

    def run(**given: Any) -> None:
        told.update(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(mlft, "run", run)
    mlft_command(*words[1:])
    assert words[0] == "mlft" and told.pop("out") == tmp_path / "a run-again" and told.pop("more") is None
    del told["report"]
    assert configure(told).identity == asked.config.identity


def test_of_ones_own_problem_and_network_it_is_a_call(tmp_path: Path) -> None:
    problem = mlft.FunctionProblem("own", GRIDS, draw, evaluate, solve, cost_exponent=2.0)
    plain = {name: value for name, value in SMALL.items() if name != "surrogate_options"}
    network = torch.nn.Conv1d(1, 1, 3, padding=1)
    asked = ask(problem, network=network, budget="24solves", strategy="finest-only", **plain)
    told = command(asked, tmp_path / "one")
    assert told.endswith("# problem: your own, 'own'; network: your own, untrained")
    record = eval(told, {"mlft": mlft, "problem": problem, "network": network})
    assert record.folder == tmp_path / "one-again" and record.outcome.surrogate.name == "Conv1d"
    assert record.outcome.command == told.replace("one-again", "one-again-again")


def test_of_a_comparison_it_has_strategies_and_seeds(tmp_path: Path) -> None:
    asked = ask("burgers", budget="8solves", options={"levels": 2})
    told = command(asked, tmp_path, verb="compare", strategies=("lift", "finest-only"), seeds=3)
    assert told.startswith(
        "mlft compare burgers --budget 8solves --set levels=2 --seed 0 --strategies lift,finest-only --seeds 3"
    )
