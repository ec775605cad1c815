import itertools
import os
import sys
import time

import numpy as np
import pytest

from mlft.errors import GenerationError, StoreError
from mlft.generation import Request, Supervision, generate, open_pool, solve_batch
from mlft.generation.work import solve_here
from mlft.problems import FunctionProblem, Solved
from mlft.seeds import generator
from mlft.sources import Drawn, Inputs
from toy_problem import (
    LEVELS,
    REQUESTS,
    SEED,
    CountedSolver,
    arrays,
    assert_same,
    draw,
    drawn,
    evaluate,
    failures,
    inline,
    on,
    run,
    same,
    square,
    statuses,
    to_error,
    to_nan,
    toy,
)

# ---- one batch


def test_a_sample_is_its_own_stream_whatever_its_batch():
    whole = solve_batch(drawn(toy()), 1, stream="train", indices=[6, 2, 9])
    for row, index in enumerate((6, 2, 9)):
        alone = solve_batch(drawn(toy()), 1, stream="train", indices=[index])
        assert np.array_equal(whole.solutions[row : row + 1], alone.solutions)


def test_one_index_is_one_draw_on_every_level_and_another_in_another_stream():
    coarse, fine = (solve_batch(drawn(toy(same)), level, stream="train", indices=[3]).solutions for level in (0, 2))
    assert coarse.shape == (1, 1, 5) and fine.shape == (1, 1, 20)
    assert fine.mean() == pytest.approx(coarse.mean(), abs=1e-12)
    other = solve_batch(drawn(toy(same), "test"), 0, stream="test", indices=[3]).solutions
    assert abs(other.mean() - coarse.mean()) > 1e-3


def test_a_batch_keeps_no_inputs_and_the_inputs_of_a_source_are_a_source_of_their_own(store):
    made = solve_batch(drawn(toy()), 1, stream="train", indices=[6, 2])
    assert made.inputs.shape == (2, 0, 10)
    generate({"inputs/train": Inputs(drawn(toy()))}, store, requests=[Request("inputs/train", 2, 3)], pool=inline())
    assert np.array_equal(store.read("inputs/train", 2, 3).solutions, drawn(toy()).inputs(2, range(3)))
    assert (store.folder / "samples" / "level-2").exists() and store.verify().lost == ()


def test_seconds_are_shared_evenly_and_measured():
    def slow(inputs, grid):
        time.sleep(0.2)
        return inputs

    made = solve_batch(drawn(toy(slow)), 0, stream="train", indices=range(4))
    assert len(set(made.seconds)) == 1 and 0.2 <= sum(made.seconds) < 0.8


def slow_to_draw(draws, grid):
    time.sleep(0.02 * len(draws))
    return evaluate(draws, grid)


def test_seconds_are_those_of_the_solve_without_the_making_of_its_inputs():
    problem = FunctionProblem("toy", LEVELS, draw, slow_to_draw, square, 1.0)
    made = solve_batch(drawn(problem), 0, stream="train", indices=range(4))
    assert 0 < sum(made.seconds) < 0.08  # what the inputs alone take at least
    whole = solve_here(drawn(problem), 0, stream="train", indices=range(4))
    assert whole.seconds >= 0.08


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_cut_by_all_that_they_take_and_not_by_their_solves_alone(store, workers):
    problem = FunctionProblem("toy", LEVELS, draw, slow_to_draw, square, 1.0)
    with open_pool(workers) as pool:
        generate(
            {"train": drawn(problem)},
            store,
            requests=[Request("train", 0, 12)],
            pool=pool,
            supervision=Supervision(batch_seconds=0.06),
        )
    files = list((store.folder / "samples" / "level-0").iterdir())
    assert len(files) >= 4  # after the first, of at most three draws each


def test_only_the_sample_that_raises_fails_with_its_exception_named():
    made = solve_batch(drawn(toy(on({1}, to_error))), 0, stream="train", indices=range(3))
    assert made.status == ("ok", "raised-RuntimeError", "ok")
    assert made.notes == ("", "RuntimeError: no solution", "")
    assert np.array_equal(made.solutions, drawn(toy()).inputs(0, (0, 2)) ** 2)


def test_only_the_sample_that_is_not_finite_fails():
    made = solve_batch(drawn(toy(on({0, 2}, to_nan))), 0, stream="train", indices=range(4))
    assert made.status == ("not-finite", "ok", "not-finite", "ok")
    assert np.array_equal(made.solutions, drawn(toy()).inputs(0, (1, 3)) ** 2)


