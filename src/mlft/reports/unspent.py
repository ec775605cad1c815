"""Why a part of the budget was not spent, in its own unit, and how to spend it."""

from mlft.experiment.outcome import Outcome
from mlft.reports.wording import amount, share

SMALL = 0.1
"""Share of the budget that may be left without a word."""


def unspent_lines(facts: Outcome) -> list[str]:
    """Return what was left of the budget, why, and what goes on with it; nothing where little was left."""
    budget, plan = facts.budget, facts.plan
    spent, unit = budget.of(budget.spent), budget.unit
    left = plan.budget - spent
    if left <= SMALL * plan.budget:
        return []
    why = f"Of the budget, {amount(plan.budget, unit)}, {share(left / plan.budget)} was not spent: {_why(facts, spent)}"
    given = plan.rule == "given"
    way = "Give more of them, in another folder" if given else f"To go on with it: --more {_rest(left, unit)}"
    return [f"{why}. {way}."]


def _why(facts: Outcome, spent: float) -> str:
    plan, unit = facts.plan, facts.budget.unit
    if plan.cost >= (1 - SMALL) * plan.budget:
        priced = f"the plan was to cost {amount(plan.cost, unit)} at the prices of the pilot's small batches"
        return f"{priced}, and its solves took {amount(spent, unit)} in larger ones"
    if plan.rule == "given":
        return f"the samples that were given cost {amount(plan.cost, unit)}"
    dearest = max(cost for cost, n in zip(plan.costs, plan.samples, strict=True) if n)
    if plan.budget - plan.cost < dearest:
        return f"one more sample costs up to {amount(dearest, unit)}, more than is left"
    return f"the plan ({plan.rule}) asks for {amount(plan.cost, unit)} only: {plan.reason.rstrip('.')}"


def _rest(left: float, unit: str) -> str:
    return f"{float(f'{left:.2g}'):g}{'s' if unit == 'seconds' else 'solves'}"
