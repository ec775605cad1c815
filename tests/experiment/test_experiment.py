import csv
import json
import sqlite3
import time

import numpy as np
import pytest
import torch

import mlft
from mlft import FunctionProblem
from mlft.errors import BudgetError, ConfigError, GenerationError, MlftError
from mlft.experiment.asking import ask
from mlft.experiment.config import budget, configure, read_config, write_config
from mlft.experiment.measure import free_baselines, summary
from mlft.experiment.record import read_comparison, read_outcome
from mlft.experiment.session import MOST_SHARED, SHARED, Session
from mlft.experiment.timing import in_larger_batches
from mlft.store import Samples, SampleStore
from small import SMALL, draw, evaluate, facts, failing, hopeless, problem, solve

BUDGET = "24solves"
EQUAL = "finetune:equal-cost"


def small_run(folder, **options):
    return mlft.run(options.pop("problem", problem), out=folder, **{"budget": BUDGET, **SMALL, **options})


def weights(record):
    return {name: p.detach() for name, p in record.surrogate.named_parameters()}


def same_outcome(left, right):
    a, b = weights(left), weights(right)
    return left.error == right.error and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_leaves_the_record_that_was_agreed_on(tmp_path):
    record = small_run(tmp_path, seed=4, strategy=EQUAL)
    told = json.loads((tmp_path / "record.json").read_text())
    assert (told["problem"], told["seed"], told["strategy"]) == ("small", 4, EQUAL)
    assert told["version"] == mlft.__version__
    assert told["budget"]["asked"] == BUDGET and told["budget"]["unit"] == "solves"
    assert told["plan"]["samples"] == [128, 32, 8] and told["plan"]["predicted_error"] is None
    assert told["budget"]["spent"]["solves"] == pytest.approx(24.0) and told["budget"]["spent"]["seconds"] > 0
    assert told["budget"]["pilot"] == told["budget"]["failed"] == {"seconds": 0.0, "solves": 0.0, "measured": 0.0}
    assert [row["samples"] for row in told["levels"]] == [128, 32, 8]
    assert [row["grid"] for row in told["levels"]] == ["7", "14", "28"]
    bias = [row["bias"] for row in told["levels"]]
    assert bias[0] > bias[1] > 0 and bias[2] is None  # no reference of its own: the finest is the measure
    assert [row["level"] for row in told["stages"]] == [0, 1, 2]
    for row in told["stages"]:
        assert not row["kept"] or row["error_after"] <= row["error_before"]
    assert told["error"]["samples"] == 7
    assert told["error"]["relative_l2"]["mean"] == pytest.approx(record.error)
    assert set(told["seconds"]) == {"solve", "train", "plan"}
    assert {row["name"] for row in told["baselines"]} == {"mean solution", "nearest neighbour", "kernel ridge"}


def test_the_surrogate_of_a_record_predicts_and_comes_back_from_the_disk(tmp_path):
    record = small_run(tmp_path)
    inputs = problem.evaluate(np.array([[0.3, 0.1, 0.2], [1.0, 0.0, -1.0]]), problem.finest)
    fields = record.surrogate.predict(inputs)
    assert fields.shape == (2, 1, 28) and fields.dtype == np.float64
    np.testing.assert_array_equal(mlft.load(tmp_path / "surrogate").predict(inputs), fields)


def test_the_error_is_that_of_fresh_draws_of_the_finest_grid(tmp_path):
    record = small_run(tmp_path, strategy=EQUAL)
    identity = {"problem": "small", "options": problem.options, "seed": 0}
    with SampleStore.open(tmp_path, identity) as store:
        learned, fresh = (store.read(f"inputs/{name}", 2, n).solutions for name, n in (("train", 8), ("test", 7)))
        solutions = store.read("test", 2, 7).solutions
    assert not any(np.array_equal(a, b) for a in learned for b in fresh)
    test = Samples(2, tuple(range(7)), fresh, solutions)
    difference = record.surrogate.predict(test.inputs) - test.solutions
    errors = np.linalg.norm(difference[:, 0], axis=1) / np.linalg.norm(test.solutions[:, 0], axis=1)
    assert record.error == pytest.approx(errors.mean(), rel=1e-12)


