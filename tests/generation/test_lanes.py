import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from mlft.errors import GenerationError, MlftError
from mlft.generation import DaskLane, InlineLane, Lane, Pool, ProcessLane, Request, open_pool
from mlft.generation.work import solve_here
from mlft.store import SampleStore
from toy_problem import SEED, arrays, assert_same, drawn, failures, on, run, to_nan, toy


@pytest.fixture(scope="module")
def processes():
    with open_pool(2) as pool:
        yield pool


# ---- lanes that fail by script


class Died(BrokenExecutor):
    pass


class ScriptedLane(Lane):
    """One thread that dies, or hangs until killed, on the samples of a script: {index: times}."""

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
        "mlft.generation.solve_packed", lambda packed, level, **named: solve_here(drawn(problem), level, **named)
    )
    monkeypatch.setattr("mlft.generation._Call._packed", lambda call, stream: b"")
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
        print("step 12")  # noqa: T201
        time.sleep(600)
        return solution

    with open_pool(1) as pool:
        report = run(toy(on({8}, hang)), store, pool, requests=[Request("train", 0, 17)], timeout=2.0, retries=0)
    assert failures(store) == {8: "timeout"} and report.solved == 16
    assert store.ledger("train", 0)[8].note == "took longer than 2 s; it printed: step 12"
    assert list(store.scratch.iterdir()) == []


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
