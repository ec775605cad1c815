"""Strategies at equal cost: the same problem, budget and seeds, each strategy in a run of its own."""

import csv
import io
from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from loky import ProcessPoolExecutor

from mlft.errors import ConfigError
from mlft.experiment import facts
from mlft.experiment.config import Config
from mlft.experiment.loop import quiet, run_config
from mlft.experiment.record import Record, write_json
from mlft.experiment.setup import claim
from mlft.experiment.solving import Progress, Report, labelled
from mlft.files import write_whole
from mlft.training import strategy

COLUMNS = (
    "problem",
    "budget_solves",
    "strategy",
    "seed",
    "samples",
    "spent_solves",
    "relative_l2",
    "train_seconds",
)


def compare_config(
    asked: Config,
    folder: Path,
    *,
    strategies: Sequence[str],
    seeds: int,
    jobs: int = 1,
    report: Report = quiet,
) -> list[dict[str, Any]]:
    """Return a row for each seed and strategy, and write them to `compare.csv`; what is there is not run again.

    Runs of one seed share one store, because their samples are nested; each is charged for all that it uses. The
    training effort (optimizer steps and batch) is the same for all. Seeds count up from `asked.seed`; seed, strategy
    and baselines of `asked` are replaced.

    Args:
        asked: the configuration that the runs share.
        folder: where the runs go, a folder a seed and in it a folder a strategy.
        strategies: the strategies to compare.
        seeds: how many seeds.
        jobs: seeds that run at a time, each in a process of its own.
        report: called with every step forward.

    Raises:
        ConfigError: if no strategy is given, or one is unknown.
        MlftError: as `run_config`.
    """
    if not strategies:
        raise ConfigError("at least one strategy is needed, as in finetune,finest-only")
    for name in strategies:
        strategy(name)
    all_seeds = range(asked.seed, asked.seed + seeds)
    claim(asked, folder)
    rows = _in_turn(asked, folder, strategies, all_seeds, report) if jobs == 1 else []
    if jobs > 1:
        rows = _side_by_side(asked, folder, strategies, all_seeds, jobs, report)
    _write_csv(folder / "compare.csv", rows)
    words = f" --strategies {','.join(strategies)} --seeds {seeds}"
    told = facts.header(asked, folder) | {
        "problem": rows[0]["problem"],
        "budget": asked.budget,
        "strategies": list(strategies),
        "seeds": list(all_seeds),
        "command": facts.command(asked, folder, verb="compare") + words,
    }
    write_json(folder / "compare.json", told)
    return rows


def _in_turn(
    asked: Config, folder: Path, strategies: Sequence[str], seeds: Sequence[int], report: Report
) -> list[dict[str, Any]]:
    return [row for seed in seeds for row in _one_seed(asked, folder, strategies, seed, report)]


def _side_by_side(
    asked: Config, folder: Path, strategies: Sequence[str], seeds: Sequence[int], jobs: int, report: Report
) -> list[dict[str, Any]]:
    shared = asked.model_copy(update={"workers": 0 if asked.timeout is None else 1})
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(_one_seed, shared, folder, tuple(strategies), seed, quiet) for seed in seeds]
        for done, _ in enumerate(as_completed(futures), 1):
            report(Progress("compare", f"{len(strategies)} strategies", done, len(futures), "seeds done"))
        return [row for future in futures for row in future.result()]


def _one_seed(
    asked: Config, folder: Path, strategies: Sequence[str], seed: int, report: Report
) -> list[dict[str, Any]]:
    place = folder / f"seed-{seed}"
    rows = []
    for name in strategies:
        each = asked.model_copy(update={"seed": seed, "strategy": name, "baselines": ()})
        tell = labelled(report, f"seed {seed}, {name}")
        record = run_config(each, place / name.replace(":", "-"), samples=place, report=tell)
        rows.append(row(record))
    return rows


def row(record: Record) -> dict[str, Any]:
    """Return a finished run as a row of the comparison."""
    told = record.facts
    plan = told["plan"]
    relative = [level["cost_solves"] for level in told["levels"]]
    unit = plan["costs"][-1] / relative[-1]
    return {
        "problem": told["problem"],
        "budget_solves": plan["budget"] / unit,
        "strategy": told["strategy"],
        "seed": told["seed"],
        "samples": "/".join(map(str, plan["samples"])),
        "spent_solves": told["budget"]["spent"]["solves"],
        "relative_l2": record.error,
        "train_seconds": round(told["seconds"]["train"], 3),
    }


def _write_csv(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(file, text.getvalue().encode())
