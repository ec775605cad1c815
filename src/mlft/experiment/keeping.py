"""A budget in time is kept by the clock: a plan is bought in parts, each priced by what those before it took."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mlft.experiment.foresight import Forecast, frozen
from mlft.experiment.memory import refuse_more_than_memory
from mlft.experiment.pilot import judged, outlook_of, solve_pilot
from mlft.experiment.session import Session
from mlft.experiment.timing import mean_in_larger_batches
from mlft.planning import PASSES, Plan

LEFT = 0.05
"""Share of the budget that is not worth another part."""

RECENT = 8
"""Samples of the last part whose time is the price of the next one; of fewer, those before them count too."""

_MOST_PARTS = 20


def kept(session: Session, forecast: Forecast) -> Forecast:
    """Return the forecast with what its budget in time really bought, which is solved when this returns.

    Prices of a pilot are those of a few samples in small batches; where costs have heavy tails, or batches of many are
    cheaper, the plan made with them spends another time than was asked. So half of what is left is bought, in the
    proportions of the plan, and what it took is the price of the next part, until a twentieth of the budget is left,
    or no sample fits. What is spent is the budget within a tenth, or one solve. Each part is frozen in the ledger.

    Raises:
        GenerationError: if too many samples fail.
    """
    if forecast.prices.unit != "seconds" or session.asked.config.plan is not None:
        return forecast
    base = _bought(forecast)
    told: dict[str, Any] = {"samples": list(base), "before": list(base), "times": 0.0, "last": False}
    for number in range(1, _MOST_PARTS):
        told = frozen(session, f"part-{number}", _part(session, forecast, base, told))
        refuse_more_than_memory(session, replace(forecast.plan, samples=tuple(told["samples"])))
        session.solve("train", dict(enumerate(told["samples"])))
        if told["last"]:
            break
    costs = frozen(session, "paid", lambda: {"costs": _paid(session, forecast, told["samples"])})["costs"]
    return _with(session, forecast, told, costs)


def _bought(forecast: Forecast) -> tuple[int, ...]:
    """Return samples a level that are solved before the plan is followed: pilot, rounds, and a first stage."""
    plan, counts = forecast.plan, list(forecast.prices.bought)
    if forecast.foresight is not None and forecast.foresight.rounds:
        counts = [max(pair) for pair in zip(counts, forecast.foresight.rounds[-1].bought, strict=True)]
    if forecast.rounds:
        counts[plan.levels[0]] = max(counts[plan.levels[0]], plan.samples[plan.levels[0]])
    return tuple(n if level in plan.levels else 0 for level, n in enumerate(counts))


def _part(
    session: Session, forecast: Forecast, base: Sequence[int], told: dict[str, Any]
) -> Callable[[], dict[str, Any]]:
    """Return what finds the samples a level after one more part, and whether it is the last."""

    def find() -> dict[str, Any]:
        budget, samples = forecast.prices.budget, told["samples"]
        left = budget - _spent(session, forecast, samples)
        steps = _steps(forecast, base)
        pace = [_pace(session, forecast, level, told) for level in range(len(samples))]
        whole = math.fsum(c * n for c, n in zip(pace, steps, strict=True))
        end = {"samples": samples, "before": samples, "times": told["times"], "last": True}
        if left <= LEFT * budget or not whole:
            return end
        for share in (0.5, 1.0)[left <= budget / 4 :]:
            times = told["times"] + share * left / whole
            bought = [b + int(times * step) for b, step in zip(base, steps, strict=True)]
            after = _nested(forecast.plan, [max(pair) for pair in zip(samples, bought, strict=True)])
            if after != samples:
                return end | {"samples": after, "times": times, "last": False}
        return end

    return find


def _steps(forecast: Forecast, base: Sequence[int]) -> list[int]:
    """Return the samples a level of a whole plan that are to be bought; of one that is bought, all of them again."""
    plan = forecast.plan
    rest = [max(0, n - b) for n, b in zip(plan.samples, base, strict=True)]
    if any(rest):
        return rest
    return [0 if forecast.rounds and level == plan.levels[0] else n for level, n in enumerate(plan.samples)]


def _nested(plan: Plan, samples: list[int]) -> list[int]:
    """Return counts that never increase from a level of the plan to the next, and leave none of them without."""
    for level, above in reversed(list(zip(plan.levels, [*plan.levels[1:], None], strict=True))):
        least = 1 if level != plan.levels[0] else min(2, plan.samples[level])
        samples[level] = max(samples[level], least, 0 if above is None else samples[above])
    return samples


def _charged(forecast: Forecast, samples: Sequence[int]) -> list[int]:
    """Return the samples a level that are paid for, with those on levels that the plan does not use."""
    wasted = forecast.plan.wasted or (0,) * len(samples)
    return [max(row) for row in zip(samples, wasted, forecast.prices.bought, strict=True)]


def _seconds(session: Session, level: int, n: float) -> list[float]:
    return [row.seconds for row in session.rows("train", level, n)]


def _spent(session: Session, forecast: Forecast, samples: Sequence[int]) -> float:
    """Return the seconds of all samples that are paid for."""
    return math.fsum(math.fsum(_seconds(session, level, n)) for level, n in enumerate(_charged(forecast, samples)))


def _pace(session: Session, forecast: Forecast, level: int, told: dict[str, Any]) -> float:
    """Return the seconds of a solve in the last part, or in all of them; the pilot's price where there is none."""
    now, before = told["samples"][level], told["before"][level]
    seconds = _seconds(session, level, now)
    recent = seconds[before:] if now - before >= RECENT else seconds
    if told["times"] and recent:
        return mean_in_larger_batches(recent)
    return forecast.prices.costs[level]


def _paid(session: Session, forecast: Forecast, samples: Sequence[int]) -> list[float]:
    """Return what a sample of each level took; the pilot's price where there is none."""
    paid = [_seconds(session, level, n) for level, n in enumerate(_charged(forecast, samples))]
    return [
        math.fsum(seconds) / len(seconds) if seconds else price
        for seconds, price in zip(paid, forecast.prices.costs, strict=True)
    ]


def _with(session: Session, forecast: Forecast, told: dict[str, Any], costs: list[float]) -> Forecast:
    """Return a forecast of these samples at these prices, with the error that is foreseen for them."""
    plan = replace(forecast.plan, samples=tuple(told["samples"]), costs=tuple(costs))
    if plan.samples != forecast.plan.samples:
        first = "/".join(map(str, forecast.plan.samples))
        plan = replace(plan, reason=f"{plan.reason}; the pilot's prices had planned {first}")
        plan = _judged(session, forecast, plan)
    relative = tuple(cost / costs[-1] for cost in costs)
    return replace(forecast, plan=plan, prices=replace(forecast.prices, costs=tuple(costs), relative=relative))


def _judged(session: Session, forecast: Forecast, plan: Plan) -> Plan:
    """Return a plan with the error that is foreseen for it, where a pilot foresees one."""
    told = forecast.foresight
    if told is None or told.learnability_after is not None:
        return plan
    pilot = solve_pilot(session, told.rounds[-1].bought if told.rounds else told.pilot)
    return judged(session, outlook_of(told, pilot, session.asked.config.training.reach(PASSES)), plan)
