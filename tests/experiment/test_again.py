"""A folder is continued with the solver that it was begun with, or not at all."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlft
from mlft.errors import ConfigError, GenerationError, StoreError
from mlft.experiment import asking, loop
from mlft.experiment.config import Config
from mlft.store import StoreReader
from small import GRIDS, SMALL, draw, evaluate, solve

ASKED: dict[str, Any] = {"strategy": "finetune:equal-cost", "budget": "24solves", **SMALL}


def own(**changes: Callable[..., Any]) -> mlft.FunctionProblem:
    functions = {"draw_function": draw, "evaluate_function": evaluate, "solve_function": solve} | changes
    return mlft.FunctionProblem("own", GRIDS, **functions, cost_exponent=2.0)  # type: ignore[arg-type]


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was stopped in its training: samples of all levels are there."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            mlft.run(own(), out=tmp_path, **ASKED)
    return tmp_path


def on_level(level: int, other: Callable[..., Any]) -> Callable[..., Any]:
    """The solver, another one on one level."""
    return lambda inputs, grid: (other if grid == GRIDS[level] else solve)(inputs, grid)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"solve_function": on_level(1, lambda u, g: -7.0 * u)}, "the solution on level 1 of sample 0 is .* away"),
        ({"solve_function": on_level(2, lambda u, g: solve(u, g) * (1 + 1e-5))}, "level 2 of sample 0 is 1e-05"),
        ({"solve_function": on_level(0, lambda u, g: np.full_like(u, np.nan))}, "ends as 'not-finite' now"),
        ({"evaluate_function": lambda d, g: 2 * evaluate(d, g)}, "the input of sample 0 is 1 "),
        ({"draw_function": lambda n, stream: draw(n, stream) + 1.0}, "the input of sample 0 is "),
    ],
)
def test_a_run_is_not_continued_with_another_solver_law_or_input(
    stopped: Path, changes: dict[str, Callable[..., Any]], said: str
) -> None:
    ledger = (stopped / "ledger.sqlite").read_bytes()
    for continued in (mlft.run, mlft.plan):
        with pytest.raises(StoreError, match=said) as caught:
            continued(own(**changes), out=stopped, **ASKED)
        assert re.search(r"give another --out, or the problem as it was", str(caught.value))
    assert not (stopped / "record.json").exists() and (stopped / "ledger.sqlite").read_bytes() == ledger
    assert mlft.run(own(), out=stopped, **ASKED).outcome.error.samples == SMALL["test"]


def test_a_comparison_is_not_continued_with_another_solver_and_looks_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {**ASKED, "strategies": ("finest-only", "single-level:0"), "seeds": 1}
    del asked["strategy"]
    mlft.compare(own(), out=tmp_path, **asked)
    (tmp_path / "seed-0" / "single-level-0" / "record.json").unlink()
    with pytest.raises(StoreError, match="away from the stored one"):
        mlft.compare(own(solve_function=lambda u, g: -7.0 * u), out=tmp_path, **asked)
    for place in ("finest-only", "single-level-0"):
        (tmp_path / "seed-0" / place / "record.json").unlink(missing_ok=True)
    looks: list[Path] = []
    monkeypatch.setattr(loop, "refuse_other_solver", lambda session: looks.append(session.folder))
    mlft.compare(own(), out=tmp_path, **asked)
    assert [folder.name for folder in looks] == ["finest-only"]


def test_trust_asks_the_solver_of_the_run(tmp_path: Path) -> None:
    mlft.run(own(), out=tmp_path, **ASKED)
    with pytest.raises(StoreError, match="of another problem or solver"):
        mlft.trust(tmp_path, samples=4, problem=own(solve_function=lambda u, g: -7.0 * u))
    assert not (tmp_path / "trust.json").exists()


def test_of_two_runs_that_begin_in_one_folder_the_second_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = asking.write_config

    def beaten(file: Path, config: Config) -> bool:
        real(file, config.model_copy(update={"seed": 5}))  # by another process, between the look and the write
        return real(file, config)

    monkeypatch.setattr(asking, "write_config", beaten)
    with pytest.raises(ConfigError, match="of another configuration: seed is 5 there and 0 here"):
        mlft.run(own(), out=tmp_path, **ASKED)
    assert not (tmp_path / "ledger.sqlite").exists()


class Counting:
    """A solver that remembers how often it was called."""

    calls = 0

    def __call__(self, inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
        self.calls += 1
        return solve(inputs, grid) * (1 + 1e-3 * self.calls)


def noisy(inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
    """Random numbers of the process, which are put back after each batch: it differs by the place in its batch."""
    return solve(inputs, grid) + 1e-3 * np.random.normal(size=inputs.shape)  # noqa: NPY002


def in_its_batch(inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
    return solve(inputs - 1e-3 * inputs.mean(axis=0), grid)


@pytest.mark.parametrize("solver", [Counting(), noisy, in_its_batch])
def test_a_solver_that_answers_otherwise_the_second_time_is_refused_before_anything_is_bought(
    solver: Callable[..., Any], tmp_path: Path
) -> None:
    for begun in (mlft.run, mlft.plan):
        with pytest.raises(ConfigError, match="the second time: draw 0 on level 0, solved again, is .* away"):
            begun(own(solve_function=solver), out=tmp_path, **ASKED)
    with StoreReader(tmp_path) as store:
        assert "train" not in store.streams()


def test_a_solver_of_one_sample_is_offered_to_be_called_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"solutions on 7 have shape \(1, 1, 7\); .*: give batched=False"):
        mlft.run(own(solve_function=lambda u, g: solve(u[:1], g)), out=tmp_path, **ASKED)


def test_a_solver_that_writes_to_its_inputs_has_the_same_record(tmp_path: Path) -> None:
    def writing(inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
        out = solve(inputs, grid)
        inputs *= -3.0
        return out

    records = [
        mlft.run(own(solve_function=one, evaluate_function=lru_cached()), out=tmp_path / name, **ASKED)
        for name, one in (("kept", solve), ("written", writing))
    ]
    assert records[0].error == records[1].error and 0 < records[0].error < 1


def lru_cached() -> Callable[..., Any]:
    """Inputs that are made once for the same draws, and given again."""
    made: dict[Any, np.ndarray] = {}
    return lambda draws, grid: made.setdefault((draws.tobytes(), grid), evaluate(draws, grid))


def test_solvers_that_fail_or_raise_at_first_are_told_of_when_they_are_bought(tmp_path: Path) -> None:
    def raises(inputs: np.ndarray, grid: mlft.Grid) -> np.ndarray:
        raise ArithmeticError("no licence")

    with pytest.raises(GenerationError, match="no licence"):
        mlft.run(own(solve_function=raises), out=tmp_path, **ASKED)