def test_an_adapter_that_calls_infinite_values_ok_is_not_believed():
    def solve(inputs, grid):
        return Solved(inputs / 0.0, ("ok",) * len(inputs))

    with np.errstate(divide="ignore"):
        made = solve_batch(drawn(toy(solve)), 0, stream="train", indices=range(2))
    assert made.status == ("not-finite",) * 2


def test_the_failures_and_scalars_of_the_problem_are_kept():
    def solve(inputs, grid):
        return Solved(inputs, ("ok", "not-converged", "ok"), {"energy": np.array([1.0, 2.0, 3.0])})

    made = solve_batch(drawn(toy(solve)), 0, stream="train", indices=range(3))
    assert made.status == ("ok", "not-converged", "ok") and made.scalars["energy"].tolist() == [1, 3]


def unchecked(inputs, **fields):
    """A result whose shapes nobody looked at, as an adapter gives it where jaxtyping does not run."""
    solved = Solved(inputs, ("ok",) * len(inputs))
    for name, value in fields.items():
        object.__setattr__(solved, name, value)
    return solved


@pytest.mark.parametrize(
    "solve",
    [
        lambda inputs, grid: inputs[:, :, 1:],
        lambda inputs, grid: inputs[:1],
        lambda inputs, grid: unchecked(inputs, solutions=inputs[:, 0]),
        lambda inputs, grid: unchecked(inputs, status=("ok",)),
        lambda inputs, grid: unchecked(inputs, scalars={"energy": np.ones(2)}),
    ],
)
def test_a_wrong_shape_is_a_failure_by_name(solve):
    made = solve_batch(drawn(toy(solve)), 0, stream="train", indices=range(3))
    assert made.status == ("wrong-shape",) * 3 and made.notes[0]


def test_inputs_of_a_wrong_shape_are_a_failure_by_name():
    problem = FunctionProblem("toy", LEVELS, draw, lambda draws, grid: evaluate(draws, LEVELS[1]), square, 1.0)
    made = solve_batch(drawn(problem), 0, stream="train", indices=range(3))
    assert made.notes[0] == "inputs on 5 have shape (3, channels, 5), got (3, 1, 10)"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda u: {"solutions": u * 1j},
            "solutions are complex: give the real and the imaginary part as two channels",
        ),
        (
            lambda u: {"solutions": np.ma.masked_greater(u, u.min(axis=-1, keepdims=True))},
            "solutions are masked in places",
        ),
        (lambda u: {"solutions": u.astype(str)}, "solutions are no numbers but <U"),
        (lambda u: {"solutions": u > 0}, "solutions are no numbers but bool"),
        (lambda u: {"solutions": u.astype(object)}, "solutions are no numbers but object"),
        (lambda u: {"scalars": {"energy": np.ones(len(u)) * 1j}}, "scalars 'energy' are complex"),
        (lambda u: {"scalars": {"energy": np.array(["low"] * len(u))}}, "scalars 'energy' are no numbers but <U3"),
    ],
)
def test_what_is_no_real_number_is_not_made_one(change, said):
    def solve(inputs, grid):
        return unchecked(inputs, **change(inputs))

    made = solve_batch(drawn(toy(solve)), 0, stream="train", indices=range(3))
    assert set(made.status) == {"raised-TypeError"} and said in made.notes[0]


@pytest.mark.parametrize("name", [1, None, ""])
def test_a_status_that_is_no_text_is_a_failure_by_name(name):
    def solve(inputs, grid):
        return unchecked(inputs, status=("ok", name, "ok"))

    made = solve_batch(drawn(toy(solve)), 0, stream="train", indices=range(3))
    assert made.status == ("wrong-shape",) * 3 and made.notes[0] == f"a status is a text, got {name!r}"


def test_an_input_that_is_not_finite_fails_whatever_the_solver_makes_of_it():
    lost = draw(1, generator(SEED, "train", 1))[0, 0]

    def broken(draws, grid):
        return np.where((draws[:, 0] == lost)[:, None, None], np.nan, evaluate(draws, grid))

    problem = FunctionProblem("toy", LEVELS, draw, broken, lambda inputs, grid: np.nan_to_num(inputs) + 1.0, 1.0)
    made = solve_batch(drawn(problem), 0, stream="train", indices=range(3))
    assert made.status == ("ok", "not-finite", "ok") and made.notes == ("", "its input is not finite", "")


