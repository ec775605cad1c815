"""Predicted against measured error, for the three estimators, on the runs that `regret.py` made.

    python benchmarks/foresight.py burgers oscillating schrodinger

A cell is a problem, a budget and a seed. Each estimator sees the same pilot (a tenth of the budget) and predicts the
error of the samples that were then bought; the error was measured on 200 fresh draws. "at the end" is the prediction
of the default estimator after the coarse stage, where the plan had several levels.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from loky import ProcessPoolExecutor
from mlft.experiment.pilot import solve_pilot
from mlft.experiment.setup import store_identity
from mlft.experiment.solving import Solver

from mlft.estimators import ESTIMATORS
from mlft.experiment import configure, read_facts
from mlft.experiment.foresight import estimate, outlook_of
from mlft.experiment.loop import quiet
from mlft.generation import open_pool
from mlft.planning import predict
from mlft.store import SampleStore
from regret import JUDGED
from sweep import BUDGETS, asked_of, problem_of


def cell(case: str, budget: int, seed: int, out: Path) -> dict[str, float]:
    """Return measured and predicted errors of one run."""
    place = out / case / f"seed-{seed}"
    kept = place / f"foresight-{budget}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    told = read_facts(place / f"planned-{budget}")
    samples, problem = told["plan"]["samples"], problem_of(case)
    row = {"measured": told["error"]["relative_l2"]["mean"], "at the end": told["plan"]["predicted_error"]["value"]}
    interval = told["plan"]["predicted_error"]
    row["inside"] = float(interval["lower"] <= row["measured"] <= interval["upper"])
    for name in ESTIMATORS:
        asked = configure(asked_of(case, budget, seed, estimator=name))
        with SampleStore.open(place / "planned-store", store_identity(asked, problem)) as store, open_pool(0) as pool:
            solver = Solver(problem, store, asked, pool, quiet)
            pilot = solve_pilot(solver, tuple(told["foresight"]["pilot"]))
            started = time.process_time()
            known = name == told["foresight"]["estimator"]  # the run's own: estimating again would give the same
            outlook = outlook_of(asked, told["foresight"], pilot) if known else estimate(solver, pilot, None)
            row[f"{name} seconds"] = told["seconds"]["plan"] if known else time.process_time() - started
        row[name] = predict(outlook.curves(), samples, bias=outlook.bias(len(samples)))
    kept.write_text(json.dumps(row))
    return row


def main() -> None:
    """Print predicted / measured for every cell, and the share of cells within [0.67, 1.5]."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=["burgers", "oscillating", "schrodinger"])
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"))
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    cells = [(case, budget, seed) for case in asked.cases for budget in BUDGETS[case] for seed in JUDGED]
    with ProcessPoolExecutor(max_workers=asked.jobs) as pool:
        rows = dict(zip(cells, pool.map(cell, *zip(*cells, strict=True), [asked.out] * len(cells)), strict=True))
    columns = [*ESTIMATORS, "at the end"]
    print("| problem, budget, seed | measured | " + " | ".join(columns) + " |")
    print("|---" * (2 + len(columns)) + "|")
    for (case, budget, seed), row in rows.items():
        ratios = " | ".join(f"{row[name] / row['measured']:.2f}" for name in columns)
        print(f"| {case}, {budget}, {seed} | {row['measured']:.4f} | {ratios} |")
    for name in columns:
        ratio = np.array([row[name] / row["measured"] for row in rows.values()])
        good = np.mean((ratio >= 0.67) & (ratio <= 1.5))
        print(f"{name}: {good:.0%} of {len(ratio)} cells within [0.67, 1.5]; median {np.median(ratio):.2f}")
    inside = np.mean([row["inside"] for row in rows.values()])
    print(f"the 95% interval of the plan holds the measured error in {inside:.0%} of the cells")
    for name in ESTIMATORS:
        print(f"{name}: at most {max(row[f'{name} seconds'] for row in rows.values()):.0f} s")


if __name__ == "__main__":
    main()
