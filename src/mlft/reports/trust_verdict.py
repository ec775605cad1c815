"""What the intervals of trust say: whether an error has doubled, has not, or cannot be told from so few draws."""

import math
from collections.abc import Sequence

from mlft.diagnostics.laws import BREAKS, breaking_amplitudes
from mlft.experiment.outcome import LawFacts, TrustOutcome
from mlft.intervals import Middle
from mlft.reports.wording import error, interval, known, number, share


def growth(law: LawFacts, own: LawFacts) -> Middle:
    """Return how many times the own law's mean error another one has, with its 95% interval.

    The logarithms of two means are off by their relative half-widths, which add up as squares. The draws are the same
    in both, which makes errors rise and fall together: the interval is rather too wide than too narrow. NaN where an
    error or an interval is missing.
    """
    if not own.mean or not law.mean:
        return Middle(math.nan, math.nan, math.nan)
    ratio = law.mean / own.mean
    if law is own:
        return Middle(1.0, 1.0, 1.0)
    half = math.hypot(*(_half(row) / known(row.mean) for row in (law, own)))
    return Middle(ratio, ratio * math.exp(-half), ratio * math.exp(half))


def verdict(facts: TrustOutcome) -> str:
    """Return on which laws the error at least doubles, on which it does not, and where these draws do not tell."""
    own, others = facts.families[0], facts.families[1:]
    if own.mean is None:
        return "The law itself could not be measured."
    if not others:
        return "Other laws of inputs were not measured: that takes a solver."
    found = {law.name: growth(law, own) for law in others if law.mean is not None}
    doubled = [name for name, times in found.items() if times.lower >= BREAKS]
    kept = [name for name, times in found.items() if times.upper < BREAKS]
    open_ = [f"{name} ({_times(times)})" for name, times in found.items() if name not in (*doubled, *kept)]
    kinds = {
        "The error at least doubles on": doubled,
        "It stays below twice its own on": kept,
        f"{number(facts.samples)} draws do not tell on": open_,
        "Not measured": [law.name for law in others if law.mean is None],
    }
    return " ".join(f"{words}: {', '.join(names)}." for words, names in kinds.items() if names)


def alarmed(facts: TrustOutcome) -> list[str]:
    """Return in a sentence whether the alarm rings where the error at least doubles; none where it was not asked."""
    own = facts.families[0]
    if own.mean is None or own.rings is None:
        return []
    others = (*facts.families[1:], *facts.amplitudes)
    bad = [law for law in others if law.mean is not None and law.mean >= BREAKS * own.mean]
    said = f"The alarm for unfamiliar inputs rings for {share(own.rings)} of the law's own"
    if not bad:
        return [f"{said}."]
    least = min(bad, key=lambda law: known(law.rings))
    return [
        f"{said}, and, of laws and amplitudes on which the error doubles, for at least {share(least.rings)} "
        f"({least.name})."
    ]


def breaking(facts: TrustOutcome) -> str:
    """Return below and above which amplitudes the error doubles, with intervals, and which were not measured."""
    down, up = facts.breaking
    if not facts.amplitudes:
        return "At which amplitudes the error doubles was not measured: that takes a solver."
    tested = [known(row.amplitude) for row in facts.amplitudes]
    first, last = _ends(facts.amplitudes)
    below = _crossing("below", down, (last[0], first[0]), f"down to amplitude {number(min(tested))}")
    above = _crossing("above", up, (first[1], last[1]), f"up to amplitude {number(max(tested))}")
    lost = [row for row in facts.amplitudes if row.mean is None]
    if not lost:
        return f"The error doubles {below}, and {above}."
    which = ", ".join(number(row.amplitude) for row in lost)
    why = lost[0].refused or lost[0].failures
    return f"The error doubles {below}, and {above}; not measured, and counted as broken: {which} ({why})."


def resolved(facts: TrustOutcome) -> str:
    """Return up to which wave the solution is resolved, as the picture of the waves shows it."""
    if facts.resolved is None:
        return "All waves together are off by more than half."
    if facts.finest_wave is not None and facts.resolved >= facts.finest_wave:
        return f"All waves, up to number {number(facts.resolved)}, are resolved."
    last = f"Waves up to number {number(facts.resolved)} are resolved"
    return f"{last}; all finer ones, taken together, are off by more than half."


def _times(found: Middle) -> str:
    return f"{error(found.value)} times, {interval(found.lower, found.upper)}"


def _half(law: LawFacts) -> float:
    return (known(law.upper) - known(law.lower)) / 2


def _ends(amplitudes: Sequence[LawFacts]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the breaking amplitudes by the upper ends of the growth, which break first, and by the lower ends."""
    own = next((row for row in amplitudes if row.amplitude == 1), None)
    if own is None:
        return (math.nan, math.nan), (math.nan, math.nan)
    found = [growth(row, own) for row in amplitudes]
    at = [known(row.amplitude) for row in amplitudes]
    return breaking_amplitudes(at, [one.upper for one in found]), breaking_amplitudes(at, [one.lower for one in found])


def _crossing(side: str, at: float | None, ends: tuple[float, float], tested: str) -> str:
    """Return where the error doubles, with its interval; an end of it that lies beyond what was tested is open."""
    if at is None:
        return f"nowhere {tested}"
    low, high = ends
    if math.isnan(low) and math.isnan(high):
        return f"{side} amplitude {number(at)}"
    open_ = f"{number(low)} to beyond the range" if math.isnan(high) else f"from beyond the range to {number(high)}"
    between = open_ if math.isnan(low) or math.isnan(high) else f"{number(low)} to {number(high)}"
    return f"{side} amplitude {number(at)} ({between})"
