"""The session as the only door to a solve, and what users met before it was."""

import numpy as np
import pytest
import torch

import hanging
import mlft
from mlft.errors import ConfigError, GenerationError
from mlft.experiment.asking import ask
from mlft.experiment.session import Session
from mlft.store import SampleStore
from small import GRIDS, SMALL, draw, evaluate, facts, failing, problem, solve

EQUAL = {"strategy": "finetune:equal-cost", "budget": "24solves", **SMALL}


class Counted:
    """A solver that counts the samples that it was given, by points of the grid."""

    def __init__(self, solver=solve):
        self.solver, self.samples = solver, {}

    def __call__(self, inputs, grid):
        self.samples[grid.cells[0]] = self.samples.get(grid.cells[0], 0) + len(inputs)
        return self.solver(inputs, grid)


def own(solver, name="own", evaluate_function=evaluate):
    return mlft.FunctionProblem(name, GRIDS, draw, evaluate_function, solver, cost_exponent=2.0)


class Referenced(mlft.Problem):
    """The small problem with a reference of its own, which may fail on the draws whose first number is above a bar."""

    name, equation, order, cost_exponent = "referenced", "tanh", 2.0, 2.0
    hierarchy = GRIDS

    def __init__(self, bar=np.inf):
        self.bar, self.asked = bar, []

    def draw(self, n, generator):
        return draw(n, generator)

    def evaluate(self, draws, grid):
        return evaluate(draws, grid)

    def solve(self, inputs, grid):
        return mlft.Solved(solve(inputs, grid), ("ok",) * len(inputs))

    def reference(self, draws):
        self.asked += [tuple(row) for row in draws]
        if (draws[:, 0] > self.bar).any():
            raise ValueError("the reference did not converge")
        return np.tanh(self.evaluate(draws, self.finest)) + 1.0


def test_a_repaired_solver_is_used_in_its_run_folder_when_failed_samples_are_to_be_tried_again(tmp_path):
    told = facts(mlft.run(failing, out=tmp_path / "failed", max_failure_rate=0.5, **EQUAL))
    lost = sum(row["failed"] for row in told["levels"])
    stopped = own(failing.solve_function)
    with pytest.raises(GenerationError, match="--retry-failed"):
        mlft.run(stopped, out=tmp_path / "run", max_failure_rate=0.0, **EQUAL)
    with pytest.raises(GenerationError, match="--retry-failed"):  # what failed stays failed unless it is asked for
        mlft.run(own(solve), out=tmp_path / "run", max_failure_rate=0.0, **EQUAL)
    mended = mlft.run(own(solve), out=tmp_path / "run", max_failure_rate=0.0, retry_failed=True, **EQUAL)
    whole = mlft.run(own(solve), out=tmp_path / "whole", **EQUAL)
    assert lost > 0 and sum(row["failed"] for row in facts(mended)["levels"]) == 0
    assert mended.error == whole.error
    assert all(map(torch.equal, mended.surrogate.parameters(), whole.surrogate.parameters()))


def _half(inputs, grid):
    return np.where(inputs[:, :, 1:2] > 0.2, np.nan, solve(inputs, grid))


def test_a_failed_sample_is_tried_again_once_a_session(tmp_path):
    asked = ask(own(_half), max_failure_rate=1.0, **EQUAL)
    with Session(asked, tmp_path) as session:
        session.solve("train", {0: 40})
    counted = Counted(_half)
    again = ask(own(counted), max_failure_rate=1.0, retry_failed=True, **EQUAL)
    with Session(again, tmp_path) as session:
        failed = [row.index for row in session.rows("train", 0, 40) if row.status != "ok"]
        session.solve("train", {0: 25})
        first = counted.samples[7]
        session.solve("train", {0: 40})
        session.solve("train", {0: 40})
    assert len(failed) > 2 and first == sum(index < 25 for index in failed)
    assert counted.samples[7] == len(failed)


def test_a_failed_reference_is_a_missing_number_with_its_reason(tmp_path):
    some = mlft.run(Referenced(0.3), out=tmp_path / "some", bias_draws=9, **EQUAL_WITHOUT_DRAWS).outcome
    assert some.measure.kind == "reference" and 0 < some.measure.failed < 9
    assert some.measure.draws == 9 - some.measure.failed
    assert "raised-ValueError" in some.measure.reason and "did not converge" in some.measure.reason
    bias = [row.bias for row in some.levels]
    assert bias[0] > bias[1] > bias[2] > 0
    none = mlft.run(Referenced(-np.inf), out=tmp_path / "none", bias_draws=5, **EQUAL_WITHOUT_DRAWS)
    assert [row.bias for row in none.outcome.levels] == [None] * 3 and none.outcome.measure.failed == 5
    assert np.isfinite(none.error)


