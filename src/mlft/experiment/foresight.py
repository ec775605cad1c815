"""Foresight: when a run plans. From a pilot to a plan with a predicted error, and again after the coarse stage."""

import contextlib
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from mlft.errors import BudgetError, ConfigError, GenerationError
from mlft.estimators import Study, estimate, evidence
from mlft.experiment.asking import Asked
from mlft.experiment.config import Config
from mlft.experiment.outcome import CurveFacts, Foresight, PlanFacts, RatesFacts
from mlft.experiment.pricing import Prices, prices
from mlft.experiment.progress import Progress
from mlft.experiment.record import from_plain, to_plain
from mlft.experiment.session import Session
from mlft.files import digest, write_whole
from mlft.learners import Fitted, OneLevel, adapt
from mlft.planning import (
    PASSES,
    ErrorCurve,
    Outlook,
    Pilot,
    Plan,
    Planner,
    Terms,
    from_facts,
    learnability,
    pilot_counts,
    pilot_of,
    rates,
)
from mlft.status import OK
from mlft.store import Samples
from mlft.surrogates import Surrogate
from mlft.training import Course

STEPS = 400
"""Optimizer steps of a pilot training, all of them made; fewer where the run's own are given and fewer."""

BELIEFS = 100
"""Beliefs that an interval is taken over."""


@final
@dataclass(frozen=True)
class Forecast:
    """A plan and where it came from.

    Attributes:
        plan: the plan; of the rounds after the first, for what is left of the budget.
        prices: the prices, with the pilot that was solved.
        foresight: rates, curves, learnability, warnings; None for a plan made by a rule.
        rounds: whether the plan is to be looked at again after its coarsest stage.
    """

    plan: Plan
    prices: Prices
    foresight: Foresight | None
    rounds: bool

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
            told = ", ".join(
                f"{k} {'unknown' if r.value is None else format(r.value, '.2g')}" for k, r in named.items()
            )
            pilot = "/".join(map(str, self.foresight.pilot))
            lines += [f"\nrates in points per side: {told}", f"pilot: {pilot} samples"]
            lines += [f"warning: {words}" for words in self.foresight.warnings]
        return "\n".join(lines)


def foresee(session: Session) -> Forecast:
    """Return the forecast of a run: by estimates from a pilot where the strategy asks for them, else by its rule.

    The outcome is frozen in the ledger: a run that is continued goes by the same plan, and trains no pilot again.

    Raises:
        BudgetError: if the budget does not buy the pilot, with what is needed.
        GenerationError: if no level can be used.
        PilotError: for too few solved pilot samples.
    """
    price, strategy = prices(session), session.asked.strategy
    if not strategy.planner.estimates:
        return Forecast(strategy.planner.plan(price.terms), price, None, rounds=False)
    price = replace(price, pilot=pilot_counts(price.costs, price.budget, at_least=price.pilot))
    name = f"plan/{_digest(session.asked)}"
    told = session.store.frozen(name)
    if told is None:
        told = session.store.freeze(name, _forecast(session, price))
    plan = from_facts(told["plan"])
    return Forecast(plan, price, from_plain(Foresight, told["facts"]), strategy.rounds and len(plan.levels) > 1)


def reconsider(session: Session, forecast: Forecast, coarse: Fitted) -> Forecast:
    """Return the forecast for the rest of the budget, after the plan's coarsest stage.

    The coarse stage's error is now measured, on the samples that it held out, and the corrections are estimated again
    at the trained weights. What is solved is bought: the levels to come share what is left.

    Raises:
        GenerationError: if no level can be used.
    """
    name = f"replan/{_digest(session.asked)}"
    told = session.store.frozen(name)
    if told is None:
        told = session.store.freeze(name, _again(session, forecast, coarse))
    return replace(forecast, plan=from_facts(told["plan"]), foresight=from_plain(Foresight, told["facts"]))


