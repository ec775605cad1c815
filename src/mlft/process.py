"""What a user's code may change of the process that runs it, put back as it was."""

import contextlib
import os
import random
import threading
from collections.abc import Callable, Iterator

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

_LOCK = threading.RLock()
_PutBack = Callable[[], None]
_INSIDE: dict[str, dict[int, list[_PutBack]]] = {"unchanged": {}, "one_thread": {}}
"""For each thread that is in a block now, how to put back what its blocks found, the outermost first."""


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Put back, after a block, the working directory, random streams, and the settings of NumPy and torch.

    A solver that sets a seed, a default type or a gradient mode, or goes to another directory, would else change the
    training that follows it in the same process, or the run folder that a relative path names. Of blocks that several
    threads are in at a time, the last one to end puts back what the first one found.
    """
    slopes, faults, count = torch.is_grad_enabled(), np.geterr(), torch.get_num_threads()
    with _together("unchanged", _as_it_is):
        try:
            yield
        finally:  # these are each thread's own
            np.seterr(**faults)
            torch.set_grad_enabled(slopes)
            if torch.get_num_threads() != count:
                torch.set_num_threads(count)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let the libraries of linear algebra, OpenMP and torch use one CPU thread in a block, and what they had after.

    Results are then the same bits however many cores a machine has. Of blocks that several threads are in at a time,
    the last one to end puts back what the first one found.
    """
    libraries = ThreadpoolController()

    def limited() -> _PutBack:
        return libraries.limit(limits=1, user_api="blas").restore_original_limits

    with _together("one_thread", limited), libraries.limit(limits=1, user_api="openmp"), threads(1):
        yield


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many CPU threads in a block; put its own number back after."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _together(kind: str, found: Callable[[], _PutBack]) -> Iterator[None]:
    """Put back after a block what was found before it; what the first thread found, when the last one has left."""
    inside, here = _INSIDE[kind], threading.get_ident()
    with _LOCK:
        others = [kept[0] for thread, kept in inside.items() if thread != here]
        put_back = others[0] if others else found()
        inside.setdefault(here, []).append(put_back)
    try:
        yield
    finally:
        with _LOCK:
            inside[here].pop()
            if not inside[here]:
                del inside[here]
            if not inside.keys() - {here}:
                put_back()


def _as_it_is() -> _PutBack:
    """Return how to put back what all threads of the process share."""
    seeds, streams, chance = np.random.get_state(), torch.get_rng_state(), random.getstate()  # noqa: NPY002 (a user's)
    kind, folder = torch.get_default_dtype(), _directory()

    def put_back() -> None:
        np.random.set_state(seeds)  # noqa: NPY002
        torch.set_rng_state(streams)
        random.setstate(chance)
        if torch.get_default_dtype() is not kind:
            torch.set_default_dtype(kind)
        if folder is not None:
            with contextlib.suppress(OSError):
                os.chdir(folder)

    return put_back


def _directory() -> str | None:
    """Return the working directory; where that is gone, there is nothing to go back to."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None
