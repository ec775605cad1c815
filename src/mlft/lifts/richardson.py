"""Richardson extrapolation: two coarse levels and the scheme's order, no fine solve."""

from typing import Any, final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from mlft.lifts.coupled import Coarse, Coupled, LiftError, Place
from mlft.lifts.method import Correction, Method
from mlft.training import Course

Array = np.ndarray


@final
class Extrapolation(Correction):
    """Adds the multiple of u_l − u_k that the scheme's order says is missing.

    Attributes:
        order: the order p.
        ratio: h_l / h_t.
        coarser: h_k / h_t of the coarser level that it was certified with.
    """

    def __init__(self, order: float, ratio: int, coarser: int) -> None:
        self.order, self.ratio, self.coarser = order, ratio, coarser

    @property
    def coarser_ratio(self) -> int:
        """The ratio of the coarser level."""
        return self.coarser

    @property
    def options(self) -> dict[str, Any]:
        """The ratio of the coarser level."""
        return {"coarser": self.coarser}

    def correct(self, coarse: Coarse) -> Float[Array, "n k *grid"]:
        """Return u_l + w (u_l − u_k).

        Raises:
            LiftError: if the coarser solutions are missing.
        """
        if coarse.coarser is None:
            raise LiftError("Richardson extrapolation needs the same draws on a coarser level: solve them there too")
        near, far = self.ratio**self.order, coarse.coarser_ratio**self.order
        return coarse.solutions + (near - 1.0) / (far - near) * (coarse.solutions - coarse.coarser)


@final
class RichardsonExtrapolation(Method):
    """Removes the leading error term of a scheme of known order p: nothing is learned.

    With u_l = u + C h_l^p, the target's solution is u_t = u_l + w (u_l − u_k), k a coarser level and
    w = (h_l^p − h_t^p) / (h_k^p − h_l^p). Exact for a pure leading term, worthless at shocks and on levels that are
    not in the asymptotic regime: its certificate says so.

    Source: Richardson 1911, Phil. Trans. R. Soc. A 210, sec. 2.
    """

    def fit(self, coupled: Coupled, place: Place, course: Course) -> tuple[Correction, Float[Array, "n k *grid"]]:
        """Return the extrapolation.

        Raises:
            LiftError: if the coupled draws were not solved on a coarser level, or the levels do not differ in h.
        """
        if coupled.coarse.coarser is not None and not 1 < place.ratio < coupled.coarse.coarser_ratio:
            raise LiftError("Richardson extrapolation needs grids whose h differ: h_t < h_l < h_k by whole ratios")
        correction = Extrapolation(place.order, place.ratio, coupled.coarse.coarser_ratio)
        return correction, correction.correct(coupled.coarse)

    def load(self, options: dict[str, Any], tensors: dict[str, Tensor], place: Place) -> Correction:
        """Return the extrapolation of the place."""
        return Extrapolation(place.order, place.ratio, options.get("coarser", 0))


RICHARDSON = RichardsonExtrapolation()
