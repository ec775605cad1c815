"""What the bands of runs cover: calibrated on half the test draws of a run, measured on fresh draws of another stream.

What is finished is read, not run again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from scipy.stats import betabinom, binom

from benchmarks import runs
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.runs import Cover
from benchmarks.table import Row, Table, tabulate
from mlft.uncertainty import rank

BENCHMARK = Benchmark("laboratory.bands", "What the bands of a prediction cover", ("torch",))
LEVEL, BUDGET = 0.9, 64
CASES: dict[str, dict[str, Any]] = {
    "poisson": {"options": {"cells": 64, "levels": 3}, "training": {"steps": 300}, "test": 2000},
    "elliptic1d": {"training": {"steps": 300}, "test": 2000},
    "burgers": {"options": {"cells": 64, "levels": 3}, "training": {"steps": 300}, "test": 2000},
    "advection": {"options": {"cells": 64, "levels": 3}, "training": {"steps": 300}, "test": 2000},
    "helmholtz": {"options": {"cells": 64, "levels": 3}, "training": {"steps": 300}, "test": 2000},
    "wkb": {"options": {"cells": 256, "levels": 3}, "training": {"steps": 300}, "test": 2000},
    "darcy": {"options": {"cells": 32, "levels": 3}, "training": {"steps": 300}, "test": 2000},
}
SHORT: dict[str, dict[str, Any]] = {
    "poisson": {"options": {"cells": 16, "levels": 2}, "training": {"steps": 20}, "test": 40},
}
AGAIN = ("run", "errors", "deviation", "whole fields", "deviation", "points", "deviation")
HEAD = (
    *("run", "calibrated on", "mean error", "error at most", "errors, %", "whole fields, %", "points, %"),
    *("binomial 99% range, %", "given the calibration, %"),
)


@final
@dataclass(frozen=True)
class Sizes:
    """Fresh draws, further calibrations, and the draws of each: half of those that a run tests on by default."""

    fresh: int = 1000
    calibrations: int = 40
    draws: int = 100


def covers(cases: dict[str, dict[str, Any]], folder: Path, sizes: Sizes) -> dict[str, Cover]:
    """Return what the bands of each run cover of some fresh draws."""
    found = {}
    for name, options in cases.items():
        runs.run(name, budget=BUDGET, out=folder / name, seed=0, workers=0, strategy="finest-only", **options)
        found[name] = runs.cover(folder / name, level=LEVEL, **asdict(sizes))
    return found


def once(found: dict[str, Cover], fresh: int) -> Iterator[Row]:
    """Return a row a run: the shares that its bands hold for, beside what chance allows."""
    for name, one in found.items():
        n, k = one.calibrated, rank(one.calibrated, LEVEL)
        certain, given = binom.interval(0.99, fresh, LEVEL), betabinom.interval(0.99, fresh, k, n + 1 - k)
        shares = (round(100 * share, 2) for share in one.shares)
        yield name, n, one.mean, one.bound, *shares, _range(certain, fresh), _range(given, fresh)


def often(found: dict[str, Cover], sizes: Sizes) -> Iterator[Row]:
    """Return a row a run: means and standard deviations over calibrations; last, what the law says of them."""
    for name, one in found.items():
        columns = np.array(one.again).T
        yield name, *(round(float(f(column)), 2) for column in 100 * columns for f in (np.mean, np.std))
    n = sizes.draws - max(1, sizes.draws // 4)
    k = rank(n, LEVEL)
    mean, deviation = 100 * k / (n + 1), 100 * float(betabinom.std(sizes.fresh, k, n + 1 - k)) / sizes.fresh
    yield "the law", *(round(one, 2) for one in (mean, deviation, mean, deviation)), None, None


def _range(ends: tuple[float, float], n: int) -> str:
    return f"{100 * ends[0] / n:.1f} to {100 * ends[1] / n:.1f}"


def measure(cases: dict[str, dict[str, Any]], folder: Path, sizes: Sizes) -> Iterator[Table]:
    """Return the tables."""
    found = covers(cases, folder, sizes)
    caption = f"""Runs of {BUDGET} solves on the finest grid, seed 0, 300 steps of training. Bands at {100 * LEVEL:g}%,
and the share of {sizes.fresh:,} fresh draws, of a stream that the run does not know, that they hold for: the relative
L2 error under its bound, the whole solution in its band, and, in the mean over draws, the points of a solution in
theirs. The binomial range holds 99% of the shares of a band that covers {100 * LEVEL:g}% exactly. One calibrated on n
draws covers a little more or less, by the law Beta(k, n + 1 − k): the last column holds 99% of the shares then, of
errors and of whole fields."""
    yield tabulate(caption, HEAD, once(found, sizes.fresh))
    caption = f"""The same surrogates, calibrated {sizes.calibrations} times on {sizes.draws} further draws each, as in
a run of {2 * sizes.draws} test draws: mean and standard deviation of the shares over the calibrations, %. The law is
that of errors and of whole fields; of points it says at least {100 * LEVEL:g}%, and at most 1/(n + 1) more."""
    yield tabulate(caption, AGAIN, often(found, sizes))


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing, measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES, runs="runs/bands"), words)
    cases = SHORT if asked.short else {name: CASES[name] for name in asked.cases or CASES}
    publish(BENCHMARK, measure(cases, asked.out, Sizes(30, 3, 20) if asked.short else Sizes()), asked)


if __name__ == "__main__":
    main()
