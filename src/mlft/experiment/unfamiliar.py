"""What a prediction does about inputs that are unlike those that were trained on."""

import numpy as np
from jaxtyping import Bool, Float

from mlft.errors import ConfigError, UnfamiliarError
from mlft.experiment.corrected import Corrected, solved_on
from mlft.familiarity import Familiarity
from mlft.problems import Problem

Array = np.ndarray

UNFAMILIAR = ("ignore", "warn", "raise", "solve")
"""What can be done about unfamiliar inputs."""


def refuse_unknown(unfamiliar: str) -> None:
    """Refuse what is no way to treat unfamiliar inputs.

    Raises:
        ConfigError: naming the ways.
    """
    if unfamiliar not in UNFAMILIAR:
        raise ConfigError(f"unfamiliar is one of {', '.join(UNFAMILIAR)}, got {unfamiliar!r}")


def said(found: Familiarity, unfamiliar: str) -> str:
    """Return what is to be warned of, empty where nothing is; inputs for which the alarm rings may be refused.

    Raises:
        UnfamiliarError: where they are to be: the first of them, and the reason.
    """
    (odd,) = np.nonzero(found.rings)
    if len(odd) and unfamiliar == "raise":
        others = f" (and {len(odd) - 1} others)" if len(odd) > 1 else ""
        raise UnfamiliarError(
            f"input {odd[0]}{others} is unlike those that were trained on, {found.reasons[odd[0]]}; see "
            "record.familiarity(inputs)",
            samples=tuple(map(int, odd)),
        )
    return told(found) if len(odd) and unfamiliar == "warn" else ""


def told(found: Familiarity) -> str:
    """Return for how many inputs the alarm rings, and why for the strangest."""
    odd, worst = int(found.rings.sum()), int(np.argmax(found.score))
    if not odd:
        return f"none of {len(found.rings)} inputs is unlike those that were trained on"
    return (
        f"{odd} of {len(found.rings)} inputs {'is' if odd == 1 else 'are'} unlike those that were trained on, most so "
        f"input {worst} ({found.reasons[worst]}): the error is not that of the law; see record.familiarity(inputs)"
    )


def solved(
    inputs: Float[Array, "n c *grid"],
    values: Float[Array, "n k *grid"],
    rings: Bool[Array, " n"],
    by: Corrected | Problem,
) -> Float[Array, "n k *grid"]:
    """Return predictions with those where the alarm rings solved in their place, in this process.

    Raises:
        GenerationError: if some solve fails.
        ValueError: for inputs that the equation does not allow.
    """
    if not rings.any():
        return values
    found, asked = values.copy(), inputs[rings]
    if isinstance(by, Corrected):
        found[rings] = by.predict(asked)
    else:
        found[rings] = solved_on(by, asked, len(by.hierarchy) - 1)
    return found