@pytest.mark.parametrize("size", [1e101, 1e300, 1e-101, 1e-310])
def test_a_solution_whose_squares_are_no_numbers_is_no_sample_and_a_large_input_is_none(size):
    made = solve_batch(drawn(toy(on({1}, lambda u: size * np.ones_like(u)))), 0, stream="train", indices=range(3))
    assert made.status == ("ok", "out-of-range", "ok") and "give it another unit" in made.notes[1]
    problem = FunctionProblem("toy", LEVELS, draw, lambda draws, grid: size * evaluate(draws, grid), square, 1.0)
    inputs = solve_batch(Inputs(drawn(problem)), 2, stream="inputs/train", indices=range(2))
    assert inputs.status == (("out-of-range",) if size > 1 else ("ok",)) * 2


def test_a_solver_that_exits_fails_by_name():
    made = solve_batch(drawn(toy(on({1}, lambda u: sys.exit(3)))), 0, stream="train", indices=range(3))
    assert made.status == ("ok", "raised-SystemExit", "ok")


def test_a_solution_that_is_zero_everywhere_is_no_sample_but_an_input_may_be():
    made = solve_batch(drawn(toy(on({1}, np.zeros_like))), 0, stream="train", indices=range(3))
    assert made.status == ("ok", "zero", "ok") and "errors are relative to it" in made.notes[1]
    problem = FunctionProblem("toy", LEVELS, draw, lambda draws, grid: 0.0 * evaluate(draws, grid), square, 1.0)
    inputs = solve_batch(Inputs(drawn(problem)), 2, stream="inputs/train", indices=range(2))
    assert inputs.status == ("ok", "ok") and not inputs.solutions.any()


# ---- a generation


def test_a_generation_solves_what_is_asked_and_reports_it(store):
    seen = []
    report = run(toy(), store, progress=seen.append)
    assert (report.solved, report.failed, report.already, report.restarts) == (30, {}, 0, 0)
    assert report.seconds == pytest.approx(sum(tally.seconds for tally in store.summary()))
    for request in REQUESTS:
        samples = store.read("train", request.level, request.count)
        assert np.array_equal(samples.solutions, drawn(toy()).inputs(request.level, range(request.count)) ** 2)
        last = [p for p in seen if p.level == request.level][-1]
        assert (last.done, last.failed, last.total) == (request.count, 0, request.count)


def test_the_dearest_level_is_solved_first(store):
    seen = []
    run(toy(), store, progress=lambda progress: seen.append(progress.level))
    assert seen == sorted(seen, reverse=True)


def test_requests_may_overlap_and_start_anywhere(store):
    requests = [Request("train", 0, 3, first=4), Request("train", 0, 4, first=5), Request("test", 0, 2)]
    assert run(toy(), store, requests=requests).solved == 7
    assert sorted(statuses(store)) == [4, 5, 6, 7, 8] and store.solved("test", 0, 3) == [0, 1]


def test_cheap_samples_share_files(store, tmp_path):
    run(toy(), store, requests=[Request("train", 0, 300)])
    assert len(list((tmp_path / "samples" / "level-0").iterdir())) < 60


def test_what_is_there_is_not_solved_again(store):
    solver = CountedSolver()
    run(toy(solver), store)
    report = run(toy(solver), store, requests=[Request("train", 0, 19)])
    assert solver.samples == 32 and (report.solved, report.already) == (2, 17)
    assert run(toy(solver), store).solved == 0 and solver.samples == 32


@pytest.mark.parametrize("after", [1, 2, 5])
def test_an_interrupted_generation_goes_on_and_solves_nothing_twice(store, expected, after):
    solver, calls = CountedSolver(), itertools.count(1)

    def interrupt(progress):
        if next(calls) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(toy(solver), store, progress=interrupt)
    assert 0 < len(store.ledger()) < 30
    run(toy(solver), store)
    assert solver.samples == 30
    assert_same(arrays(store), expected)


def test_failures_are_counted_by_name_and_not_tried_again(store):
    report = run(toy(on({2, 5}, to_nan)), store, requests=[Request("train", 0, 17)])
    assert report.failed == {"not-finite": 2} and report.solved == 15
    assert failures(store) == {2: "not-finite", 5: "not-finite"}
    assert {row.attempts for row in store.ledger()} == {1}
    again = run(toy(), store, requests=[Request("train", 0, 17)])
    assert (again.solved, again.already, again.failed) == (0, 17, {})