def solve_pilot(session: Session, counts: tuple[int, ...]) -> Pilot:
    """Return the pilot of a run, solved where it is missing.

    A level on which every solve fails is left out, with a warning.

    Raises:
        GenerationError: if no level can be used, or the coarsest usable one has fewer than 4 samples.
    """
    session.solve("train", dict(enumerate(counts)), max_failure_rate=1.0)
    samples, warnings = {}, []
    for level, n in enumerate(counts):
        if n and not session.store.solved("train", level, n):
            warnings.append(f"level {level} is left out: all its {n} pilot samples failed")
        elif n:
            samples[level] = session.samples("train", level, n)
    if not samples or len(samples[min(samples)].indices) < 4:
        rows = [row for level, n in enumerate(counts) for row in session.rows("train", level, n)]
        names = sorted({row.status for row in rows if row.status != OK})
        failed = sum(row.status != OK for row in rows)
        message = (
            f"a plan needs 4 solved pilot samples on one level, but {failed} of {len(rows)} failed "
            f"({', '.join(names)}); see the ledger for the reasons"
        )
        raise GenerationError(message, failed=failed, attempted=len(rows))
    return pilot_of(counts, samples, warnings)


def write_plan(file: Path, forecast: Forecast, config: Config) -> None:
    """Write a plan as JSON, with the problem, its options, the budget and the seed that it is for."""
    told = {name: config.model_dump(mode="json")[name] for name in _ASKED}
    foresight = None if forecast.foresight is None else to_plain(forecast.foresight)
    content = {"asked": told, "plan": to_plain(plan_facts(forecast.plan)), "foresight": foresight}
    content = json.loads(json.dumps(content, allow_nan=False))  # as it will be read
    write_whole(file, json.dumps(content | {"digest": digest(content)}, indent=2).encode())


