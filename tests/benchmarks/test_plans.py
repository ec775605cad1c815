import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import mlft
from benchmarks import finished, runs
from benchmarks.plans import candidates, recipe, sweep
from benchmarks.plans import foresight as plans_foresight
from benchmarks.plans.candidates import PLAIN, Cell, keep, tables
from benchmarks.plans.foresight import past_of
from benchmarks.plans.oscillating import problem as oscillating
from benchmarks.plans.referee import RESIDUAL, foresight, residual
from benchmarks.publish import write
from mlft.experiment.outcome.comparison import ComparisonRow
from mlft.experiment.record import read_outcome
from mlft.planning.past import BANK, Past, farther
from mlft.surrogates import CANDIDATES
from short_form import column, rows, short_form
from small import GRIDS, SMALL, draw, evaluate


@pytest.mark.usefixtures("quick_lifts")
def test_strategies_are_compared_with_intervals_and_ratios(tmp_path):
    found = short_form("plans.equal_cost", tmp_path, "--out", str(tmp_path / "runs"))
    assert list(rows(found)) == [
        *("lift", "finetune", "finest-only", "single-level:0", "single-level:1"),
        *("single-level:0, plain transfers", "single-level:1, plain transfers"),
    ]
    assert rows(found)["finest-only"][1] == "0/0/48"
    assert rows(found)["finest-only"][4:6] == (1.0, "1.000 to 1.000")
    low, high = map(float, rows(found)["finetune"][3].split(" to "))
    assert low < rows(found)["finetune"][2] < high
    assert "kept" in found.tables[0].caption and max(column(found, 0, "training, s")) > 0  # to a tenth
    assert min(column(found, 0, "solves, measured")) > 0


@pytest.mark.usefixtures("quick_lifts")
def test_the_corrected_solver_of_a_run_is_measured_on_its_test_draws(tmp_path):
    """As the run itself has measured it, on the draws that were solved on all levels."""

    def solve(inputs, grid):
        return np.tanh(inputs) + 40 * grid.spacing[0] ** 2 * np.sin(2 * np.tanh(inputs)) + 1

    problem = mlft.FunctionProblem("off", GRIDS, draw, evaluate, solve, cost_exponent=2.0)
    lifted = mlft.run(problem, budget="40solves", strategy="lift", plan=(60, 24, 9), out=tmp_path / "lift", **SMALL)
    way, *_ = lifted.outcome.worth.of("corrected")
    assert finished.corrected(lifted.folder, problem, draws=way.draws) == pytest.approx(way.error, rel=1e-6)
    other = mlft.run(problem, budget="40solves", strategy="finest-only", out=tmp_path / "finest", **SMALL)
    assert math.isnan(finished.corrected(other.folder, problem, draws=3))


