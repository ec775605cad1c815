"""The loop of a run: price, plan, solve, fit, measure, record. Everything else is in the rooms below."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlft.errors import ConfigError
from mlft.experiment.again import refuse_other_answers, refuse_other_solver
from mlft.experiment.asking import Asked, claim, refuse_other_configuration
from mlft.experiment.config import configure
from mlft.experiment.corrected import corrections
from mlft.experiment.familiar import measure_familiarity, unseen
from mlft.experiment.finished import Record
from mlft.experiment.foresight import Forecast, foresee, reconsider
from mlft.experiment.growth import grow, is_part, parts, retire
from mlft.experiment.keeping import kept
from mlft.experiment.manifest import MANIFEST, complete, set_aside, unfit, write_manifest
from mlft.experiment.measure import by_channel, free_baselines, summary
from mlft.experiment.memory import refuse_more_than_memory
from mlft.experiment.other_grids import errors_on
from mlft.experiment.outcome import Baseline, Outcome, Seconds, Sure, TestError
from mlft.experiment.pricing import afford
from mlft.experiment.progress import Progress, Report, of_run
from mlft.experiment.record import BEFORE, PLACES, RECORD, read_outcome, write_evaluation, write_outcome
from mlft.experiment.recording import (
    bought_plan,
    data_facts,
    failures,
    header,
    levels,
    lifts,
    measure_bias,
    spending,
    stages,
    surrogate_facts,
)
from mlft.experiment.regime import regime
from mlft.experiment.rehearsal import refuse_nothing_to_learn, refuse_other_channels, refuse_unfit_network
from mlft.experiment.session import Session
from mlft.experiment.sure import measure_sure
from mlft.experiment.worth import measure_worth
from mlft.grids import relative_error
from mlft.learners import Fitted
from mlft.planning import Plan
from mlft.problems.contract import rehearse
from mlft.store import Samples
from mlft.surrogates import load
from mlft.training import Course, Training


def run(asked: Asked, folder: Path, *, samples: Path | None = None, again: bool = True, report: Report) -> Record:
    """Return the record of a run; a folder that holds a part of it is continued, a finished one is read.

    Of a finished one whose files are not what its manifest says, they are made anew from samples and checkpoints.

    Args:
        asked: what is asked.
        folder: the run folder, made where absent.
        samples: the folder of the sample store, to share samples between runs of one problem and seed.
        again: whether to see that samples which are there already are those that the solver makes.
        report: called with every step forward.

    Raises:
        BudgetError: if the budget is too small, with what is needed.
        ConfigError: for a problem that cannot be learned from, or a configuration that is not the folder's.
        StoreError: if the folder cannot be used, or holds samples of another solver.
        GenerationError: if too many samples fail.
    """
    afford(asked)
    if not (folder / RECORD).exists():
        rehearse(asked.problem, seed=asked.config.seed)
        refuse_unfit_network(asked)
    claim(asked.config, folder)
    damaged = unfit(folder)
    if damaged:
        report(Progress("repair", "damaged or of another run, made anew", 0, 1, note=", ".join(damaged)))
        set_aside(folder)
    if not _finished(asked, folder):
        with Session(asked, folder, samples=samples, report=report) as session:
            if again:
                refuse_other_solver(session)
            write_outcome(folder, _run(session))
    complete(folder)
    told = _with_rivals(asked, folder, samples or folder, report)
    surrogate = load(folder / "surrogate", network=asked.module)
    if not asked.problem.has_solver:
        return Record(told, surrogate, folder)
    return Record(told, surrogate, folder, corrections(asked.problem, folder), asked.problem)


def plan(asked: Asked, folder: Path, *, report: Report) -> Forecast:
    """Return the plan of a run, with its pilot solved into the run folder; `run` there goes by the same plan.

    Raises:
        MlftError: as `run`.
    """
    afford(asked)
    rehearse(asked.problem, seed=asked.config.seed)
    refuse_unfit_network(asked)
    claim(asked.config, folder)
    with Session(asked, folder, report=report) as session:
        refuse_other_solver(session)
        return _forecast(session)


def _forecast(session: Session) -> Forecast:
    """Return the plan of a run, in one that is planned again the first, and refuse what cannot be followed."""
    with session.clock("plan"):
        refuse_other_answers(session)
        refuse_other_channels(session)
        found = foresee(session)
    refuse_nothing_to_learn(found.plan, session.asked.config.training)
    refuse_more_than_memory(session, found.plan)
    return found


def _final(session: Session) -> Forecast:
    """Return the plan that a run goes by: after its coarsest stage, where it is looked at again then."""
    found = _forecast(session)
    if not found.rounds:
        return found
    coarse = _coarse_stage(session, found.plan)
    with session.clock("plan"):
        return reconsider(session, found, coarse)


def _run(session: Session) -> Outcome:
    """Price, pilot and plan; fit the coarse stage and plan the rest anew; solve, fit, measure, record."""
    forecast = kept(session, _final(session))
    plan, price = forecast.plan, forecast.prices

    charged = map(max, price.bought, plan.wasted or price.bought)
    session.solve("train", dict(enumerate(charged)), max_failure_rate=1.0)  # what was lost of it
    session.solve("train", dict(enumerate(plan.samples)))
    train = [session.samples("train", level, n) for level, n in enumerate(plan.samples) if n]

    with session.clock("train"):
        fitted = fit(session, train, session.asked.config.training)

    bias, measure = measure_bias(session)
    session.solve("test", {session.finest: session.asked.config.test})
    test = session.samples("test", session.finest, session.asked.config.test)
    retire(session.folder)
    errors, found, sure = _evaluate(session, fitted, test)

    spent = spending(session, plan, price)
    _save(session, fitted, _card(session, errors, plan.samples))
    problem, config = session.asked.problem, session.asked.config
    return Outcome(
        problem=problem.name,
        equation=problem.equation,
        seed=config.seed,
        strategy=config.strategy,
        budget=spent,
        grid=problem.finest,
        levels=levels(session, plan, price, bias),
        measure=measure,
        transfers=problem.transfers,
        plan=bought_plan(plan, price, forecast.made),
        foresight=forecast.foresight,
        stages=stages(fitted, regime(session, fitted, test)),
        error=found,
        baselines=_free(session, train, test, spent.spent.solves),
        failures=failures(session, plan),
        surrogate=surrogate_facts(session.asked, fitted),
        seconds=Seconds(spent.spent.seconds, session.seconds["train"], session.seconds["plan"]),
        store=session.store_from_here,
        lifts=lifts(fitted),
        worth=measure_worth(session, fitted.surrogate, test, errors) if problem.has_solver else None,
        sure=sure,
        symmetry=session.symmetry,
        parts=parts(session.before, config),
        familiar=measure_familiarity(session, max(train, key=len).inputs, unseen(problem, test.inputs)),
        grids=errors_on(fitted.surrogate, problem.hierarchy, test.inputs, test.solutions),
        channels={"inputs": tuple(problem.input_channels), "solutions": tuple(problem.solution_channels)},
        data=data_facts(problem),
        **header(session.asked, session.folder),
    )


def _finished(asked: Asked, folder: Path) -> bool:
    """Return whether a folder holds what is asked, rivals aside; one of less is to go on.

    Raises:
        ConfigError: for a run of another configuration or transfers; one that is not finished is refused by its store.
    """
    if not (folder / RECORD).exists():
        return False
    told, problem = read_outcome(folder), asked.problem
    there = configure(told.config)
    if set(there.baselines) <= set(asked.config.baselines):
        there = there.model_copy(update={"baselines": asked.config.baselines})
    if there.identity != asked.config.identity and is_part(there, asked.config) and (folder / BEFORE).is_file():
        return False
    refuse_other_configuration(there, asked.config, folder / RECORD)
    old, new = told.transfers, problem.transfers
    if old != new:
        raise ConfigError(
            f"the run folder {folder} is of other transfers of {problem.name}: {_words(old)} there, {_words(new)} "
            "here; give another --out, or the problem with those (mlft.problems.Plain takes a problem's own away)"
        )
    return True


def _words(transfers: dict[str, str]) -> str:
    return ", ".join(f"{name}: {how}" for name, how in transfers.items()) or "plain ones"


def fit(session: Session, train: Sequence[Samples], training: Training, *, all_draws: bool = True) -> Fitted:
    """Return the surrogate of a run fitted to samples on the finest grid, by the strategy's learner."""
    finest, named, to_come = train[-1].level, "", 0

    def announce(what: str, more: int) -> None:
        nonlocal named, to_come
        named, to_come = f": {what}", more

    def tell(level: int, error: float, done: int, steps: int) -> None:
        known, more = error if math.isfinite(error) else None, to_come + (level < finest)
        session.tell(Progress("train", f"level {level}{named}", done, steps, known, more=more))

    def lifting(what: str, step: int, steps: int) -> None:
        session.tell(Progress("lift", what, step, steps))

    seed, scheme = session.asked.config.seed, session.scheme
    course = Course(training, seed, session.checkpoints, tell, lifting, announce, scheme, all_draws)
    return session.asked.strategy.learner.fit(session.surrogate(train[0]), train, course)


