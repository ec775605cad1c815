"""One sample that takes far longer than the others keeps one worker, and no more than that; workers that leak end."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mlft.generation import Pool, ProcessLane, Request, open_pool
from mlft.problems import Solved
from toy_problem import arrays, assert_same, means, run, toy

COUNT = 17
NAMES = means(range(COUNT))
ASKED = [Request("train", 0, COUNT)]


class Tailed:
    """Squares, and tells a file which worker ended which sample; sample 0 waits for the end of all the others."""

    def __init__(self, file: Path, patience: float = 20.0) -> None:
        self.file, self.patience = file, patience

    def __call__(self, inputs, grid):
        for field in inputs:
            index = NAMES[round(float(field.mean()), 9)]
            until = time.monotonic() + self.patience
            while index == 0 and len(self.ended()) < COUNT - 1 and time.monotonic() < until:
                time.sleep(0.01)
            with self.file.open("a") as file:
                file.write(f"{index} {os.getpid()}-{threading.get_ident()}\n")
        return inputs**2

    def ended(self) -> list[list[str]]:
        return [line.split() for line in self.file.read_text().splitlines()] if self.file.exists() else []


@pytest.mark.parametrize("where", ["processes", "threads"])
def test_all_others_are_solved_while_one_sample_takes_long(store, tmp_path, where):
    solver = Tailed(tmp_path / "ended")
    with ThreadPoolExecutor(2) as own, open_pool(2) if where == "processes" else open_pool(executor=own) as pool:
        report = run(toy(solver), store, pool, ASKED, batch_seconds=1e-9)
    *others, (last, slow) = solver.ended()
    assert last == "0" and {int(index) for index, _ in others} == {*range(1, COUNT)}
    assert len({worker for _, worker in others}) == 1 and slow not in {worker for _, worker in others}
    assert report.solved == COUNT and report.restarts == 0


class Leaking:
    """Squares, and keeps what it was given."""

    def __init__(self) -> None:
        self.kept = []

    def __call__(self, inputs, grid):
        self.kept.extend(inputs)
        told = {"kept": len(self.kept), "process": os.getpid()}
        return Solved(inputs**2, ("ok",) * len(inputs), {k: np.full(len(inputs), v, float) for k, v in told.items()})


def test_a_solver_that_leaks_is_given_a_new_process_in_time_and_nothing_is_lost(store, expected):
    requests, lifetime = [Request("train", 0, 7)], 4
    with Pool([ProcessLane(lifetime)]) as pool:
        report = run(toy(Leaking()), store, pool, requests, batch_seconds=1e-9)
    found = store.read("train", 0, 7)
    kept, processes = (found.scalars[name].tolist() for name in ("kept", "process"))
    assert max(kept) <= lifetime and len(set(processes)) == 2 and os.getpid() not in processes
    assert sorted(kept) == [1, 1, 2, 2, 3, 3, 4]
    assert report.solved == 7 and report.restarts == 0 and {row.attempts for row in store.ledger()} == {1}
    assert_same(arrays(store, requests), [expected[0][:7]])
