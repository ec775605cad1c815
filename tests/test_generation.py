import itertools
import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from mlft.errors import GenerationError, MlftError, StoreError
from mlft.generation import (
    DaskLane,
    InlineLane,
    Lane,
    Pool,
    ProcessLane,
    Request,
    Supervision,
    generate,
    open_pool,
    solve_batch,
)
from mlft.grids import Grid, hierarchy
from mlft.problems import FunctionProblem, Solved
from mlft.store import SampleStore

SEED = 11
LEVELS = hierarchy(Grid((20,)), 3)
REQUESTS = [Request("train", level, count) for level, count in enumerate((17, 9, 4))]


def draw(n, generator):
    return torch.randn(n, 3, generator=generator, dtype=torch.float64).numpy()


def evaluate(draws, grid):
    phase = 2 * np.pi * grid.points[0]
    return (draws[:, :1] * np.sin(phase) + draws[:, 1:2] * np.cos(phase) + draws[:, 2:])[:, None]


def square(inputs, grid):
    return inputs**2


def toy(solve=square):
    return FunctionProblem("toy", LEVELS, draw, evaluate, solve, 1.0)


def means(indices, stream="train"):
    """The value that tells a sample from the others, whatever its level: the third coefficient of its draw."""
    from mlft.seeds import generator

    return {round(float(draw(1, generator(SEED, stream, i))[0, 2]), 9): i for i in indices}


def on(bad, act):
    """A solver that does something to the samples whose index is in `bad`, and squares the others."""
    names = means(range(40))

    def solve(inputs, grid):
        solutions = inputs**2
        for row, field in enumerate(inputs):
            if names[round(float(field.mean()), 9)] in bad:
                solutions[row] = act(solutions[row])
        return solutions

    return solve


def to_nan(solution):
    return solution * np.nan


def to_error(solution):
    raise RuntimeError("no\nsolution")


class CountedSolver:
    """Squares, and counts the samples it was given."""

    def __init__(self):
        self.samples = 0

    def __call__(self, inputs, grid):
        self.samples += len(inputs)
        return inputs**2


@pytest.fixture
def store(tmp_path):
    with SampleStore.open(tmp_path, {"problem": "toy", "seed": SEED}) as opened:
        yield opened


@pytest.fixture(scope="module")
def processes():
    with open_pool(2) as pool:
        yield pool


def inline():
    return Pool([InlineLane()])


def run(problem, store, pool=None, requests=REQUESTS, **options):
    pool = pool or inline()
    return generate(problem, store, requests=requests, seed=SEED, pool=pool, supervision=Supervision(**options))


def statuses(store, level=0):
    return {row.index: row.status for row in store.ledger("train", level)}


def failures(store, level=0):
    return {index: status for index, status in statuses(store, level).items() if status != "ok"}


def arrays(store, requests=REQUESTS):
    fields = []
    for request in requests:
        samples = store.read(request.stream, request.level, request.count)
        fields += [samples.inputs, samples.solutions]
    return fields


def assert_same(left, right):
    assert all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    with SampleStore.open(tmp_path_factory.mktemp("expected"), {"seed": SEED}) as store:
        run(toy(), store)
        return arrays(store)


# ---- lanes that fail by script


class Died(Exception):
    pass


class ScriptedLane(Lane):
    """One thread that dies, or hangs until killed, on the samples of a script: {index: times}."""

    deaths = (Died,)

    def __init__(self, dying=(), hanging=(), width=1, lifetime=1000):
        self.threads, self.lifetime = width, lifetime
        self.dying, self.hanging = dict(dying), dict(hanging)
        self.calls, self.restarts, self.together = [], 0, 0
        self._begin()

    def _begin(self):
        self.age, self.broken, self.killed = 0, False, threading.Event()
        self.executor = ThreadPoolExecutor(self.threads)

    @property
    def width(self):
        return self.threads

    @property
    def depth(self):
        return 2 * self.threads

    @property
    def worn(self):
        return self.age >= self.lifetime

    def submit(self, function, *args, **options):
        self.age += 1
        return self.executor.submit(self._work, self.killed, function, args, options)

    def _work(self, killed, function, args, options):
        if self.broken or killed.is_set():
            raise Died
        self.calls.append((args[-1], options["indices"]))
        for index in options["indices"]:
            if self.dying.get(index, 0):
                self.dying[index] -= 1
                self.broken = True
                raise Died
            if self.hanging.get(index, 0):
                self.hanging[index] -= 1
                assert killed.wait(20)
                raise Died
        return function(*args, **options)

    def restart(self, stuck):
        self.restarts += 1
        self.killed.set()
        self.executor.shutdown(wait=True, cancel_futures=True)
        self._begin()

    def close(self):
        self.restart([])
        self.executor.shutdown()