def _coarse_stage(session: Session, plan: Plan) -> Fitted:
    """Return the network after the first of a plan's several stages; the whole training finds it in its checkpoint."""
    training, level = session.asked.config.training, plan.levels[0]
    session.solve("train", {level: plan.samples[level]})
    train = session.samples("train", level, plan.samples[level])
    with session.clock("train"):
        return fit(session, [train], training.first_of(len(plan.levels)), all_draws=False)


def _save(session: Session, fitted: Fitted, card: str) -> None:
    """Write lifts and surrogate into the run folder."""
    for log in fitted.lifts:
        named = {"name": session.asked.config.problem, "options": session.asked.config.options}
        log.choice.lift.save(session.folder / "lifts" / f"level-{log.choice.lift.place.level}", problem=named)
    fitted.surrogate.save(session.folder / "surrogate", card=card)


def _evaluate(session: Session, fitted: Fitted, test: Samples) -> tuple[np.ndarray, TestError, Sure | None]:
    """Return the error of each test sample, of all, and how sure predictions are; keep bands and fields for the report.

    Kept are four test samples, a good, a median, a bad one and the worst, and one lifted label of each level.
    """
    predictions = fitted.surrogate.predict(test.inputs)
    grid = session.asked.problem.finest
    errors = relative_error(predictions, test.solutions, grid)
    order = np.argsort(errors, kind="stable")
    chosen = order[[int(q * (len(order) - 1)) for q in PLACES.values()]]
    shown = {"inputs": test.inputs, "solutions": test.solutions, "predictions": predictions}
    kept = {name: field[chosen] for name, field in shown.items()}
    kept |= {f"lift-{log.choice.lift.place.level}": np.concatenate(log.choice.example) for log in fitted.lifts}
    write_evaluation(session.folder, {"errors": errors, "chosen": chosen, **kept})
    found = TestError(summary(errors), len(errors), by_channel(predictions, test.solutions, grid))
    return errors, found, measure_sure(session.folder, test.solutions - predictions, errors)


