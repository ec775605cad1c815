"""Why budget is left is said in its own unit, with the option that goes on; and when a prediction was made."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finished import INFINITE, record
from mlft.experiment.outcome import Cost, Outcome, Prediction, Spending
from mlft.experiment.record import from_plain
from mlft.reports.summary import run_lines
from mlft.reports.unspent import unspent_lines


def told(*, unit: Any = "seconds", budget: float, spent: float, **plan: Any) -> Outcome:
    facts: Outcome = from_plain(Outcome, record(error={"relative_l2": INFINITE, "samples": 9}))
    cost = Cost(spent, spent, None)
    made = replace(facts.plan, budget=budget, unit=unit, **plan)
    return replace(facts, plan=made, budget=Spending("asked", unit, cost, cost, cost))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            told(budget=5.0, spent=0.2, cost=4.9),
            "Of the budget, 5 s, 96% was not spent: the plan was to cost 4.9 s at the prices of the pilot's small "
            "batches, and its solves took 0.2 s in larger ones. To go on with it: --more 4.8s.",
        ),
        (
            told(unit="solves", budget=30.0, spent=20.0, cost=20.0, rule="given"),
            "Of the budget, 30 solves, 33% was not spent: the samples that were given cost 20 solves. "
            "Give more of them, in another folder.",
        ),
        (
            told(unit="solves", budget=1.9, spent=1.0, cost=1.0, costs=(0.25, 1.0), samples=(0, 1)),
            "one more sample costs up to 1 solve, more than is left. To go on with it: --more 0.9solves.",
        ),
        (
            told(unit="solves", budget=64.0, spent=8.0, cost=8.0, costs=(0.25, 1.0), samples=(32, 0), reason="Enough."),
            "asks for 8 solves only: Enough. To go on with it: --more 56solves.",
        ),
    ],
)
def test_what_is_left_has_a_reason_and_a_way(facts: Outcome, said: str) -> None:
    (line,) = unspent_lines(facts)
    assert line.endswith(said)
    assert line in run_lines(facts, Path("runs/x"))


def test_a_tenth_may_be_left() -> None:
    assert unspent_lines(told(budget=5.0, spent=4.5, cost=4.9)) == []


@pytest.mark.parametrize("made", ["from the pilot", "after round 2, before the rest was bought", ""])
def test_a_prediction_says_when_it_was_made(made: str) -> None:
    facts = told(budget=5.0, spent=5.0, cost=5.0, predicted_error=Prediction(0.2, 0.1, 0.3, made, coverage=0.9))
    line = run_lines(facts, Path("runs/x"))[1]
    assert line.endswith(f"; predicted{' ' * bool(made)}{made} 0.200 (90% interval 0.100 to 0.300).")
