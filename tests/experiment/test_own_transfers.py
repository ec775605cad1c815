"""A run sees levels by the problem's own transfers, and none is mixed with those of others."""

import dataclasses

import numpy as np
import pytest

import mlft
from mlft.errors import ConfigError, StoreError
from mlft.experiment.asking import ask
from mlft.experiment.session import Session
from mlft.grids import prolong, restrict
from mlft.problems import Plain
from mlft.store import SampleStore, StoreReader
from small import GRIDS, SMALL, evaluate, facts, problem, solve

EQUAL = {"strategy": "finetune:equal-cost", "budget": "24solves", **SMALL}


def shifted(solutions, grid):
    return prolong(solutions, to=grid) + 0.25


def halved(inputs, grid):
    return 0.5 * restrict(inputs, to=grid)


def crooked(solutions, grid):
    return prolong(solutions, to=grid)[..., int(solutions.shape[2] == 14) :]


def holes(solutions, grid):
    made = prolong(solutions, to=grid)
    if solutions.shape[2] == 14:
        made[:, :, 5] = np.nan
    return made


OWN = dataclasses.replace(problem, prolong_function=shifted, coarsen_function=halved)


def test_a_session_solves_coarsened_inputs_and_sees_solutions_by_the_problems_prolongation(tmp_path):
    with Session(ask(OWN, **EQUAL), tmp_path) as session:
        session.solve("train", {0: 4, 2: 4})
        coarse, fine = session.samples("train", 0, 4), session.samples("train", 2, 4)
        stored = session.store.read("train", 0, 4).solutions
        given = np.random.default_rng(1).normal(size=(2, 1, 28))
        session.answers("given", given)
        session.solve("given", {1: 2})
        answers = session.store.read("given", 1, 2).solutions
    assert np.array_equal(coarse.inputs, fine.inputs)  # what the network sees is the input on the finest grid
    assert np.array_equal(stored, solve(halved(fine.inputs, GRIDS[0]), GRIDS[0]))
    assert np.array_equal(coarse.solutions, shifted(stored, GRIDS[2]))
    assert np.array_equal(fine.solutions, solve(fine.inputs, GRIDS[2]))
    assert np.array_equal(answers, solve(halved(given, GRIDS[1]), GRIDS[1]))


def test_a_run_and_its_bias_are_those_of_the_own_transfers(tmp_path):
    own, plain = (mlft.run(kind, out=tmp_path / name, **EQUAL) for kind, name in ((OWN, "own"), (problem, "plain")))
    assert facts(own)["transfers"] == {"prolong": "shifted", "coarsen": "halved"} and facts(plain)["transfers"] == {}
    biases = [[row["bias"] for row in facts(record)["levels"][:2]] for record in (own, plain)]
    assert min(biases[0]) > 0.1 > max(biases[1])
    assert own.error != plain.error


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_coarsen_by_the_same_methods(tmp_path, workers):
    with Session(ask(OWN, **EQUAL | {"workers": workers}), tmp_path) as session:
        session.solve("train", {0: 3})
        inputs = halved(evaluate(session.drawn("train").draws([0, 1, 2]), GRIDS[2]), GRIDS[0])
        assert np.array_equal(session.store.read("train", 0, 3).solutions, solve(inputs, GRIDS[0]))


