"""A finished run that goes on: nothing is solved twice, nothing lost, and it ends where one run would have ended."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch

import mlft
from mlft.errors import ConfigError, MlftError
from mlft.experiment import loop
from mlft.experiment.config import configure, read_config, write_config
from mlft.experiment.growth import retire
from mlft.experiment.record import read_outcome
from mlft.planning import Terms, equal_cost, finest_only, single_level
from mlft.reports.parts import parts, parts_lines
from small import GRIDS, SMALL, draw, evaluate, solve

RULE: dict[str, Any] = {**SMALL, "strategy": "finetune:equal-cost", "symmetry": "none"}

PLAIN = {name: value for name, value in RULE.items() if name != "surrogate_options"}


def own() -> mlft.FunctionProblem:
    return mlft.FunctionProblem("own", GRIDS, draw, evaluate, solve, cost_exponent=2.0)


def rows(folder: Path, stream: str = "train") -> dict[tuple[int, int], Any]:
    """Return the ledger's whole row of every sample of a stream."""
    with sqlite3.connect(folder / "ledger.sqlite") as ledger:
        found = ledger.execute("select level, sample, * from samples where stream = ?", (stream,)).fetchall()
    return {(row[0], row[1]): row for row in found}


def weights(folder: Path) -> bytes:
    return (folder / "surrogate" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("strategy", ["finetune:equal-cost", "mixture:-2", "sum-of-levels", "single-level:1"])
def test_a_run_in_two_parts_is_the_run_with_the_whole_budget_bit_for_bit(tmp_path: Path, strategy: str) -> None:
    asked = RULE | {"strategy": strategy}
    first = mlft.run(own(), budget="24solves", out=tmp_path / "parts", **asked)
    before = rows(tmp_path / "parts")
    record = mlft.run(own(), more="24 solves", out=tmp_path / "parts")
    after = rows(tmp_path / "parts")
    assert {place: after[place] for place in before} == before  # kept, and not solved again
    whole = mlft.run(own(), budget="48solves", out=tmp_path / "whole", **asked)
    assert record.outcome.plan.samples == whole.outcome.plan.samples
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    for name in ("evaluation.safetensors", "bands.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert record.outcome.budget.spent.solves == whole.outcome.budget.spent.solves <= 48
    (part,) = record.outcome.parts
    assert part == first.outcome.now and part.budget == "24solves" and part.samples == first.outcome.plan.samples
    assert whole.outcome.parts == ()


def test_what_was_bought_is_paid_for_where_the_plan_goes_elsewhere() -> None:
    costs, bought = (0.25, 1.0, 4.0), (20, 9, 3)
    rules = {
        "equal": equal_cost,
        "one": lambda c, b, *, least=1: single_level(c, b, 1, least=least),
        "top": finest_only,
    }
    planned = {name: mlft.ByRule(rule).plan(Terms(costs, 60.0, bought)) for name, rule in rules.items()}
    assert all(n >= had for n, had in zip(planned["equal"].samples, bought, strict=True))
    assert planned["equal"].cost <= 60.0
    assert planned["one"].samples == (0, int(60 - 20 * 0.25 - 3 * 4), 0)
    assert planned["top"].samples == (0, 0, int((60 - 20 * 0.25 - 9) / 4))
    assert mlft.ByRule(equal_cost).plan(Terms(costs, 60.0, (0, 0, 0))) == equal_cost(costs, 60.0)


def test_longer_training_is_the_run_with_so_many_steps(tmp_path: Path) -> None:
    mlft.run(own(), budget="24solves", out=tmp_path / "parts", **RULE)
    steps = RULE["training"]["steps"]
    record = mlft.run(own(), more="7steps", out=tmp_path / "parts")
    assert record.outcome.config["training"]["steps"] == steps + 7
    whole = RULE | {"training": RULE["training"] | {"steps": steps + 7}}
    mlft.run(own(), budget="24solves", out=tmp_path / "whole", **whole)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert [part.steps for part in record.outcome.parts] == [steps] and record.outcome.now.steps == steps + 7


def test_more_test_draws_and_rivals_are_added_to_a_finished_run(tmp_path: Path) -> None:
    first = mlft.run(own(), budget="24solves", out=tmp_path, **RULE)
    before, trained = rows(tmp_path), weights(tmp_path)
    more = RULE | {"test": RULE["test"] + 5, "baselines": ("finest-only",)}
    record = mlft.run(own(), budget="24solves", out=tmp_path, **more)
    assert record.outcome.error.samples == first.outcome.error.samples + 5
    assert (rows(tmp_path), weights(tmp_path)) == (before | rows(tmp_path), trained)
    assert "finest-only" in {row.name for row in record.outcome.baselines} and record.outcome.parts == ()
    assert mlft.Record.load(tmp_path).outcome == read_outcome(tmp_path)
    assert configure(record.outcome.config) == configure(read_config(tmp_path / "config.toml"))
    with pytest.raises(ConfigError, match="test is "):
        mlft.run(own(), budget="24solves", out=tmp_path, **RULE)  # fewer are not measured again
    grown = mlft.run(own(), more="8solves", out=tmp_path)  # and its rival gets as much
    (rival,) = (row for row in grown.outcome.baselines if row.kind == "trained")
    assert rival.samples == (0, 0, 32) and grown.outcome.error.samples == record.outcome.error.samples


@pytest.mark.parametrize("where", ["fit", "_evaluate", "write_outcome", "_with_rivals"])
def test_killed_anywhere_it_goes_on_and_is_not_given_more_twice(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = mlft.run(own(), budget="24solves", out=tmp_path, **RULE)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loop, where, stop)
        mlft.run(own(), more="24solves", out=tmp_path)
    if where == "fit":  # until there is something better, what there was is usable
        old = mlft.Record.load(tmp_path)
        assert (old.outcome, old.error) == (first.outcome, first.error)
    if where != "_with_rivals":
        with pytest.raises(ConfigError, match="is being continued to 48solves"):
            mlft.run(own(), more="3solves", out=tmp_path)
        mlft.run(own(), more="24solves", out=tmp_path)
    record = mlft.run(own(), out=tmp_path)
    assert record.outcome.budget.asked == "48solves"
    assert [part.budget for part in record.outcome.parts] == ["24solves"]
    third = mlft.run(own(), more="12solves", out=tmp_path)
    assert [part.budget for part in third.outcome.parts] == ["24solves", "48solves"]
    assert third.outcome.budget.asked == "60solves"


def test_lifts_and_looks_of_before_are_not_taken_for_those_of_now(tmp_path: Path) -> None:
    mlft.run(own(), budget="24solves", out=tmp_path, **RULE)
    mlft.trust(tmp_path, problem=own(), samples=4)
    mlft.run(own(), more="24solves", out=tmp_path)
    assert not (tmp_path / "trust.json").exists()
    (tmp_path / "lifts" / "level-0").mkdir(parents=True)
    retire(tmp_path)
    assert not (tmp_path / "lifts").exists() and not (tmp_path / "record.json").exists()
    assert mlft.run(own(), out=tmp_path).outcome.parts[0].budget == "24solves"


def test_a_plan_that_lifts_is_made_again_and_what_it_leaves_out_is_paid_for(tmp_path: Path) -> None:
    first = mlft.run(own(), budget="24solves", out=tmp_path, **RULE | {"strategy": "lift"})
    before = rows(tmp_path)
    told = mlft.run(own(), more="24solves", out=tmp_path).outcome
    after, costs = rows(tmp_path), [row.cost_solves for row in told.levels]
    assert {place: after[place] for place in before} == before
    paid = sum(costs[level] for level, _ in after)
    assert told.budget.spent.solves == pytest.approx(paid) and paid <= 48
    assert all(now.samples >= had.samples for now, had in zip(told.levels, first.outcome.levels, strict=True))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("10s", "the budget of the run is 24solves, in solves: give more of these, got '10s'"),
        ("much", "a budget is a number and a unit"),
        ("-3solves", "must be positive"),
        ("0steps", "at least 1 step more is needed"),
        ("3000000000steps", "at most 2147483647 in all"),
        ("1e12solves", "a budget is at most"),
    ],
)
def test_what_is_no_more_is_refused_and_nothing_changes(finished: Path, more: str, said: str) -> None:
    before = {path.name: path.read_bytes() for path in finished.iterdir() if path.is_file()}
    with pytest.raises(ConfigError, match=said):
        mlft.run(own(), more=more, out=finished)
    assert {path.name: path.read_bytes() for path in finished.iterdir() if path.is_file()} == before


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    mlft.run(own(), budget="24solves", out=folder, **RULE)
    return folder


