"""An executor of the user's own: the same samples, nothing lost when its workers die, and left running."""

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import loky
import numpy as np
import pytest
import torch
from dask import config
from distributed import Client, LocalCluster

import mlft
from mlft.errors import ConfigError, GenerationError
from mlft.generation import Pool, Request, open_pool
from mlft.generation.elsewhere import ExecutorLane
from mlft.generation.lanes import is_death
from small import SMALL
from small import problem as small
from toy_problem import arrays, assert_same, failures, on, run, statuses, to_nan, toy

PATHS = Path(__file__).parents[1] / "support", Path(__file__).parent
SPAWNED = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))
Toy = Callable[[Any], Any]


def die(solution):
    os.kill(os.getpid(), signal.SIGKILL)
    return solution


def die_once(flag: str) -> Toy:
    """Kill the process the first time, which a file remembers."""

    def act(solution):
        if not Path(flag).exists():
            Path(flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return solution

    return act


@contextmanager
def executorlib(workers: int) -> Iterator[Executor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports a name of pydantic that goes
        from executorlib import SingleNodeExecutor

    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, PATHS), before])
    try:
        with SingleNodeExecutor(max_workers=workers, block_allocation=True, restart_limit=9) as made:
            yield made
    finally:
        os.environ["PYTHONPATH"] = before


@contextmanager
def dask(workers: int) -> Iterator[Executor]:
    """Processes of a Dask cluster that says at a worker's first death that the call killed it."""
    asked = {"dashboard_address": ":0", "silence_logs": 50, "threads_per_worker": 1}
    with (
        config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=workers, **asked) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


EXECUTORS: dict[str, Callable[[int], AbstractContextManager[Executor]]] = {
    "threads": ThreadPoolExecutor,
    "loky": loky.ProcessPoolExecutor,
    "processes": SPAWNED,
    "executorlib": executorlib,
    "dask": dask,
}


