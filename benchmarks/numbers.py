"""Every problem's own draws and extreme settings against independent references: is what says `ok` right?

An `ok` solution is wrong if it is not that of its own scheme, solved anew by other means (`benchmarks.truths.schemes`),
or if on the finest grid it is another solution than the equation's (`benchmarks.truths.exact`): over 40% from it, and
ten times as far as half of the draws. On a coarser grid of the default ones such a solution, if it is that of its
scheme, is counted apart: it is what the grid has lost. Coarse grids of extreme settings resolve nothing, and are
compared with their scheme alone.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Cell, Row, Table, tabulate, text
from benchmarks.truths.exact import TRUTHS
from benchmarks.truths.schemes import SCHEMES
from benchmarks.truths.settings import SETTINGS
from mlft.grids import Grid, relative_error, restrict
from mlft.problems import PROBLEMS, Problem
from mlft.problems.solved import Solved
from mlft.sources import Drawn
from mlft.status import OK

Array = np.ndarray

BENCHMARK = Benchmark("numbers", "Numbers that say ok", ("numpy", "scipy", "numba"))
FAR, TIMES = 0.4, 10.0  # from the truth, and over the median: another solution
BOUND = 1e-8  # of the distance from the scheme's own solution, but for those that a residual or a gap certifies
BOUNDS = {"kohn-sham": 1e-5, "navier-stokes": 1e-6, "radiative-transfer": 1e-6, "schrodinger": 1e-5}
SLOWEST = 60.0  # seconds, of the solves of a grid
COLUMNS = (
    "draws",
    "ok",
    "failed",
    "from the scheme",
    "of",
    "from the truth, median",
    "largest over it",
    "of",
    "other",
    "wrong",
)
OWN = f"""Own draws of each problem on its default grids. From the scheme: the largest relative L2 distance of an `ok`
solution to one of the same discrete equations, solved anew by other means, and of how many; from the truth: the median
on each grid, coarse to fine, and the largest over it. Wrong: over {BOUND:g} from the scheme (1e-6 for
`navier-stokes` and `radiative-transfer`, 1e-5 for eigenproblems), or on the finest grid over {FAR:.0%} and {TIMES:g}
medians from the truth. Other: as far as that on a coarser grid, and the solution of its scheme."""
EXTREME = """Extreme settings, {draws} draws each on every grid; the truth is that on the finest. Seconds: of all draws
on the slowest grid."""


@final
@dataclass(frozen=True)
class Effort:
    """How many draws are made; how many are compared with the scheme and with the truth; whether on coarse grids."""

    draws: int
    scheme: int
    truth: int
    coarse: bool = True


@final
@dataclass(frozen=True)
class Plan:
    """What is measured: how many of its own draws, and of them where references are dear; settings, and their draws."""

    own: Effort
    dear: Mapping[str, Effort]
    smaller: Mapping[str, dict[str, Any]]
    settings: int
    extreme: Effort


WHOLE = Plan(
    own=Effort(300, 300, 300),
    dear={
        "darcy": Effort(300, 100, 30),
        "navier-stokes": Effort(300, 100, 12),
        "radiative-transfer": Effort(300, 300, 60),
    },
    smaller={},
    settings=10,
    extreme=Effort(8, 8, 8, coarse=False),
)
SHORT = Plan(
    own=Effort(6, 6, 6),
    dear={"navier-stokes": Effort(3, 3, 2)},
    smaller={
        "darcy": {"cells": 32, "levels": 2},
        "navier-stokes": {"cells": 32, "levels": 2, "time": 2.0},
        "radiative-transfer": {"cells": 80, "levels": 2},
    },
    settings=2,
    extreme=Effort(2, 2, 2, coarse=False),
)


@final
@dataclass(frozen=True)
class Level:
    """What was found on one grid.

    Attributes:
        ended: how solves ended.
        seconds: how long all of them took.
        scheme: distances of those that are ok from the scheme's own solutions.
        truth: the same from the equation's.
        other: how many are solutions of the scheme, and others than the equation's, on a coarse grid.
        wrong: how many are wrong.
    """

    ended: Counter[str]
    seconds: float
    scheme: Array
    truth: Array
    other: int
    wrong: int


def examine(problem: Problem, effort: Effort) -> list[Level]:
    """Solve the draws on every level and compare."""
    source = Drawn(problem, 0, "draw")
    rows, levels = source.draws(range(effort.draws)), range(len(problem.hierarchy))
    inputs = [source.inputs(level, range(effort.draws)) for level in levels]
    solved = [_timed(problem, inputs[level], problem.hierarchy[level]) for level in levels]
    truth, found = np.empty(0), []
    if any(OK in ended.status for ended, _ in solved):
        with np.errstate(all="ignore"):
            truth = TRUTHS[problem.name](problem, rows[: effort.truth])
    for grid, fields, (ended, seconds) in zip(problem.hierarchy, inputs, solved, strict=True):
        known = truth if effort.coarse or grid == problem.finest else truth[:0]
        ok = np.array([name == OK for name in ended.status])
        same, off = _from_scheme(problem, grid, (rows, fields), ended, ok[: effort.scheme])
        true, far = _from_truth(grid, known, ended, ok[: len(known)])
        wrong = off | far if grid == problem.finest else off
        found.append(Level(Counter(ended.status), seconds, same, true, len(far - wrong), len(wrong)))
    return found


def _timed(problem: Problem, inputs: Array, grid: Grid) -> tuple[Solved, float]:
    started = time.perf_counter()
    return problem.solve(inputs, grid), time.perf_counter() - started


def _from_scheme(
    problem: Problem, grid: Grid, asked: tuple[Array, Array], solved: Solved, ok: Array
) -> tuple[Array, set[int]]:
    """Return distances to the scheme's solutions for the draws and inputs asked, and which samples are wrong."""
    some = np.flatnonzero(ok)
    if len(some) == 0:
        return np.empty(0), set()
    with np.errstate(all="ignore"):
        same = SCHEMES[problem.name](problem, asked[0][some], asked[1][some], grid)
    distances = relative_error(solved.solutions[some], same, grid)
    return distances, set(some[~(distances <= BOUNDS.get(problem.name, BOUND))].tolist())