def test_other_options_come_with_more_only_in_another_folder(finished: Path) -> None:
    with pytest.raises(ConfigError, match="seed is 0 there and 3 here"):
        mlft.run(own(), more="24solves", out=finished, seed=3)
    with pytest.raises(ConfigError, match="give a budget .24solves., or how much more .3solves., not both"):
        mlft.run(own(), budget="24solves", more="3solves", out=finished)
    with pytest.raises(ConfigError, match="budget is '24solves' there and '48solves' here"):
        mlft.run(own(), budget="48solves", out=finished, **RULE)
    again = mlft.run(own(), out=finished)
    assert again.outcome == read_outcome(finished)


def test_more_is_for_a_run_that_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="a budget is needed"):
        mlft.run(own(), more="3solves", out=tmp_path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loop, "fit", stop)
        mlft.run(own(), budget="24solves", out=tmp_path, **RULE)
    with pytest.raises(ConfigError, match="is not finished, and 3solves more is for one that is"):
        mlft.run(own(), more="3solves", out=tmp_path)


def test_samples_that_were_given_are_no_budget(tmp_path: Path) -> None:
    mlft.run(own(), budget="24solves", out=tmp_path, **RULE, plan=(9, 5, 4))
    with pytest.raises(ConfigError, match="samples that were given"):
        mlft.run(own(), more="3solves", out=tmp_path)


