"""Small surrogates that the tests of networks, normalisers and bundles share."""

import numpy as np
import torch
from torch import Tensor, nn

from mlft.grids import Grid
from mlft.surrogates import SURROGATES, Surrogate, build

GRIDS = [Grid((22,)), Grid((20,), centring="nodal", periodic=False), Grid((10, 12)), Grid((12, 9), periodic=False)]
FAMILIES = ["fno", "unet", "mnn-h2", "deeponet", "pod-deeponet"]
MIXED = Grid((10, 7), periodic=(True, False))
SMALL: dict[str, dict[str, object]] = {
    "fno": {"width": 5, "depth": 2},
    "unet": {"width": 3, "depth": 2},
    "mnn-h2": {"rank": 3, "layers": 2},
    "deeponet": {"width": 6, "depth": 2, "terms": 5, "waves": 2},
    "pod-deeponet": {"width": 6, "depth": 2, "terms": 4},
}
"""Options by name; what a network has not is left out of those that a test adds."""


def normal(*shape: int, generator: torch.Generator) -> np.ndarray:
    return torch.randn(*shape, generator=generator, dtype=torch.float64).numpy()


def small(grid: Grid, generator: torch.Generator, name: str = "fno", **options: object) -> Surrogate:
    """A fitted surrogate from 2 channels to 3."""
    modes = [4] if grid.dimension == 1 else [3, 4]
    chosen = {"modes": modes, **SMALL.get(name, {}), **options}
    known = SURROGATES[name].defaults(grid)
    anywhere = {option for one in SMALL for option in SURROGATES[one].defaults(grid)}
    assert anywhere.issuperset(options), f"no network has {set(options) - anywhere}"
    asked = {option: value for option, value in chosen.items() if option in known}
    surrogate = build(name, (2, 3), grid, generator=generator, options=asked)
    inputs = 7 + 3 * normal(6, 2, *grid.shape, generator=generator)
    surrogate.fit_normalisers(inputs, 40 + normal(6, 3, *grid.shape, generator=generator))
    return surrogate


class Yours(nn.Module):
    """A network of a user: not of the registry, with dropout, batch statistics and tied weights."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, width, 3, padding=1)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.5)
        self.hidden = nn.Conv1d(width, width, 1)
        self.again = self.hidden
        self.last = nn.Conv1d(width, 3, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.again(self.drop(self.hidden(self.norm(self.first(inputs))))))


def yours(generator: torch.Generator) -> Surrogate:
    network = Yours()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(generator=generator)
    surrogate = Surrogate(network, (2, 3), GRIDS[0])
    surrogate.fit_normalisers(5 + normal(6, 2, 22, generator=generator), 2 + 3 * normal(6, 3, 22, generator=generator))
    return surrogate