@pytest.mark.parametrize(
    ("broken", "said", "strategy"),
    [(crooked, "shape", "finetune:equal-cost"), (holes, "not finite", "single-level:1"), (holes, "not", "finetune")],
)
def test_a_broken_prolongation_is_told_before_any_training_and_nothing_is_lost(
    tmp_path, monkeypatch, broken, said, strategy
):
    asked = EQUAL | {"strategy": strategy, "budget": "60solves", "out": tmp_path}
    monkeypatch.setattr("mlft.experiment.loop.fit", lambda *_: pytest.fail("trained"))
    named = dataclasses.replace(problem, prolong_function=broken)
    with pytest.raises(ConfigError, match=f"prolong of problem small, asked for .* on 28 cells, returned .*{said}"):
        mlft.run(named, **asked)
    monkeypatch.undo()

    def repaired(solutions, grid):
        return prolong(solutions, to=grid)

    repaired.__qualname__ = broken.__qualname__  # it is the same function, mended
    solved = []

    def counted(inputs, grid):
        solved.append((grid.cells[0], len(inputs)))
        return solve(inputs, grid)

    with SampleStore.open(tmp_path, identity(named)) as store:
        before = {(row.level, row.index) for row in store.ledger("train") if row.status == "ok"}
    mended = dataclasses.replace(problem, prolong_function=repaired, solve_function=counted)
    record = mlft.run(mended, **asked)
    assert before and record.outcome.error.samples == 7
    with SampleStore.open(tmp_path, identity(named)) as store:
        rows = store.ledger()
    assert before <= {(row.level, row.index) for row in rows if row.stream == "train"}
    fresh = sum(n for _, n in solved)
    made = [row for row in rows if not row.stream.startswith("inputs/")]
    assert fresh <= len(made) - len(before) + len(
        {level for level, _ in before}
    )  # one of each is made again, to compare


def test_one_that_is_broken_on_the_coarsest_level_is_told_before_anything_is_bought(tmp_path):
    named = dataclasses.replace(problem, prolong_function=lambda solutions, grid: prolong(solutions, to=grid)[..., 1:])
    with pytest.raises(
        ConfigError, match=r"breaks its contract: prolongation on level 0: prolong to 14 cells returned an"
    ):
        mlft.run(named, **EQUAL | {"out": tmp_path})
    with StoreReader(tmp_path) as store:
        assert "train" not in store.streams()


def identity(own, seed=0):
    return {"problem": own.name, "options": own.options, "transfers": own.transfers, "seed": seed}


def test_a_store_of_other_transfers_is_refused_by_name(tmp_path):
    with Session(ask(problem, **EQUAL), tmp_path) as session:
        session.solve("train", {0: 2})
    with pytest.raises(StoreError, match=r"another run: transfers.coarsen is None there, 'halved' was asked"):
        Session(ask(OWN, **EQUAL), tmp_path)
    with pytest.raises(StoreError, match=r"transfers.prolong is None there, 'shifted' was asked"):
        Session(ask(dataclasses.replace(OWN, coarsen_function=None), **EQUAL), tmp_path)
    Session(ask(Plain(OWN), **EQUAL), tmp_path).__exit__(None, None, None)  # plain ones are those it has


def test_a_store_that_does_not_say_its_transfers_has_plain_ones(tmp_path):
    said = {name: value for name, value in identity(problem).items() if name != "transfers"}
    SampleStore.open(tmp_path, said).close()
    Session(ask(problem, **EQUAL), tmp_path).__exit__(None, None, None)
    with pytest.raises(StoreError, match="transfers"):
        Session(ask(OWN, **EQUAL), tmp_path)


def test_a_finished_run_of_other_transfers_is_refused_and_plain_continues_what_was_plain(tmp_path):
    record = mlft.run(problem, out=tmp_path, **EQUAL)
    with pytest.raises(
        ConfigError, match=r"other transfers of small: plain ones there, prolong: shifted, coarsen: hal"
    ):
        mlft.run(OWN, out=tmp_path, **EQUAL)
    assert mlft.run(Plain(OWN), out=tmp_path, **EQUAL).error == record.error


def test_plain_runs_beside_the_problem_from_the_door(tmp_path):
    asked = {**SMALL, "budget": "6solves", "strategy": "single-level:1"}
    options = {"surrogate_options": {"modes": [3], "width": 5, "depth": 2}}
    burgers = mlft.problems.Burgers(cells=32, levels=2)
    own, plain = (
        mlft.run(kind, out=tmp_path / name, **asked | options) for kind, name in ((burgers, "o"), (Plain(burgers), "p"))
    )
    assert (own.outcome.problem, plain.outcome.problem) == ("burgers", "burgers")
    assert (own.outcome.transfers, plain.outcome.transfers) == ({"prolong": "subcell"}, {})
    assert own.outcome.levels[0].bias < plain.outcome.levels[0].bias
    assert own.error == plain.error  # the finest level has no transfers