def read_plan(file: Path) -> dict[str, Any]:
    """Return the options of a run by a written plan: problem, options, budget, seed, and samples as `plan`.

    Raises:
        ConfigError: if the file cannot be read, or holds no plan.
    """
    try:
        told = json.loads(file.read_bytes())
        if told.pop("digest", None) != digest(told):
            raise ValueError("it does not match its digest, so it is damaged or was edited; make it again")
        plan = from_facts(told["plan"])
        return {**{name: told["asked"][name] for name in _ASKED}, "plan": list(plan.samples)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{file} holds no plan as `mlft plan --save` writes it: {error}") from None


_ASKED = ("problem", "options", "budget", "seed")


def plan_facts(plan: Plan) -> PlanFacts:
    """Return a plan as it is recorded."""
    return from_plain(PlanFacts, plan.facts)


def _forecast(session: Session, price: Prices) -> dict[str, Any]:
    """Return plan and foresight from a pilot, as plain values."""
    asked, pilot = session.asked, solve_pilot(session, price.pilot)
    start = session.surrogate(pilot.samples[min(pilot.samples)])
    wanted = asked.strategy.planner.corrections
    outlook = estimate(asked.estimator, pilot, start, study_of(session), corrections=wanted)
    plan = _planned(session, outlook, price)
    return _frozen(plan, _foresight(session, outlook, pilot, price))


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
    known = (level, n, error) if math.isfinite(error) else None
    outlook = replace(outlook, learnability=kappa[0], scatter=kappa[1], known=known)
    bought = list(forecast.prices.pilot)
    bought[level] = max(bought[level], n)
    plan = _planned(session, outlook, replace(forecast.prices, pilot=tuple(bought)))
    first = plan_facts(forecast.plan)
    return _frozen(plan, replace(forecast.foresight, first=first, learnability_after=kappa))


def _planned(session: Session, outlook: Outlook, price: Prices) -> Plan:
    noise = _normals(session.random("intervals"), outlook.beliefs)
    return session.asked.strategy.planner.plan(replace(price.terms, outlook=outlook, noise=noise))


def study_of(session: Session) -> Study:
    """Return how a pilot trains: from initial weights, and further from trained ones with fewer steps."""
    training, seed = session.asked.config.training, session.asked.config.seed
    steps = min(training.steps or STEPS, STEPS)
    first, later = replace(training, steps=steps), replace(training, steps=max(1, steps // 3))
    more = steps + 3 * max(1, steps // 3) if session.asked.strategy.planner.corrections else 0
    total, done = 3 * steps + more, iter(range(1, 10**9))

    def tell(*_: float) -> None:
        session.report(Progress("plan", "pilot trainings", next(done), total, ""))

    def samples(inputs: np.ndarray, labels: np.ndarray) -> Samples:
        return Samples(0, tuple(range(len(inputs))), inputs, labels)

    def fresh(surrogate: Surrogate, inputs: np.ndarray, labels: np.ndarray) -> None:
        OneLevel().fit(surrogate, [samples(inputs, labels)], Course(first, seed, progress=tell))

    def further(surrogate: Surrogate, inputs: np.ndarray, labels: np.ndarray) -> None:
        adapt(surrogate, samples(inputs, labels), Course(later, seed, progress=tell))

    return Study(fresh, further, session.random, training.reach(PASSES))


def _foresight(session: Session, outlook: Outlook, pilot: Pilot, price: Prices) -> Foresight:
    problem, levels = session.asked.problem, outlook.levels
    steps = [outlook.base.cap, *(outlook.gaps[pair].size for pair in zip(levels, levels[1:], strict=False))]
    found = rates(
        [problem.hierarchy[level].cells[0] for level in levels],
        bias=[pilot.bias[level] for level in levels],
        corrections=steps,
        costs=[price.costs[level] for level in levels],
    )
    return Foresight(
        estimator=session.asked.config.estimator,
        pilot=pilot.counts,
        base=from_plain(CurveFacts, asdict(outlook.base)),
        origin=outlook.origin,
        learnability=(outlook.learnability, outlook.scatter),
        gaps=tuple((k, level, gap.size, gap.samples) for (k, level), gap in outlook.gaps.items()),
        rates=from_plain(RatesFacts, asdict(found)),
        warnings=pilot.warnings,
        by_budget=tuple(_by_budget(session.asked.strategy.planner, outlook, price)),
    )


def outlook_of(told: Foresight, pilot: Pilot, reach: float) -> Outlook:
    """Return the outlook that a foresight tells of, with the distances of the pilot."""
    base = ErrorCurve(told.base.points, told.base.scale, told.base.exponent, told.base.cap, told.base.replicates)
    return Outlook(base, told.origin, *told.learnability, pilot.gaps, reach)


def _by_budget(planner: Planner, outlook: Outlook, price: Prices) -> list[tuple[float, float, float, float]]:
    """Return (budget, predicted error, lower, upper) of the planner's plan from an eighth to eight times the budget."""
    rows, bought = [], (0,) * len(price.costs)
    for budget in (price.budget * 2.0**i for i in range(-3, 4)):
        if budget >= 2 * min(price.costs):
            noise = _normals(torch.Generator().manual_seed(0), outlook.beliefs)
            with contextlib.suppress(BudgetError):
                plan = planner.plan(Terms(price.costs, budget, bought, outlook, noise))
                rows.append((budget, plan.predicted or 0.0, *(plan.interval or (0.0, 0.0))))
    return rows


def _normals(stream: torch.Generator, columns: int) -> np.ndarray:
    """Return normal numbers, a row for each belief of an interval."""
    rows = [torch.randn(columns, generator=stream, dtype=torch.float64) for _ in range(BELIEFS)]
    return torch.stack(rows).numpy()


def _frozen(plan: Plan, foresight: Foresight) -> dict[str, Any]:
    return {"plan": to_plain(plan_facts(plan)), "facts": to_plain(foresight)}


def _digest(asked: Asked) -> str:
    return digest(asked.config.identity)[:16]
