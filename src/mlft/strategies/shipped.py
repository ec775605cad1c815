"""The strategies that are shipped."""

from functools import partial

from mlft.errors import ConfigError
from mlft.learners import FineTune, Lifted, Mixture, OneLevel, SumOfLevels, Telescoped
from mlft.planning import (
    MOST_SKEWED,
    ByLabels,
    ByRule,
    ByVariances,
    Optimal,
    equal_cost,
    finest_only,
    mixture,
    single_level,
)
from mlft.strategies.record import Strategy

LIFT = Strategy(ByLabels(), Lifted(), "labels of cheap levels, lifted by what coupled samples teach, then fine-tuned")

FINETUNE = Strategy(Optimal(), FineTune(), "the best plan that estimates find, fine-tuned level by level", rounds=True)

FINETUNE_MLMC = Strategy(ByVariances(), FineTune(), "samples by the rule of Multi-Level Monte Carlo, fine-tuned")

FINETUNE_EQUAL_COST = Strategy(ByRule(equal_cost), FineTune(), "the same cost on each level, fine-tuned")

SUM_OF_LEVELS = Strategy(
    ByRule(equal_cost), SumOfLevels(), "the same cost on each level, a network a difference, summed"
)

MLMC_GRADIENT = Strategy(
    ByVariances(), Telescoped(), "samples by the rule of Multi-Level Monte Carlo, one network by its gradient"
)

FINEST_ONLY = Strategy(ByRule(finest_only), OneLevel(), "everything on the finest level")


def single(argument: str) -> Strategy:
    """Return the strategy that spends everything on the level of a number.

    Raises:
        ConfigError: if it is none.
    """
    if not argument.isdecimal():
        raise ConfigError(f"single-level needs the number of a level, as in single-level:0, got '{argument}'")
    return Strategy(ByRule(partial(single_level, level=int(argument))), OneLevel(), f"everything on level {argument}")


def mixed(argument: str) -> Strategy:
    """Return the strategy that trains one network on all levels at once, of which n_l ∝ exp(λ l/L) samples are bought.

    Raises:
        ConfigError: if λ is no number between −50 and 0.
    """
    try:
        exponent = float(argument)
        allowed = MOST_SKEWED <= exponent <= 0
    except ValueError:
        allowed = False
    if not allowed:
        raise ConfigError(f"mixture needs its λ between {MOST_SKEWED:g} and 0, as in mixture:-3, got '{argument}'")
    label = f"one network told how fine a label is, samples ∝ exp({exponent:g} ξ)"
    return Strategy(ByRule(partial(mixture, exponent=exponent)), Mixture(), label)