def test_references_and_laws_of_trust_that_hang_are_timed_out_by_name_and_the_rest_is_measured(tmp_path):
    options = {**EQUAL, "bias_draws": 1, "workers": 1, "timeout": 1.0, "retries": 0}
    record = mlft.run(hanging.problem, out=tmp_path, **options)
    assert [row.bias for row in record.outcome.levels] == [None] * 3
    assert record.outcome.measure.reason == "1 of 1 reference solves failed: timeout, took longer than 1 s"
    found = mlft.trust(tmp_path, samples=4, problem=hanging.problem)
    lost = [law for law in found.amplitudes if law.failed]
    assert lost and all("timeout" in law.failures for law in lost)
    assert found.families[0].mean is not None


EQUAL_WITHOUT_DRAWS = {name: value for name, value in EQUAL.items() if name != "bias_draws"}


def test_references_are_solved_once_and_kept(tmp_path):
    known = Referenced()
    mlft.run(known, out=tmp_path, **EQUAL)
    first = len(known.asked)
    assert len(set(known.asked)) == first == SMALL["bias_draws"]
    (tmp_path / "record.json").unlink()
    mlft.run(known, out=tmp_path, **EQUAL)
    assert len(known.asked) == first


def test_inputs_are_kept_once_a_draw_and_are_what_training_uses(tmp_path):
    drawn = []

    def watched(draws, grid):
        drawn.append((grid.cells[0], len(draws)))
        return evaluate(draws, grid)

    asked = ask(own(solve, evaluate_function=watched), **EQUAL)
    with Session(asked, tmp_path) as session:
        session.solve("train", {0: 12, 1: 6, 2: 3})
        coarse, fine = session.samples("train", 0, 12), session.samples("train", 2, 3)
        before = sum(n for cells, n in drawn if cells == 28)
        session.samples("train", 0, 12), session.samples("train", 1, 6)
        assert (
            sum(n for cells, n in drawn if cells == 28) == before == 12 + 3
        )  # inputs once a draw, and the fine solves
    assert np.array_equal(coarse.inputs[:3], fine.inputs)
    with SampleStore.open(tmp_path, asked_identity(asked)) as store:
        assert np.array_equal(store.read("inputs/train", 2, 12).solutions, coarse.inputs)
        assert store.read("train", 0, 12).inputs.size == 0
    with Session(ask(own(solve), **EQUAL), tmp_path) as session:  # a session anew reads them
        assert np.array_equal(session.samples("train", 0, 12).inputs, coarse.inputs)


def asked_identity(asked):
    return {"problem": asked.problem.name, "options": asked.problem.options, "seed": asked.config.seed}


def test_inputs_that_are_not_finite_leave_their_draws_out_by_name(tmp_path):
    def holes(draws, grid):
        fields = evaluate(draws, grid)
        if grid.cells[0] == 28:
            fields[draws[:, 1] > 0.9, 0, 5] = np.nan
        return fields

    def patched(inputs, grid):
        return solve(np.nan_to_num(inputs), grid)

    asked = ask(own(patched, evaluate_function=holes), max_failure_rate=1.0, **EQUAL)
    with Session(asked, tmp_path) as session:
        session.solve("train", {0: 30})
        used = session.samples("train", 0, 30)
        lost = [row.index for row in session.rows("inputs/train", 2, 30) if row.status != "ok"]
    assert lost and set(lost) | set(used.indices) == set(range(30)) and not set(lost) & set(used.indices)
    assert np.isfinite(used.inputs).all()


def test_given_inputs_are_solved_once_and_a_longer_list_continues(tmp_path):
    counted = Counted()
    fields = evaluate(np.array([[0.1, 0.2, 0.3], [1.0, 0.0, -1.0], [0.5, 0.5, 0.0]]), GRIDS[-1])
    with Session(ask(own(counted), **EQUAL), tmp_path) as session:
        stream, rows = session.answers("trust/rougher", fields[:2])
        assert stream == "trust/rougher" and [row.status for row in rows] == ["ok", "ok"]
        assert len(session.answers(stream, fields)[1]) == 3 and counted.samples == {28: 3}
        session.answers(stream, fields)
        assert counted.samples == {28: 3}
        known = session.store.read(stream, session.finest, 3).solutions
        other, rows = session.answers(stream, 2 * fields)  # a law whose draws depend on one another
        assert other.startswith("trust/rougher-") and len(rows) == 3 and counted.samples == {28: 6}
        assert np.array_equal(session.store.read(other, session.finest, 3).solutions, solve(2 * fields, GRIDS[-1]))
        assert session.answers(stream, 2 * fields)[0] == other and counted.samples == {28: 6}
    assert np.array_equal(known, solve(fields, GRIDS[-1]))


