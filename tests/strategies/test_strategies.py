"""The registry of strategies: names are parsed once, and a user's own join."""

import pytest

from mlft.errors import BudgetError, ConfigError
from mlft.learners import FineTune, Lifted, Mixture, OneLevel, SumOfLevels, Telescoped
from mlft.planning import ByLabels, ByRule, ByVariances, Optimal, Terms, equal_cost, single_level
from mlft.strategies import STRATEGIES, Strategy, strategy

COSTS = (1 / 16, 1 / 4, 1.0)


def test_the_names_of_the_shipped_strategies_give_their_planner_and_learner():
    found = {name: strategy(name.replace("<l>", "1").replace("<λ>", "-3")) for name in STRATEGIES}
    chains = ["lift", "finetune", "finetune:mlmc", "finetune:equal-cost"]
    assert list(found) == [*chains, "mixture:<λ>", "sum-of-levels", "mlmc-gradient", "finest-only", "single-level:<l>"]
    planners = [type(one.planner) for one in found.values()]
    assert planners == [ByLabels, Optimal, ByVariances] + [ByRule] * 3 + [ByVariances] + [ByRule] * 2
    learners = [Lifted] + [FineTune] * 3 + [Mixture, SumOfLevels, Telescoped] + [OneLevel] * 2
    assert [type(one.learner) for one in found.values()] == learners
    assert [name for name, one in found.items() if one.rounds] == ["finetune"]
    assert all(one.label for one in found.values())


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("finetune:equal-cost", (128, 32, 8)),
        ("sum-of-levels", (128, 32, 8)),
        ("mixture:0", (20, 19, 18)),
        ("mixture:-4", (220, 29, 3)),
        ("finest-only", (0, 0, 24)),
        ("single-level:0", (384, 0, 0)),
        ("single-level:2", (0, 0, 24)),
    ],
)
def test_strategies_by_rule_plan_by_it(name, samples):
    planner = strategy(name).planner
    assert planner.plan(Terms(COSTS, 24.0, (0, 0, 0))).samples == samples
    assert planner.levels(COSTS) == tuple(level for level, n in enumerate(samples) if n)
    with pytest.raises(BudgetError):
        planner.plan(Terms(COSTS, 0.01, (0, 0, 0)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fine-tune", "unknown strategy 'fine-tune': did you mean 'finetune'"),
        ("finetune:equal", "unknown strategy"),
        ("single-level", "unknown strategy 'single-level': did you mean 'single-level:<l>'"),
        ("single-level:", "needs what stands for"),
        ("single-level:<l>", "needs what stands for"),
        ("single-level:x", "needs the number of a level"),
        ("single-level:-1", "needs the number of a level"),
        ("mixture", "unknown strategy 'mixture': did you mean 'mixture:<λ>'"),
        ("mixture:x", "needs its λ between -50 and 0, as in mixture:-3, got 'x'"),
        ("mixture:1", "between -50 and 0"),
        ("mixture:-51", "between -50 and 0"),
        ("mixture:nan", "between -50 and 0"),
        ("", "unknown strategy"),
    ],
)
def test_other_names_are_refused_saying_which_there_are(name, message):
    with pytest.raises(ConfigError, match=message) as caught:
        strategy(name)
    assert "\n" not in str(caught.value)


def test_a_level_that_is_not_there_is_told_by_the_planner():
    with pytest.raises(ValueError, match="levels 0 to 2"):
        strategy("single-level:3").planner.levels(COSTS)


def test_a_user_s_own_strategy_and_family_join_by_assignment():
    mine = Strategy(ByRule(equal_cost), OneLevel(), "mine")
    STRATEGIES["mine:too"] = mine
    STRATEGIES["mine:<n>"] = lambda n: Strategy(
        ByRule(lambda costs, budget, *, least=1: single_level(costs, budget / int(n), 0, least=least)), FineTune(), n
    )
    try:
        assert strategy("mine:too") is mine
        assert strategy("mine:2").planner.plan(Terms(COSTS, 24.0, (0, 0, 0))).samples == (192, 0, 0)
        with pytest.raises(ConfigError, match="mine:<n>, mine:too"):
            strategy("none")
    finally:
        del STRATEGIES["mine:too"], STRATEGIES["mine:<n>"]


def test_only_a_planner_that_estimates_can_look_again():
    with pytest.raises(ValueError, match="rounds=False"):
        Strategy(ByRule(equal_cost), FineTune(), "rounds of a rule", rounds=True)
