"""Runs of the strategy `lift`: their rows, the lifts and labels that they leave, and that they can be continued."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlft
from mlft.experiment.finished import Record
from mlft.experiment.outcome import LiftFacts
from mlft.experiment.progress import Progress
from mlft.experiment.record import read_evaluation, read_outcome
from mlft.grids import relative_error
from mlft.lifts import LIFTS, Coarse, Correction, Coupled, LiftError, Method, Place, load
from mlft.lifts.learned import Effort
from mlft.lifts.local import Layers, Local
from mlft.lifts.none import Nothing
from mlft.planning import ErrorCurve
from mlft.store import SampleStore
from mlft.training import Course
from small import GRIDS, SMALL, draw, evaluate, failing

PLAN = (60, 24, 9)
STEPS = 10


def solve(inputs: np.ndarray, grid: mlft.Grid, factor: float = 40.0) -> np.ndarray:
    """A map whose coarse levels are off by a local function of the solution."""
    right = np.tanh(inputs) + 1.0
    return np.asarray(right + factor * grid.spacing[0] ** 2 * np.sin(2 * right))


PROBLEM = mlft.FunctionProblem("off", GRIDS, draw, evaluate, solve, cost_exponent=2.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlft.lifts.local.LINE", Layers((1, 2, 1), width=6, kernel=3))
    monkeypatch.setitem(LIFTS, "local", Local(line=Effort(STEPS, passes=0, rate=1e-2)))
    monkeypatch.setitem(LIFTS, "spectral", LIFTS["none"])


def lifted_run(folder: Path, **options: Any) -> Record:
    told: dict[str, Any] = {"budget": "40solves", "strategy": "lift", "plan": PLAN, **SMALL, **options}
    return mlft.run(PROBLEM, out=folder, **told)


def timeless(rows: tuple[LiftFacts, ...]) -> list[LiftFacts]:
    return [replace(row, cpu_seconds=0.0) for row in rows]


def same(left: Record, right: Record) -> bool:
    a, b = (dict(record.surrogate.named_parameters()) for record in (left, right))
    told = [(timeless(r.outcome.lifts), r.outcome.plan, r.outcome.stages, r.outcome.error) for r in (left, right)]
    return told[0] == told[1] and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_tells_what_became_of_the_labels_of_each_level(tmp_path: Path) -> None:
    """Its rows against the plan, the sample store, the saved lifts and the arrays of the report."""
    told = lifted_run(tmp_path).outcome
    assert told.plan.samples == PLAN
    assert [(row.level, row.target) for row in told.lifts] == [(0, 2), (1, 2)]
    assert [row.samples for row in told.lifts] == [60 - 24, 24 - 9]
    assert [row.draws for row in told.lifts] == [9, 9]
    assert [(row.level, row.samples, row.held_out) for row in told.stages] == [(0, 48, 12), (2, 7, 2)]
    with SampleStore.open(tmp_path, {"problem": "off", "options": PROBLEM.options, "seed": 0}) as store:
        fine, inputs = store.read("train", 2, 9).solutions, store.read("inputs/train", 2, 9).solutions
        coarse = [PROBLEM.prolong(store.read("train", level, 9).solutions, GRIDS[2]) for level in (0, 1)]
    shown = read_evaluation(tmp_path)
    for row in told.lifts:
        assert set(row.tried) == {"richardson", "local", "spectral"}
        assert row.name != "none"
        assert row.lifted.value == min([row.raw.value, *(e for e in row.tried.values() if isinstance(e, float))])
        assert row.raw.value == pytest.approx(relative_error(coarse[row.level], fine, GRIDS[2]).mean())
        found = load(tmp_path / "lifts" / f"level-{row.level}")
        assert (found.name, found.place.level, found.place.target) == (row.name, row.level, row.target)
        assert (found.error.lifted.value, found.error.draws) == (row.lifted.value, row.draws)
        assert (found.place.grid, found.place.ratio, found.place.order) == (GRIDS[2], 4 // (1 + row.level), 2.0)
        example = shown[f"lift-{row.level}"]
        assert example.shape == (3, 1, 28)
        (draw,) = (i for i in range(9) if np.array_equal(example[2], fine[i]))
        assert np.array_equal(example[0], coarse[row.level][draw])
        assert 0 < relative_error(example[[1]], example[[2]], GRIDS[2])[0] < 3 * row.lifted.value
        lifted = found.lift(Coarse(inputs, coarse[row.level], coarse[0] if row.level else None, 4))
        assert 0.5 < relative_error(lifted, fine, GRIDS[2]).mean() / row.lifted.value < 1.5  # by the mean of correctors
        assert not np.array_equal(example[1], lifted[draw]) or row.name in ("richardson", "none")
        with pytest.raises(LiftError, match="belongs to"):
            load(tmp_path / "lifts" / f"level-{row.level}", place=replace(found.place, source="another"))


def test_a_finished_run_is_read_with_its_lifts_and_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lifted_run(tmp_path)
    assert read_outcome(tmp_path) == first.outcome
    assert json.loads((tmp_path / "record.json").read_text())["lifts"][1]["target"] == 2
    monkeypatch.setattr("mlft.experiment.loop._run", lambda *_: pytest.fail("ran again"))
    again = lifted_run(tmp_path)
    assert again.outcome == first.outcome and len(again.outcome.lifts) == 2


def test_a_run_leaves_a_corrected_solver_and_says_what_it_is_worth(tmp_path: Path) -> None:
    """Its error, as recorded, is that of what it predicts on the test draws; the finest grid errs by nothing."""
    record = lifted_run(tmp_path)
    worth, found = record.outcome.worth, record.corrected
    assert worth is not None and found is not None and found.level == 0 and len(record.corrections) == 2
    with SampleStore.open(tmp_path, {"problem": "off", "options": PROBLEM.options, "seed": 0}) as store:
        draws = store.solved("test", 0, 7)
        inputs = store.read("inputs/test", 2, draws).solutions
        fine = store.read("test", 2, draws).solutions
        plain = [PROBLEM.prolong(store.read("test", level, draws).solutions, GRIDS[2]) for level in (0, 1)]
    mine = relative_error(record.surrogate.predict(inputs), fine, GRIDS[2]).mean()
    assert len(draws) == 3
    for way, corrected in zip(worth.of("corrected"), record.corrections, strict=True):
        told = relative_error(corrected.predict(inputs), fine, GRIDS[2]).mean()
        assert (way.level, way.draws) == (corrected.level, 3)
        assert (way.error, way.beside) == (pytest.approx(told, rel=1e-6), pytest.approx(mine, rel=1e-6))
        solver = worth.of("solver")[corrected.level]
        assert way.alone is not None and solver.alone is not None and way.alone > solver.alone
    solvers = worth.of("solver")
    assert [way.level for way in solvers] == [0, 1, 2]
    for way, fields in zip(solvers[:2], plain, strict=True):
        assert way.error == pytest.approx(relative_error(fields, fine, GRIDS[2]).mean())
        assert (way.draws, way.beside) == (3, pytest.approx(mine, rel=1e-6))
    assert (solvers[2].error, solvers[2].draws) == (0.0, 0)
    most = 256 - 64  # further draws, in the larger batches: these solves take microseconds
    assert all(0 < way.batch <= way.timed <= most for way in solvers)
    (surrogate,) = worth.of("surrogate")
    assert (surrogate.error, surrogate.draws) == (record.error, 7) and worth.batch == 256


@pytest.mark.parametrize(("what", "at"), [("lift", 17), ("lift", 60), ("train", 15), ("train", 22)])
def test_a_stopped_run_goes_on_to_the_same_record(what: str, at: int, tmp_path: Path) -> None:
    """In the lift of either level, and in either stage."""
    whole, seen = lifted_run(tmp_path / "whole"), iter(range(1, 10**6))

    def stop(progress: Progress) -> None:
        if progress.phase == what and next(seen) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lifted_run(tmp_path / "stopped", report=stop)
    assert not (tmp_path / "stopped" / "record.json").exists()
    assert same(lifted_run(tmp_path / "stopped"), whole)


def test_a_run_that_plans_by_itself_lifts_the_levels_of_its_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a fourfold number of samples is believed to halve the error, and coarse levels are far off."""
    curve = ErrorCurve(((40, 0.3),), 0.3 * 40**0.5, 0.5, 1.0, ((0.3 * 40**0.5, 0.5),) * 3, (0.1,))
    monkeypatch.setattr("mlft.estimators.study.network_curve", lambda *_, **__: curve)
    monkeypatch.setattr("mlft.training.Training.reach", lambda *_: 1e6)
    off = mlft.FunctionProblem("far", GRIDS, draw, evaluate, partial(solve, factor=80.0), cost_exponent=2.0)
    told = mlft.run(off, budget="90solves", strategy="lift", out=tmp_path, **SMALL).outcome
    used = [level for level, n in enumerate(told.plan.samples) if n]
    assert told.plan.rule == "lift" and told.foresight is not None and told.plan.cost <= 90.0
    assert [row.level for row in told.lifts] == used[:-1] and all(row.target == used[-1] for row in told.lifts)
    assert len(used) > 1 and min(told.plan.samples[level] for level in used) >= 8
    assert all(row.draws == told.plan.samples[used[-1]] for row in told.lifts)
    assert sorted(path.name for path in (tmp_path / "lifts").iterdir()) == [f"level-{level}" for level in used[:-1]]
    assert len(told.plan.alternatives) >= 1 and told.plan.predicted_error is not None


