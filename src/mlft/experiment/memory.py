"""Whether what a plan asks to be trained on fits into memory: asked before it is bought."""

import math

import psutil

from mlft.errors import ConfigError
from mlft.experiment.session import Session
from mlft.planning import Plan

COPIES = 2.5
"""Memory of a training over that of its samples in float64: read, and in pairs."""


def refuse_more_than_memory(session: Session, plan: Plan) -> None:
    """Refuse a plan whose training and test samples, on the finest grid, take more memory than is free.

    Raises:
        ConfigError: with what they would take, and what there is.
    """
    grid, config = session.asked.problem.finest, session.asked.config
    channels = session.drawn("train").inputs(session.finest, [0]).shape[1] + 1
    number = sum(plan.samples) + config.test
    needed, free = COPIES * 8.0 * number * channels * math.prod(grid.shape), psutil.virtual_memory().available
    if needed > free:
        taken, left = (f"{size / 2**30:,.3g} GiB" for size in (needed, free))
        raise ConfigError(
            f"{sum(plan.samples):,} training and {config.test:,} test samples on {grid} cells take {taken} in a "
            f"training, and {left} are free: give a smaller budget or test, or a coarser grid"
        )