def test_a_finished_run_is_read_and_not_run_again(tmp_path, monkeypatch):
    first = small_run(tmp_path)
    monkeypatch.setattr("mlft.experiment.loop._run", lambda *_: pytest.fail("ran again"))
    assert same_outcome(small_run(tmp_path), first)


@pytest.mark.parametrize("stop", [1, 5, 20])
def test_a_run_that_was_stopped_anywhere_continues_to_the_same_outcome(tmp_path, stop):
    whole = small_run(tmp_path / "whole")
    steps = iter(range(10**6))

    def interrupt(progress):
        if next(steps) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_run(tmp_path / "stopped", report=interrupt)
    assert not (tmp_path / "stopped" / "record.json").exists()
    assert same_outcome(small_run(tmp_path / "stopped"), whole)


def test_two_workers_give_the_bits_of_none(tmp_path):
    assert same_outcome(small_run(tmp_path / "two", workers=2), small_run(tmp_path / "none"))


def test_a_budget_in_time_is_priced_by_a_pilot_that_is_charged_and_frozen(tmp_path):
    record = small_run(tmp_path, budget="0.004s", pilot=3, training={"steps": 4}, strategy="single-level:0", seed=1)
    told = facts(record)
    assert told["budget"]["unit"] == "seconds"
    assert told["budget"]["pilot"]["solves"] == pytest.approx(3 * (1 + told["levels"][0]["cost_solves"]))
    assert told["levels"][2]["samples"] == 3  # the pilot's, which single-level:0 does not train on


def test_small_batches_share_their_overhead_before_they_are_priced(tmp_path):
    """A batch takes 10 ms whatever it holds: two samples would say 5 ms each, a large one says next to nothing."""
    calls = []

    def slow(inputs, grid):
        calls.append((grid.cells[0], len(inputs)))
        time.sleep(0.01)
        return solve(inputs, grid)

    own = FunctionProblem("slow", problem.hierarchy, draw, evaluate, slow, cost_exponent=2.0)
    with Session(ask(own, budget="90solves", costs="measured", **SMALL), tmp_path) as session:
        price = session.timed(1, 2)
        assert 0.01 / MOST_SHARED <= price < np.median(session.seconds_of("train", 1, 2)) / 2
        made = len(calls)
        assert session.timed(1, 2) == price and len(calls) == made
        assert len(session.rows("train", 1, 100)) == 2


def test_a_solve_that_takes_long_is_priced_by_the_pilot_alone(tmp_path):
    def slow(inputs, grid):
        time.sleep(SHARED)
        return solve(inputs, grid)

    own = FunctionProblem("slow", problem.hierarchy, draw, evaluate, slow, cost_exponent=2.0)
    with Session(ask(own, budget="90solves", costs="measured", **SMALL), tmp_path) as session:
        assert session.timed(0, 3) >= SHARED / 3
        assert len(session.rows("warm-up", 0, 1000)) == 1


def test_measured_prices_and_a_budget_in_solves_can_be_combined(tmp_path):
    told = facts(small_run(tmp_path, budget="90solves", costs="measured", training={"steps": 4}, strategy=EQUAL))
    assert told["plan"]["unit"] == "solves" and told["plan"]["costs"][-1] == pytest.approx(1.0)
    assert told["plan"]["cost"] <= 90 and min(told["plan"]["samples"]) >= 2


def test_failed_samples_are_charged_named_and_not_trained_on(tmp_path):
    told = facts(small_run(tmp_path, problem=failing, max_failure_rate=0.5, strategy=EQUAL))
    failed = sum(row["failed"] for row in told["levels"])
    assert failed > 3 and told["budget"]["spent"]["solves"] == pytest.approx(24.0)
    assert told["budget"]["failed"]["solves"] > 0
    assert {row["status"] for row in told["failures"]} == {"not-finite"}
    assert sum(row["samples"] for row in told["failures"]) == failed
    first = told["stages"][0]
    assert first["samples"] + first["held_out"] == told["levels"][0]["samples"] == 128 - told["levels"][0]["failed"]


