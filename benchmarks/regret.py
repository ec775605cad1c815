"""Regret of the plan: its error over that of the best allocation of a sweep by real training, minus 1.

    python benchmarks/sweep.py burgers oscillating schrodinger      # first: the sweeps
    python benchmarks/regret.py burgers oscillating schrodinger     # then: the planned runs, and the table

Plans and sweeps share seeds, samples, training effort and test draws; the planned runs pay for their pilot out of the
same budget. The best of a sweep is chosen by the errors it is then judged by, which favours the sweep.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from loky import ProcessPoolExecutor

from mlft.experiment import configure, run_config
from sweep import BUDGETS, SEEDS, asked_of, own, problem_of

TUNED = {("burgers", 32), ("burgers", 128), ("oscillating", 32)}
"""Cells whose sweeps were looked at when the constants of the outlook were chosen."""


def planned(case: str, budget: int, seed: int, out: Path) -> dict[str, Any]:
    """Return a row: the run of the default strategy, planned from its own pilot."""
    place = out / case / f"seed-{seed}"
    record = run_config(
        configure(asked_of(case, budget, seed)),
        place / f"planned-{budget}",
        problem=own(case),
        samples=place / "planned-store",
    )
    told = record.facts
    first = told["foresight"].get("first", told["plan"])
    return {
        "samples": told["plan"]["samples"],
        "first": first["samples"],
        "error": record.error,
        "predicted": told["plan"]["predicted_error"]["value"],
        "seconds": told["seconds"]["plan"],
        "pilot": told["budget"]["pilot"]["solves"] / budget,
        "spent": told["budget"]["spent"]["solves"] / budget,
    }


def best_of(case: str, budget: int, out: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the allocation of the sweep with the least mean error over all seeds, and its errors."""
    found: dict[tuple[int, ...], dict[int, float]] = {}
    for file in out.glob(f"{case}/seed-*/budget-{budget}/*.json"):
        row = json.loads(file.read_text())
        found.setdefault(tuple(row["samples"]), {})[row["seed"]] = row["error"]
    whole = {samples: np.array([e[s] for s in SEEDS]) for samples, e in found.items() if set(SEEDS) <= set(e)}
    best = min(whole, key=lambda samples: whole[samples].mean())
    return best, whole[best]


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=["burgers", "oscillating", "schrodinger"])
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"))
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    cells = [(case, budget) for case in asked.cases for budget in BUDGETS[case]]
    with ProcessPoolExecutor(max_workers=asked.jobs) as pool:
        futures = {c: [pool.submit(planned, *c, seed, asked.out) for seed in SEEDS] for c in cells}
        rows = {cell: [future.result() for future in each] for cell, each in futures.items()}
    print("| problem, budget | best of the sweep | its error | plans | their error | regret | pilot | planning, s |")
    print("|---|---|---|---|---|---|---|---|")
    regrets: dict[tuple[str, int], float] = {}
    for (case, budget), each in rows.items():
        samples, errors = best_of(case, budget, asked.out)
        mine = np.array([row["error"] for row in each])
        regrets[case, budget] = float(mine.mean() / errors.mean() - 1)
        plans = ", ".join("/".join(map(str, row["samples"])) for row in each)
        pilot, seconds = max(row["pilot"] for row in each), max(row["seconds"] for row in each)
        mark = " *" if (case, budget) in TUNED else ""
        print(
            f"| {case}, {budget}{mark} | {'/'.join(map(str, samples))} | {errors.mean():.4f} | {plans} | "
            f"{mine.mean():.4f} | {regrets[case, budget]:+.1%} | {pilot:.1%} | {seconds:.0f} |"
        )
    clean = [value for cell, value in regrets.items() if cell not in TUNED]
    print(
        f"\nmedian regret {np.median(list(regrets.values())):+.1%} ({len(regrets)} cells); without those marked *, ",
        end="",
    )
    print(f"{np.median(clean):+.1%} ({len(clean)} cells)" if clean else "none")
    over = math.fsum(row["spent"] > 1 + 1e-9 for each in rows.values() for row in each)
    print(f"plans over the budget: {over:.0f}; levels of {problem_of(asked.cases[0]).name}: see the sweep")


if __name__ == "__main__":
    main()
