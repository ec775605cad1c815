"""What the bands of runs cover: calibrated on half the test draws of a run, measured on fresh draws of another stream.

What is finished is read, not run again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from scipy.stats import betabinom, binom

from benchmarks import finished, runs
from benchmarks.finished import Cover
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.uncertainty import rank

BENCHMARK = Benchmark("laboratory.bands", "What the bands of a prediction cover", ("torch",))
LEVEL, BUDGET, SEEDS = 0.9, 64, tuple(range(20, 25))
CASES: dict[str, dict[str, Any]] = {
    "poisson": {"options": {"cells": 64, "levels": 3}, "training": {"steps": 300}, "test": 2000},
    "elliptic1d": {"training": {"steps": 300}, "test": 2000},
    "burgers": {"options": {"cells": 64, "levels": 3}, "training": {"steps": 300}, "test": 2000},
    "advection": {"options": {"cells": 64, "levels": 3}, "training": {"steps": 300}, "test": 2000},
    "helmholtz": {"options": {"cells": 64, "levels": 3}, "training": {"steps": 300}, "test": 2000},
    "wkb": {"options": {"cells": 256, "levels": 3}, "training": {"steps": 300}, "test": 2000},
}
SHORT: dict[str, dict[str, Any]] = {
    "poisson": {"options": {"cells": 16, "levels": 2}, "training": {"steps": 20}, "test": 40},
}
AGAIN = ("run", "errors", "deviation", "whole fields", "deviation", "points", "deviation")
HEAD = (
    *("run", "mean error", "error at most", "errors, %", "lowest to highest", "whole fields, %", "lowest to highest"),
    *("points, %", "in the binomial range", "given the calibration"),
)


@final
@dataclass(frozen=True)
class Sizes:
    """Fresh draws, further calibrations, draws of each (half of those that a run tests on by default), and seeds."""

    fresh: int = 1000
    calibrations: int = 40
    draws: int = 100
    seeds: tuple[int, ...] = SEEDS


def covers(cases: dict[str, dict[str, Any]], folder: Path, sizes: Sizes) -> dict[str, list[Cover]]:
    """Return what the bands of each run cover of some fresh draws, a run a seed."""
    found: dict[str, list[Cover]] = {name: [] for name in cases}
    for name, seed in ((name, seed) for name in cases for seed in sizes.seeds):
        place = folder / name / f"seed-{seed}"
        runs.run(name, budget=BUDGET, out=place, seed=seed, workers=0, strategy="finest-only", **cases[name])
        found[name].append(
            finished.cover(place, level=LEVEL, fresh=sizes.fresh, calibrations=sizes.calibrations, draws=sizes.draws)
        )
    return found


def once(found: dict[str, list[Cover]], fresh: int) -> Iterator[Row]:
    """Return a row a problem: the shares that the bands of its runs hold for, beside what chance allows."""
    inside = [0, 0, 0]
    for name, each in found.items():
        errors, fields, points = 100 * np.array([one.shares for one in each]).T
        within = [_within(each, fresh, given=given) for given in (False, True)]
        inside = [inside[0] + within[0], inside[1] + within[1], inside[2] + 2 * len(each)]
        mean, bound = (float(np.mean([getattr(one, what) for one in each])) for what in ("mean", "bound"))
        shares = (round(float(part.mean()), 2) for part in (errors, fields, points))
        counts = (f"{count} of {2 * len(each)}" for count in within)
        yield name, mean, bound, next(shares), _range(errors), next(shares), _range(fields), next(shares), *counts
    yield "all", *[None] * 7, f"{inside[0]} of {inside[2]}", f"{inside[1]} of {inside[2]}"


def often(found: dict[str, list[Cover]], sizes: Sizes) -> Iterator[Row]:
    """Return a row a problem: means and standard deviations over calibrations; last, what the law says of them."""
    for name, each in found.items():
        columns = np.concatenate([one.again for one in each]).T
        yield name, *(round(float(f(column)), 2) for column in 100 * columns for f in (np.mean, np.std))
    n = sizes.draws - max(1, sizes.draws // 4)
    k = rank(n, LEVEL)
    mean, deviation = 100 * k / (n + 1), 100 * float(betabinom.std(sizes.fresh, k, n + 1 - k)) / sizes.fresh
    yield "the law", *(round(one, 2) for one in (mean, deviation, mean, deviation)), None, None


def _within(each: list[Cover], fresh: int, *, given: bool) -> int:
    """Return how many shares, of errors and of whole fields, are in the range that holds 99% of them."""
    count = 0
    for one in each:
        k = rank(one.calibrated, LEVEL)
        law = betabinom(fresh, k, one.calibrated + 1 - k) if given else binom(fresh, LEVEL)
        low, high = law.interval(0.99)
        count += sum(low <= round(fresh * share) <= high for share in one.shares[:2])
    return count


def _range(shares: np.ndarray) -> str:
    return f"{shares.min():.1f} to {shares.max():.1f}"


def measure(cases: dict[str, dict[str, Any]], folder: Path, sizes: Sizes) -> Iterator[Table]:
    """Return the tables."""
    found = covers(cases, folder, sizes)
    n = next(iter(found.values()))[0].calibrated
    low, high = (100 * end / sizes.fresh for end in binom.interval(0.99, sizes.fresh, LEVEL))
    k = rank(n, LEVEL)
    least, most = (100 * end / sizes.fresh for end in betabinom.interval(0.99, sizes.fresh, k, n + 1 - k))
    level = f"{100 * LEVEL:g}%"
    caption = f"""Runs of {BUDGET} solves on the finest grid, {len(sizes.seeds)} seeds each, 300 steps of training.
Bands at {level}, calibrated on {n} draws, and the share of {sizes.fresh:,} fresh draws, of a stream that the run does
not know, that they hold for: the relative L2 error under its bound, the whole solution in its band, and, in the mean
over draws, the points of a solution in theirs; means over the seeds. The binomial range, {low:.1f} to {high:.1f}%,
holds 99% of the shares of a band that covers {level} exactly. One calibrated on n draws covers a little more or less,
by the law Beta(k, n + 1 − k): then {least:.1f} to {most:.1f}% holds 99% of the shares. The last columns count the
shares, of errors and of whole fields, that are in each."""
    yield tabulate(caption, HEAD, once(found, sizes.fresh))
    caption = f"""The same surrogates, calibrated {sizes.calibrations} times on {sizes.draws} further draws each, as in
a run of {2 * sizes.draws} test draws: mean and standard deviation of the shares over the calibrations, %. The law is
that of errors and of whole fields; of points it says at least {100 * LEVEL:g}%, and at most 1/(n + 1) more."""
    yield tabulate(caption, AGAIN, often(found, sizes))


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing, measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES, runs="runs/bands"), words)
    cases = SHORT if asked.short else {name: CASES[name] for name in asked.cases or CASES}
    publish(BENCHMARK, measure(cases, asked.out, Sizes(30, 3, 20, (0,)) if asked.short else Sizes()), asked)


if __name__ == "__main__":
    main()
