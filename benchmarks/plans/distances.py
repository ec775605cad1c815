"""What each level is worth: its distance to the finest, with the grids' plain transfers and with the problem's own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from threadpoolctl import threadpool_limits

from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.problems import PROBLEMS, distances
from mlft.reports.gallery import CASES

BENCHMARK = Benchmark("plans.distances", "What each level is worth", ("numpy", "numba"))
COLUMNS = ("problem", "levels below the finest", "own transfers", "plain", "own", "of the mean solution", "draws")
MORE: Mapping[str, tuple[str, dict[str, Any]]] = {
    "burgers, hardly viscous": ("burgers", {"viscosity": 0.001}),
    "darcy, contrast 1000": ("darcy", {"contrast": 1000.0}),
    "darcy, channels of contrast 12": ("darcy", {"field": "channels"}),
    "darcy, lognormal": ("darcy", {"field": "lognormal"}),
    "darcy, matern": ("darcy", {"field": "matern"}),
    "darcy, 64²": ("darcy", {"cells": 64, "levels": 3}),
    "kohn-sham, spectral": ("kohn-sham", {"scheme": "spectral"}),
    "navier-stokes, 128²": ("navier-stokes", {"cells": 128}),
    "schrodinger, spectral": ("schrodinger", {"scheme": "spectral"}),
    "schrodinger, spectral, bounded": ("schrodinger", {"scheme": "spectral", "boundary": "dirichlet"}),
}
SLOW = {"helmholtz, 2D": {"cells": 128}, "schrodinger, Gross–Pitaevskii in 2D": {"cells": 128}}
"""Cases that are measured on a smaller finest grid than the gallery's."""


@final
@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    draws: int = 48
    flat: int = 16
    cases: tuple[str, ...] = ()


SHORT = Sizes(draws=4, flat=2, cases=("elliptic1d", "burgers", "poisson", "schrodinger, spectral"))


def measure(sizes: Sizes) -> Table:
    """Return the table: a row a problem."""
    caption = (
        "Mean relative L2 distance of each level to the finest, coarse to fine: `mlft.problems.distances`. Plain are "
        "the transfers of `mlft.grids`, which know nothing of the problem. The last number but one is the distance of "
        "the mean solution: what is predicted without looking at the input."
    )
    return tabulate(caption, COLUMNS, rows(sizes))


def rows(sizes: Sizes) -> Iterator[Row]:
    """Measure case after case."""
    cases = {**CASES, **MORE}
    for title in sizes.cases or sorted(cases):
        name, options = cases[title]
        problem = PROBLEMS[name](**options | SLOW.get(title, {}))
        found = distances(problem, draws=sizes.draws if problem.finest.dimension == 1 else sizes.flat)
        ways = ", ".join(f"{way}: {how}" for way, how in problem.transfers.items()) or "–"
        plain, own = (" / ".join(f"{off:.2g}" for off in kind) for kind in (found.plain, found.own))
        below = " / ".join(map(str, problem.hierarchy[:-1]))
        yield title, below, ways, plain, own if problem.transfers else "–", found.mean, found.draws


def main(words: Sequence[str] | None = None) -> None:
    """Measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__), words)
    with threadpool_limits(1):
        publish(BENCHMARK, [measure(SHORT if asked.short else Sizes())], asked)


if __name__ == "__main__":
    main()