def test_a_run_of_one_level_lifts_nothing(tmp_path: Path) -> None:
    told = lifted_run(tmp_path, plan=(0, 30, 0)).outcome
    assert told.lifts == () and not (tmp_path / "lifts").exists()
    assert lifted_run(tmp_path, plan=(0, 30, 0)).corrected is None
    assert [name for name in read_evaluation(tmp_path) if name.startswith("lift")] == []
    assert read_outcome(tmp_path) == told


class Diverged(Method):
    """A lift whose training ended in NaN."""

    def fit(self, coupled: Coupled, place: Place, course: Course) -> tuple[Correction, np.ndarray]:
        return Nothing(), coupled.fine * np.nan

    def load(self, options: dict[str, Any], tensors: dict[str, torch.Tensor], place: Place) -> Correction:
        return Nothing()


def test_a_lift_that_diverges_is_told_in_words_and_the_record_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIFTS, "local", Diverged())
    told = lifted_run(tmp_path, plan=(0, 24, 9), training={"steps": 4}).outcome
    assert told.lifts[0].tried["local"] == "its labels are not finite" and told.lifts[0].name == "none"
    assert read_outcome(tmp_path) == told


def test_samples_that_fail_are_left_out_of_labels_and_of_coupled_draws(tmp_path: Path) -> None:
    """With two workers: about one in ten fails, on each level others."""
    told: dict[str, Any] = {"budget": "40solves", "strategy": "lift", "plan": (60, 24, 16), **SMALL, "workers": 2}
    outcome = mlft.run(failing, out=tmp_path, max_failure_rate=0.5, **told).outcome
    with SampleStore.open(tmp_path, {"problem": "failing", "options": failing.options, "seed": 0}) as store:
        low, middle, top = (set(store.solved("train", level, n)) for level, n in enumerate((60, 24, 16)))
    assert [row.failed for row in outcome.levels] == [60 - len(low), 24 - len(middle), 16 - len(top)]
    assert 8 <= len(top) < 16
    assert [row.draws for row in outcome.lifts] == [len(low & top), len(middle & top)]
    assert [row.samples for row in outcome.lifts] == [len(low - middle - top), len(middle - top)]


def test_rivals_of_a_lift_share_its_samples_and_spend_as_much(tmp_path: Path) -> None:
    told = lifted_run(tmp_path, baselines=("finest-only", "single-level:1")).outcome
    rows = {row.name: row for row in told.baselines if row.kind == "trained"}
    assert rows["finest-only"].samples == (0, 0, 40) and rows["single-level:1"].samples == (0, 160, 0)
    assert all(row.spent_solves == pytest.approx(40.0) for row in rows.values())
    assert len(read_outcome(tmp_path).lifts) == 2 and not (tmp_path / "baselines" / "finest-only" / "lifts").exists()