def test_the_choice_of_a_network_is_measured_beside_every_candidate(tmp_path):
    words = ("poisson", "--jobs", "1", "--out", str(tmp_path / "runs"))
    found = short_form("plans.candidates", tmp_path, *words)
    told = dict(zip(found.tables[0].columns[:-3], found.tables[0].rows[0], strict=False))
    spent, taken, _ = found.tables[0].rows[0][-3:]
    linear, kernel, auto = (told[name] for name in ("linear", "kernel", "auto"))
    assert (told["problem, points"], told["samples"], told["maps"]) == ("poisson, 129", 24, "4, multiples")
    assert linear < 1e-6 and auto == pytest.approx(min(linear, kernel))
    assert taken in ("linear (1)", "kernel (1)")
    assert told["fno-muon"] is told["unet-muon"] is None  # dropped
    assert (told["auto over the best"], told["its worst seed"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert told["auto over fno, no maps"] == pytest.approx(auto / told["fno, no maps"]) and spent > 0
    gain = told["auto over fno, no maps"]
    assert found.tables[1].rows == ((24, 1, 1, "1 of 1", pytest.approx(1.0), *[pytest.approx(gain)] * 3),)
    again = short_form("plans.candidates", tmp_path, *words)
    assert again.tables == found.tables


def test_the_rivals_recipe_learns_and_stays_off_the_random_numbers_of_others():
    x = np.random.default_rng(0).standard_normal((6, 2, 8, 8)).cumsum(-1)
    inputs, solutions = torch.from_numpy(x).float(), torch.from_numpy(3 * x[:, :1] + 100).float()
    torch.manual_seed(7)
    model, spent = recipe.trained_for(60, inputs, solutions)
    off = np.abs(recipe.predicted(model, x) - (3 * x[:, :1] + 100)).mean()
    assert off < 0.3 * np.abs(3 * x[:, :1]).mean() and spent > 0
    before = torch.get_rng_state()
    assert recipe.trained(x, 3 * x[:, :1], seconds=1e-9, seed=1)[1] > 0  # one epoch is the least
    assert torch.equal(torch.get_rng_state(), before)


def test_in_the_plane_the_rivals_recipe_has_the_time_of_the_choice(tmp_path, monkeypatch):
    monkeypatch.setitem(candidates.CASES, "tiny", candidates.Case("darcy", {"cells": 16, "levels": 2, "modes": 16}))
    found = candidates.cell("tiny", 24, 3, replace(candidates.SHORT, test=5), tmp_path)
    spent = sum(found.seconds[name] for name in CANDIDATES)
    assert 0 < found.errors[candidates.RECIPE] < 10
    assert found.seconds[candidates.RECIPE] < 10 * spent + 1
    told = dict(zip(candidates.COLUMNS[:-3], candidates.row("tiny", 24, [found])[:-3], strict=True))
    assert told[candidates.RECIPE] == pytest.approx(found.errors[candidates.RECIPE])


def test_cells_of_other_cases_stay_where_some_are_measured_anew(tmp_path):
    def cell(case: str, seed: int, auto: float) -> Cell:
        errors = {"linear": 0.1, "kernel": 0.3, "auto": auto, "fno, no maps": 0.5}
        return Cell(case, 64, seed, errors, dict.fromkeys([*CANDIDATES, PLAIN], 1.0), "linear", "1", {"commit": case})

    file = tmp_path / "candidates" / "cells.jsonl"
    keep(file, [cell("darcy", 20, 0.1), cell("burgers", 21, 0.2)])
    every = keep(file, [cell("burgers", 20, 0.1), cell("burgers", 21, 0.4)])
    told = [(one.case, one.seed, one.errors["auto"]) for one in every]
    assert told == [("burgers", 20, 0.1), ("burgers", 21, 0.4), ("darcy", 20, 0.1)]
    one, other = tables(every, 200)
    assert [row[0] for row in one.rows] == ["burgers, 128", "darcy, 32x32"]
    of_burgers = dict(zip(one.columns[:-3], one.rows[0], strict=False))
    assert (of_burgers["auto"], of_burgers["its worst seed"]) == (0.2, pytest.approx(4.0))
    assert other.rows == ((64, 2, 3, "2 of 3", pytest.approx(4.0), 0.2, 0.2, 0.8),)


def test_a_corrected_solver_has_a_row_where_every_run_lifted_something(monkeypatch, tmp_path):
    """Geometric means over the seeds, asked of the runs' own folders."""
    errors = {("16solves", 3): 0.1, ("16solves", 4): 0.4, ("64solves", 3): 0.2, ("64solves", 4): math.nan}
    monkeypatch.setattr(
        "benchmarks.finished.corrected",
        lambda folder, _: errors[folder.parts[-3], int(folder.parts[-2].removeprefix("seed-"))],
    )
    rows = [ComparisonRow("darcy", 16.0, "lift", seed, "9/2", 16.0, 0.5, 1.0) for seed in (4, 3)]
    name, low, reach, *others = residual(oscillating, runs.AtBudgets((16, 64), (), (), tuple(rows)), tmp_path)
    assert (name, low) == (RESIDUAL, pytest.approx(0.2)) and reach > 0 and set(others) == {None}


def test_the_referee_counts_what_was_foreseen():
    def row(predicted, lower, upper, measured=0.1):
        ends = {"predicted": predicted, "predicted_lower": lower, "predicted_upper": upper}
        return ComparisonRow("darcy", 16.0, "lift", 20, "9/2", 16.0, measured, 1.0, **ends)

    found = [row(0.079, 0.05, 0.2), row(0.12, 0.11, 0.2), row(0.2, 0.05, 0.3), row(0.09, 0.05, 0.095)]
    assert foresight([*found, row(None, None, None)]) == ("0.79 to 2", "2, 2, 4")
    assert foresight([row(None, None, None)]) == (None, None)


def test_the_referee_judges_every_strategy_at_each_budget(tmp_path):
    found = short_form("plans.referee", tmp_path, "--out", str(tmp_path / "runs"))
    told = rows(found)
    mixtures = ["mixture:-4", "mixture:-1"]
    assert list(told) == [*mixtures, "finest-only", "single-level:0", "mixture, best λ"]
    assert told["mixture, best λ"][1:5:2] == tuple(min(told[name][i] for name in mixtures) for i in (1, 3))
    assert told["finest-only"][6:8] == (None, None) and told["mixture:-4"][6] is not None
    singles = [told[name] for name in ("finest-only", "single-level:0")]
    best = [min(row[i] for row in singles) for i in (1, 3)]
    ratio = (told["mixture:-4"][1] * told["mixture:-4"][3] / best[0] / best[1]) ** 0.5
    assert told["mixture:-4"][9] == pytest.approx(ratio, rel=1e-4)
    assert {row[8] for row in told.values()} <= {"0 / 2 / 0", "0 / 1 / 0", "0 / 0 / 0", None}  # one seed ties
    assert {row[2] for row in told.values()} == {None}  # one seed has no interval
    lines = (tmp_path / "referee" / "burgers-24.csv").read_text().splitlines()
    assert lines[0].startswith("problem,budget_solves,strategy,seed,samples,") and len(lines) == 1 + 4 * 2
    assert "mixture:-4 against the best single level of each budget" in found.tables[0].caption
    told = replace(found.tables[0], caption=found.tables[0].caption.replace("burgers-24", "darcy"))
    write(tmp_path / "referee.json", replace(found, tables=(told,)))
    again = short_form("plans.referee", tmp_path, "--out", str(tmp_path / "runs"))  # read, not run; darcy stays
    assert [table.caption.split("**")[1] for table in again.tables] == ["darcy", "burgers-24"]
    assert again.tables[1].rows == found.tables[0].rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep")


def test_a_sweep_trains_every_reasonable_allocation(tmp_path, folder):
    found = short_form("plans.sweep", tmp_path, "--out", str(folder))
    ((problem, budget, single, error, chain, other, ratio),) = found.tables[0].rows
    assert (problem, budget) == ("burgers", 88)
    assert single in ("109/0", "0/88") and "0" not in chain.split("/")
    assert ratio == pytest.approx(other / error, rel=1e-4)


def test_the_regret_is_of_the_plan_against_the_best_of_the_sweep(tmp_path, folder):
    found = short_form("plans.regret", tmp_path, "--out", str(folder))
    (row,) = found.tables[0].rows
    told = dict(zip(found.tables[0].columns, row, strict=True))
    assert told["regret, %"] == pytest.approx(100 * (told["their error"] / row[3] - 1), abs=1e-2)
    assert 0 < told["pilot, %"] <= 10
    assert found.tables[1].rows == ((1, pytest.approx(told["regret, %"]), 0),)


@pytest.mark.usefixtures("quick_lifts")
def test_predictions_are_kept_beside_what_was_measured(tmp_path):
    out, shipped = tmp_path / "runs", BANK.read_bytes()
    found = short_form("plans.foresight", tmp_path, "--out", str(out))
    one, other = found.tables[0].rows
    assert [one[:2], other[:2]] == [("burgers", "finetune"), ("burgers", "lift")]
    told = read_outcome(out / "burgers" / "seed-60" / "88solves-finetune")
    predicted, measured = told.plan.predicted_error, told.error.relative_l2.mean
    assert one[2] == pytest.approx(predicted.value / measured) and one[5] == 1
    (kept,) = tmp_path.rglob("past.csv")
    past, *_ = past_of(kept)
    assert (past.problem, past.strategy, past.budget, past.seed) == ("burgers", "finetune", 88, 60)
    assert (past.predicted, past.measured) == (predicted.value, measured)
    believed = past.lower, past.upper
    assert farther(past.predicted, believed, predicted.stretch) == pytest.approx((predicted.lower, predicted.upper))
    assert found.tables[1].rows[0][:2] == ("1 problems", "finetune")
    assert BANK.read_bytes() == shipped  # the short form is no past


def test_a_prediction_that_is_measured_again_takes_the_place_of_the_old_one(tmp_path):
    def past(problem: str, seed: int, measured: float) -> Past:
        return Past(problem, "lift", 32, seed, 0.1, 0.08, 0.13, measured, "1d9b56e")

    file = tmp_path / "past.csv"
    plans_foresight.keep(file, [past("darcy", 60, 0.1), past("burgers", 61, 0.2)])
    every = plans_foresight.keep(file, [past("burgers", 60, 0.3), past("burgers", 61, 0.12)])
    assert [(one.problem, one.seed, one.measured) for one in every] == [
        ("burgers", 60, 0.3),
        ("burgers", 61, 0.12),
        ("darcy", 60, 0.1),
    ]
    burgers, darcy = next(iter(plans_foresight.tables(every))).rows
    ratios = [pytest.approx(ratio, rel=1e-3) for ratio in (0.1 / 0.036**0.5, 1 / 3, 1 / 1.2)]
    assert burgers[2:] == (*ratios, 2, 1, 1, 1, 0)  # the only other prediction was right: nothing is doubted
    assert darcy[2:] == (1.0, 1.0, 1.0, 1, 1, 1, 1, 1)


def test_a_finished_run_is_read_and_not_run_again(folder, monkeypatch, tmp_path):
    case = sweep.SHORT["burgers"]
    first = case.run(88, 200, tmp_path / "run", strategy="finest-only")
    record = (tmp_path / "run" / "record.json").stat().st_mtime_ns
    assert case.run(88, 200, tmp_path / "run", strategy="finest-only") == first
    assert (tmp_path / "run" / "record.json").stat().st_mtime_ns == record
    assert first.samples == (0, 88) and first.spent == pytest.approx(88)
    assert [stage.level for stage in first.stages] == [1]


@pytest.mark.parametrize("costs", [(1 / 64, 1 / 16, 1 / 4, 1.0), (0.3, 1.0), (1.0,)])
def test_allocations_spend_the_budget_and_get_fewer_with_the_level(costs):
    found = sweep.allocations(costs, 96)
    assert len(set(found)) == len(found)
    for samples in found:
        used = [n for n in samples if n]
        assert used == sorted(used, reverse=True) and min(used) >= 2
        spent = sum(n * c for n, c in zip(samples, costs, strict=True))
        assert 96 - sum(costs) < spent <= 96 + 1e-9
    singles = [samples for samples in found if sum(map(bool, samples)) == 1]
    assert len(singles) == len(costs)


def test_the_best_is_chosen_among_those_trained_on_every_seed():
    found = {(8, 0): [0.2, 0.4], (0, 2): [0.1], (4, 1): [0.25, 0.31]}
    assert sweep.best(found) == ((4, 1), pytest.approx(0.28))
    assert sweep.best(found, levels=1) == ((8, 0), pytest.approx(0.3))
    assert sweep.best({(0, 2): [0.1]}, levels=2) is None


def test_tasks_side_by_side_are_those_in_turn():
    tasks = [(2, 3), (5, 7)]
    assert runs.side_by_side(pow, tasks, 1) == runs.side_by_side(pow, tasks, 2) == [8, 78125]


def test_coarse_grids_do_not_see_the_oscillation_and_fine_ones_do(generator):
    draws = oscillating.draw(3, generator)
    fine, middle, coarse = (oscillating.evaluate(draws, oscillating.hierarchy[level]) for level in (3, 2, 0))
    roughness = [float(abs(a[..., 1:] / a[..., :-1] - 1).max()) for a in (fine, coarse)]
    assert fine.shape == (3, 1, 128) and coarse.shape == (3, 1, 16)
    assert coarse.mean() == pytest.approx(fine.mean()) == pytest.approx(middle.mean())
    assert roughness[0] > 0.5


def test_levels_are_nearer_to_the_finest_with_own_transfers(tmp_path):
    found = short_form("plans.distances", tmp_path)
    assert [row[0] for row in found.tables[0].rows] == ["elliptic1d", "burgers", "poisson", "schrodinger, spectral"]
    for title, row in rows(found).items():
        plain = [float(off) for off in row[3].split(" / ")]
        own = plain if title == "poisson" else [float(off) for off in row[4].split(" / ")]
        assert len(plain) == len(own) == row[1].count("/") + 1 and row[6] == 4
        assert own[1] < 0.5 * plain[1] or title == "poisson"
