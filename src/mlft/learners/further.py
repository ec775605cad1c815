"""Further networks of the kind that was asked for, for a learner that trains more than one, or another one."""

from collections.abc import Sequence
from typing import Any

import torch

from mlft.errors import ConfigError
from mlft.grids import Symmetry
from mlft.surrogates import Network, Surrogate, build, registered


def like(
    surrogate: Surrogate, channels: tuple[int, int], symmetries: Sequence[Symmetry], *, generator: torch.Generator
) -> Surrogate:
    """Return an untrained surrogate with a network of the same name and options, on the same grid and device.

    Args:
        surrogate: the one that was asked for.
        channels: of the inputs and of the outputs.
        symmetries: the group, on these channels.
        generator: the stream that its weights are drawn from.

    Raises:
        ConfigError: for a network that is not of the registry.
    """
    made = described(surrogate)
    other = build(made["network"], channels, surrogate.grid, generator=generator, options=made["options"])
    scaling = surrogate.scaling if channels == surrogate.channels else ()  # what is beside the inputs has no multiples
    other.tell(symmetries, averaged=surrogate.averaged, shifts=surrogate.shifts, scaling=scaling)
    return other.to(surrogate.input_normaliser.shift.device)


def described(surrogate: Surrogate) -> dict[str, Any]:
    """Return name ("network") and "options" of a surrogate's network.

    Raises:
        ConfigError: for a network that is not of the registry.
    """
    name, network = registered(surrogate.network), surrogate.network
    if name is None or not isinstance(network, Network):
        raise ConfigError(
            f"further networks like {type(network).__name__} are wanted, which is none of mlft.SURROGATES: register it"
        )
    return {"network": name, "options": network.options}
