"""The strategies that are shipped."""

from functools import partial

from mlft.errors import ConfigError
from mlft.learners import FineTune, Lifted, OneLevel
from mlft.planning import ByLabels, ByRule, ByVariances, Optimal, equal_cost, finest_only, single_level
from mlft.strategies.record import Strategy

LIFT = Strategy(ByLabels(), Lifted(), "labels of cheap levels, lifted by what coupled samples teach, then fine-tuned")

FINETUNE = Strategy(Optimal(), FineTune(), "the best plan that estimates find, fine-tuned level by level", rounds=True)

FINETUNE_MLMC = Strategy(ByVariances(), FineTune(), "samples by the rule of Multi-Level Monte Carlo, fine-tuned")

FINETUNE_EQUAL_COST = Strategy(ByRule(equal_cost), FineTune(), "the same cost on each level, fine-tuned")

FINEST_ONLY = Strategy(ByRule(finest_only), OneLevel(), "everything on the finest level")


def single(argument: str) -> Strategy:
    """Return the strategy that spends everything on the level of a number.

    Raises:
        ConfigError: if it is none.
    """
    if not argument.isdecimal():
        raise ConfigError(f"single-level needs the number of a level, as in single-level:0, got '{argument}'")
    return Strategy(ByRule(partial(single_level, level=int(argument))), OneLevel(), f"everything on level {argument}")
