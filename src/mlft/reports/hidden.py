"""What the mean relative L2 error of a run hides: a small channel, a constant under solutions, draws that scatter."""

import math

from mlft.experiment.outcome import ChannelErrors, Outcome
from mlft.reports.wording import error, number, share

HIDDEN = 10.0
"""Times the error of all channels together, beyond which another one is told beside it."""


SCATTER, FINE = 0.1, 0.05
"""Shares of the mean: its interval over draws is told where it reaches farther than one, and how to get the other."""


def hidden_lines(told: Outcome) -> list[str]:
    """Return what the mean relative L2 error of a run hides: a sentence each, where there is something.

    * A channel, or its variation, is off by ten times as much. Relative to its own size a small channel may be off by
      more than all channels together are; and relative to how it varies over the box (VRMSE), a channel whose mean is
      far larger.
    * A few draws decide the mean: its 95% interval over the draws reaches farther than a tenth of it.
    """
    return [*_channel_lines(told), *_scatter_lines(told)]


def _scatter_lines(told: Outcome) -> list[str]:
    found, n = told.error.relative_l2, told.error.samples
    if not found.mean or found.mean_upper is None or not found.mean_upper > (1 + SCATTER) * found.mean:
        return []
    reach = found.mean_upper / found.mean - 1
    wanted = float(f"{n * (reach / FINE) ** 2:.1e}")
    how = "" if told.data is not None else f"; --test {math.ceil(wanted)} narrows that to about ±{share(FINE)}"
    return [
        f"Few draws decide that mean: half err by at most {error(found.median)}, a tenth by more than "
        f"{error(found.q90)}, and {number(n)} others may give ±{share(reach)} of it (95%){how}."
    ]


def _channel_lines(told: Outcome) -> list[str]:
    found, together = told.error.channels, told.error.relative_l2.mean
    if not found or together is None:
        return []
    named = told.channels.get("solutions", ())
    worst = max(found, key=lambda one: one.relative_l2.mean or 0.0)
    if (worst.relative_l2.mean or 0.0) > HIDDEN * together:
        name = f"channel {worst.channel}" + (f" ({named[worst.channel]})" if len(named) > worst.channel else "")
        return [f"The mean hides {name}, which is small: relative to its own size the error is {_both(worst)}."]
    flat = max(found, key=lambda one: one.vrmse.mean or 0.0)
    if (flat.vrmse.mean or 0.0) > HIDDEN * together:
        return [
            "Solutions stand on a constant far larger than they vary: relative to that variation (VRMSE) the error is "
            f"{error(flat.vrmse.mean)}, where predicting the mean gives 1."
        ]
    return []


def _both(found: ChannelErrors) -> str:
    return f"{error(found.relative_l2.mean)} (VRMSE {error(found.vrmse.mean)})"
