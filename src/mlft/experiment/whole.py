"""How far the whole of a run is, and when it may end: estimates, from what its steps took so far."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, final

from mlft.experiment.progress import Progress, Report

SHARES: Final[Mapping[str, float]] = {"plan": 0.6, "solve": 0.05, "train": 0.25, "measure": 0.1}
"""Of the time of a run, where solves are cheap: pilot and rounds train more than the run itself."""

PLAN: Final[Mapping[str, float]] = {"plan": 1.0}
"""Of the time of `mlft.plan`."""

PILOT = 0.1
"""Of the solves, those of the pilot."""

ENOUGH = 0.1
"""Share of a part from which its own pace says when it ends."""

_OWN = {"plan": ("plan",), "solve": ("solve",), "train": ("train", "lift"), "measure": ("solve", "measure")}


@final
@dataclass
class _Run:
    """What one run took so far, by part; the pilot's solves are apart, since their time says that of the others."""

    seconds: dict[str, float] = field(default_factory=dict)
    pilot: float = 0.0
    part: str = ""
    steps: list[str] = field(default_factory=list)
    begun: float = 0.0
    ends: float = 0.0
    within: float = 0.0

    def add(self, progress: Progress, seconds: float) -> None:
        """Add the seconds up to a step."""
        if progress.part != self.part:
            self.part, self.steps, self.begun, self.ends, self.within = progress.part, [], 0.0, 0.0, 0.0
        if progress.phase == "solve" and self.part == "plan" and not self.steps:
            self.pilot += seconds
            return
        self.seconds[self.part] = self.seconds.get(self.part, 0.0) + seconds
        if progress.phase in _OWN.get(self.part, ()):
            if progress.label not in self.steps:
                self.steps.append(progress.label)
                self.begun = self.ends
            share = (1 - self.begun) / (1 + progress.more)
            self.ends = self.begun + share
            self.within = self.begun + share * progress.done / max(progress.total, 1)

    def left(self, shares: Mapping[str, float]) -> float | None:
        """Return the seconds to its end; None before anything of it is known."""
        passed = [part for part in shares if part in self.seconds and part != self.part]
        known = sum(shares[part] for part in passed) + shares.get(self.part, 0.0) * self.within
        if self.part not in shares or not known:
            return None
        pace = sum(self.seconds[part] for part in (*passed, self.part) if part in self.seconds) / known
        left = 0.0
        for part in list(shares)[list(shares).index(self.part) :]:
            seconds = pace * shares[part]
            if part == "solve":
                seconds = max(seconds, self.pilot * (1 / PILOT - 1))
            if part == self.part:
                own = self.seconds.get(part, 0.0) / self.within if self.within >= ENOUGH else seconds
                seconds = own * (1 - self.within)
            left += seconds
        return left


@final
class Whole:
    """Hands steps on with the estimated share of the whole that is done, and the seconds that are left.

    A part of a run that has gone far enough is extrapolated from its own pace, later ones from the shares that parts
    usually have; solves from the pilot's. Of several runs, the others are to take as long as those before.

    Args:
        report: called with every step.
        runs: how many runs there are.
        shares: of the time of a run, by part, in their order.
        clock: seconds.
    """

    def __init__(
        self,
        report: Report,
        *,
        runs: int = 1,
        shares: Mapping[str, float] = SHARES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report, self._count, self._shares, self._clock = report, runs, shares, clock
        self._started = self._last = clock()
        self._runs: dict[str, _Run] = {}
        self._overall: float | None = None

    def tell(self, progress: Progress) -> None:
        """Hand a step on."""
        now = self._clock()
        left = self._beside(progress, now) if progress.phase == "compare" else self._after(progress, now)
        self._last = now
        if left is not None:
            passed = now - self._started
            share = passed / (passed + left) if passed + left > 0 else 0.0
            self._overall = max(share, self._overall or 0.0)
        self._report(replace(progress, overall=self._overall, seconds_left=left))

    def _beside(self, progress: Progress, now: float) -> float | None:
        """Return the seconds left to runs side by side, of which so many are done."""
        passed = now - self._started
        return passed * (progress.total - progress.done) / progress.done if progress.done else None

    def _after(self, progress: Progress, now: float) -> float | None:
        """Return the seconds left to runs one after the other."""
        seconds = now - self._last if progress.run in self._runs else 0.0  # up to here another run took them
        run = self._runs.setdefault(progress.run, _Run())
        run.add(progress, seconds)
        left = run.left(self._shares)
        if left is None:
            return None
        each = (now - self._started + left) / len(self._runs)
        return left + each * max(0, self._count - len(self._runs))
