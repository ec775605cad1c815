"""What cannot be held is refused before it is bought."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

import mlft
from mlft.errors import ConfigError
from mlft.experiment.config import configure
from mlft.grids import Grid
from mlft.training import Training
from small import SMALL, problem


@pytest.mark.parametrize("strategy", ["finest-only", "finetune", "lift"])
def test_a_plan_larger_than_memory_is_refused_before_it_is_bought(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {**SMALL, "budget": "1e9solves", "strategy": strategy, "out": tmp_path}
    for command in (mlft.run, mlft.plan):
        with pytest.raises(ConfigError, match=r"7 test samples on 28 cells take .* GiB in a training, and"):
            command(problem, **asked)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger:
        (count,) = ledger.execute("SELECT COUNT(*) FROM samples WHERE stream = 'train'").fetchone()
    assert count < 250  # a pilot, or nothing


def test_memory_is_two_and_a_half_times_that_of_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = 20 * (24 + 7) * 2 * 28
    asked = {**SMALL, "budget": "24solves", "strategy": "finest-only"}
    for free, fits in ((needed - 1, False), (needed, True)):
        monkeypatch.setattr(psutil, "virtual_memory", lambda free=free: SimpleNamespace(available=free))
        if fits:
            assert mlft.plan(problem, out=tmp_path / "b", **asked).plan.samples == (0, 0, 24)
        else:
            with pytest.raises(ConfigError, match="24 training and 7 test samples"):
                mlft.plan(problem, out=tmp_path / "a", **asked)


@pytest.mark.parametrize("changes", [{"test": 10**12}, {"seed": 2**70}, {"threads": 10**6}, {"pilot": 10**10}])
def test_counts_beyond_any_use_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="less than or equal to"):
        configure({"problem": "burgers", "budget": "9solves", **changes})


def test_a_grid_and_a_training_beyond_any_use_are_refused() -> None:
    with pytest.raises(ValueError, match="2147483648 cells at most, got 10000000000"):
        Grid((10**5, 10**5))
    with pytest.raises(ValueError, match="counts of at most 2147483647"):
        Training(most=10**12)
