"""What a run, a comparison and a look at trust leave behind, typed: `record.json` is the dump of an `Outcome`.

A number that was not measured is None, and null in the file. The file's top-level keys are the attributes' names, and
`schema` says which set of them it is.
"""

from mlft.experiment.outcome.comparison import BudgetComparison, Comparison, ComparisonRow
from mlft.experiment.outcome.familiar import Familiar, GridError
from mlft.experiment.outcome.norms import ChannelErrors
from mlft.experiment.outcome.parts import Part
from mlft.experiment.outcome.plan import (
    BoughtPlan,
    CurveFacts,
    Foresight,
    PlanFacts,
    Prediction,
    RateFacts,
    RatesFacts,
    RoundFacts,
)
from mlft.experiment.outcome.run import (
    Baseline,
    CandidateFacts,
    Cost,
    DataFacts,
    Failure,
    LevelFacts,
    LiftFacts,
    Measure,
    Outcome,
    Seconds,
    Spending,
    StageFacts,
    SurrogateFacts,
    TestError,
)
from mlft.experiment.outcome.schema import SCHEMA, Interval, Number, Summary
from mlft.experiment.outcome.sure import BandFacts, Sure
from mlft.experiment.outcome.symmetry import ScalingFact, ShiftFact, SymmetryFact, SymmetryFacts
from mlft.experiment.outcome.trust import GreenFacts, LawFacts, LikenessFacts, TrustOutcome
from mlft.experiment.outcome.worth import Way, Worth

__all__ = [
    "SCHEMA",
    "BandFacts",
    "Baseline",
    "BoughtPlan",
    "BudgetComparison",
    "CandidateFacts",
    "ChannelErrors",
    "Comparison",
    "ComparisonRow",
    "Cost",
    "CurveFacts",
    "DataFacts",
    "Failure",
    "Familiar",
    "Foresight",
    "GreenFacts",
    "GridError",
    "Interval",
    "LawFacts",
    "LevelFacts",
    "LiftFacts",
    "LikenessFacts",
    "Measure",
    "Number",
    "Outcome",
    "Part",
    "PlanFacts",
    "Prediction",
    "RateFacts",
    "RatesFacts",
    "RoundFacts",
    "ScalingFact",
    "Seconds",
    "ShiftFact",
    "Spending",
    "StageFacts",
    "Summary",
    "Sure",
    "SurrogateFacts",
    "SymmetryFact",
    "SymmetryFacts",
    "TestError",
    "TrustOutcome",
    "Way",
    "Worth",
]
