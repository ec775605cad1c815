"""The strategies by name, loaded when they are asked for."""

from typing import TYPE_CHECKING

from mlft.errors import ConfigError, unknown_name
from mlft.registry import Registry

if TYPE_CHECKING:
    from mlft.strategies.record import Family, Strategy

STRATEGIES: "Registry[Strategy | Family]" = Registry(
    "strategy",
    {
        "lift": "mlft.strategies.shipped:LIFT",
        "finetune": "mlft.strategies.shipped:FINETUNE",
        "finetune:mlmc": "mlft.strategies.shipped:FINETUNE_MLMC",
        "finetune:equal-cost": "mlft.strategies.shipped:FINETUNE_EQUAL_COST",
        "mixture:<λ>": "mlft.strategies.shipped:mixed",
        "sum-of-levels": "mlft.strategies.shipped:SUM_OF_LEVELS",
        "mlmc-gradient": "mlft.strategies.shipped:MLMC_GRADIENT",
        "finest-only": "mlft.strategies.shipped:FINEST_ONLY",
        "single-level:<l>": "mlft.strategies.shipped:single",
    },
)
"""The ways of spending a budget, <l> the number of a level, <λ> an exponent; a user adds his own by assignment."""


def strategy(name: str) -> "Strategy":
    """Return the strategy of a name.

    A name is looked up as it stands; "family:argument" that is not there is asked of the entry "family:<…>", a function
    of the argument.

    Raises:
        ConfigError: for an unknown name, naming the nearest known one.
    """
    head, colon, argument = name.partition(":")
    families = [known for known in STRATEGIES if colon and known.startswith(f"{head}:<")]
    if name not in STRATEGIES and not families:
        raise unknown_name("strategy", name, list(STRATEGIES))
    found = STRATEGIES[name if name in STRATEGIES else families[0]]
    if not callable(found):
        return found
    if not argument or name in STRATEGIES:
        raise ConfigError(f"the strategy '{name}' needs what stands for <…>, as in single-level:1")
    return found(argument)