def test_a_solver_that_fails_too_often_stops_the_run_by_name(tmp_path):
    with pytest.raises(GenerationError, match="not-finite"):
        small_run(tmp_path / "estimated", problem=hopeless)
    with pytest.raises(GenerationError, match="not-finite"):
        small_run(tmp_path / "ruled", problem=hopeless, strategy=EQUAL)


def test_baselines_are_trained_at_equal_cost_beside_the_run(tmp_path):
    told = facts(small_run(tmp_path, baselines=("finest-only",)))
    rival = next(row for row in told["baselines"] if row["kind"] == "trained")
    assert rival["samples"] == [0, 0, 24] and rival["spent_solves"] == pytest.approx(24.0)
    alone = small_run(tmp_path / "alone", strategy="finest-only")
    assert rival["error"] == pytest.approx(alone.error, rel=1e-12)


def test_a_network_of_the_user_takes_the_place_of_the_named_one(tmp_path):
    def network():
        torch_generator = torch.Generator().manual_seed(0)
        layer = torch.nn.Conv1d(1, 1, 3, padding=1)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(1, 1, 3, generator=torch_generator))
            layer.bias.zero_()
        return layer

    one, other = (small_run(tmp_path / name, network=network(), surrogate_options={}) for name in "ab")
    assert same_outcome(one, other) and facts(one)["surrogate"]["parameters"] == 4
    again = small_run(tmp_path / "a", network=network(), surrogate_options={})
    assert same_outcome(again, one)


def test_a_folder_of_another_configuration_is_refused_naming_the_first_difference(tmp_path):
    small_run(tmp_path)
    with pytest.raises(ConfigError, match="seed is 0 there and 1 here"):
        small_run(tmp_path, seed=1)
    with pytest.raises(ConfigError, match="budget is '24solves' there and '25solves' here"):
        small_run(tmp_path, budget="25solves")
    small_run(tmp_path, workers=1, retries=3)  # how the work is executed may change


def test_a_budget_too_small_says_what_is_needed_and_that_is_enough(tmp_path):
    with pytest.raises(BudgetError, match="give at least") as caught:
        small_run(tmp_path / "a", budget="1solves")
    enough = f"{caught.value.needed}solves"
    told = facts(small_run(tmp_path / "b", budget=enough, strategy="single-level:0"))
    assert told["plan"]["cost"] <= caught.value.needed


@pytest.mark.parametrize("wrong", ["-3solves", "0s", "nan solves", "infmin", "12", "solves", "12 apples", "1..2s"])
def test_a_budget_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigError, match="budget"):
        configure({"problem": "burgers", "budget": wrong})


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("64solves", 64, "solves"),
        ("1 solve", 1, "solves"),
        ("30s", 30, "seconds"),
        ("1.5 min", 90, "seconds"),
        ("2h", 7200, "seconds"),
        ("1e2s", 100, "seconds"),
    ],
)
def test_a_budget_is_a_number_and_a_unit(text, value, unit):
    assert (budget(text).value, budget(text).unit) == (value, unit)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sed": 1}, "did you mean 'seed'"),
        ({"training": {"step": 5}}, "did you mean 'steps'"),
        ({"training": {"steps": 0}}, "steps >= 1"),
        ({"test": 0}, "test"),
        ({"seed": -1}, "seed"),
        ({"costs": "guessed"}, "costs"),
        ({"timeout": 1.0, "workers": 0}, "time-out"),
        ({"scheduler": "tcp://x:1", "workers": 2}, "not both"),
    ],
)
def test_a_configuration_that_is_not_allowed_is_refused_in_one_line(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        configure({"problem": "burgers", "budget": "9solves", **values})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"problem": "burger"}, "did you mean 'burgers'"),
        ({"problem": "burgers", "options": {"cell": 64}}, "did you mean 'cells'"),
        ({"problem": "burgers", "options": {"cells": "many"}}, "cells"),
        ({"problem": "burgers", "options": {"cells": -4}}, "-4"),
        ({"problem": "nowhere:problem"}, "nowhere"),
        ({"problem": "small:GRIDS"}, "mlft.Problem"),
    ],
)
def test_an_unknown_problem_or_option_names_the_nearest_known_one(tmp_path, values, message):
    with pytest.raises(ConfigError, match=message):
        mlft.run(**{"budget": "9solves", **values}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_network_option_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="widht"):
        small_run(tmp_path, surrogate_options={"widht": 3})


