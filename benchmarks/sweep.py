"""The error of every reasonable allocation of a budget, by real training: what a plan is judged against.

    python benchmarks/sweep.py burgers schrodinger oscillating --out runs/sweep

For each problem and budget, allocations over single levels, pairs, triples and all levels are trained on one seed;
those within a factor of 1.2 of the best are trained on the other seeds too. What is finished is read, not run again.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from loky import ProcessPoolExecutor

from mlft.experiment import configure, run_config
from mlft.problems import PROBLEMS, Problem
from oscillating import problem as oscillating

CASES: dict[str, dict[str, Any]] = {
    "burgers": {"options": {"cells": 128, "levels": 4}},
    "schrodinger": {"options": {"cells": 256, "levels": 4}},
    "oscillating": {},
    "darcy": {
        "options": {"cells": 32, "levels": 3},
        "surrogate_options": {"modes": [8, 8], "width": 16},
        "training": {"steps": 400},
    },
}
BUDGETS = {"burgers": (32, 128, 512), "schrodinger": (64, 192, 576), "oscillating": (32, 128, 512), "darcy": (64, 256)}
COMMON = {"workers": 0, "bias_draws": 0, "training": {"steps": 600}, "test": 200}
SEEDS = (100, 101, 102)


def own(case: str) -> Problem | None:
    """Return the problem of a case that is not of the package."""
    return oscillating if case == "oscillating" else None


def asked_of(case: str, budget: int, seed: int, **more: Any) -> dict[str, Any]:
    """Return the configuration of a case."""
    return {"problem": case, "budget": f"{budget}solves", "seed": seed, **COMMON, **CASES[case], **more}


def problem_of(case: str) -> Problem:
    """Return the problem of a case."""
    return own(case) or PROBLEMS[case](**CASES[case].get("options", {}))


def allocations(costs: tuple[float, ...], budget: float) -> list[tuple[int, ...]]:
    """Return samples per level: every single level, and chains of up to two levels apart in several shares."""
    top = len(costs)
    chains: list[tuple[dict[int, float], ...]] = [({level: 1.0},) for level in range(top)]
    for a in range(top):
        for b in range(a + 1, top):
            chains.append(tuple({a: 1 - share, b: share} for share in (0.25, 0.5, 0.75)))
    for a in range(top - 2):
        chains.append(tuple({a: 1 / 3, a + 1: 1 / 3, a + 2: 1 / 3} for _ in range(1)))
    if top > 3:
        chains.append(({level: 1 / top for level in range(top)},))
    found = []
    for shares in (each for chain in chains for each in chain):
        counts = [math.floor(shares.get(level, 0.0) * budget / costs[level] + 1e-9) for level in range(top)]
        used = [n for n in counts if n]
        if used and min(used) >= 2 and used == sorted(used, reverse=True):
            found.append(tuple(counts))
    return list(dict.fromkeys(found))


def train(case: str, budget: int, seed: int, samples: tuple[int, ...], out: Path) -> dict[str, Any]:
    """Return a row: the error of one allocation on one seed."""
    place = out / case / f"seed-{seed}"
    name = "-".join(map(str, samples))
    file = place / f"budget-{budget}" / f"{name}.json"
    if file.exists():
        return dict(json.loads(file.read_text()))
    asked = configure(asked_of(case, budget, seed, plan=samples))
    record = run_config(asked, place / f"budget-{budget}" / name, problem=own(case), samples=place / "store")
    row = {"case": case, "budget": budget, "seed": seed, "samples": samples, "error": record.error}
    row |= {"stages": [[s["level"], s["error_before"], s["error_after"], s["blend"]] for s in record.facts["stages"]]}
    file.write_text(json.dumps(row))
    return row


def sweep(case: str, budget: int, out: Path, jobs: int) -> list[dict[str, Any]]:
    """Return the rows of a case at a budget; the seeds run side by side, each with a store of its own."""
    every = allocations(problem_of(case).costs, budget)
    first = _all(case, budget, [(SEEDS[0], samples) for samples in every], out, 1)
    limit = 1.2 * min(row["error"] for row in first)
    good = [tuple(row["samples"]) for row in first if row["error"] <= limit]
    rest = _all(case, budget, [(seed, samples) for seed in SEEDS[1:] for samples in good], out, jobs)
    return [*first, *rest]


def _all(
    case: str, budget: int, tasks: list[tuple[int, tuple[int, ...]]], out: Path, jobs: int
) -> list[dict[str, Any]]:
    if jobs == 1:
        return [train(case, budget, seed, samples, out) for seed, samples in tasks]
    seeds = list(dict.fromkeys(seed for seed, _ in tasks))
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(_some, case, budget, s, [t[1] for t in tasks if t[0] == s], out) for s in seeds]
        return [row for future in futures for row in future.result()]


def _some(case: str, budget: int, seed: int, every: list[tuple[int, ...]], out: Path) -> list[dict[str, Any]]:
    return [train(case, budget, seed, samples, out) for samples in every]


def main() -> None:
    """Sweep the cases that are asked for and print the best allocations of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--budgets", default="", help="of each case, as in 32,128")
    asked = parser.parse_args()
    for case in asked.cases:
        for budget in [int(b) for b in asked.budgets.split(",") if b] or BUDGETS[case]:
            rows = sweep(case, budget, asked.out, asked.jobs)
            print(f"\n{case}, {budget} solves", flush=True)
            for samples, errors in sorted(_by_samples(rows).items(), key=lambda item: np.mean(item[1]))[:12]:
                print(f"  {samples!s:>28}  {np.mean(errors):.4f}  ({len(errors)} seeds)", flush=True)


def _by_samples(rows: list[dict[str, Any]]) -> dict[tuple[int, ...], list[float]]:
    found: dict[tuple[int, ...], list[float]] = {}
    for row in rows:
        found.setdefault(tuple(row["samples"]), []).append(row["error"])
    return found


if __name__ == "__main__":
    main()
