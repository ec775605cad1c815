"""What a worker leaves running: nothing, however it or its driver ends."""

import contextlib
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from mlft.generation import ProcessLane
from mlft.generation.lanes import is_death
from mlft.generation.supervise import Supervisor

CHILD = [sys.executable, "-c", "import time; time.sleep(300)"]


def start(file):
    """Start a child, and tell a file its process id."""
    child = subprocess.Popen(CHILD)
    file.with_suffix(".new").write_text(str(child.pid))
    file.with_suffix(".new").rename(file)
    return child


def die(file):
    start(file)
    os._exit(1)


def hang(file):
    start(file).wait()


def child_of(file):
    until = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    return int(file.read_text())


def assert_ends(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        try:
            process.wait(timeout=10)
        except psutil.TimeoutExpired:
            process.kill()
            pytest.fail("a child of a solver goes on")


@pytest.fixture
def lane():
    made = ProcessLane()
    yield made
    made.close()


@pytest.mark.parametrize("call", [die, hang])
def test_the_children_of_a_solver_end_with_its_worker(lane, tmp_path, call):
    future = lane.submit(call, tmp_path / "pid")
    pid = child_of(tmp_path / "pid")
    if call is die:
        assert is_death(future.exception(timeout=30))
    lane.restart([future])
    assert_ends(pid)


def test_the_children_of_a_solver_end_with_a_driver_that_is_killed(tmp_path):
    code = f"""if True:
        import sys, time
        from pathlib import Path
        sys.path[:0] = [{os.path.dirname(__file__)!r}]
        from mlft.generation import ProcessLane
        from test_left import hang
        ProcessLane().submit(hang, Path({str(tmp_path / "pid")!r}))
        time.sleep(300)"""
    driver = subprocess.Popen([sys.executable, "-c", code])
    pid = child_of(tmp_path / "pid")
    driver.kill()
    driver.wait()
    assert_ends(pid)


def test_a_worker_is_deaf_to_ctrl_c_before_it_can_say_so():
    code = """if True:
        import signal
        from mlft.generation import ProcessLane
        lane = ProcessLane()
        blocked = lane.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result(timeout=60)
        lane.close()
        own = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        raise SystemExit(not (signal.SIGINT in blocked and signal.SIGINT not in own))
        """
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0  # the first worker of a process of its own


def test_calls_that_wait_in_a_worker_when_all_is_given_up_leave_no_traceback(caplog):
    """loky's own thread crashes, and says so, where it is to fail a call that is cancelled already."""
    lane = ProcessLane()
    flights = {lane.submit(time.sleep, 60): SimpleNamespace(lane=lane) for _ in range(9)}
    given_up = SimpleNamespace(_pool=SimpleNamespace(lanes=[lane]), _flights=flights, _restart=ProcessLane.restart)
    Supervisor._abandon(given_up)
    assert all(future.done() for future in flights) and not caplog.records
