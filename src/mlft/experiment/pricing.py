"""What a sample costs on each level: stated by the problem, or measured once in the pilot and frozen."""

from dataclasses import dataclass
from typing import final

from mlft.errors import BudgetError, ConfigError
from mlft.experiment.config import ESTIMATED, Config, budget
from mlft.experiment.solving import Solver
from mlft.planning import Plan, by_rule, given
from mlft.problems import Problem


@final
@dataclass(frozen=True)
class Prices:
    """Prices that a plan is made with.

    Attributes:
        unit: of the budget, "solves" or "seconds".
        budget: what may be spent.
        costs: price of one sample on each level, in the unit of the budget.
        relative: price of one sample on each level, in solves of the finest grid.
        pilot: samples a level that were solved to measure costs; 0 for a level that was not.
    """

    unit: str
    budget: float
    costs: tuple[float, ...]
    relative: tuple[float, ...]
    pilot: tuple[int, ...]

    def plan(self, asked: Config) -> Plan:
        """Return the plan that is given or that a rule makes at these prices, its pilot included in the budget.

        Raises:
            BudgetError: if the budget does not buy the pilot and one sample on each level that is used.
            ConfigError: for given samples that are no plan of these levels.
        """
        if asked.plan is not None:
            return _given(asked.plan, self)
        paid = set(used(asked.strategy, self.costs))
        outside = sum(c * n for i, (c, n) in enumerate(zip(self.costs, self.pilot, strict=True)) if i not in paid)
        if outside >= self.budget:
            needed = outside + sum(self.costs[level] for level in paid)
            message = f"the budget {self.budget:.4g} {self.unit} does not buy the pilot; give at least {needed:.4g}"
            raise BudgetError(message, needed=needed, given=self.budget)
        return by_rule(_rule(asked.strategy), self.costs, self.budget - outside, least=max(1, *self.pilot))


def stated_prices(asked: Config, problem: Problem) -> Prices | None:
    """Return the prices of the problem's cost table where they are what the run goes by; else None.

    They need no pilot, so that the same command gives the same plan on any machine.
    """
    limit = budget(asked.budget)
    if limit.unit != "solves" or asked.costs == "measured":
        return None
    return Prices("solves", limit.value, problem.costs, problem.costs, (0,) * len(problem.costs))


def prices(asked: Config, solver: Solver) -> Prices:
    """Return the prices of a run: stated, or measured in a pilot that is solved and frozen in the ledger on the way.

    The pilot times the levels that the strategy uses, and the finest, on `asked.pilot` samples each, after one that
    warms up and is not counted. A budget in time at stated prices scales the cost table by the finest level's time.
    """
    stated = stated_prices(asked, solver.problem)
    if stated is not None:
        return stated
    limit, table = budget(asked.budget), solver.problem.costs
    finest = len(table) - 1
    timed = {finest} if asked.costs == "stated" else {finest, *used(asked.strategy, table)}
    seconds = {level: solver.timed(level, asked.pilot) for level in sorted(timed)}
    measured = tuple(seconds.get(i, c * seconds[finest]) for i, c in enumerate(table))
    relative = tuple(s / seconds[finest] for s in measured)
    pilot = tuple(asked.pilot if i in timed else 0 for i in range(len(table)))
    return Prices(limit.unit, limit.value, measured if limit.unit == "seconds" else relative, relative, pilot)


def used(strategy: str, costs: tuple[float, ...]) -> tuple[int, ...]:
    """Return the levels that a strategy uses when money is no object.

    Raises:
        ValueError: for a level that does not exist.
    """
    return by_rule(_rule(strategy), costs, 1e6 * sum(costs)).levels


def _rule(strategy: str) -> str:
    """Return the planning rule of a strategy; one that plans from estimates may use all levels, as equal cost does."""
    if strategy in ESTIMATED:
        return "equal-cost"
    return strategy.removeprefix("finetune:")


def _given(samples: tuple[int, ...], price: Prices) -> Plan:
    try:
        return given(samples, price.costs, price.budget)
    except ValueError as error:
        raise ConfigError(f"option 'plan': {error}") from None
