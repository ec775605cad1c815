"""One way to take a time, and to fit an exponent."""

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np


def cpu(function: Callable[[], object], calls: int = 1) -> float:
    """Return the CPU seconds of a call, the mean over a few."""
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls


def median_cpu(function: Callable[[], object], repeats: int, *, warm_up: int = 1) -> float:
    """Return the median CPU seconds of a call, after some that are not counted: the first compiles."""
    for _ in range(warm_up):
        function()
    return statistics.median(cpu(function) for _ in range(repeats))


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the least-squares slope of log values against log sizes."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
