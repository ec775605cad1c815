"""The error of each channel of the solution, in several norms."""

from dataclasses import dataclass
from typing import final

from mlft.experiment.outcome.schema import Summary


@final
@dataclass(frozen=True)
class ChannelErrors:
    """The errors of one channel on the fresh draws, all dimensionless; `mlft.grids.channel_errors` has the formulas.

    Attributes:
        channel: its index.
        relative_l2: root mean square, over that of the solution.
        relative_l1: mean absolute error, over that of the solution.
        relative_maximum: largest error of a point, over the largest value of the solution.
        relative_h1: the same as relative_l2 of the gradient (the H1 seminorm).
        mean_defect: error of the mean over the box, over the mean absolute value of the solution.
        vrmse: root mean square error, over the standard deviation of the solution over the box.
    """

    channel: int
    relative_l2: Summary
    relative_l1: Summary
    relative_maximum: Summary
    relative_h1: Summary
    mean_defect: Summary
    vrmse: Summary
