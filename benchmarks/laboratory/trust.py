"""`mlft trust` on runs at full size: other laws of inputs, amplitudes, waves, and the Green's function.

What is finished is read, not run again.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import finished, runs
from benchmarks.publish import Benchmark, parse, parser, publish
from benchmarks.table import Cell, Row, Table, tabulate
from mlft.experiment.outcome import TrustOutcome

BENCHMARK = Benchmark("laboratory.trust", "`mlft trust` on three runs", ("torch",))
SMALL: dict[str, Any] = {"surrogate_options": {"modes": [8, 8], "width": 16}, "training": {"steps": 300}}
CASES: dict[str, dict[str, Any]] = {
    "poisson": {},
    "burgers": {"options": {"cells": 256, "levels": 4}},
    "darcy": {"options": {"cells": 64, "levels": 4}, **SMALL},
}
SHORT: dict[str, dict[str, Any]] = {
    "poisson": {"options": {"cells": 64, "levels": 3}, "training": {"steps": 20}, "test": 5},
}
LAWS = ("run", "law of inputs", "relative L2 error", "95%", "of its own", "off the trained span, %")
LIMITS = (
    "run",
    "training inputs",
    "error doubles below",
    "and above amplitude",
    "resolved up to wave number",
    "Green's function",
)
GREEN = ("run", "by", "relative error", "inside the span", "theory", "asymmetry", "peaks off by")


def measured(cases: dict[str, dict[str, Any]], folder: Path, samples: int) -> dict[str, TrustOutcome]:
    """Return what `mlft trust` says of each run."""
    found = {}
    for name, options in cases.items():
        runs.run(name, budget=64, out=folder / name, seed=0, workers=0, **options)
        found[name] = finished.trust(folder / name, samples=samples)
    return found


def laws(found: dict[str, TrustOutcome]) -> Iterator[Row]:
    """Return a row a run and law."""
    for name, facts in found.items():
        own = facts.families[0].mean
        for law in facts.families:
            if law.mean is None or own is None:
                yield name, law.name, None, law.refused or law.failures, None, None
                continue
            yield name, law.name, law.mean, f"{law.lower:.3g} to {law.upper:.3g}", law.mean / own, _percent(law.outside)


def limits(found: dict[str, TrustOutcome]) -> Iterator[Row]:
    """Return a row a run."""
    for name, facts in found.items():
        tested = [row.amplitude or 0.0 for row in facts.amplitudes]
        below, above = facts.breaking
        ends: tuple[Cell, Cell] = (below or f"not to {min(tested):g}", above or f"not to {max(tested):g}")
        told = f"refused: {facts.refusal}" if facts.green is None else "see below"
        yield name, facts.trained, *ends, facts.resolved, told


def green(found: dict[str, TrustOutcome]) -> Iterator[Row]:
    """Return two rows a run whose solver is linear."""
    for name, facts in found.items():
        if facts.green is not None:
            parts = {"Jacobian over the law's inputs": facts.green.by_jacobian, "unit inputs": facts.green.by_probing}
            for words, part in parts.items():
                yield name, words, part.relative, part.inside, part.predicted, part.asymmetry, part.peak


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def measure(cases: dict[str, dict[str, Any]], folder: Path, samples: int) -> Iterator[Table]:
    """Return the tables."""
    found = measured(cases, folder, samples)
    caption = f"""Runs of 64 solves, seed 0, and `mlft trust` on each: {samples} fresh draws a law, mean relative L2
error, 95% intervals (Student's t over draws)."""
    yield tabulate(caption, LAWS, laws(found))
    yield tabulate("Where they break.", LIMITS, limits(found))
    yield tabulate("The Green's function of a surrogate whose solver is linear.", GREEN, green(found))


def main(words: Sequence[str] | None = None) -> None:
    """Run what is missing, measure and publish."""
    asked = parse(parser(BENCHMARK, __doc__, cases=CASES, runs="runs/trust"), words)
    cases = SHORT if asked.short else {name: CASES[name] for name in asked.cases or CASES}
    publish(BENCHMARK, measure(cases, asked.out, 4 if asked.short else 48), asked)


if __name__ == "__main__":
    main()
