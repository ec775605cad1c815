"""Children that are killed: a fork spares the imports of a new process, so that kills hit work."""

import contextlib
import os
import signal
from collections.abc import Callable

import psutil


def start(work: Callable[[], object], *, group: bool = False) -> psutil.Process:
    """Start work in a child, which says nothing and ends with 1 where the work raises.

    Args:
        work: what the child does.
        group: whether it leads a process group of its own, to be killed with all its children.
    """
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            if group:
                os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            work()
            os._exit(0)
        os._exit(1)
    return psutil.Process(pid)


def has_ended(pid: int) -> bool:
    """Return whether a child has ended, and bury it."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def kill(pid: int) -> bool:
    """Kill a child that has not been buried; return whether it was alive."""
    if has_ended(pid):
        return False
    os.kill(pid, signal.SIGKILL)
    return True


def kill_group(pid: int) -> bool:
    """Kill a child that leads a group, with the group; return whether it was alive."""
    if has_ended(pid):
        return False
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True
