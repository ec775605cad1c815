"""How many samples to solve on which grid: arithmetic on costs and error curves, and nothing else."""

from mlft.planning.allocate import allocate, predict
from mlft.planning.plan import Curve, Pair, Plan, from_facts
from mlft.planning.rates import Rate, Rates, rates
from mlft.planning.rules import by_rule, equal_cost, given, mlmc, single_level

__all__ = [
    "Curve",
    "Pair",
    "Plan",
    "Rate",
    "Rates",
    "allocate",
    "by_rule",
    "equal_cost",
    "from_facts",
    "given",
    "mlmc",
    "predict",
    "rates",
    "single_level",
]
