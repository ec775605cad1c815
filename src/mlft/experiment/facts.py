"""What a record tells of a run, as plain values: budget, levels, stages, failures, machine."""

import math
import platform
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlft.experiment.config import Config, budget
from mlft.experiment.pricing import Prices
from mlft.experiment.solving import Solver
from mlft.grids import Grid, prolong, relative_error
from mlft.planning import Plan
from mlft.status import OK
from mlft.surrogates import Surrogate
from mlft.training import Fitted


def spending(solver: Solver, plan: Plan, prices: Prices) -> dict[str, Any]:
    """Return what was asked and what went, in seconds and in solves: in all, for the pilot, and for failed samples."""
    rows = {level: solver.rows("train", level, n) for level, n in enumerate(_tried(plan, prices)) if n}
    failed = {level: [row for row in found if row.status != OK] for level, found in rows.items()}
    pilot = {level: [row for row in found if row.index < prices.pilot[level]] for level, found in rows.items()}
    parts = {"spent": rows, "pilot": pilot, "failed": failed}
    asked = budget(solver.asked.budget)
    return {"asked": asked.asked, "unit": asked.unit} | {
        name: {
            "seconds": math.fsum(row.seconds for found in part.values() for row in found),
            "solves": math.fsum(prices.relative[level] * len(found) for level, found in part.items()),
        }
        for name, part in parts.items()
    }


def levels(solver: Solver, plan: Plan, prices: Prices, bias: Sequence[float]) -> list[dict[str, Any]]:
    """Return a row a level: its grid, its prices, samples solved and failed, its bias.

    The price in seconds is the median over training and test draws: of few samples the first, which compiles, would be
    the price.
    """
    table = []
    for level, (grid, n) in enumerate(zip(solver.problem.hierarchy, _tried(plan, prices), strict=True)):
        rows = solver.rows("train", level, n)
        ok = [row for row in rows if row.status == OK]
        seconds = [row.seconds for row in (*rows, *solver.store.ledger("test", level))]
        table.append(
            {
                "level": level,
                "grid": str(grid),
                "cost_seconds": float(np.median(seconds)) if seconds else math.nan,
                "cost_solves": prices.relative[level],
                "samples": len(ok),
                "failed": len(rows) - len(ok),
                "bias": bias[level],
            }
        )
    return table


def failures(solver: Solver, plan: Plan) -> list[dict[str, Any]]:
    """Return the failures by level and name, with the note of one of them."""
    rows = [row for level, n in enumerate(plan.samples) for row in solver.rows("train", level, n) if row.status != OK]
    counts = Counter((row.level, row.status) for row in rows)
    notes = {(row.level, row.status): row.note for row in rows}
    return [
        {"level": level, "status": status, "samples": count, "note": notes[level, status]}
        for (level, status), count in sorted(counts.items())
    ]


def bias(solver: Solver) -> list[float]:
    """Return each level's mean relative L2 distance from the reference, on a few test draws; NaN where not measured.

    The reference is the problem's own where it has one, and the finest level where it has none. The solves are a
    measurement, and are not charged.
    """
    problem, n = solver.problem, solver.asked.bias_draws
    count = len(problem.hierarchy)
    if not n:
        return [math.nan] * count
    solver.solve("test", {level: n for level in range(count - 1)} | {count - 1: max(n, solver.asked.test)})
    shared = set.intersection(*(set(solver.store.solved("test", level, n)) for level in range(count)))
    common = sorted(shared)
    if not common:
        return [math.nan] * count
    fields = [prolong(solver.store.read("test", i, common).solutions, to=problem.finest) for i in range(count)]
    reference = problem.reference(solver.draws("test", common)) if problem.has_reference else fields[-1]
    found = [float(relative_error(field, reference, problem.finest).mean()) for field in fields]
    return found if problem.has_reference else [*found[:-1], math.nan]


def stages(fitted: Fitted, regime: Sequence[dict[str, float]]) -> list[dict[str, Any]]:
    """Return a row a stage: samples, held-out error before and after, whether it was kept, how the kernel moved."""
    return [
        {
            "level": log.level,
            "samples": log.samples,
            "held_out": log.held_out,
            "steps": log.steps,
            "error_before": log.verdict.error_before,
            "error_after": log.verdict.error_after,
            "kept": log.verdict.kept,
            "blend": log.verdict.blend,
            "checks": [list(check) for check in log.checks],
            **moved,
        }
        for log, moved in zip(fitted.stages, regime, strict=True)
    ]


def about_plan(plan: Plan, prices: Prices) -> dict[str, Any]:
    """Return the plan: samples a level, prices, the reason in words, what it predicts, and its alternatives."""
    predicted = None
    if plan.predicted is not None and plan.interval is not None:
        predicted = {"value": plan.predicted, "lower": plan.interval[0], "upper": plan.interval[1]}
    more = {"cost": plan.cost, "budget": prices.budget, "unit": prices.unit, "predicted_error": predicted}
    return plan.facts | more


def about_grid(grid: Grid) -> dict[str, Any]:
    """Return a grid as plain values."""
    return asdict(grid)


def about_surrogate(asked: Config, surrogate: Surrogate) -> dict[str, Any]:
    """Return the network's name, its options and the number of its parameters."""
    count = sum(p.numel() for p in surrogate.parameters())
    return {"name": asked.surrogate, "parameters": count, "options": getattr(surrogate.network, "options", {})}


def header(asked: Config, folder: Path) -> dict[str, Any]:
    """Return how the run was asked for and where it ran."""
    return {
        "version": version("mlft"),
        "config": asked.model_dump(mode="json", exclude_none=True),
        "command": command(asked, folder),
        "machine": machine(),
    }


def machine() -> dict[str, str]:
    """Return what the run ran on."""
    return {
        "cpu": _cpu(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "mlft": version("mlft"),
    }


def command(asked: Config, folder: Path, *, verb: str = "run") -> str:
    """Return the command line that repeats a run in a new folder."""
    words = ["mlft", verb, asked.problem, "--budget", asked.budget, "--seed", str(asked.seed)]
    for name, value in asked.options.items():
        words += ["--set", f"{name}={value}"]
    defaults = Config(problem=asked.problem, budget=asked.budget)
    if asked.strategy != defaults.strategy:
        words += ["--strategy", asked.strategy]
    if asked.baselines:
        words += ["--baselines", ",".join(asked.baselines)]
    told = {"problem", "budget", "seed", "options", "strategy", "baselines", "workers", "scheduler"}
    if any(getattr(asked, name) != getattr(defaults, name) for name in Config.model_fields if name not in told):
        words = ["mlft", verb, "--config", str(folder / "config.toml")]
    return shlex.join([*words, "--out", str(folder)])


def _tried(plan: Plan, prices: Prices) -> tuple[int, ...]:
    """Return samples a level that were paid for: the plan's, or the pilot's where it asked for more."""
    return tuple(max(pair) for pair in zip(plan.samples, prices.pilot, strict=True))


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
