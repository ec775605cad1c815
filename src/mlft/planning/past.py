"""What became of past predictions, and how wide the interval of a new one must therefore be."""

import csv
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import final

from pydantic import TypeAdapter

from mlft.planning.plan import Plan

BANK = Path(__file__).with_name("past.csv")
"""Past predictions that ship with the package; `python -m benchmarks.plans.foresight` measures them."""

COVERAGES = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
"""Probabilities that an interval may hold with; the highest that the past supports is taken."""

LEAST = 0.05
"""What a believed interval reaches at least, in logarithms, to either side of its prediction."""


@final
@dataclass(frozen=True)
class Past:
    """A prediction of past days and what was measured then.

    Attributes:
        problem: its name.
        strategy: of the run.
        budget: in solves of the finest grid.
        seed: of the run.
        predicted: relative L2 error.
        lower, upper: the interval that was believed, by the scatter of what the plan was made from.
        measured: mean relative L2 error on fresh draws.
        commit: of the code.
    """

    problem: str
    strategy: str
    budget: int
    seed: int
    predicted: float
    lower: float
    upper: float
    measured: float
    commit: str

    @property
    def score(self) -> float:
        """How many times the believed reach, in logarithms, lies between prediction and measurement, on that side."""
        end = self.upper if self.measured > self.predicted else self.lower
        return abs(math.log(self.measured / self.predicted)) / _reach(self.predicted, end)


@final
@dataclass(frozen=True)
class Stretch:
    """How many times a believed interval must reach, in logarithms, to hold with a probability; what that rests on.

    Attributes:
        coverage: the probability.
        times: how many times.
        problems: other problems of the bank.
        cells: predictions of them.
    """

    coverage: float = 0.95
    times: float = 1.0
    problems: int = 0
    cells: int = 0


def stretch(past: Iterable[Past], problem: str) -> Stretch:
    """Return the stretch for a problem that the past does not know: predictions of the same problem are left out.

    Split-conformal for K exchangeable problems: each weighs 1/(K + 1), shared out among its predictions, and 1/(K + 1)
    stands for what was never seen; the stretch is the quantile of the scores. So K problems support a probability of
    K/(K + 1) at most. As believed, where even a half is too much for them.

    Source: Lee, Barber, Willett 2023, Distribution-free inference with hierarchical data, arXiv 2306.06342.
    """
    others = sorted((one for one in past if one.problem != problem), key=lambda one: one.problem)
    groups = [list(group) for _, group in groupby(others, key=lambda one: one.problem)]
    count = len(groups)
    coverage = next((share for share in COVERAGES if share * (count + 1) <= count + 1e-9), None)
    if coverage is None:
        return Stretch()
    weights = sorted((one.score, 1 / (count + 1) / len(group)) for group in groups for one in group)
    held = 0.0
    for score, weight in weights:
        held += weight
        if held >= coverage - 1e-9:
            return Stretch(coverage, score, count, len(others))
    raise AssertionError("the weights of the past sum to K / (K + 1)")


def stretched(plan: Plan, by: Stretch) -> Plan:
    """Return a plan, and its alternatives, whose intervals reach so many times as far as is believed."""
    others = tuple(stretched(other, by) for other in plan.alternatives)
    if plan.predicted is None or plan.interval is None:
        return replace(plan, alternatives=others)
    ends = farther(plan.predicted, plan.interval, by.times)
    return replace(plan, interval=ends, coverage=by.coverage, stretch=by.times, alternatives=others)


def farther(predicted: float, interval: tuple[float, float], times: float) -> tuple[float, float]:
    """Return the interval that reaches so many times as far from a prediction, in logarithms.

    >>> low, high = farther(0.1, (0.05, 0.4), 2.0)
    >>> round(low, 12), round(high, 12), farther(0.1, (0.1, 0.1), 2.0)[0] < 0.1
    (0.025, 1.6, True)
    """
    if not 0 < interval[0] <= predicted <= interval[1] < math.inf:
        return interval
    below, above = (times * _reach(predicted, end) for end in interval)
    return predicted * math.exp(-below), predicted * math.exp(above)


def _reach(predicted: float, end: float) -> float:
    return max(LEAST, abs(math.log(end / predicted)))


_ROWS = TypeAdapter(tuple[Past, ...])


@cache
def bank(file: Path = BANK) -> tuple[Past, ...]:
    """Return the past predictions of a file."""
    with file.open(newline="") as lines:
        return _ROWS.validate_python(tuple(csv.DictReader(lines)))


def text_of(past: Iterable[Past]) -> str:
    """Return past predictions as the text of such a file, in order."""
    rows = sorted((tuple(asdict(one).values()) for one in past), key=lambda row: row[:4])
    head = ",".join(field.name for field in fields(Past))
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n"
