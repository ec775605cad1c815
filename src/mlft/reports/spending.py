"""What the samples cost at the prices of the run, beside what they cost at measured ones."""

from mlft.experiment.outcome import Cost, Outcome
from mlft.reports.wording import amount, number

FAR = 2.0
"""Times that the two may differ before it is told first."""


def spent(facts: Outcome) -> str:
    """Return what was spent of the budget, in its unit; at measured prices too where that is far from it."""
    budget = facts.budget
    of = number(facts.plan.budget) + (" s" if budget.unit == "seconds" else "")
    told = f"{amount(budget.of(budget.spent), budget.unit)} spent of {of}"
    return f"{told} ({number(budget.spent.measured)} solves at measured prices)" if far(facts) else told


def spending_lines(facts: Outcome) -> list[str]:
    """Return a warning where stated and measured prices of all samples differ more than twofold; else nothing."""
    if not far(facts):
        return []
    cost = facts.budget.spent
    finest = facts.levels[-1].cost_seconds or 0.0
    off = [(row.cost_seconds / finest / row.cost_solves, row) for row in facts.levels if row.cost_seconds and finest]
    worst, row = max(off, key=lambda one: max(one[0], 1 / one[0]))
    times = f"{number(worst)} times" if worst > 1 else f"1/{number(1 / worst)} of"
    said = (
        f"Warning: the samples cost {number(cost.measured)} solves at measured prices, not the {number(cost.solves)} "
        f"of the run's: a solve on {row.grid} cells takes {times} what is stated, in solves of the finest grid."
    )
    equal = "Strategies are at equal cost only at the prices that they are planned with"
    return [f"{said} {equal}; --costs measured plans by this machine's."]


def far(facts: Outcome) -> bool:
    """Return whether the samples cost more than twice as much, or less than half, at measured prices."""
    ratio = _ratio(facts.budget.spent)
    return ratio is not None and not 1 / FAR <= ratio <= FAR


def _ratio(cost: Cost) -> float | None:
    return cost.measured / cost.solves if cost.measured and cost.solves else None