def _free(session: Session, train: list[Samples], test: Samples, spent: float) -> tuple[Baseline, ...]:
    found = free_baselines(train, test, session.asked.problem.finest)
    return tuple(Baseline(name, "free", error, spent, None) for name, error in found.items())


def _with_rivals(asked: Asked, folder: Path, samples: Path, report: Report) -> Outcome:
    """Run the baselines that are asked for and not yet in the record; return the outcome with them."""
    told = read_outcome(folder)
    known = {row.name for row in told.baselines}
    for name in [name for name in asked.config.baselines if name not in known]:
        place, rival = folder / "baselines" / name.replace(":", "-"), asked.by(name)
        grow(rival.config, place, more=True)
        other = run(rival, place, samples=samples, again=False, report=of_run(report, name)).outcome
        error, spent = other.error.relative_l2.mean, other.budget.spent.solves
        row = Baseline(name, "trained", error, spent, other.plan.samples)
        told = replace(told, baselines=(*told.baselines, row), **header(asked, folder))
        (folder / MANIFEST).unlink(missing_ok=True)
        write_outcome(folder, told)
        write_manifest(folder)
    return told


def _card(session: Session, errors: np.ndarray, samples: tuple[int, ...]) -> str:
    """Return the card of the surrogate's folder."""
    problem, config, found = session.asked.problem, session.asked.config, summary(errors)
    seed = config.seed
    shape = ", ".join(map(str, problem.finest.shape))
    tested = "fresh draws" if problem.has_solver else "rows held back"
    return f"""# {problem.name}: a surrogate trained by mlft

Maps an input field to the solution of {problem.equation} on the grid {problem.finest}.

* relative L2 error on {len(errors)} {tested}: mean {found.mean:.4g}, median {found.median:.4g}
* strategy {config.strategy}, budget {config.budget}, samples a level (coarsest first) {list(samples)}, seed {seed}
* trust it only for inputs of the distribution it was trained on: {problem.name} with {problem.options}

Load it with `mlft.load(folder).predict(inputs)`, inputs of shape (samples, channels, {shape}).
"""