def test_an_absent_device_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="device 'nonsense'"):
        small_run(tmp_path, device="nonsense")


def test_a_configuration_goes_to_toml_and_back(tmp_path):
    asked = {"problem": "darcy", "budget": "9solves", "options": {"contrast": 20.0}, "training": {"steps": 7}}
    asked = configure(asked)
    write_config(tmp_path / "a.toml", asked)
    assert configure(read_config(tmp_path / "a.toml")) == asked
    (tmp_path / "b.toml").write_text("budget = ")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "b.toml")


@pytest.mark.parametrize(
    ("values", "surrogate"),
    [
        ({}, "auto"),
        ({"training": {"steps": 7}, "estimator": "learning-curve"}, "auto"),
        ({"surrogate_options": {"width": 5}}, "fno"),
        ({"estimator": "kernel-initial"}, "fno"),
        ({"surrogate": "kernel"}, "kernel"),
        ({"surrogate": "auto", "surrogate_options": {"members": []}}, "auto"),
    ],
)
def test_networks_are_tried_by_default_and_options_are_those_of_a_fourier_network(values, surrogate):
    assert configure({"problem": "burgers", "budget": "9solves", **values}).surrogate == surrogate
    assert mlft.Config(problem="burgers", budget="9solves", **values).surrogate == surrogate


def test_the_finished_runs_configuration_repeats_it(tmp_path):
    first = small_run(tmp_path / "a", seed=2)
    values = read_config(tmp_path / "a" / "config.toml")
    again = mlft.run(**{**values, "problem": problem}, out=tmp_path / "b")
    assert same_outcome(first, again)


def test_a_comparison_is_tidy_pays_equally_and_is_not_run_twice(tmp_path, monkeypatch):
    strategies = (EQUAL, "finest-only", "single-level:1")
    found = mlft.compare("small:problem", budget=BUDGET, out=tmp_path, strategies=strategies, seeds=2, **SMALL)
    with (tmp_path / "compare.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert ",".join(table[0]) == (
        "problem,budget_solves,strategy,seed,samples,spent_solves,relative_l2,train_seconds,spent_measured,budget,"
        "lower,upper,predicted,predicted_lower,predicted_upper"
    )
    assert all(float(row["lower"]) < float(row["relative_l2"]) < float(row["upper"]) for row in table)
    assert {row["predicted"] for row in table} == {""}  # by a rule
    assert [(row["strategy"], row["seed"]) for row in table[:4]] == [
        (EQUAL, "0"),
        ("finest-only", "0"),
        ("single-level:1", "0"),
        (EQUAL, "1"),
    ]
    assert {row["samples"] for row in table} == {"128/32/8", "0/0/24", "0/96/0"}
    assert all(float(row["spent_solves"]) == pytest.approx(24.0) for row in table)
    monkeypatch.setattr("mlft.experiment.loop._run", lambda *_: pytest.fail("ran again"))
    again = mlft.compare("small:problem", budget=BUDGET, out=tmp_path, strategies=strategies, seeds=2, **SMALL)
    assert again.rows == found.rows and read_comparison(tmp_path) == again


