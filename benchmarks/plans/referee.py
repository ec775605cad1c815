"""The referee: every way of spending a budget, at several budgets and seeds, on problems of which half chose nothing.

Every strategy spends the same solver cost, pilots, coupled and held-out solves included, and goes by the same rule for
its training effort. Runs of one seed share their samples at all budgets. What is finished is read, not run again, and
a stopped one goes on. Error: mean relative L2 on 200 fresh draws of the finest grid. S is how many times the budget
finest-only needs for the error that a strategy has; beyond its budgets there is a bound alone. Won, tied, lost: against
the best single level of each budget, known only after trying all, by the 95% interval of the ratio paired by seed. What
runs with lifts leave as corrected solvers is asked as well: a prediction of theirs takes a coarse solve.

All of it takes days: cases are run one at a time, each with a table that says of which commit it is; those of the other
cases stay as they are.
"""

import csv
import datetime
import io
import math
import shlex
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

from benchmarks import finished, runs
from benchmarks.publish import RESULTS, Benchmark, commit, parse, parser, publish, read
from benchmarks.table import Cell, Row, Table, tabulate
from mlft.experiment.outcome.comparison import ComparisonRow
from mlft.files import write_whole
from mlft.intervals import Middle, arithmetic, geometric
from mlft.machine import processor
from mlft.problems import PROBLEMS, Problem

BENCHMARK = Benchmark("plans.referee", "The referee", ("torch",))
LIFT, RESIDUAL = "lift", "residual: lift's solver"
"""Whose runs leave a corrected solver, and its row."""
EXPONENTS = (-2, -4, -8)
STRATEGIES = (
    LIFT,
    "finetune",
    *(f"mixture:{exponent}" for exponent in EXPONENTS),
    "sum-of-levels",
    "mlmc-gradient",
    "finest-only",
)
BEST = "mixture, best λ"
NEAR = (0.8, 1.25)
UNASKED = (None,) * 7
"""What is not told of a row that is no strategy's own."""