def test_a_damaged_run_is_mended_before_it_goes_on(tmp_path: Path) -> None:
    mlft.run(own(), budget="24solves", out=tmp_path, **RULE)
    (tmp_path / "surrogate" / "model.safetensors").write_bytes(b"gone")
    with pytest.raises(MlftError, match=r"model\.safetensors .* damaged"):
        mlft.run(own(), more="3solves", out=tmp_path)
    mlft.run(own(), out=tmp_path)
    assert mlft.run(own(), more="3solves", out=tmp_path).outcome.budget.asked == "27solves"


def test_a_regression_has_no_steps(tmp_path: Path) -> None:
    mlft.run(own(), budget="24solves", out=tmp_path, **PLAIN | {"training": {}, "surrogate": "linear"})
    with pytest.raises(ConfigError, match="'linear' is not trained by steps"):
        mlft.run(own(), more="100steps", out=tmp_path)


def test_report_and_last_lines_say_what_was_before(finished: Path, tmp_path: Path) -> None:
    assert parts(read_outcome(finished)) == ("", {}) and parts_lines(read_outcome(finished)) == []
    told = mlft.run(own(), more="24solves", out=finished).outcome
    html, drawings = parts(told)
    assert html.count("<tr") == 3 and "24solves" in html and list(drawings) == ["so-far"]
    assert parts_lines(told)[0].startswith("Before it went on: ") and "now 48solves" in parts_lines(told)[0]
    assert "Error against budget so far" in Path(mlft.report(finished)).read_text(encoding="utf-8")


def test_a_network_of_ones_own_goes_on_too(tmp_path: Path) -> None:
    def network() -> torch.nn.Module:
        torch.manual_seed(3)
        return torch.nn.Conv1d(1, 1, 5, padding=2)

    mlft.run(own(), budget="24solves", out=tmp_path, network=network(), **PLAIN)
    assert mlft.run(own(), more="4solves", out=tmp_path, network=network()).outcome.budget.asked == "28solves"


def test_a_run_of_an_object_or_of_data_does_not_go_on_by_a_name(tmp_path: Path) -> None:
    write_config(tmp_path / "config.toml", configure({"problem": "mine", "budget": "9solves"}))
    with pytest.raises(ConfigError, match=r"is of 'mine', which is no shipped problem: .*mlft fit DATA"):
        mlft.run(out=tmp_path)
