"""What a comparison leaves: `compare.json`, and its rows in `compare.csv`."""

from dataclasses import dataclass
from typing import Any, final

from mlft.errors import plain
from mlft.experiment.outcome.schema import SCHEMA, Number
from mlft.intervals import arithmetic
from mlft.markup import html_table, in_words


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
        budget: as it was asked; None in records of before it was told.
        lower, upper: the 95% interval of the mean error over the draws; None in records of before they were told.
        predicted, predicted_lower, predicted_upper: the error that was predicted, with its interval; None where the
            plan was made by a rule.
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
    budget: str | None = None
    lower: Number = None
    upper: Number = None
    predicted: Number = None
    predicted_lower: Number = None
    predicted_upper: Number = None


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

    def __repr__(self) -> str:
        """Return what was compared; its numbers are in `rows`."""
        names = ", ".join(self.strategies)
        return plain(f"Comparison({self.problem}, {self.budget}: {names}; {len(self.seeds)} seeds)")

    def _repr_html_(self) -> str:
        """Return a row a strategy, its error by seed and in the mean with its 95% interval, for notebooks."""
        rows = [self._row(name) for name in self.strategies]
        head = ("strategy", "error (95% interval)", *(f"seed {seed}" for seed in self.seeds))
        caption = f"{self.problem}, {self.budget}: mean relative L2 error at equal cost"
        return html_table(caption, rows, head=head)

    def _row(self, strategy: str) -> tuple[str, ...]:
        errors = {row.seed: row.relative_l2 for row in self.rows if row.strategy == strategy}
        middle = arithmetic([value for value in errors.values() if value is not None])
        mean = in_words(middle.value, middle.lower, middle.upper)
        return strategy, mean, *(in_words(errors.get(seed)) for seed in self.seeds)


@final
@dataclass(frozen=True)
class BudgetComparison:
    """Strategies at equal cost at several budgets: `budgets.json`; that at each budget is a folder of its own.

    Attributes:
        problem: its name.
        budgets: as they were asked, from the smallest on.
        folders: of the comparison at each, within its own.
        strategies: in the order asked.
        seeds: of the runs.
        rows: one a budget, seed and strategy.
        config: what the runs share.
        command: that repeats it.
        machine: processor and versions.
        version: of mlft.
        schema: of this record.
    """

    problem: str
    budgets: tuple[str, ...]
    folders: tuple[str, ...]
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    rows: tuple[ComparisonRow, ...]
    config: dict[str, Any]
    command: str
    machine: dict[str, str]
    version: str
    schema: int = SCHEMA

    def __repr__(self) -> str:
        """Return what was compared; its numbers are in `rows`."""
        names, budgets = ", ".join(self.strategies), ", ".join(self.budgets)
        return plain(f"BudgetComparison({self.problem}, {budgets}: {names}; {len(self.seeds)} seeds)")
