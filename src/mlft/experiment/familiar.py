"""From draws of a run's law to an alarm for inputs that are unlike them: calibrated on some, measured on others."""

import numpy as np
from jaxtyping import Float

from mlft.experiment.outcome import Familiar, Interval
from mlft.experiment.record import write_alarm
from mlft.experiment.session import INPUTS, Session
from mlft.familiarity import FEWEST, fit_alarm
from mlft.intervals import proportion
from mlft.problems import Problem

Array = np.ndarray

STREAM = "familiar"
"""Of the draws that an alarm is fitted to and calibrated on; drawing costs no solve."""

DRAWS, MOST_VALUES, MOST_TRAINED = 600, 2**24, 1000
"""Draws; values of them in all, 128 MiB, where that is fewer; training inputs whose span is taken, at most."""


def unseen(problem: Problem, test: Float[Array, "n c *grid"]) -> Float[Array, "m c *grid"]:
    """Return the inputs of test draws that an alarm is measured on: all; of a data set the half that fits none."""
    return test if problem.has_solver else test[: len(test) // 2]


def measure_familiarity(
    session: Session, trained: Float[Array, "m c *grid"], fresh: Float[Array, "n c *grid"]
) -> Familiar | None:
    """Return how often a run's alarm for unfamiliar inputs is false, and write the alarm into the run folder.

    None where fewer than 135 draws of the law could be made.

    Args:
        session: of the run.
        trained: inputs that were trained on.
        fresh: inputs of the test draws, which nothing of the alarm has seen.
    """
    name, grid = INPUTS + STREAM, session.asked.problem.finest
    wanted = max(FEWEST, min(DRAWS, MOST_VALUES // trained[0].size))
    session.solve(name, {session.finest: wanted}, max_failure_rate=1.0)
    known = session.store.solved(name, session.finest, wanted)
    if len(known) < FEWEST or not len(fresh):
        return None
    drawn = session.store.read(name, session.finest, known).solutions
    alarm = fit_alarm(trained[:MOST_TRAINED], drawn, grid)
    write_alarm(session.folder, alarm)
    rings = alarm.of(fresh).rings
    share = proportion(int(rings.sum()), len(rings))
    return Familiar(
        trained=alarm.trained,
        fitted=alarm.fitted,
        calibrated=alarm.calibrated,
        measured=len(rings),
        threshold=alarm.threshold,
        false_alarms=Interval(share.value, share.lower, share.upper),
    )