@pytest.fixture
def scripted():
    made = []

    def make(count=1, **script):
        made.extend(ScriptedLane(**script) for _ in range(count))
        return Pool(made)

    yield make
    for lane in made:
        lane.close()


# ---- one batch


def test_a_sample_is_its_own_stream_whatever_its_batch():
    whole = solve_batch(toy(), 1, stream="train", seed=SEED, indices=[6, 2, 9])
    for row, index in enumerate((6, 2, 9)):
        alone = solve_batch(toy(), 1, stream="train", seed=SEED, indices=[index])
        assert np.array_equal(whole.inputs[row : row + 1], alone.inputs)
        assert np.array_equal(whole.solutions[row : row + 1], alone.solutions)


def test_one_index_is_one_draw_on_every_level_and_another_in_another_stream():
    coarse, fine = (solve_batch(toy(), level, stream="train", seed=SEED, indices=[3]) for level in (0, 2))
    assert np.array_equal(coarse.inputs, fine.inputs[:, :, 2::4] * 0 + coarse.inputs)
    assert fine.inputs.mean() == pytest.approx(coarse.inputs.mean(), abs=1e-12)
    other = solve_batch(toy(), 0, stream="test", seed=SEED, indices=[3])
    assert abs(other.inputs.mean() - coarse.inputs.mean()) > 1e-3


def test_seconds_are_shared_evenly_and_measured():
    def slow(inputs, grid):
        time.sleep(0.02)
        return inputs

    made = solve_batch(toy(slow), 0, stream="train", seed=SEED, indices=range(4))
    assert len(set(made.seconds)) == 1 and 0.02 <= sum(made.seconds) < 1


def test_only_the_sample_that_raises_fails_with_its_exception_named():
    made = solve_batch(toy(on({1}, to_error)), 0, stream="train", seed=SEED, indices=range(3))
    assert made.status == ("ok", "raised-RuntimeError", "ok")
    assert made.notes == ("", "RuntimeError: no solution", "")
    assert np.array_equal(made.solutions, made.inputs**2) and len(made.inputs) == 2


def test_only_the_sample_that_is_not_finite_fails():
    made = solve_batch(toy(on({0, 2}, to_nan)), 0, stream="train", seed=SEED, indices=range(4))
    assert made.status == ("not-finite", "ok", "not-finite", "ok")
    assert np.array_equal(made.solutions, made.inputs**2)


def test_an_adapter_that_calls_infinite_values_ok_is_not_believed():
    def solve(inputs, grid):
        return Solved(inputs / 0.0, ("ok",) * len(inputs))

    with np.errstate(divide="ignore"):
        made = solve_batch(toy(solve), 0, stream="train", seed=SEED, indices=range(2))
    assert made.status == ("not-finite",) * 2


def test_the_failures_and_scalars_of_the_problem_are_kept():
    def solve(inputs, grid):
        return Solved(inputs, ("ok", "not-converged", "ok"), {"energy": np.array([1.0, 2.0, 3.0])})

    made = solve_batch(toy(solve), 0, stream="train", seed=SEED, indices=range(3))
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
    made = solve_batch(toy(solve), 0, stream="train", seed=SEED, indices=range(3))
    assert made.status == ("wrong-shape",) * 3 and made.notes[0]


def test_inputs_of_a_wrong_shape_are_a_failure_by_name():
    problem = FunctionProblem("toy", LEVELS, draw, lambda draws, grid: evaluate(draws, LEVELS[1]), square, 1.0)
    made = solve_batch(problem, 0, stream="train", seed=SEED, indices=range(3))
    assert made.notes[0] == "inputs on 5 have shape (3, channels, 5), got (3, 1, 10)"


def test_complex_solutions_are_refused_in_words():
    def solve(inputs, grid):
        return unchecked(inputs, solutions=inputs * 1j)

    made = solve_batch(toy(solve), 0, stream="train", seed=SEED, indices=range(2))
    assert set(made.status) == {"raised-TypeError"} and "two channels" in made.notes[0]


# ---- a generation


