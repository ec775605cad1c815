"""How weights move: Adam, or Muon, with weight decay beside the step."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mlft.training.muon import Muon

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.AdamW, "muon": Muon}
"""By name: Adam (Kingma, Ba 2015), and `Muon`."""


def optimizer(name: str, parameters: Iterable[Tensor], *, rate: float, decay: float) -> torch.optim.Optimizer:
    """Return an optimizer; weights decay by `decay` times the rate in a step (Loshchilov, Hutter 2019)."""
    moved = list(parameters)
    options: dict[str, Any] = {"lr": rate, "weight_decay": decay}
    if name == "adam" and all(p.device.type == "cpu" and p.is_floating_point() for p in moved):
        options["fused"] = True  # one pass over the weights instead of several
    return OPTIMIZERS[name](moved, **options)


def moments(module: nn.Module, found: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what an optimizer remembers of each parameter, by "key.name of the parameter"."""
    return {
        f"{key}.{name}": value
        for name, p in module.named_parameters()
        for key, value in found.state.get(p, {}).items()
        if isinstance(value, Tensor)
    }


def set_moments(module: nn.Module, found: torch.optim.Optimizer, told: dict[str, Tensor]) -> None:
    """Let an optimizer remember a copy of what `moments` returned."""
    found.state.clear()
    parameters = dict(module.named_parameters())
    for name, value in told.items():
        key, _, of = name.partition(".")
        p = parameters[of]
        home = p.device if value.shape == p.shape else torch.device("cpu")  # counts of steps stay there
        found.state[p][key] = value.clone().to(home)