def slow(*names: str) -> list[Any]:
    """Parameters; a process that imports all of mlft takes seconds to start."""
    return [pytest.param(name, marks=[] if name in ("threads", "loky") else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", slow(*EXECUTORS))
def test_an_executor_gives_the_bits_of_this_process_and_is_left_running(store, expected, name):
    with EXECUTORS[name](2) as own:
        with open_pool(executor=own) as pool:
            assert pool.width == 2
            run(toy(on({4}, to_nan)), store, pool)
            assert failures(store) == {4: "not-finite"}
            run(toy(), store, pool, retry_failed=True)
        assert_same(arrays(store), expected)
        assert own.submit(pow, 3, 2).result(timeout=60) == 9


# ---- workers that die


@pytest.mark.parametrize("name", slow("dask"))
def test_an_executor_that_outlives_its_workers_loses_nothing_and_names_the_culprit(store, name, tmp_path):
    with EXECUTORS[name](2) as own, open_pool(executor=own) as pool:
        run(toy(on({8}, die_once(str(tmp_path / "flag")))), store, pool, requests=[Request("train", 2, 9)])
        assert not failures(store, 2) and {row.attempts for row in store.ledger()} == {1}
        report = run(toy(on({8}, die)), store, pool, requests=[Request("train", 0, 17)], retries=1)
    assert failures(store) == {8: "worker-died"} and report.solved == 16
    assert {row.index: row.attempts for row in store.ledger("train", 0) if row.attempts > 1} == {8: 2}


@pytest.mark.parametrize("name", slow("loky", "processes"))
def test_an_executor_that_breaks_is_made_again_where_a_function_makes_it(store, expected, name):
    make = {"loky": loky.get_reusable_executor, "processes": SPAWNED}[name]
    with open_pool(executor=partial(make, max_workers=1)) as pool:
        report = run(toy(on({8}, die)), store, pool, retries=0)
        assert report.failed == {"worker-died": 2} and failures(store) == {8: "worker-died"}
        assert {row.attempts for row in store.ledger()} == {1} and report.restarts >= 3
        assert run(toy(), store, pool, retry_failed=True).solved == 2
    assert_same(arrays(store), expected)


def test_an_executor_that_was_given_and_broke_is_told_of_and_the_next_goes_on(store, expected, tmp_path):
    problem = toy(on({8}, die_once(str(tmp_path / "flag"))))
    with loky.ProcessPoolExecutor(1) as own, open_pool(executor=own) as pool:
        for _ in range(2):
            with pytest.raises(GenerationError, match="the executor ProcessPoolExecutor takes no more calls") as told:
                run(problem, store, pool)
            assert "What was solved is stored: ask again" in str(told.value) and "\n" not in str(told.value)
    kept = store.solved("train", 2, 4)
    with ThreadPoolExecutor(2) as own, open_pool(executor=own) as pool:
        assert run(problem, store, pool).already >= len(kept)
    assert_same(arrays(store), expected)


def test_an_executor_that_is_shut_down_or_cannot_begin_is_refused_in_a_sentence(store):
    own = ThreadPoolExecutor(1)
    own.shutdown()
    with pytest.raises(GenerationError, match="takes no more calls .*cannot schedule new futures after shutdown"):
        run(toy(), store, open_pool(executor=own))
    with (
        ThreadPoolExecutor(1, initializer=to_nan, initargs=(None,)) as own,
        pytest.raises(GenerationError, match="a worker of the executor ThreadPoolExecutor cannot work: BrokenThread"),
    ):
        run(toy(), store, open_pool(executor=own))
    assert store.ledger() == []


class KilledWorker(Exception):
    """As Dask names it."""


def test_what_says_that_a_worker_is_lost():
    from concurrent.futures.process import BrokenProcessPool

    from distributed import KilledWorker as OfDask
    from loky.process_executor import TerminatedWorkerError

    lost: list[Exception] = [BrokenProcessPool(), TerminatedWorkerError(), KilledWorker(), OfDask("key", None, 3)]
    assert all(map(is_death, lost))
    assert not any(map(is_death, [RuntimeError(), KeyError(), CancelledError(), MemoryError()]))


# ---- threads, and what calls are sent


class Watched(Executor):
    """Threads that count the calls they hold; calls of a script are cancelled once."""

    def __init__(self, cancelled: int = 0) -> None:
        self.threads, self.lock = ThreadPoolExecutor(2), threading.Lock()
        self.held, self.most, self.cancelled = 0, 0, cancelled

    def submit(self, function: Any, /, *args: Any, **options: Any) -> Future[Any]:
        with self.lock:
            self.held += 1
            self.most = max(self.most, self.held)
        if options and self.cancelled:
            self.cancelled -= 1
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future = self.threads.submit(function, *args, **options)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Future[Any]) -> None:
        with self.lock:
            self.held -= 1


def test_so_many_calls_are_in_flight_and_cancelled_ones_are_sent_again(store, expected):
    own = Watched(cancelled=3)
    run(toy(), store, open_pool(workers=3, executor=own), batch_seconds=1e-9)
    assert 3 < own.most <= 6
    assert_same(arrays(store), expected)
    assert {row.attempts for row in store.ledger()} == {1}
    own.threads.shutdown()


def test_what_solvers_change_of_a_process_is_put_back_when_the_last_thread_leaves_it(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    meet = threading.Barrier(2, timeout=30)

    def unkind(inputs, grid):
        meet.wait()  # two of them are in it
        os.chdir(tmp_path / "elsewhere")
        torch.set_default_dtype(torch.float64)
        np.random.seed(3)  # noqa: NPY002
        meet.wait()
        return inputs**2

    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    with ThreadPoolExecutor(2) as own:
        run(toy(unkind), store, open_pool(executor=own), requests=[Request("train", 0, 8)], batch_seconds=1e-9)
    assert Path.cwd() == tmp_path and torch.get_default_dtype() is torch.float32
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert set(statuses(store).values()) == {"ok"}


# ---- what is asked


@pytest.mark.parametrize("more", [{"scheduler": "tcp://127.0.0.1:1"}, {"workers": 0}])
def test_two_places_to_solve_are_refused(more, tmp_path):
    with pytest.raises(ValueError, match="or an executor"):
        open_pool(executor=ThreadPoolExecutor(1), **more)
    with pytest.raises(ConfigError, match="give an executor or a scheduler"):
        mlft.run(small, budget="99solves", out=tmp_path / "run", executor=ThreadPoolExecutor(1), **more)
    assert not (tmp_path / "run").exists()


def test_what_is_no_executor_or_cannot_keep_a_time_out_is_refused(tmp_path, store):
    asked = {"budget": "99solves", "out": tmp_path / "run"}
    with pytest.raises(ConfigError, match=r"got Client; of a Dask client, give client.get_executor\(\)"):
        mlft.run(small, executor=object.__new__(Client), **asked)
    with pytest.raises(ConfigError, match="got int"):
        mlft.plan(small, executor=2, **asked)
    with pytest.raises(ConfigError, match="a time-out cannot be kept in an executor of your own"):
        mlft.compare(small, executor=ThreadPoolExecutor(1), timeout=3.0, **asked)
    with pytest.raises(ConfigError, match="an executor of your own serves one seed at a time"):
        mlft.compare(small, executor=ThreadPoolExecutor(1), jobs=2, **asked)
    with pytest.raises(ConfigError, match="is to return a concurrent.futures.Executor, got dict"):
        open_pool(executor=dict)
    with pytest.raises(ValueError, match="nor in an executor of your own"):
        run(toy(), store, Pool([ExecutorLane(ThreadPoolExecutor(1))]), timeout=3.0)


def test_a_run_and_a_trust_with_an_executor_are_those_without(tmp_path):
    fewer = {"training": {"steps": 4, "batch": 4, "checks": 1}, "test": 3, "bias_draws": 0}
    options = {name: value for name, value in SMALL.items() if name != "workers"} | fewer
    asked: dict[str, Any] = {"budget": "9solves", "strategy": "finest-only", "report": None}
    alone = mlft.run(small, out=tmp_path / "alone", workers=0, **asked, **options)
    own = Watched()
    record = mlft.run(small, out=tmp_path / "own", executor=own, **asked, **options)
    assert record.error == alone.error and own.most
    own.most = 0
    assert mlft.trust(tmp_path / "own", samples=4, problem=small, report=None, executor=own).families and own.most
    own.threads.shutdown()
