"""Throughput of the Burgers solver: compiled against the same scheme in vectorised NumPy, one core.

Run as `python benchmarks/burgers_solver.py`. Times are medians of CPU time over repeats, in ms a sample, for
the problem's own draws; "exact" is the formula of Lax and Oleinik; the difference is between the two implementations.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from machine import machine
from mlft.grids import Grid
from mlft.problems import Burgers
from mlft.seeds import generator
from mlft.solvers.burgers import CFL, exact, march

SAMPLES, REPEATS, MODES = 64, 5, 8
BATCHES = (8, 16, 64)
CELLS = (32, 64, 128, 256, 512, 1024)


def march_numpy(initial: np.ndarray, width: float, end: float) -> np.ndarray:
    """Return the states at the end time: the scheme of `march`, vectorised over samples and cells."""
    u, remaining = initial.copy(), np.full((len(initial), 1), end)
    while (remaining > 0).any():
        step = np.minimum(remaining, CFL * width / np.abs(u).max(axis=1, keepdims=True))
        ratio = step / width
        difference = u - np.roll(u, 1, axis=1)
        after = np.roll(difference, -1, axis=1)
        size = np.minimum(np.minimum(np.abs(difference), np.abs(after)), np.abs(difference + after) / 4)
        slope = np.where(difference * after > 0, np.copysign(size, difference), 0.0)
        right = u + slope - slope * ratio * np.maximum(u, 0)
        left = u - slope - slope * ratio * np.minimum(u, 0)
        fastest = np.maximum(np.maximum(right, -np.roll(left, -1, axis=1)), 0)
        flux = 0.5 * fastest * fastest
        u = u - ratio * (flux - np.roll(flux, 1, axis=1))
        remaining = remaining - step
    return u


def in_batches(initial: np.ndarray, end: float, batch: int) -> np.ndarray:
    """Return `march_numpy` of a few samples at a time: small batches fit the cache and wait less for the slowest."""
    width = 1 / initial.shape[1]
    return np.concatenate([march_numpy(initial[i : i + batch], width, end) for i in range(0, len(initial), batch)])


def milliseconds(function: Callable[[], object]) -> float:
    """Return the median CPU time of a call, in ms a sample."""
    function()
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return 1e3 * statistics.median(seconds) / SAMPLES


def main() -> None:
    """Print the table."""
    problem = Burgers(modes=MODES)
    draws = problem.draw(SAMPLES, generator(0, "benchmark"))
    print(
        f"{machine('numpy', 'numba')}; {SAMPLES} samples to t = {problem.time}, one core, CPU time; "
        f"NumPy in batches of {BATCHES}, the best\n"
    )
    print("| cells | steps | compiled, ms | ns a cell and step | NumPy, ms | ratio | exact, ms | max difference |")
    print("|---|---|---|---|---|---|---|---|")
    compiled = []
    for cells in CELLS:
        end, u = problem.time, problem.evaluate(draws, Grid((cells,)))[:, 0]
        state, steps, _ = march(u, width=1 / cells, time=end)
        compiled.append(milliseconds(partial(march, u, width=1 / cells, time=end)))
        vectorised = min(milliseconds(partial(in_batches, u, end, batch)) for batch in BATCHES)
        formula = milliseconds(partial(exact, draws[:, :MODES], draws[:, MODES:], cells=cells, time=end))
        difference = np.abs(in_batches(u, end, SAMPLES) - state).max()
        print(
            f"| {cells} | {steps.mean():.0f} | {compiled[-1]:.4f} | {1e6 * compiled[-1] / steps.mean() / cells:.2f} "
            f"| {vectorised:.3f} | {vectorised / compiled[-1]:.1f} | {formula:.2f} | {difference:.0e} |"
        )
    for name, first in (("all", 0), (f"{CELLS[3]} cells and more", 3)):
        exponent = np.polyfit(np.log(CELLS[first:]), np.log(compiled[first:]), 1)[0]
        print(f"\nFitted cost exponent, {name}: {exponent:.2f} (stated: {problem.cost_exponent}).")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
