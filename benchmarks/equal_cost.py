"""Strategies at equal cost, over seeds: the table of docs/results.md.

    python benchmarks/equal_cost.py burgers-64 burgers-256 darcy-64 schrodinger-64 --out runs/equal-cost

Every strategy spends the same solver cost and makes the same number of optimizer steps. What is finished is read, not
run again. Intervals are 95%, Student's t over seeds; ratios are geometric means of the ratio on the same seed.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from machine import machine
from mlft.experiment import compare_config, configure, read_facts

BURGERS = {"cells": 256, "levels": 4}
DARCY = {"cells": 64, "levels": 4}
SMALL = {"surrogate_options": {"modes": [8, 8], "width": 16}, "training": {"steps": 300}}
CASES: dict[str, dict[str, Any]] = {
    "burgers-64": {"problem": "burgers", "budget": "64solves", "options": BURGERS},
    "burgers-256": {"problem": "burgers", "budget": "256solves", "options": BURGERS},
    "darcy-64": {"problem": "darcy", "budget": "64solves", "options": DARCY, **SMALL},
    "schrodinger-64": {"problem": "schrodinger", "budget": "64solves", "options": {"cells": 256, "levels": 4}},
}
RIVALS = ["finetune", "finest-only", "single-level:0", "single-level:1", "single-level:2"]


def main() -> None:
    """Run the cases that are asked for and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--strategies", default=",".join(RIVALS))
    parser.add_argument("--out", type=Path, default=Path("runs/equal-cost"))
    asked = parser.parse_args()
    print(f"{machine('torch')}, {asked.jobs} processes\n")
    for case in asked.cases:
        folder, strategies = asked.out / case, asked.strategies.split(",")
        common = {"workers": 0, "bias_draws": 4, "seed": asked.seed, **CASES[case]}
        rows = compare_config(configure(common), folder, strategies=strategies, seeds=asked.seeds, jobs=asked.jobs)
        print(table(case, rows, folder))


def table(case: str, rows: list[dict[str, Any]], folder: Path) -> str:
    """Return the table of one case: a row a strategy."""
    errors = {s: np.array([r["relative_l2"] for r in rows if r["strategy"] == s]) for s in strategies_of(rows)}
    rival = errors.get("finest-only")
    lines = [f"### {case}, {len(next(iter(errors.values())))} seeds", ""]
    lines += [
        "| strategy | samples, coarse to fine | relative L2 error | of finest-only | training |",
        "|---|---|---|---|---|",
    ]
    for name, found in errors.items():
        mine = [r for r in rows if r["strategy"] == name]
        ratio = "" if rival is None else interval(np.log(found / rival), exponential=True)
        seconds = np.mean([r["train_seconds"] for r in mine])
        lines.append(f"| {name} | {mine[0]['samples']} | {interval(found)} | {ratio} | {seconds:.0f} s |")
    return "\n".join([*lines, "", stages(rows, folder), ""])


def stages(rows: list[dict[str, Any]], folder: Path) -> str:
    """Return in words how many stages were kept, and whether any kept one raised its held-out error."""
    kept = rejected = raised = 0
    for row in rows:
        if row["strategy"] != "finetune":
            continue
        for stage in read_facts(folder / f"seed-{row['seed']}" / "finetune")["stages"]:
            kept += stage["kept"]
            rejected += not stage["kept"]
            raised += stage["kept"] and stage["error_after"] > stage["error_before"]
    return f"Stages of finetune: {kept} kept, {rejected} rejected; {raised} kept stages raised the held-out error."


def interval(values: np.ndarray, *, exponential: bool = False) -> str:
    """Return mean and 95% interval, of logarithms exponentiated."""
    mean = float(np.mean(values))
    half = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    low, high = mean - half, mean + half
    if exponential:
        mean, low, high = math.exp(mean), math.exp(low), math.exp(high)
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def strategies_of(rows: list[dict[str, Any]]) -> list[str]:
    """Return the strategies in the order they were run."""
    return list(dict.fromkeys(row["strategy"] for row in rows))


if __name__ == "__main__":
    main()
