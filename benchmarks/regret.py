"""Regret of the plan: its error over that of the best allocation of a sweep by real training, minus 1.

    python benchmarks/sweep.py burgers oscillating schrodinger      # first: the sweeps
    python benchmarks/regret.py burgers oscillating schrodinger     # then: the planned runs, and the table

The best allocation is chosen on the sweep's seeds; plan and best are then compared on seeds of their own, with the
same samples, training effort and test draws. The planned runs pay for their pilot out of the same budget.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from loky import ProcessPoolExecutor

from mlft.experiment import configure, run_config
from sweep import BUDGETS, SEEDS, asked_of, own, train

JUDGED = (200, 201, 202)
"""Seeds that no sweep has seen: the constants of the outlook were chosen on the sweeps."""


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


def best_of(case: str, budget: int, out: Path) -> tuple[int, ...]:
    """Return the allocation of the sweep with the least mean error over its seeds."""
    found: dict[tuple[int, ...], dict[int, float]] = {}
    for file in out.glob(f"{case}/seed-*/budget-{budget}/*.json"):
        row = json.loads(file.read_text())
        if row["seed"] in SEEDS:
            found.setdefault(tuple(row["samples"]), {})[row["seed"]] = row["error"]
    whole = {samples: np.mean([e[s] for s in SEEDS]) for samples, e in found.items() if set(SEEDS) <= set(e)}
    return min(whole, key=lambda samples: whole[samples])


def compared(case: str, budget: int, seed: int, out: Path) -> dict[str, Any]:
    """Return a row: the planned run, and the sweep's best allocation on the same seed."""
    best = best_of(case, budget, out)
    return planned(case, budget, seed, out) | {"best": best, "rival": train(case, budget, seed, best, out)["error"]}


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=["burgers", "oscillating", "schrodinger"])
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"))
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    cells = [(case, budget) for case in asked.cases for budget in BUDGETS[case]]
    with ProcessPoolExecutor(max_workers=asked.jobs) as pool:
        futures = {c: [pool.submit(compared, *c, seed, asked.out) for seed in JUDGED] for c in cells}
        rows = {cell: [future.result() for future in each] for cell, each in futures.items()}
    print("| problem, budget | best of the sweep | its error | plans | their error | regret | pilot | planning, s |")
    print("|---|---|---|---|---|---|---|---|")
    regrets = []
    for (case, budget), each in rows.items():
        mine, best = (np.array([row[name] for row in each]) for name in ("error", "rival"))
        regrets.append(float(mine.mean() / best.mean() - 1))
        plans = ", ".join("/".join(map(str, row["samples"])) for row in each)
        pilot, seconds = max(row["pilot"] for row in each), max(row["seconds"] for row in each)
        print(
            f"| {case}, {budget} | {'/'.join(map(str, each[0]['best']))} | {best.mean():.4f} | {plans} | "
            f"{mine.mean():.4f} | {regrets[-1]:+.1%} | {pilot:.1%} | {seconds:.0f} |"
        )
    over = sum(row["spent"] > 1 + 1e-9 for each in rows.values() for row in each)
    print(f"\nmedian regret {np.median(regrets):+.1%} over {len(regrets)} cells; plans over the budget: {over}")


if __name__ == "__main__":
    main()
