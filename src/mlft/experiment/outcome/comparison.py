"""What a comparison leaves: `compare.json`, and its rows in `compare.csv`."""

from dataclasses import dataclass
from typing import Any, final

from mlft.experiment.outcome.schema import SCHEMA, Number


@final
@dataclass(frozen=True)
class ComparisonRow:
    """One run of a comparison: a row of `compare.csv`.

    Attributes:
        problem: its name.
        budget_solves: the budget in solves of the finest grid.
        strategy: its name.
        seed: of the run.
        samples: a level, coarsest first, as in 0/888/18/0.
        spent_solves: what its samples cost.
        relative_l2: mean relative L2 error on fresh draws.
        train_seconds: wall time of the training.
        spent_measured: what its samples cost at measured prices.
    """

    problem: str
    budget_solves: float
    strategy: str
    seed: int
    samples: str
    spent_solves: float
    relative_l2: Number
    train_seconds: Number
    spent_measured: Number = None


@final
@dataclass(frozen=True)
class Comparison:
    """Strategies at equal cost over seeds: `compare.json`, and its rows in `compare.csv`.

    Attributes:
        problem: its name.
        budget: as it was asked.
        strategies: in the order asked.
        seeds: of the runs.
        rows: one a seed and strategy.
        config: what the runs share.
        command: that repeats it.
        machine: processor and versions.
        version: of mlft.
        schema: of this record.
    """

    problem: str
    budget: str
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    rows: tuple[ComparisonRow, ...]
    config: dict[str, Any]
    command: str
    machine: dict[str, str]
    version: str
    schema: int = SCHEMA