def test_a_generation_solves_what_is_asked_and_reports_it(store):
    seen = []
    report = run(toy(), store, progress=seen.append)
    assert (report.solved, report.failed, report.already, report.restarts) == (30, {}, 0, 0)
    assert report.seconds == pytest.approx(sum(tally.seconds for tally in store.summary()))
    for request in REQUESTS:
        samples = store.read("train", request.level, request.count)
        assert np.array_equal(samples.solutions, samples.inputs**2)
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
        ({"seed": SEED + 1}, f"samples of seed {SEED}, got seed {SEED + 1}"),
        ({"supervision": Supervision(timeout=1.0)}, "at least one worker"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_solve(store, asked, message):
    options = {"requests": REQUESTS, "seed": SEED, "pool": inline()} | asked
    with pytest.raises(ValueError, match=message):
        generate(toy(), store, **options)
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


# ---- workers that die or hang, by script


def test_a_death_loses_nothing_and_blames_nobody_else(store, expected, scripted):
    pool = scripted(dying={2: 1, 7: 1})
    report = run(toy(), store, pool)
    assert report.restarts == 2 and report.failed == {}
    assert {row.attempts for row in store.ledger()} == {1}
    assert_same(arrays(store), expected)


def test_the_culprit_alone_fails_after_its_retries(store, scripted):
    pool = scripted(dying={6: 99})
    report = run(toy(), store, pool, requests=[Request("train", 0, 17)], retries=2)
    assert report.failed == {"worker-died": 1} and failures(store) == {6: "worker-died"}
    attempts = {row.index: row.attempts for row in store.ledger()}
    assert attempts.pop(6) == 3 and set(attempts.values()) == {1}
    assert report.restarts == pool.lanes[0].restarts == 4  # in company, then three times alone


def test_a_culprit_runs_alone_and_what_waited_behind_it_is_no_suspect(store, scripted):
    pool = scripted(dying={0: 2})
    run(toy(), store, pool, requests=[Request("train", 0, 17)])
    calls = [indices for _, indices in pool.lanes[0].calls]
    assert calls[:3] == [(0,)] * 3
    assert store.ledger()[0].attempts == 2


def test_the_other_lanes_go_on_while_one_dies(store, expected, scripted):
    scripted(dying={4: 1})
    pool = scripted(count=2)
    report = run(toy(), store, pool)
    assert len(pool.lanes) == 3 and report.restarts == sum(lane.restarts for lane in pool.lanes) <= 1
    assert_same(arrays(store), expected)


def test_a_wide_lane_finds_its_culprit_too(store, expected, scripted):
    pool = scripted(width=3, dying={4: 99})
    report = run(toy(), store, pool, requests=[Request("train", 0, 17)])
    assert failures(store) == {4: "worker-died"} and report.solved == 16
    assert {row.attempts for row in store.ledger() if row.index != 4} == {1}


def test_a_sample_that_hangs_is_killed_named_and_counted(store, scripted):
    pool = scripted(hanging={3: 99})
    report = run(toy(), store, pool, requests=[Request("train", 0, 17)], timeout=0.1, retries=1)
    assert failures(store) == {3: "timeout"} and report.failed == {"timeout": 1}
    row = store.ledger()[3]
    assert row.attempts == 2 and row.seconds >= 0.2 and "longer than 0.1 s" in row.note
    assert {other.attempts for other in store.ledger() if other.index != 3} == {1}


def test_a_sample_that_hangs_once_is_solved(store, expected, scripted):
    pool = scripted(hanging={3: 1})
    report = run(toy(), store, pool, timeout=0.1)
    assert report.failed == {} and report.restarts == 1
    assert_same(arrays(store), expected)


def test_the_clock_of_a_sample_starts_when_its_worker_is_ready(store, scripted, monkeypatch):
    opened = time.perf_counter() + 0.4
    monkeypatch.setattr(ScriptedLane, "ready", property(lambda lane: time.perf_counter() > opened))
    held = threading.Event()
    threading.Timer(0.4, held.set).start()

    def slow(inputs, grid):
        assert held.wait(20)
        return inputs**2

    pool = scripted()
    problem = toy(slow)
    monkeypatch.setattr(
        "mlft.generation.solve_packed", lambda packed, level, **named: solve_batch(problem, level, **named)
    )
    monkeypatch.setattr("mlft.generation._Call._packed", b"")
    assert run(problem, store, pool, requests=[Request("train", 0, 2)], timeout=0.2).restarts == 0


def test_a_worn_worker_is_replaced_when_it_is_idle(store, expected, scripted):
    pool = scripted(lifetime=2)
    report = run(toy(), store, pool, batch_seconds=1e-9)
    assert report.restarts == 0 and pool.lanes[0].restarts == 14
    assert_same(arrays(store), expected)


def test_a_worker_that_cannot_work_at_all_stops_the_generation(store, scripted):
    class Confused(ScriptedLane):
        def _work(self, *args):
            raise ModuleNotFoundError("No module named 'mine'")

    lane = Confused()
    with pytest.raises(GenerationError, match="a worker cannot work: ModuleNotFoundError: No module named 'mine'"):
        run(toy(), store, Pool([lane]))
    assert lane.restarts == 1
    lane.close()


def test_a_worker_that_ends_before_it_begins_blames_nobody(store, expected, scripted, monkeypatch):
    pool = scripted(dying={4: 3})
    monkeypatch.setattr(ScriptedLane, "ready", property(lambda lane: lane.restarts > 2))
    report = run(toy(), store, pool)
    assert report.restarts == 3 and report.failed == {} and {row.attempts for row in store.ledger()} == {1}
    assert_same(arrays(store), expected)


def test_workers_that_never_begin_stop_the_generation(store, scripted, monkeypatch):
    pool = scripted(dying={0: 99})
    monkeypatch.setattr(ScriptedLane, "ready", False)
    with pytest.raises(GenerationError, match="workers end before they begin, 5 times in a row"):
        run(toy(), store, pool)
    assert failures(store) == {}


# ---- processes


def test_results_do_not_depend_on_the_workers(store, expected, processes, tmp_path):
    run(toy(), store, processes)
    assert_same(arrays(store), expected)
    with SampleStore.open(tmp_path / "one", {"seed": SEED}) as other:
        run(toy(), other, Pool(processes.lanes[:1]), batch_seconds=0.001)
        assert_same(arrays(other), expected)
    assert list(store.scratch.iterdir()) == []


def test_a_killed_process_loses_nothing(store, expected, processes, tmp_path):
    flag = str(tmp_path / "killed")

    def kill_once(solution):
        if not Path(flag).exists():
            Path(flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return solution

    report = run(toy(on({8}, kill_once)), store, processes)
    assert report.restarts == 1 and {row.attempts for row in store.ledger()} == {1}
    assert_same(arrays(store), expected)


def test_a_worker_solves_on_one_thread_and_unpickles_a_problem_once(store, processes, tmp_path):
    log = str(tmp_path / "log")

    class Logged:
        def __init__(self):
            self.solves = 0

        def __call__(self, inputs, grid):
            from threadpoolctl import threadpool_info

            self.solves += 1
            threads = {pool["num_threads"] for pool in threadpool_info()} | {torch.get_num_threads()}
            with open(log, "a") as file:
                file.write(f"{os.getpid()} {self.solves} {sorted(threads)}\n")
            return inputs**2

    run(toy(Logged()), store, processes, batch_seconds=1e-9, requests=[Request("train", 0, 9)])
    lines = [line.split(" ", 2) for line in Path(log).read_text().splitlines()]
    assert {threads.strip() for _, _, threads in lines} == {"[1]"}
    for pid in {line[0] for line in lines}:
        assert pid != str(os.getpid())
        assert [int(line[1]) for line in lines if line[0] == pid] == list(
            range(1, 1 + sum(line[0] == pid for line in lines))
        )


def test_a_problem_that_cannot_be_pickled_is_refused_in_words(store, processes):
    lock = threading.Lock()

    def solve(inputs, grid):
        with lock:
            return inputs

    with pytest.raises(MlftError, match="'toy' cannot be sent to a worker .*0 workers"):
        run(toy(solve), store, processes)


def test_nothing_to_do_starts_no_process(store):
    run(toy(), store)
    lane = ProcessLane()
    assert run(toy(), store, Pool([lane])).already == 30 and not lane.ready


@pytest.mark.slow
def test_a_hanging_process_is_killed_and_its_sample_named(store):
    def hang(solution):
        time.sleep(600)
        return solution

    with open_pool(1) as pool:
        report = run(toy(on({8}, hang)), store, pool, requests=[Request("train", 0, 17)], timeout=2.0, retries=0)
    assert failures(store) == {8: "timeout"} and report.solved == 16


@pytest.mark.slow
def test_a_sample_that_kills_its_process_every_time_is_named(store):
    def kill(solution):
        os.kill(os.getpid(), signal.SIGKILL)
        return solution

    with open_pool(2) as pool:
        report = run(toy(on({8}, kill)), store, pool, requests=[Request("train", 0, 17)], retries=1)
    assert failures(store) == {8: "worker-died"} and report.solved == 16 and report.restarts == 3


# ---- beyond one machine


def test_a_dask_cluster_gives_the_same_samples(store, expected):
    import distributed

    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        open_pool(scheduler=cluster.scheduler_address) as pool,
    ):
        assert pool.width == 2
        run(toy(on({4}, to_nan)), store, pool)
        assert failures(store) == {4: "not-finite"}
        run(toy(), store, pool, retry_failed=True)
    assert_same(arrays(store), expected)


def test_a_scheduler_that_does_not_answer_is_named():
    with pytest.raises(MlftError, match="no Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        DaskLane("tcp://127.0.0.1:9", patience=0.2)


def test_a_lane_returns_what_the_call_returned_or_raised():
    def fail():
        raise KeyError("x")

    lane = InlineLane()
    assert isinstance(lane.submit(max, 1, 2), Future) and lane.submit(max, 1, 2).result() == 2
    assert isinstance(lane.submit(fail).exception(), KeyError)
