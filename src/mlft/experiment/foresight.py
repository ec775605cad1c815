"""Foresight: when a run plans. From a pilot to a plan with a predicted error, and again as more is measured."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

from mlft.estimators import estimate, evidence
from mlft.experiment.memory import refuse_more_than_memory
from mlft.experiment.outcome import Foresight, RateFacts, SymmetryFacts
from mlft.experiment.pilot import foresight_of, outlook_of, plan_facts, planned, pupil, solve_pilot, study_of
from mlft.experiment.pricing import Prices, prices
from mlft.experiment.record import from_plain, to_plain
from mlft.experiment.rounds import measured_round
from mlft.experiment.session import Session
from mlft.experiment.timing import mean_in_larger_batches
from mlft.files import digest
from mlft.learners import Fitted
from mlft.markup import html_table, in_words
from mlft.planning import Plan, Wanted, from_facts, learnability, pilot_counts


@final
@dataclass(frozen=True)
class Forecast:
    """A plan and where it came from.

    Attributes:
        plan: the plan; of the rounds after the first, for what is left of the budget.
        prices: the prices, with the pilot that was solved.
        foresight: rates, curves, learnability, warnings; None for a plan made by a rule.
        rounds: whether the plan is to be looked at again after its coarsest stage.
        symmetry: what is known of the solver's symmetries; None where that is not asked.
    """

    plan: Plan
    prices: Prices
    foresight: Foresight | None
    rounds: bool
    symmetry: SymmetryFacts | None = None

    @property
    def made(self) -> str:
        """When the prediction was made, in words; empty where nothing was predicted."""
        if self.foresight is None:
            return ""
        if self.foresight.learnability_after is not None:
            return "after the coarsest stage"
        number = len(self.foresight.rounds)
        return f"after round {number}, before the rest was bought" if number else "from the pilot"

    def __str__(self) -> str:
        """Return a plan as text: its table, the alternatives at the same budget, rates, pilot and warnings."""
        lines = [str(self.plan)]
        if self.plan.alternatives:
            lines.append("\nat the same budget:")
        for other in self.plan.alternatives:
            low, high = other.interval or (math.nan, math.nan)
            samples = "/".join(map(str, other.samples))
            lines.append(f"  {samples:>20}  predicted {other.predicted:.3g} ({low:.3g} to {high:.3g})")
        if self.foresight is not None:
            found = self.foresight.rates
            named = {"bias": found.bias_rate, "variance": found.variance_rate, "cost": found.cost_rate}
            told = ", ".join(map(_rate, named, named.values()))
            pilot = "/".join(map(str, self.foresight.pilot))
            lines += [f"\nrates in points per side: {told}", f"pilot: {pilot} samples"]
            lines += [f"round {i}: {one}" for i, one in enumerate(self.foresight.rounds, 1)]
            lines += [f"warning: {words}" for words in self.foresight.warnings]
        lines += [f"\n{self.symmetry}"] if self.symmetry is not None else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Return the samples and the error to expect; `str` is the whole of it."""
        samples = "/".join(map(str, self.plan.samples))
        return f"Forecast({samples} samples by {self.plan.rule!r}, predicted error {_predicted(self.plan)})"

    def _repr_html_(self) -> str:
        """Return the plan, and the alternatives at the same budget, as a small table, for notebooks."""
        plans = {"this plan": self.plan} | {f"instead, {i}": plan for i, plan in enumerate(self.plan.alternatives, 1)}
        rows = [
            (name, " / ".join(map(str, plan.samples)), f"{plan.cost:.4g}", _predicted(plan))
            for name, plan in plans.items()
        ]
        error = f"predicted error ({self.plan.coverage:.0%} interval)"
        head = ("", "samples, coarse to fine", f"cost, {self.prices.unit}", error)
        return html_table(f"{self.plan.rule}: {self.plan.reason}", rows, head=head)


def _rate(name: str, rate: RateFacts) -> str:
    value = "unknown" if rate.value is None else f"{rate.value:.2g}"
    return f"{name} {value}" + (f" ({rate.fitted})" if rate.fitted else "")


def _predicted(plan: Plan) -> str:
    return in_words(plan.predicted, *(plan.interval or (None, None)))


