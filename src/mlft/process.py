"""What a user's code may change of the process that runs it, put back as it was."""

import contextlib
import os
import random
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Put back, after a block, the working directory, random streams, and the settings of NumPy and torch.

    A solver that sets a seed, a default type or a gradient mode, or goes to another directory, would else change the
    training that follows it in the same process, or the run folder that a relative path names.
    """
    seeds, streams, chance = np.random.get_state(), torch.get_rng_state(), random.getstate()  # noqa: NPY002 (a user's)
    kind, slopes, faults = torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr()
    threads = torch.get_num_threads()
    with _directory():
        try:
            yield
        finally:
            np.random.set_state(seeds)  # noqa: NPY002
            torch.set_rng_state(streams)
            random.setstate(chance)
            np.seterr(**faults)
            torch.set_grad_enabled(slopes)
            if torch.get_default_dtype() is not kind:
                torch.set_default_dtype(kind)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)


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
def _directory() -> Iterator[None]:
    """Go back to where one was; where that is gone, there is nothing to go back to."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(here)