def test_inputs_that_differ_between_levels_are_refused_before_anything_is_bought(tmp_path):
    def doubled(draws, grid):
        return evaluate(draws, grid) * (2.0 if grid.cells[0] == 7 else 1.0)

    counted = Counted()
    with pytest.raises(ConfigError, match="level 0") as caught:
        mlft.run(own(counted, evaluate_function=doubled), out=tmp_path, **EQUAL)
    assert "\n" not in str(caught.value) and sum(counted.samples.values()) <= 2
    assert not (tmp_path / "ledger.sqlite").exists()


def test_options_of_the_named_network_beside_an_own_network_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"surrogate_options \(.*width=5.*\).*network of your own"):
        mlft.run(problem, out=tmp_path, network=torch.nn.Conv1d(1, 1, 3, padding=1), **EQUAL)
    assert not (tmp_path / "config.toml").exists()


def test_a_comparison_takes_an_own_problem_and_network_and_starts_each_run_afresh(tmp_path):
    network = torch.nn.Conv1d(1, 1, 3, padding=1)
    before = [p.detach().clone() for p in network.parameters()]
    options = {**SMALL, "surrogate_options": {}}
    found = mlft.compare(
        own(solve),
        budget="24solves",
        out=tmp_path,
        strategies=("finest-only", "single-level:0"),
        seeds=2,
        network=network,
        **options,
    )
    assert len(found.rows) == 4 and {row.problem for row in found.rows} == {"own"}
    alone = mlft.run(
        own(solve),
        budget="24solves",
        out=tmp_path / "alone",
        strategy="single-level:0",
        seed=1,
        network=network,
        **options,
    )
    assert alone.error == found.rows[3].relative_l2
    assert all(map(torch.equal, before, network.parameters()))


class Mean(mlft.Learner):
    """Predicts the mean label: no stage, no weights."""

    def fit(self, surrogate, samples, course):
        surrogate.fit_normalisers(samples[-1].inputs, samples[-1].solutions)
        with torch.no_grad():
            for p in surrogate.parameters():
                p.zero_()
        return mlft.Fitted(surrogate, ())


@pytest.fixture
def cheapest():
    def rule(costs, budget, *, least=1):
        return mlft.single_level(costs, budget / 2, 0, least=least)

    mlft.STRATEGIES["half-on-the-cheapest"] = mlft.Strategy(mlft.ByRule(rule), Mean(), "half of it on level 0")
    yield "half-on-the-cheapest"
    del mlft.STRATEGIES["half-on-the-cheapest"]


def test_a_user_adds_a_strategy_of_his_own(tmp_path, cheapest):
    record = mlft.run(problem, budget="24solves", out=tmp_path / "run", strategy=cheapest, **SMALL)
    assert record.outcome.strategy == cheapest and record.outcome.plan.samples == (192, 0, 0)
    assert record.outcome.plan.budget == 24.0  # what was asked, although the rule was given half of it
    assert record.outcome.stages == ()
    fields = record.surrogate.predict(evaluate(np.array([[0.3, 0.1, 0.2], [1.0, 0.0, -1.0]]), GRIDS[-1]))
    np.testing.assert_array_equal(fields[0], fields[1])
    found = mlft.compare(
        problem,
        budget="24solves",
        out=tmp_path / "compare",
        strategies=(cheapest, "finest-only"),
        seeds=2,
        jobs=2,
        **SMALL,
    )
    assert [row.strategy for row in found.rows] == [cheapest, "finest-only"] * 2
    assert found.rows[0].relative_l2 == record.error


def test_a_strategy_that_is_not_there_names_the_nearest_and_a_user_s_own(tmp_path, cheapest):
    with pytest.raises(ConfigError, match="did you mean 'finetune'.*half-on-the-cheapest"):
        mlft.run(problem, budget="24solves", out=tmp_path, strategy="fine-tune", **SMALL)


def test_rivals_of_a_given_plan_plan_for_themselves(tmp_path):
    record = mlft.run(problem, budget="24solves", out=tmp_path, plan=(40, 8, 2), baselines=("finest-only",), **SMALL)
    assert record.outcome.plan.samples == (40, 8, 2) and record.outcome.plan.rule == "given"
    assert record.outcome.baselines[-1].samples == (0, 0, 24)