def foresee(session: Session) -> Forecast:
    """Return the forecast of a run: by estimates from a pilot where the strategy asks for them, else by its rule.

    The outcome is frozen in the ledger: a run that is continued goes by the same plan, and trains no pilot again.

    Raises:
        BudgetError: if the budget does not buy the pilot, with what is needed.
        ConfigError: if a plan that is to be measured takes more memory than is free, or for a symmetry that the problem
            declares and its solver lacks.
        GenerationError: if no level can be used.
        PilotError: for too few solved pilot samples.
    """
    price, strategy = prices(session), session.asked.strategy
    symmetry = session.symmetry  # after what refuses solves that are too slow
    if not strategy.planner.estimates:
        return Forecast(strategy.planner.plan(price.terms), price, None, rounds=False, symmetry=symmetry)
    price = replace(price, pilot=pilot_counts(price.costs, price.budget, at_least=price.pilot))
    price = _repriced(session, price)
    told = frozen(session, "plan", lambda: _first(session, price))
    number = 0
    while told["wanted"] is not None:
        refuse_more_than_memory(session, from_facts(told["plan"]))
        number += 1
        told = frozen(session, f"round-{number}", partial(_round, session, price, told))
    plan = from_facts(told["plan"])
    again = strategy.rounds and len(plan.levels) > 1
    return Forecast(plan, price, from_plain(Foresight, told["facts"]), again, symmetry)


def reconsider(session: Session, forecast: Forecast, coarse: Fitted) -> Forecast:
    """Return the forecast for the rest of the budget, after the plan's coarsest stage.

    The coarse stage's error is now measured, on the samples that it held out, and the corrections are estimated again
    at the trained weights. What is solved is bought: the levels to come share what is left.

    Raises:
        GenerationError: if no level can be used.
    """
    told = frozen(session, "replan", lambda: _again(session, forecast, coarse))
    return replace(forecast, plan=from_facts(told["plan"]), foresight=from_plain(Foresight, told["facts"]))


def _repriced(session: Session, price: Prices) -> Prices:
    """Return prices in seconds as the pilot's solves took on the mean; those of two samples miss a heavy tail."""
    if price.unit != "seconds":
        return price

    def measured() -> dict[str, Any]:
        solve_pilot(session, price.pilot)
        found = [
            mean_in_larger_batches(session.seconds_of("train", level, n), session.seconds_of("warm-up", level)[1:])
            for level, n in enumerate(price.pilot)
        ]
        return {"costs": [known if math.isnan(c) else c for c, known in zip(found, price.costs, strict=True)]}

    costs = tuple(frozen(session, "pilot-prices", measured)["costs"])
    return replace(price, costs=costs, relative=tuple(cost / costs[-1] for cost in costs))


def _first(session: Session, price: Prices) -> dict[str, Any]:
    """Return plan and foresight from a pilot, as plain values."""
    asked, pilot = session.asked, solve_pilot(session, price.pilot)
    start = pupil(session, pilot.samples[min(pilot.samples)])
    outlook = estimate(asked.estimator, pilot, start, study_of(session), corrections=asked.strategy.planner.corrections)
    plan = planned(session, outlook, price)
    return _plain(session, plan, foresight_of(session, outlook, pilot, price))


def _round(session: Session, price: Prices, before: dict[str, Any]) -> dict[str, Any]:
    """Return plan and foresight after one more round, as plain values."""
    wanted, foresight = from_plain(Wanted, before["wanted"]), from_plain(Foresight, before["facts"])
    plan, foresight = measured_round(session, price, wanted, foresight)
    first = foresight.first or plan_facts(from_facts(before["plan"]))
    return _plain(session, plan, replace(foresight, first=first))


def _again(session: Session, forecast: Forecast, coarse: Fitted) -> dict[str, Any]:
    """Return plan and foresight after the coarsest stage, as plain values."""
    assert forecast.foresight is not None
    pilot = solve_pilot(session, forecast.prices.pilot)
    study = study_of(session)
    outlook = outlook_of(forecast.foresight, pilot, study.reach)
    error, level = coarse.stages[-1].verdict.error_after, forecast.plan.levels[0]
    n = forecast.plan.samples[level]
    found = evidence(session.asked.estimator, pilot, level, coarse.surrogate, study)
    kappa = learnability(outlook.base, found) if found else (outlook.learnability, outlook.scatter)
    outlook = replace(outlook, learnability=kappa[0], scatter=kappa[1])
    outlook = outlook.corrected(level, n, error) if math.isfinite(error) else outlook
    bought = list(forecast.prices.pilot)
    bought[level] = max(bought[level], n)
    plan = planned(session, outlook, replace(forecast.prices, pilot=tuple(bought)))
    first = plan_facts(forecast.plan)
    return _plain(session, plan, replace(forecast.foresight, first=first, learnability_after=kappa))


def frozen(session: Session, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what is frozen in the ledger under a name for what is asked, made and frozen where it is not yet."""
    name = f"{name}/{digest(session.asked.config.identity)[:16]}"
    told: dict[str, Any] | None = session.store.frozen(name)
    return session.store.freeze(name, make()) if told is None else told


def _plain(session: Session, plan: Plan, foresight: Foresight) -> dict[str, Any]:
    wanted = session.asked.strategy.planner.wants(plan, foresight.measured)
    told = None if wanted is None else to_plain(wanted)
    return {"plan": to_plain(plan_facts(plan)), "facts": to_plain(foresight), "wanted": told}
