"""The referee: every way of spending a budget, at several budgets and seeds, on problems of which half chose nothing.

Every strategy spends the same solver cost, pilots, coupled and held-out solves included, and goes by the same rule for
its training effort. Runs of one seed share their samples at all budgets. What is finished is read, not run again, and
a stopped one goes on. Error: mean relative L2 on 200 fresh draws of the finest grid. S is how many times the budget
finest-only needs for the error that a strategy has; beyond its budgets there is a bound alone. Won, tied, lost: against
the best single level of each budget, known only after trying all, by the 95% interval of the ratio paired by seed.
"""

import math
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from benchmarks import runs
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Cell, Row, Table, tabulate
from mlft.problems import PROBLEMS

BENCHMARK = Benchmark("plans.referee", "The referee", ("torch",))
EXPONENTS = (-2, -4, -8)
STRATEGIES = ("lift", "finetune", *(f"mixture:{exponent}" for exponent in EXPONENTS), "sum-of-levels", "finest-only")
BEST = "mixture, best λ"


@final
@dataclass(frozen=True)
class Case:
    """A problem on its grids.

    Attributes:
        problem: its name.
        options: of the problem.
        budgets: in solves of the finest grid.
        more: options of the runs.
        strategies: that are compared, besides single levels.
    """

    problem: str
    options: dict[str, Any]
    budgets: tuple[int, ...] = (16, 64, 256, 1024)
    more: dict[str, Any] = field(default_factory=dict)
    strategies: tuple[str, ...] = STRATEGIES


LINE, PLANE = {"cells": 256, "levels": 4}, {"cells": 64, "levels": 3}
CHOSEN_ON = {
    "burgers": Case("burgers", LINE),
    "schrodinger": Case("schrodinger", LINE),
    "darcy": Case("darcy", PLANE),
}
UNTOUCHED = {
    "elliptic1d": Case("elliptic1d", LINE),
    "radiative-transfer": Case("radiative-transfer", {"cells": 160, "levels": 3}),
    "navier-stokes": Case("navier-stokes", PLANE),
}
CASES = CHOSEN_ON | UNTOUCHED
FEW = ("mixture:-4", "mixture:-1", "finest-only")
SHORT = Case("burgers", {"cells": 24, "levels": 2}, (12, 24), {"training": {"steps": 4}, "test": 5}, FEW)


def measure(name: str, case: Case, asked: Namespace) -> Table:
    """Return the table of one problem: a row a strategy, and one of the best mixture of each budget."""
    problem = PROBLEMS[case.problem](**case.options)
    singles = [f"single-level:{level}" for level in range(len(problem.hierarchy) - 1)]
    common = {"workers": 0, "bias_draws": 4, "seed": asked.seed, **case.more}
    common |= {"surrogate": asked.surrogate} if asked.surrogate else {}
    found = runs.compare_budgets(
        problem,
        budgets=asked.budgets or case.budgets,
        out=asked.out / name,
        strategies=[*case.strategies, *singles],
        seeds=asked.seeds,
        jobs=asked.jobs,
        **common,
    )
    group = "nothing was chosen on it" if name in UNTOUCHED else "rules were chosen on other seeds of it"
    caption = f"**{name}**, {asked.seeds} seeds; {group}. {' '.join(found.verdict)}"
    errors = (f"error, {budget} solves" for budget in found.budgets)
    columns = ("strategy", *errors, "S, mean", "S, most", "won / tied / lost", "over the best single level")
    return tabulate(caption, columns, rows(found))


def rows(found: runs.AtBudgets) -> Iterator[Row]:
    """Yield the row of each strategy, then of the mixture with the best λ of each budget, chosen with hindsight."""
    for one in found.strategies:
        yield one.name, *one.errors, *_saved(one), _tally(one), geometric(one.ratios)
    mixtures = [one for one in found.strategies if one.name.startswith("mixture:")]
    best = [min(each) for each in zip(*(one.errors for one in mixtures), strict=True)]
    yield BEST, *best, None, None, None, None


def _saved(one: runs.Judged) -> tuple[Cell, Cell]:
    """Return the geometric mean over budgets of what is saved, and the most, with what is known of bounds in words."""
    if not one.savings:
        return None, None
    mean, most = geometric([value for value, _ in one.savings]), max(one.savings)
    bounds = {bound for _, bound in one.savings}
    sign = {frozenset(): "", frozenset({1}): "≥ ", frozenset({-1}): "≤ "}.get(frozenset(bounds - {0}), "≈ ")
    return f"{sign}{mean:.3g}", f"{'≥ ' * (most[1] > 0)}{'≤ ' * (most[1] < 0)}{most[0]:.3g}"


def _tally(one: runs.Judged) -> str:
    return " / ".join(str(one.verdicts.count(word)) for word in ("won", "tied", "lost"))


def geometric(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing of the cases that are asked for, and publish."""
    options = parser(BENCHMARK, __doc__, cases=CASES, runs="runs/referee")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--seed", type=int, default=20, help="the first; on 0 to 19 and from 900 rules were chosen")
    options.add_argument("--budgets", type=int, nargs="+", help="in solves; 16, 64, 256 and 1024 by default")
    options.add_argument("--surrogate", help="one network for all, in place of the choice among several")
    asked = parse(options, words)
    cases = {name: CASES[name] for name in asked.cases or CASES}
    if asked.short:
        asked.seeds, asked.jobs, asked.surrogate = 1, 1, "fno"
        cases = {"burgers-24": SHORT}
    publish(BENCHMARK, (measure(name, case, asked) for name, case in cases.items()), asked)


if __name__ == "__main__":
    main()
