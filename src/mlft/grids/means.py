"""Means of a coefficient over coarse cells, other than the arithmetic: what a coarse solve of an elliptic law needs."""

import numpy as np
from jaxtyping import Float

from mlft.grids.grid import Grid
from mlft.grids.transfers import restrict

Array = np.ndarray


def power_mean(field: Float[Array, "n c *fine"], *, to: Grid, power: float) -> Float[Array, "n c *coarse"]:
    """Return (mean of field^power)^(1/power) over the cells of the coarser grid `to`; exp(mean of log field) for 0.

    1 is the arithmetic mean, which is `restrict`, −1 the harmonic, 0 the geometric. Of a conductivity a the harmonic
    mean is what flow across layers feels, and exact in one dimension; the arithmetic mean is what flow along layers
    feels; in two dimensions the geometric mean is exact where a and a*²/a have the same law, as for two phases in equal
    parts. The mean of means is the mean: 4 to 1 is 4 to 2 to 1. On nodal grids it takes point values, as `restrict`.

    Raises:
        ValueError: for values that are not positive, unless the power is 1; or as `restrict`.

    Source: Matheron, Éléments pour une théorie des milieux poreux (1967), and Dykhne, Sov. Phys. JETP 32 (1971), for
    the geometric mean; Journel, Deutsch, Desbarats, Power averaging for block effective permeability, SPE 15128 (1986).

    >>> power_mean(np.array([[[1.0, 4.0, 2.0, 2.0]]]), to=Grid((2,)), power=0).ravel().tolist()
    [2.0, 2.0]
    """
    if power == 1:
        return restrict(field, to=to)
    if (field <= 0).any():
        raise ValueError(
            f"a mean of power {power:g} is one of positive values, got a minimum of {np.nanmin(field):.6g}"
        )
    if power == 0:
        return np.exp(restrict(np.log(field), to=to))
    return restrict(field**power, to=to) ** (1 / power)