def _from_truth(grid: Grid, truth: Array, solved: Solved, ok: Array) -> tuple[Array, set[int]]:
    """Return distances to the truth, and which samples are another solution."""
    some = np.flatnonzero(ok)
    if len(some) == 0:
        return np.empty(0), set()
    distances = relative_error(solved.solutions[some], restrict(truth[some], to=grid), grid)
    return distances, set(some[~(distances <= max(FAR, TIMES * float(np.median(distances))))].tolist())


def cells(found: Sequence[Level]) -> tuple[Cell, ...]:
    """Return what was found as cells, grids apart by strokes."""
    ended = sum((level.ended for level in found), Counter[str]())
    draws, ok = ended.total(), ended.pop(OK, 0)
    names = ", ".join(f"{count} {name}" for name, count in sorted(ended.items())) or "–"
    same, true = (
        np.concatenate(parts) for parts in zip(*((level.scheme, level.truth) for level in found), strict=True)
    )
    known = [level.truth for level in found if len(level.truth)]
    medians = " / ".join(text(float(np.median(truth)), 2) for truth in known) or None
    over = [float((truth / np.median(truth)).max()) for truth in known if np.median(truth) > 0]
    return (
        *(draws, ok, names, f"{same.max():.0e}" if len(same) else None, len(same)),
        *(medians, max(over, default=None), len(true)),
        *(sum(level.other for level in found), sum(level.wrong for level in found)),
    )


def own(names: Sequence[str], plan: Plan) -> Iterator[Row]:
    """Measure problem after problem on its own draws."""
    for name in names:
        problem = PROBLEMS[name](**plan.smaller.get(name, {}))
        yield name, " / ".join(map(str, problem.hierarchy)), *cells(examine(problem, plan.dear.get(name, plan.own)))


def extreme(names: Sequence[str], plan: Plan) -> Iterator[Row]:
    """Measure setting after setting."""
    for name in names:
        for options in SETTINGS[name][: plan.settings]:
            found = examine(PROBLEMS[name](**options), plan.extreme)
            title = ", ".join(f"{option}={value}" for option, value in options.items())
            yield name, title, *cells(found), max(level.seconds for level in found)


def measure(names: Sequence[str], plan: Plan) -> list[Table]:
    """Return the table of own draws and that of extreme settings."""
    return [
        tabulate(OWN, ("problem", "grids", *COLUMNS), own(names, plan)),
        tabulate(
            EXTREME.format(draws=plan.extreme.draws),
            ("problem", "setting", *COLUMNS, "seconds"),
            extreme(names, plan),
        ),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish; end with 1 if a number is wrong, or a solve slow."""
    asked = parse(parser(BENCHMARK, __doc__, cases=PROBLEMS), words)
    with threadpool_limits(1):
        tables = measure(asked.cases or sorted(PROBLEMS), SHORT if asked.short else WHOLE)
    publish(BENCHMARK, tables, asked)
    wrong = sum(int(str(row[11])) for table in tables for row in table.rows)
    slowest = max(float(str(row[12])) for row in tables[1].rows)
    print(f"wrong: {wrong}; the slowest grid of a setting took {slowest:.1f} s")
    if wrong or slowest > SLOWEST:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