def test_failed_samples_are_tried_again_when_asked(store, expected):
    run(toy(on({2, 5}, to_nan)), store)
    report = run(toy(), store, retry_failed=True)
    assert report.solved == 6 - 1 and not failures(store)  # 5 is not asked on the finest level
    assert_same(arrays(store), expected)


def test_what_raises_is_tried_again_and_its_tries_and_time_are_counted(store):
    tries = []

    def twice(solution):
        tries.append(time.sleep(0.01))
        if len(tries) <= 2:  # in its batch, and alone after it
            raise RuntimeError
        return solution

    run(toy(on({3}, twice)), store, requests=[Request("train", 0, 17)], retries=1)
    row = store.ledger()[3]
    assert (row.status, row.attempts) == ("ok", 2) and row.seconds > 0.02
    assert {other.attempts for other in store.ledger() if other.index != 3} == {1}


@pytest.mark.parametrize("retries", [0, 2])
def test_what_raises_every_time_fails_after_the_retries(store, retries):
    report = run(toy(on({3}, to_error)), store, requests=[Request("train", 0, 17)], retries=retries)
    assert report.failed == {"raised-RuntimeError": 1}
    assert (store.ledger()[3].attempts, store.ledger()[3].note) == (retries + 1, "RuntimeError: no solution")


def test_too_many_failures_stop_with_the_commonest_and_an_example(store):
    solver = on(set(range(0, 40, 3)), to_nan)
    with pytest.raises(GenerationError, match=r"'not-finite' \(\d+ times\), for example sample \d+") as caught:
        run(toy(solver), store, requests=[Request("train", 0, 40)], batch_seconds=1e-9)
    assert (caught.value.failed, caught.value.attempted) == (4, 10)
    assert "4 of 10 samples of stream 'train' on level 0 failed" in str(caught.value) and "\n" not in str(caught.value)
    assert len(store.ledger()) == 10


def test_a_generation_that_stopped_stops_again_unless_more_is_allowed_or_retried(store):
    solver = on(set(range(0, 40, 3)), to_nan)
    for _ in range(2):
        with pytest.raises(GenerationError):
            run(toy(solver), store, requests=[Request("train", 0, 40)], batch_seconds=1e-9)
        assert len(store.ledger()) == 10
    run(toy(), store, requests=[Request("train", 0, 40)], retry_failed=True)
    assert not failures(store) and len(store.ledger()) == 40


def test_few_failures_of_few_samples_are_allowed_but_not_failures_alone(store):
    run(toy(on({0}, to_nan)), store, requests=[Request("train", 0, 2)])
    with pytest.raises(GenerationError, match="2 of 2"):
        run(toy(on({0, 1}, to_nan)), store, requests=[Request("train", 1, 2)])
    run(toy(on({0, 1}, to_nan)), store, requests=[Request("train", 2, 2)], max_failure_rate=1)


def test_a_full_disk_stops_the_generation_and_loses_nothing(store, expected, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    def fill(progress):
        if progress.level == 1:
            monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StoreError, match="No space left"):
        run(toy(), store, progress=fill)
    monkeypatch.undo()
    assert store.solved("train", 2, 4) == [0, 1, 2, 3]
    run(toy(), store)
    assert_same(arrays(store), expected)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"requests": [Request("train", 3, 1)]}, "levels 0 to 2"),
        ({"sources": {"train": Drawn(toy(), SEED + 1, "train")}}, f"of seed {SEED}, got seed {SEED + 1}"),
        ({"supervision": Supervision(timeout=1.0)}, "at least one worker"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_solve(store, asked, message):
    options = {"sources": {"train": drawn(toy())}, "requests": REQUESTS, "pool": inline()} | asked
    with pytest.raises(ValueError, match=message):
        generate(options.pop("sources"), store, **options)
    assert store.ledger() == []


@pytest.mark.parametrize(
    "wrong", [{"timeout": 0.0}, {"retries": -1}, {"max_failure_rate": 1.5}, {"batch_seconds": 0.0}]
)
def test_supervision_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError):
        Supervision(**wrong)


def test_a_negative_request_and_a_contradictory_pool_are_refused():
    with pytest.raises(ValueError):
        Request("train", 0, -1)
    with pytest.raises(ValueError):
        open_pool(-1)
    with pytest.raises(ValueError):
        open_pool(2, scheduler="tcp://127.0.0.1:1")
