"""What the mean relative L2 error of a run hides: a channel that is small, a constant that solutions stand on."""

from mlft.experiment.outcome import ChannelErrors, Outcome
from mlft.reports.wording import error

HIDDEN = 10.0
"""Times the error of all channels together, beyond which another one is told beside it."""


def hidden_lines(told: Outcome) -> list[str]:
    """Return a sentence where a channel, or its variation, is off by ten times the mean relative L2 error.

    Relative to its own size a small channel may be off by more than all channels together are; and relative to how it
    varies over the box (VRMSE), a channel whose mean is far larger.
    """
    found, together = told.error.channels, told.error.relative_l2.mean
    if not found or together is None:
        return []
    named = told.channels.get("solutions", ())
    worst = max(found, key=lambda one: one.relative_l2.mean or 0.0)
    if (worst.relative_l2.mean or 0.0) > HIDDEN * together:
        name = f"channel {worst.channel}" + (f" ({named[worst.channel]})" if len(named) > worst.channel else "")
        return [f"It hides {name}, which is small: relative to its own size the error is {_both(worst)}."]
    flat = max(found, key=lambda one: one.vrmse.mean or 0.0)
    if (flat.vrmse.mean or 0.0) > HIDDEN * together:
        return [
            "Solutions stand on a constant far larger than they vary: relative to that variation (VRMSE) the error is "
            f"{error(flat.vrmse.mean)}, where predicting the mean gives 1."
        ]
    return []


def _both(found: ChannelErrors) -> str:
    return f"{error(found.relative_l2.mean)} (VRMSE {error(found.vrmse.mean)})"
