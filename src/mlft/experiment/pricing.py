"""What a sample costs on each level: stated by the problem, or measured once in the pilot and frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, final

from mlft.errors import BudgetError
from mlft.experiment.asking import Asked
from mlft.experiment.session import Session
from mlft.planning import Terms, pilot_counts

_NOTHING: Final = 1e-9
"""Seconds of a solve that is not timed yet."""


@final
@dataclass(frozen=True)
class Prices:
    """Prices that a plan is made with.

    Attributes:
        unit: of the budget, "solves" or "seconds".
        budget: what may be spent.
        costs: price of one sample on each level, in the unit of the budget.
        relative: price of one sample on each level, in solves of the finest grid.
        pilot: samples a level that were solved to measure costs, or errors; 0 for a level that was not.
        earlier: samples a level that the run had before it was given more budget; none where it was not.
    """

    unit: str
    budget: float
    costs: tuple[float, ...]
    relative: tuple[float, ...]
    pilot: tuple[int, ...]
    earlier: tuple[int, ...] = ()

    @property
    def bought(self) -> tuple[int, ...]:
        """Samples a level that are paid for before there is a plan."""
        return tuple(map(max, self.pilot, self.earlier or self.pilot))

    @property
    def terms(self) -> Terms:
        """What a plan is made within."""
        return Terms(self.costs, self.budget, self.bought)


def afford(asked: Asked) -> None:
    """Refuse a budget in solves that does not buy the plan at the stated prices, before anything is solved.

    Raises:
        BudgetError: with what is needed.
        ConfigError: for given samples that are no plan of these levels.
    """
    price, planner = stated(asked), asked.strategy.planner
    if price is not None and planner.estimates:
        pilot_counts(price.costs, price.budget, at_least=price.pilot)
    elif price is not None:
        planner.plan(price.terms)


def stated(asked: Asked) -> Prices | None:
    """Return the prices of the problem's cost table where they are what the run goes by; else None.

    They need no pilot, so that the same command gives the same plan on any machine.
    """
    limit, costs = asked.config.limit, asked.problem.costs
    if limit.unit != "solves" or asked.config.costs == "measured":
        return None
    return Prices("solves", limit.value, costs, costs, (0,) * len(costs))


def prices(session: Session) -> Prices:
    """Return the prices of a run: stated, or measured in a pilot that is solved and frozen in the ledger on the way.

    The pilot times the levels that the strategy uses, and the finest, on `pilot` samples each, after one that warms up
    and is not counted. A budget in time at stated prices scales the cost table by the finest level's time.

    Raises:
        BudgetError: as soon as a solve is known to be too slow for the budget, with what is needed by the cost table.
    """
    asked = session.asked
    known = stated(asked)
    if known is not None:
        return replace(known, earlier=session.earlier)
    limit, table, finest = asked.config.limit, asked.problem.costs, session.finest
    used = {finest} if asked.config.costs == "stated" else {finest, *asked.strategy.planner.levels(table)}
    pilot = tuple(asked.config.pilot if i in used else 0 for i in range(len(table)))
    seconds: dict[int, float] = {}
    for level in sorted(used):
        _refuse_too_slow(asked, pilot, seconds | {level: session.at_least(level)})
        seconds[level] = session.timed(level, asked.config.pilot)
    measured = tuple(seconds.get(i, c * seconds[finest]) for i, c in enumerate(table))
    relative = tuple(s / seconds[finest] for s in measured)
    costs = measured if limit.unit == "seconds" else relative
    return Prices(limit.unit, limit.value, costs, relative, pilot, session.earlier)


def _refuse_too_slow(asked: Asked, pilot: tuple[int, ...], known: Mapping[int, float]) -> None:
    """Refuse a budget in time that does not buy a plan even if the levels that are not timed yet cost nothing."""
    limit, table, last = asked.config.limit, asked.problem.costs, max(known)
    if limit.unit != "seconds" or not known[last]:
        return
    guess = tuple(known.get(level) or known[last] * c / table[last] for level, c in enumerate(table))
    least = guess if asked.config.costs == "stated" else tuple(known.get(i) or _NOTHING for i in range(len(table)))
    try:
        _buy(asked, least, pilot)
    except BudgetError:
        try:
            _buy(asked, guess, pilot)
        except BudgetError as error:
            told = f"{error}. A solve on level {last} takes {known[last]:.3g} s"
            raise BudgetError(told, needed=error.needed, given=limit.value) from None


def _buy(asked: Asked, costs: tuple[float, ...], pilot: tuple[int, ...]) -> None:
    """Make the plan that the budget buys at some prices, or the pilot of a plan that is estimated."""
    planner, budget = asked.strategy.planner, asked.config.limit.value
    if planner.estimates:
        pilot_counts(costs, budget, at_least=pilot)
    else:
        planner.plan(Terms(costs, budget, pilot))
