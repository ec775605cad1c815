"""Rounds: before a plan is followed, a part of it is bought and measured, and the plan made again."""

from dataclasses import asdict, replace

from mlft.errors import GenerationError
from mlft.estimators import learned
from mlft.experiment.outcome import CurveFacts, Foresight, RoundFacts
from mlft.experiment.pilot import by_budget, outlook_of, plan_facts, planned, solve_pilot, study_in_earnest
from mlft.experiment.pricing import Prices
from mlft.experiment.progress import Progress
from mlft.experiment.record import from_plain
from mlft.experiment.session import Session
from mlft.intervals import Middle
from mlft.planning import PASSES, ErrorCurve, Fall, Labelled, Pilot, Plan, Wanted
from mlft.training import Course

SCATTER = 0.1
"""Relative standard error that a measured lift has at least: of the trainings that fit it."""


def measured_round(session: Session, price: Prices, wanted: Wanted, told: Foresight) -> tuple[Plan, Foresight]:
    """Return the plan after what is wanted was bought and measured, and all that is foreseen by then.

    The samples are the first ones of what the plan would have had; a run that goes another way has paid for them.

    Raises:
        GenerationError: if too many of them fail.
        PilotError: for too few solved samples of the level.
    """
    before = told.rounds[-1].bought if told.rounds else told.pilot
    bought = tuple(max(pair) for pair in zip(before, wanted.samples, strict=True))
    session.solve("train", {level: n for level, n in enumerate(wanted.samples) if n})
    pilot = solve_pilot(session, bought)
    outlook = outlook_of(told, pilot, session.asked.config.training.reach(PASSES))
    curve, fall, what = None, None, f"round {len(told.rounds) + 1}"
    if wanted.target is None:
        curve = _curve(session, wanted.level, pilot, outlook.own.get(wanted.level), what)
        outlook = replace(outlook, own={**outlook.own, wanted.level: curve})
    else:
        fall = _fall(session, wanted.level, wanted.target, pilot, what)
        outlook = replace(outlook, falls={**outlook.falls, (wanted.level, wanted.target): fall})
    plan = planned(session, outlook, replace(price, pilot=bought))
    row = RoundFacts(
        wanted.level,
        wanted.target,
        bought,
        None if curve is None else from_plain(CurveFacts, asdict(curve)),
        None if fall is None else (fall.draws, fall.left, fall.scatter),
        plan_facts(plan),
    )
    gaps = tuple((k, above, gap.size, gap.samples) for (k, above), gap in outlook.gaps.items())
    told = replace(told, gaps=gaps, warnings=pilot.warnings, rounds=(*told.rounds, row))
    if session.asked.strategy.planner.wants(plan, told.measured) is None:
        told = replace(told, by_budget=by_budget(session, outlook, price))
    return plan, told


def _curve(session: Session, level: int, pilot: Pilot, known: ErrorCurve | None, what: str) -> ErrorCurve:
    """Return the learning curve of a level, by trainings as long as the run's and of all that it tries."""
    samples = _of(pilot, level)
    study = study_in_earnest(session, len(samples.indices), known, f"{what}, learning curve of level {level}")
    return learned(session.asked.estimator, samples, session.surrogate(samples), study)


def _fall(session: Session, level: int, target: int, pilot: Pilot, what: str) -> Fall:
    """Return what the learner's lift leaves of the label error of a level."""

    def tell(lift: str, step: int, steps: int) -> None:
        session.tell(Progress("plan", f"{what}, {lift}", step, steps))

    training, seed = session.asked.config.training, session.asked.config.seed
    course = Course(training, seed, lifting=tell, scheme=session.scheme)
    coarse, fine = (session.samples("train", one, pilot.counts[one]) for one in (level, target))
    error = session.asked.strategy.learner.left(coarse, fine, course)
    if error is None or not error.raw.value > 0:
        return Fall()
    left = min(1.0, error.lifted.value / error.raw.value)
    return Fall.measured(error.draws, left, max(SCATTER, _scatter(error.lifted)))


def _of(pilot: Pilot, level: int) -> Labelled:
    if level not in pilot.samples:
        tried = pilot.counts[level]
        message = (
            f"all {tried} samples on level {level}, which the plan rests on, failed; see the ledger for the reasons"
        )
        raise GenerationError(message, failed=tried, attempted=tried)
    return pilot.samples[level]


def _scatter(middle: Middle) -> float:
    """Return the relative standard error of a mean; half of it where there is no interval."""
    half = 0.5 * (middle.upper - middle.lower)
    return half / 1.96 / middle.value if half > 0 and middle.value > 0 else 0.5
