"""Whether the alarm of runs rings: on fresh draws of the law, ten times larger ones, and where the error is large.

What is finished is read, not run again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from scipy.stats import binom

from benchmarks import finished, runs
from benchmarks.finished import Heard
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Row, Table, tabulate
from mlft.familiarity import FALSE_ALARMS
from mlft.intervals import proportion

BENCHMARK = Benchmark("laboratory.familiarity", "Whether the alarm for unfamiliar inputs rings", ("torch",))
BUDGET, SEED = 64, 20
KERNEL: dict[str, Any] = {"surrogate": "kernel", "test": 60}
LINE: dict[str, Any] = KERNEL | {"options": {"cells": 64, "levels": 3}}
LONG: dict[str, Any] = KERNEL | {"options": {"cells": 128, "levels": 3}}
CASES: dict[str, dict[str, Any]] = {
    "poisson": LINE,
    "burgers": LINE,
    "elliptic1d": KERNEL | {"options": {"cells": 256, "levels": 3}},
    "advection": LONG,
    "helmholtz": LONG,
    "wkb": LONG,
    "darcy": KERNEL | {"options": {"cells": 32, "levels": 3}},
}
SHORT: dict[str, dict[str, Any]] = {
    "poisson": {"options": {"cells": 16, "levels": 2}, "training": {"steps": 20}, "test": 40},
}
HEAD = (
    *("run", "law's own draws that ring, %", "95%", "ten times larger, %"),
    *("inputs with over 3 times the median error", "of them ring, %"),
)
LAWS = ("run", "law of inputs", "median error, of its own", "rings, %", "over 3 times", "of them ring, %")


@final
@dataclass(frozen=True)
class Sizes:
    """Fresh draws of the law, and draws of each other law, which are solved."""

    fresh: int = 1000
    draws: int = 100


def heard(cases: dict[str, dict[str, Any]], folder: Path, sizes: Sizes) -> dict[str, Heard]:
    """Return for what the alarm of each run rings."""
    found = {}
    for name, options in cases.items():
        runs.run(name, budget=BUDGET, out=folder / name, seed=SEED, workers=0, strategy="finest-only", **options)
        found[name] = finished.listen(folder / name, **asdict(sizes))
    return found


def once(found: dict[str, Heard], fresh: int) -> Iterator[Row]:
    """Return a row a run."""
    for name, one in found.items():
        false = proportion(one.false, fresh)
        bad, rung = (sum(getattr(law, what) for law in one.laws[1:]) for what in ("bad", "rung"))
        between = f"{100 * false.lower:.1f} to {100 * false.upper:.1f}"
        yield name, 100 * false.value, between, 100 * one.larger, bad, 100 * rung / bad if bad else None


def by_law(found: dict[str, Heard]) -> Iterator[Row]:
    """Return a row a run and law."""
    for name, one in found.items():
        for law in one.laws:
            of_bad = 100 * law.rung / law.bad if law.bad else None
            yield name, law.name, law.ratio, 100 * law.rings, law.bad, of_bad


def measure(cases: dict[str, dict[str, Any]], folder: Path, sizes: Sizes) -> Iterator[Table]:
    """Return the tables."""
    found = heard(cases, folder, sizes)
    most = binom.ppf(0.995, sizes.fresh, FALSE_ALARMS) / sizes.fresh
    caption = f"""Runs of {BUDGET} solves on the finest grid, seed {SEED}, regressions with a kernel in closed form. The
share of {sizes.fresh:,} fresh draws of the law, of a stream that the run does not know, for which the alarm rings
({100 * FALSE_ALARMS:g}% is allowed; of an alarm at exactly that, 99.5% of such counts are at most
{100 * most:.1f}%), and of {sizes.draws} draws at ten times the amplitude. Then the other laws and amplitudes that
`mlft trust` looks at, {sizes.draws} draws each, solved: inputs whose error is over three times the median on the
law itself, and for what share of those it rings."""
    yield tabulate(caption, HEAD, once(found, sizes.fresh))
    caption = """The same by law of inputs, the run's own first; a law with the inputs of one before it, and one that
the equation does not allow, is left out. On its own law an alarm that is false for few can ring for few."""
    yield tabulate(caption, LAWS, by_law(found))


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing, measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES, runs="runs/familiarity"), words)
    cases = SHORT if asked.short else {name: CASES[name] for name in asked.cases or CASES}
    publish(BENCHMARK, measure(cases, asked.out, Sizes(60, 6) if asked.short else Sizes()), asked)


if __name__ == "__main__":
    main()