def test_seeds_side_by_side_give_the_rows_of_seeds_in_turn(tmp_path):
    side, turn = (
        mlft.compare(problem, budget=BUDGET, out=tmp_path / name, strategies=(EQUAL,), seeds=2, jobs=jobs, **SMALL).rows
        for name, jobs in (("side", 2), ("turn", 1))
    )
    assert [row.relative_l2 for row in side] == [row.relative_l2 for row in turn]


def test_a_comparison_without_or_with_an_unknown_strategy_is_refused_before_any_work(tmp_path):
    for strategies in ((), ("finetune", "fine-tune")):
        with pytest.raises(ConfigError, match="strategy"):
            mlft.compare(problem, budget=BUDGET, out=tmp_path / "x", strategies=strategies, seeds=1, **SMALL)
    assert not (tmp_path / "x").exists()


def test_an_unfinished_folder_has_no_record_to_read(tmp_path):
    with pytest.raises(MlftError, match="no finished run"):
        read_outcome(tmp_path)
    (tmp_path / "record.json").write_text("{")
    with pytest.raises(MlftError, match="cannot be read"):
        read_outcome(tmp_path)


def test_the_summary_of_errors_is_worked_out_by_hand():
    told = summary(np.array([0.1, 0.2, 0.3, 0.4]))
    assert told.mean == pytest.approx(0.25) and told.median == pytest.approx(0.25)
    assert told.q90 == pytest.approx(0.37)
    assert told.mean_upper - told.mean == pytest.approx(1.96 * np.std([0.1, 0.2, 0.3, 0.4], ddof=1) / 2)


def test_kernel_ridge_interpolates_what_it_has_seen_and_the_others_are_what_they_say(generator):
    x = torch.randn(9, 1, 28, generator=generator, dtype=torch.float64).numpy()
    coarse = Samples(0, tuple(range(9)), x, np.sin(x) + 0.1)
    fine = Samples(2, tuple(range(5)), x[:5], np.sin(x[:5]))
    test = Samples(2, (0, 1), x[:2], np.sin(x[:2]))
    told = free_baselines([coarse, fine], test, problem.finest)
    assert told["nearest neighbour"] == 0.0 and told["kernel ridge"] < 1e-4
    mean = np.sin(x[:5]).mean(0)
    errors = np.linalg.norm((mean - test.solutions)[:, 0], axis=1) / np.linalg.norm(test.solutions[:, 0], axis=1)
    assert told["mean solution"] == pytest.approx(errors.mean())


@pytest.mark.parametrize("shared", [0.0, 0.05])
def test_the_seconds_of_a_solve_are_those_of_the_larger_batches_of_draws_or_of_more_where_they_are_short(
    shared, tmp_path, monkeypatch
):
    """The solves of `small` take microseconds: their batches are short, unless no batch is."""
    monkeypatch.setattr("mlft.experiment.session.SHARED", shared)
    told = facts(small_run(tmp_path, training={"steps": 4}, strategy=EQUAL))
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        for row, n in zip(told["levels"], told["plan"]["samples"], strict=True):
            asked = "SELECT seconds FROM samples WHERE level = ? AND stream = ? ORDER BY sample"
            train, test, more = (
                [seconds for (seconds,) in ledger.execute(asked, (row["level"], stream))]
                for stream in ("train", "test", "warm-up")
            )
            assert len(train) == n and len(test) > 0 and len(more) == (256 if shared else 0)
            own, further = in_larger_batches(train, test), in_larger_batches(more[1:])
            found = further if shared and further[2] >= own[2] else own  # a busy machine is given smaller batches
            assert row["cost_seconds"] == pytest.approx(found[0])
    each = np.array([row["cost_seconds"] for row in told["levels"]])
    spent = told["budget"]["spent"]
    assert spent["measured"] == pytest.approx(each / each[-1] @ told["plan"]["samples"])
    assert spent["solves"] == pytest.approx(np.dot(told["plan"]["costs"], told["plan"]["samples"]))