@final
@dataclass(frozen=True)
class Case:
    """A problem on its grids.

    Attributes:
        problem: its name.
        options: of the problem.
        budgets: in solves of the finest grid; the least buys the pilot of a plan.
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
    "schrodinger": Case("schrodinger", LINE, (32, 64, 256, 1024)),
    "darcy": Case("darcy", PLANE),
}
UNTOUCHED = {
    "elliptic1d": Case("elliptic1d", LINE, (32, 64, 256, 1024)),
    "radiative-transfer": Case("radiative-transfer", {"cells": 160, "levels": 3}),
    "navier-stokes": Case("navier-stokes", PLANE),
}
CASES = CHOSEN_ON | UNTOUCHED
FEW = ("mixture:-4", "mixture:-1", "finest-only")
SHORT = Case("burgers", {"cells": 24, "levels": 2}, (12, 24), {"training": {"steps": 4}, "test": 5}, FEW)


def measure(name: str, case: Case, asked: Namespace) -> Table:
    """Return the table of one problem: a row a strategy, and one of the best mixture of each budget.

    The rows themselves, one a run, are written beside the results, as <case>.csv in a folder of their own.
    """
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
    made = f"`{shlex.join(asked.words)}`, {datetime.date.today()}, commit {commit()}"
    told = f"seeds {asked.seed} to {asked.seed + asked.seeds - 1}, {asked.surrogate or 'auto'}; {group}"
    caption = f"**{name}**, {told} ({made}). {' '.join(found.verdict)}"
    errors = (head for budget in found.budgets for head in (f"error, {budget} solves", "±"))
    columns = (
        "strategy",
        *errors,
        "training, s",
        "S, mean",
        "S, most",
        "won / tied / lost",
        "over the best single level",
        "predicted / measured",
        "within 0.8 to 1.25, in the interval, of",
    )
    every = list(rows(found))
    if LIFT in case.strategies:
        every.append(residual(problem, found, asked.out / name))
    if asked.results is not None:
        keep(asked.results / BENCHMARK.name / f"{name}.csv", found.rows)
    return tabulate(caption, columns, every)


def keep(file: Path, found: Sequence[ComparisonRow]) -> None:
    """Write the runs of a case, a row each, with version, commit, date and processor."""
    of = {"mlft": version("mlft"), "commit": commit(), "date": str(datetime.date.today()), "cpu": processor()}
    text = io.StringIO()
    told = csv.DictWriter(text, [*asdict(found[0]), *of], lineterminator="\n")
    told.writeheader()
    told.writerows(asdict(row) | of for row in found)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, text.getvalue().encode())


def rows(found: runs.AtBudgets) -> Iterator[Row]:
    """Yield the row of each strategy, then of the mixture with the best λ of each budget, chosen with hindsight."""
    for one in found.strategies:
        own = [row for row in found.rows if row.strategy == one.name]
        seconds = [row.train_seconds or 0.0 for row in own]
        training = round(arithmetic(seconds).value, 1)
        judged = _tally(one), geometric(one.ratios).value
        yield one.name, *_errors(one.errors), training, *_saved(one), *judged, *foresight(own)
    mixtures = [one for one in found.strategies if one.name.startswith("mixture:")]
    best = [min(each, key=lambda error: error.value) for each in zip(*(one.errors for one in mixtures), strict=True)]
    yield BEST, *_errors(best), *UNASKED


def residual(problem: Problem, found: runs.AtBudgets, out: Path) -> Row:
    """Return the row of the corrected solvers of runs with lifts, which learned what lies between two solutions.

    A prediction takes a solve on the coarsest grid that was lifted. A dash where some run lifted nothing.

    Source: Lu et al. 2022, Multifidelity deep neural operators, Physical Review Research 4, 023210.
    """
    seeds = sorted({row.seed for row in found.rows})
    errors = []
    for budget in found.budgets:
        folders = [out / f"{budget}solves" / f"seed-{seed}" / LIFT for seed in seeds]
        each = [finished.corrected(folder, problem) for folder in folders]
        errors.append(geometric([] if any(map(math.isnan, each)) else each))
    return RESIDUAL, *_errors(errors), *UNASKED


def foresight(found: Sequence[ComparisonRow]) -> tuple[Cell, Cell]:
    """Return the range of predicted over measured errors, and how many of these are near, and in their intervals."""
    ratios: list[float] = []
    inside = 0
    for row in found:
        if row.predicted is None or not row.relative_l2:
            continue
        ratios.append(row.predicted / row.relative_l2)
        lower, upper = row.predicted_lower, row.predicted_upper
        inside += lower is not None and upper is not None and lower <= row.relative_l2 <= upper
    if not ratios:
        return None, None
    near = sum(NEAR[0] <= ratio <= NEAR[1] for ratio in ratios)
    return f"{min(ratios):.3g} to {max(ratios):.3g}", f"{near}, {inside}, {len(ratios)}"


def _errors(errors: Sequence[Middle]) -> Iterator[Cell]:
    """Yield each mean over the seeds, and how far its interval reaches."""
    for one in errors:
        yield None if math.isnan(one.value) else one.value
        yield None if math.isnan(one.upper) else float(f"{one.upper - one.value:.2g}")


def _saved(one: runs.Judged) -> tuple[Cell, Cell]:
    """Return the geometric mean over budgets of what is saved, and the most, with what is known of bounds in words."""
    if not one.savings:
        return None, None
    mean, most = geometric([value for value, _ in one.savings]).value, max(one.savings)
    bounds = {bound for _, bound in one.savings}
    sign = {frozenset(): "", frozenset({1}): "≥ ", frozenset({-1}): "≤ "}.get(frozenset(bounds - {0}), "≈ ")
    return f"{sign}{mean:.3g}", f"{'≥ ' * (most[1] > 0)}{'≤ ' * (most[1] < 0)}{most[0]:.3g}"


def _tally(one: runs.Judged) -> str:
    return " / ".join(str(one.verdicts.count(word)) for word in ("won", "tied", "lost"))


def others(file: Path, cases: Iterable[str]) -> dict[str, Table]:
    """Return the tables of a file of results by their case, of the cases that are not asked for."""
    tables = read(file).tables if file.exists() else ()
    found = {table.caption.split("**")[1]: table for table in tables}
    return {name: table for name, table in found.items() if name not in set(cases)}


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing of the cases that are asked for, and publish."""
    options = parser(BENCHMARK, __doc__, cases=CASES, runs="runs/referee")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--seed", type=int, default=20, help="the first; on 0 to 19 and from 900 rules were chosen")
    options.add_argument("--budgets", type=int, nargs="+", help="in solves; by default those of the case")
    options.add_argument("--surrogate", help="one network for all, in place of the choice among several")
    asked = parse(options, words)
    cases = {name: CASES[name] for name in asked.cases or CASES}
    if asked.short:
        asked.seeds, asked.jobs, asked.surrogate = 1, 1, "fno"
        cases = {"burgers-24": SHORT}
    found = others((asked.results or RESULTS) / f"{BENCHMARK.name}.json", cases)
    found |= {name: measure(name, case, asked) for name, case in cases.items()}
    publish(BENCHMARK, [found[name] for name in sorted(found, key=[*CASES, *cases].index)], asked)


if __name__ == "__main__":
    main()
