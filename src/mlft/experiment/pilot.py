"""The pilot of a run: what is solved before there is a plan, how it is studied, and the plan that comes of it."""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from itertools import pairwise

import numpy as np
import torch

from mlft.errors import BudgetError, GenerationError
from mlft.estimators import Study, subset_sizes
from mlft.experiment.outcome import CurveFacts, Foresight, PlanFacts, RatesFacts
from mlft.experiment.pricing import Prices
from mlft.experiment.progress import Progress
from mlft.experiment.record import from_plain
from mlft.experiment.session import Session
from mlft.learners import OneLevel, adapt, steps_of_end
from mlft.planning import (
    PASSES,
    ErrorCurve,
    Fall,
    Labelled,
    Outlook,
    Pilot,
    Plan,
    Rates,
    Stretch,
    Terms,
    bank,
    pilot_of,
    rates,
    stretch,
    stretched,
)
from mlft.status import OK
from mlft.store import Samples
from mlft.surrogates import QUICK, Average, Surrogate
from mlft.training import Course, Training

STEPS = 400
"""Optimizer steps of a pilot training, all of them made; fewer where the run's own are given and fewer."""

BELIEFS = 100
"""Beliefs that an interval is taken over."""


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


def study_of(session: Session) -> Study:
    """Return how a pilot trains: from initial weights, and further from trained ones with fewer steps."""
    training = session.asked.config.training
    steps = min(training.steps or STEPS, STEPS)
    first, later = replace(training, steps=steps), replace(training, steps=max(1, steps // 3))
    whole = steps + steps_of_end(steps)
    more = whole + 3 * max(1, steps // 3) if session.asked.strategy.planner.corrections else 0
    return _study(session, first, later, total=3 * whole + more, what="pilot trainings")


def study_in_earnest(session: Session, samples: int, known: ErrorCurve | None, what: str) -> Study:
    """Return how a round trains on so many samples: as the run will, and once, for the next point of a curve."""
    training = session.asked.config.training
    steps = training.effort([subset_sizes(samples)[-1]])[0]
    study = _study(session, training, training, total=steps + steps_of_end(steps), what=what)
    return replace(study, nested=False, known=known)


def _study(session: Session, first: Training, later: Training, *, total: int, what: str) -> Study:
    seed, done = session.asked.config.seed, iter(range(1, 10**9))

    def tell(*_: float) -> None:
        session.tell(Progress("plan", what, next(done), total))

    def samples(inputs: np.ndarray, labels: np.ndarray) -> Samples:
        return Samples(0, tuple(range(len(inputs))), inputs, labels)

    def fresh(surrogate: Surrogate, inputs: np.ndarray, labels: np.ndarray) -> None:
        OneLevel().fit(surrogate, [samples(inputs, labels)], Course(first, seed, progress=tell))

    def further(surrogate: Surrogate, inputs: np.ndarray, labels: np.ndarray) -> None:
        adapt(surrogate, samples(inputs, labels), Course(later, seed, progress=tell))

    return Study(fresh, further, session.random, session.asked.config.training.reach(PASSES))


def pupil(session: Session, samples: Labelled) -> Surrogate:
    """Return the untrained surrogate that a pilot trains: where several are tried, the quick ones of them."""
    made = session.surrogate(samples)
    if isinstance(made.network, Average) and not set(QUICK).isdisjoint(made.network.names):
        made.network.keep([float(name in QUICK) for name in made.network.names])
    return made


def outlook_of(told: Foresight, pilot: Pilot, reach: float) -> Outlook:
    """Return the outlook that a foresight tells of, with the distances of what is solved."""
    own = {one.level: _curve(one.curve) for one in told.rounds if one.curve is not None}
    falls = {(one.level, one.target): Fall(*one.fall) for one in told.rounds if one.fall and one.target is not None}
    return Outlook(_curve(told.base), told.origin, *told.learnability, pilot.gaps, reach, own=own, falls=falls)


def _curve(facts: CurveFacts) -> ErrorCurve:
    return ErrorCurve(**{field.name: getattr(facts, field.name) for field in fields(facts)})


def planned(session: Session, outlook: Outlook, price: Prices) -> Plan:
    """Return the planner's plan, with its intervals, for what is left of the budget after what is bought."""
    noise = _normals(session.random("intervals"), outlook.beliefs)
    plan = session.asked.strategy.planner.plan(replace(price.terms, outlook=outlook, noise=noise))
    return stretched(plan, _stretch(session))


def judged(session: Session, outlook: Outlook, plan: Plan) -> Plan:
    """Return a plan with the error and the interval that an outlook predicts for it."""
    noise = _normals(session.random("intervals"), outlook.beliefs)
    return stretched(outlook.judge(plan, outlook.believed(noise, len(plan.costs))), _stretch(session))


def _stretch(session: Session) -> Stretch:
    """Return what past predictions ask of an interval; as it is believed for the kernels, of which there are none."""
    if session.asked.config.estimator != "learning-curve":
        return Stretch()
    return stretch(bank(), session.asked.problem.name)


def _normals(stream: torch.Generator, columns: int) -> np.ndarray:
    """Return normal numbers, a row for each belief of an interval."""
    rows = [torch.randn(columns, generator=stream, dtype=torch.float64) for _ in range(BELIEFS)]
    return torch.stack(rows).numpy()


def plan_facts(plan: Plan) -> PlanFacts:
    """Return a plan as it is recorded."""
    return from_plain(PlanFacts, plan.facts)


def foresight_of(session: Session, outlook: Outlook, pilot: Pilot, price: Prices) -> Foresight:
    """Return what is recorded of an outlook: rates, curve, distances, and the errors it predicts by budget."""
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
        rates=_rates(session, outlook, found),
        warnings=pilot.warnings,
        by_budget=by_budget(session, outlook, price),
    )


def _rates(session: Session, outlook: Outlook, found: Rates) -> RatesFacts:
    """Return rates as they are recorded, each with what it was fitted to."""
    levels, top = outlook.levels, outlook.levels[-1]
    guessed = {"bias": [level for level in levels[:-1] if not outlook.gaps[level, top].samples]}
    guessed["corrections"] = [level for k, level in pairwise(levels) if not outlook.gaps[k, level].samples]
    told = {what: _measured(found) for what, found in guessed.items()}
    price = "measured prices" if session.asked.measures_costs else "stated prices"
    rows = {"bias_rate": told["bias"], "variance_rate": told["corrections"], "cost_rate": price}
    facts = {name: row | {"fitted": rows[name]} for name, row in asdict(found).items()}
    return from_plain(RatesFacts, facts)


def _measured(guessed: Sequence[int]) -> str:
    if not guessed:
        return "measured"
    return f"level{'s' * (len(guessed) > 1)} {', '.join(map(str, guessed))} extrapolated"


def by_budget(session: Session, outlook: Outlook, price: Prices) -> tuple[tuple[float, float, float, float], ...]:
    """Return (budget, predicted error, lower, upper) of the planner's plan from an eighth to eight times the budget."""
    rows, bought, planner = [], (0,) * len(price.costs), session.asked.strategy.planner
    for budget in (price.budget * 2.0**i for i in range(-3, 4)):
        if budget >= 2 * min(price.costs):
            noise = _normals(torch.Generator().manual_seed(0), outlook.beliefs)
            with contextlib.suppress(BudgetError):
                plan = planner.plan(Terms(price.costs, budget, bought, outlook, noise))
                plan = stretched(plan, _stretch(session))
                rows.append((budget, plan.predicted or 0.0, *(plan.interval or (0.0, 0.0))))
    return tuple(rows)
