"""The spectral lift: a Fourier neural operator, which sees the whole domain."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import nn

from mlft.lifts.coupled import Place
from mlft.lifts.learned import Learned
from mlft.surrogates import FNO


@final
@dataclass(frozen=True)
class Spectral(Learned):
    """Corrects by a Fourier neural operator of the coarse solution and the input; for elliptic errors e = A⁻¹ τ."""

    name: ClassVar[str] = "spectral"

    def network(self, channels: tuple[int, int], place: Place, random: torch.Generator) -> nn.Module:
        """Return a Fourier neural operator whose last layer starts at zero."""
        options = FNO.defaults(place.grid) | _SMALLER[place.grid.dimension]
        inputs, outputs = channels
        network = FNO((2 * outputs + inputs, outputs), generator=random, **options)
        with torch.no_grad():
            network.project.last.zero_()
        return network


_SMALLER: dict[int, dict[str, int]] = {1: {}, 2: {"width": 16, "depth": 3}}

SPECTRAL = Spectral()
