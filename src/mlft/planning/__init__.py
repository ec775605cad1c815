"""How many samples to solve on which grid: arithmetic on costs and error curves, and nothing else."""

from mlft.planning.allocate import allocate, predict
from mlft.planning.curve import ErrorCurve, LevelError
from mlft.planning.falls import Fall
from mlft.planning.gaps import Gap, Labelled, coupled, relative, scale_of
from mlft.planning.labels import ByLabels
from mlft.planning.outlook import LEARNABILITY, PASSES, SPREAD, Outlook, learnability
from mlft.planning.past import Past, Stretch, bank, stretch, stretched
from mlft.planning.pilot import Pilot, pilot_counts, pilot_of
from mlft.planning.plan import Curve, Levels, Pair, Plan, from_facts
from mlft.planning.planner import ByRule, ByVariances, Given, Measured, Optimal, Planner, Terms, Wanted
from mlft.planning.rates import Rate, Rates, rates
from mlft.planning.rules import MOST_SKEWED, equal_cost, finest_only, given, mixture, mlmc, single_level

__all__ = [
    "LEARNABILITY",
    "MOST_SKEWED",
    "PASSES",
    "SPREAD",
    "ByLabels",
    "ByRule",
    "ByVariances",
    "Curve",
    "ErrorCurve",
    "Fall",
    "Gap",
    "Given",
    "Labelled",
    "LevelError",
    "Levels",
    "Measured",
    "Optimal",
    "Outlook",
    "Pair",
    "Past",
    "Pilot",
    "Plan",
    "Planner",
    "Rate",
    "Rates",
    "Stretch",
    "Terms",
    "Wanted",
    "allocate",
    "bank",
    "coupled",
    "equal_cost",
    "finest_only",
    "from_facts",
    "given",
    "learnability",
    "mixture",
    "mlmc",
    "pilot_counts",
    "pilot_of",
    "predict",
    "rates",
    "relative",
    "scale_of",
    "single_level",
    "stretch",
    "stretched",
]
