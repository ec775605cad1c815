"""What is found out before anything is bought, and what a solver may not change of the process that it runs in."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import mlft
from mlft.errors import BudgetError, ConfigError
from mlft.process import threads, unchanged
from small import GRIDS, SMALL, draw, evaluate, solve

PLAIN: dict[str, Any] = {name: value for name, value in SMALL.items() if name != "surrogate_options"}
ASKED: dict[str, Any] = {"budget": "12solves", "strategy": "finest-only", "symmetry": "none"}


def own(solver: Callable[..., Any] = solve) -> mlft.FunctionProblem:
    return mlft.FunctionProblem("own", GRIDS, draw, evaluate, solver, cost_exponent=2.0)


class Two(nn.Module):
    """One number, and a function of the input that a test gives."""

    def __init__(self, forward: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.number, self.call = nn.Parameter(torch.ones(1)), forward

    def forward(self, x: torch.Tensor) -> Any:
        return self.call(self.number * x)


WRONG: list[tuple[Callable[[torch.Tensor], Any], str]] = [
    (lambda x: x[..., :-1], r"returns shape \(2, 1, 27\); it is to return \(2, channels, 28\)"),
    (lambda x: x[:1], r"returns shape \(1, 1, 28\)"),
    (lambda x: x.squeeze(1), r"returns shape \(2, 28\)"),
    (lambda x: (x, x), "returns tuple; it is to return one real tensor"),
    (lambda x: x + 1j, "returns complex numbers"),
    (lambda x: x / 0, "returns numbers that are not finite"),
    (lambda x: x.no_such_thing, "raises AttributeError"),
]


@pytest.mark.parametrize(("forward", "said"), WRONG)
def test_a_network_that_does_not_fit_is_refused_before_anything_is_solved(
    forward: Callable[[torch.Tensor], Any], said: str, tmp_path: Path
) -> None:
    calls: list[int] = []

    def counted(inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
        calls.append(len(inputs))
        return solve(inputs, grid)

    for command in (mlft.run, mlft.plan):
        with pytest.raises(ConfigError, match=said):
            command(own(counted), out=tmp_path / "run", network=Two(forward), **ASKED, **PLAIN)
    assert calls == [] and not (tmp_path / "run").exists()


def test_a_network_of_other_channels_costs_a_few_coarsest_solves(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []

    def counted(inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
        calls.append((grid.cells[0], len(inputs)))
        return solve(inputs, grid)

    network = nn.Conv1d(1, 2, 3, padding=1)
    with pytest.raises(ConfigError, match="the network returns 2 channels, and the solutions have 1"):
        mlft.run(own(counted), out=tmp_path, network=network, **ASKED, **PLAIN)
    assert calls == [(7, 2), (7, 1), (7, 1)]  # the first two see that it answers alike


def test_a_frozen_network_has_nothing_to_learn(tmp_path: Path) -> None:
    network = nn.Conv1d(1, 1, 3, padding=1).requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter that can be trained"):
        mlft.run(own(), out=tmp_path, network=network, **ASKED, **PLAIN)


def test_a_budget_of_one_solve_leaves_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(
        BudgetError, match="1 sample on level 2.*nothing is left to train on; give at least 2"
    ) as caught:
        mlft.run(own(), out=tmp_path, **ASKED | {"budget": "1solve"}, **SMALL)
    assert (caught.value.needed, caught.value.given) == (2.0, 1.0)
    assert mlft.run(own(), out=tmp_path / "two", **ASKED | {"budget": "2solves"}, **SMALL).outcome.plan.samples == (
        0,
        0,
        2,
    )


def careless(inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
    """The same solver, which leaves another process behind."""
    os.chdir("/")
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.manual_seed(7)
    torch.set_num_threads(2)
    np.random.seed(7)  # noqa: NPY002
    np.seterr(all="raise")
    random.seed(7)
    return solve(inputs, grid)


def test_a_careless_solver_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind, faults = torch.get_default_dtype(), np.geterr()
    record = mlft.run(own(careless), out="run", **ASKED, **SMALL)
    assert torch.get_default_dtype() is kind and torch.is_grad_enabled() and torch.get_num_threads() == 1
    assert np.geterr() == faults and Path.cwd() == tmp_path and (tmp_path / "run" / "record.json").is_file()
    other = mlft.run(own(), out="other", **ASKED, **SMALL)
    assert record.error == other.error


def test_a_run_leaves_torch_the_threads_that_it_had(tmp_path: Path) -> None:
    with threads(3):
        mlft.run(own(), out=tmp_path / "run", **ASKED, **SMALL)
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 1


def test_random_streams_go_on_as_if_nothing_had_been_drawn() -> None:
    def drawn() -> tuple[float, ...]:
        return float(torch.rand(1)), float(np.random.rand()), random.random()  # noqa: NPY002

    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    known = drawn()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    with pytest.raises(KeyError), unchanged():
        drawn()
        raise KeyError
    assert drawn() == known
