"""The learning rate along a stage, and when a stage that may stop early does so."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

WARM, LEG = 0.05, 0.2
"""Share of a stage's steps in which the rate rises; share of the steps behind a decayed network in which it falls."""

WINDOW, GAIN = 5, 0.01
"""Checks that the held-out error is averaged over; the least relative fall from one average to the next.

Set on seed 900 of Burgers (256 cells, 4 levels). Mean relative L2 error on 200 fresh draws of the finest grid on other
seeds, one training each: a cosine over 1,500 steps, beside a stage that may stop early, with its steps.

* 64 samples of the finest grid: 0.307, 0.292 beside 0.296, 0.292 (525, 575 steps; seeds 101, 102); 0.290 beside 0.305
  (388 steps; seed 100, with a window of 3 checks);
* 256 samples of level 2: 0.196 beside 0.196 (1,000 steps; seed 101); 0.169 beside 0.167 (850; seed 100, window of 3);
* 1,024 samples of level 1: 0.119 beside 0.117 (1,997 steps; seed 100).
"""

TRIAL, ALIKE = 0.3, 3.0
"""Share of a stage's steps after which a rival may have won by its error at the same step, and how many times lower
that must be.

Of 20 U-Nets on 64 labels (ten problems, seeds 900 and 901) the one that erred most after 0.3 of its steps, beside a
Fourier operator, erred 2.7 times as much; one with 2.4 times (`advection`) became the better one.
"""

AHEAD = {0.1: 100.0, 0.3: 5.0}
"""How many times lower the error that a rival has ended with must be, after a share of a stage's steps.

In the same trainings, and those of the Fourier operators, the error after a tenth of the steps was 1.5 to 59 times that
of the end, after 0.3 of them 1 to 6.4 times.
"""

Checks = Sequence[tuple[int, float]]
"""(step, held-out error) at each check."""


@final
@dataclass(frozen=True)
class Rival:
    """Other networks that were trained on the same stage.

    Attributes:
        error: the least held-out error that one of them ended with; infinite where there is none.
        courses: the checks of each that took steps.
    """

    error: float = math.inf
    courses: tuple[Checks, ...] = ()


@final
@dataclass(frozen=True)
class Leg:
    """The last part of a stage, in which the rate falls from its peak to 0.

    Attributes:
        start: steps done when it starts.
        end: steps of the stage.
    """

    start: int
    end: int


def leg(checks: Checks, most: int) -> Leg:
    """Return the decay leg of a stage of at most so many steps, as its checks tell; the latest until it has stopped.

    The stage stops when the mean of the last `WINDOW` held-out errors is above 1 − `GAIN` times the mean of as many
    before, or when just enough steps are left. Its leg starts from the weights of the best check, at step b, and has
    b · LEG / (1 − LEG) steps. Where nothing is held out there is nothing to stop for.

    >>> leg([], 1500)
    Leg(start=1200, end=1500)
    >>> leg([(50 * i, error) for i, error in enumerate([0.5, 0.4, 0.3, 0.3] + [0.4] * 6, 1)], 1500)
    Leg(start=500, end=550)
    """
    latest = max(1, most - round(LEG * most))
    for count, (step, _) in enumerate(checks, 1):
        if step >= latest or _stopped([error for _, error in checks[:count]]):
            best = _best(checks[:count])
            return Leg(step, min(most, step + max(1, round(best * LEG / (1 - LEG)))))
    return Leg(latest, most)


def cosine(step: int, steps: int) -> float:
    """Return the rate of a stage of given length, as a share of its peak: a warm-up, then a half cosine to 0."""
    t = (step + 0.5) / steps
    return t / WARM if t < WARM else 0.5 * (1 + math.cos(math.pi * (t - WARM) / (1 - WARM)))


def plateau(step: int, most: int, ahead: Leg) -> float:
    """Return the rate of a stage that may stop early, as a share of its peak: a warm-up, 1, a straight line to 0."""
    if step < ahead.start:
        return min(1.0, (step + 0.5) / (WARM * most))
    return (ahead.end - step - 0.5) / (ahead.end - ahead.start)


def beaten(checks: Checks, most: int, rival: Rival) -> bool:
    """Return whether a stage of at most so many steps cannot reach the error of a rival any more.

    So it is where at 0.3 of them its best held-out error is above three times what a rival had at the same step, or
    where from then on it is above five times what a rival has ended with, from 0.1 of them on a hundred times.

    >>> first = Rival(0.09, ([(300, 0.2), (450, 0.15), (600, 0.09)],))
    >>> beaten([(450, 0.46)], 1500, first), beaten([(300, 0.5)], 1500, first), beaten([(450, 0.44)], 1500, first)
    (True, False, False)
    >>> beaten([(300, 0.44), (450, 0.5)], 1500, first)  # the best counts, not the last
    False
    >>> beaten([(450, 0.3), (500, 0.26)], 1500, Rival(0.05)), beaten([(150, 0.3)], 1500, Rival(0.05))
    (True, False)
    >>> beaten([(150, 0.3)], 1500, Rival(0.0029)), beaten([(100, 0.3)], 1500, Rival(0.0029))
    (True, False)
    """
    done = checks[-1][0] if checks else 0
    if any(done >= share * most and _least(checks) > times * rival.error for share, times in AHEAD.items()):
        return True
    if done < TRIAL * most:
        return False
    trial = next(step for step, _ in checks if step >= TRIAL * most)
    return any(_least(checks, trial) > ALIKE * _least(course, trial) for course in rival.courses)


def _least(checks: Checks, upto: float = math.inf) -> float:
    return min((error for step, error in checks if step <= upto), default=math.inf)


def _stopped(errors: Sequence[float]) -> bool:
    last, before = sum(errors[-WINDOW:]), sum(errors[-2 * WINDOW : -WINDOW])
    return len(errors) >= 2 * WINDOW and last > (1 - GAIN) * before


def _best(checks: Checks) -> int:
    """Return the step of the best check, the last of equals and where nothing is held out."""
    known = [(error, -step) for step, error in checks if not math.isnan(error)]
    return -min(known)[1] if known else checks[-1][0]
