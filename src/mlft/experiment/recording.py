"""The parts of an outcome, from a session: budget, levels, bias, stages, failures, machine."""

import math
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlft.datasets import DataProblem
from mlft.experiment.asking import Asked
from mlft.experiment.outcome import (
    BoughtPlan,
    CandidateFacts,
    Cost,
    DataFacts,
    Failure,
    Interval,
    LevelFacts,
    LiftFacts,
    Measure,
    Prediction,
    Spending,
    StageFacts,
    SurrogateFacts,
)
from mlft.experiment.pricing import Prices
from mlft.experiment.record import from_plain
from mlft.experiment.repeating import command
from mlft.experiment.session import REFERENCE, Session
from mlft.experiment.timing import in_larger_batches
from mlft.grids import relative_error
from mlft.learners import Fitted
from mlft.machine import processor
from mlft.planning import Plan
from mlft.problems import Problem
from mlft.status import OK
from mlft.store import LedgerRow


def spending(session: Session, plan: Plan, price: Prices) -> Spending:
    """Return what was asked and what went, in seconds and in solves: in all, for the pilot, and for failed samples."""
    rows = {level: session.rows("train", level, n) for level, n in enumerate(_tried(plan, price)) if n}
    failed = {level: [row for row in found if row.status != OK] for level, found in rows.items()}
    pilot = {level: [row for row in found if row.index < price.pilot[level]] for level, found in rows.items()}
    asked = session.asked.config.limit
    measured = [_seconds(session, level, n) for level, n in enumerate(_tried(plan, price))]
    if not session.asked.problem.has_solver:
        parts = (replace(_cost(part, price, measured), seconds=0.0, measured=None) for part in (rows, pilot, failed))
        return Spending(asked.asked, asked.unit, *parts)
    return Spending(asked.asked, asked.unit, *(_cost(part, price, measured) for part in (rows, pilot, failed)))


def levels(session: Session, plan: Plan, price: Prices, bias: Sequence[float]) -> tuple[LevelFacts, ...]:
    """Return a row a level: its grid, its prices, samples solved and failed, its bias.

    The price in seconds is the median over draws in the larger batches: in a small one most is overhead, and of few
    samples the first, which compiles, would be the price (`Session.paced`).
    """
    table = []
    for level, (grid, n) in enumerate(zip(session.asked.problem.hierarchy, _tried(plan, price), strict=True)):
        rows = session.rows("train", level, n)
        ok = sum(row.status == OK for row in rows)
        each = _seconds(session, level, n) if session.asked.problem.has_solver else None
        table.append(LevelFacts(level, str(grid), each, price.relative[level], ok, len(rows) - ok, bias[level]))
    return tuple(table)


def failures(session: Session, plan: Plan) -> tuple[Failure, ...]:
    """Return the failures by level and name, with the note of one of them."""
    rows = [row for level, n in enumerate(plan.samples) for row in session.rows("train", level, n) if row.status != OK]
    counts = Counter((row.level, row.status) for row in rows)
    notes = {(row.level, row.status): row.note for row in rows}
    return tuple(Failure(*name, count, notes[name]) for name, count in sorted(counts.items()))


def measure_bias(session: Session) -> tuple[list[float], Measure]:
    """Return each level's mean relative L2 distance from the reference, on a few test draws; NaN where not measured.

    The reference is the problem's own where it has one, and the finest level where it has none. The solves are a
    measurement, and are not charged; a draw whose reference fails is left out, and the reason told.
    """
    problem, config = session.asked.problem, session.asked.config
    n, top = config.bias_draws, session.finest
    if not n:
        return [math.nan] * (top + 1), Measure("none", 0, reason="no draws were asked for (bias_draws = 0)")
    session.solve("test", dict.fromkeys(range(top), n) | {top: max(n, config.test)})
    common = sorted(set.intersection(*(set(session.store.solved("test", level, n)) for level in range(top + 1))))
    if not problem.has_reference:
        found = _distances(session, common, "test")
        return [*found[:-1], math.nan], Measure("finest", len(common), reason="" if common else _NONE)
    session.solve(REFERENCE, {top: n}, max_failure_rate=1.0)
    failed = [row for row in session.rows(REFERENCE, top, n) if row.status != OK]
    known = session.store.solved(REFERENCE, top, common)
    reason = "" if known or common else _NONE
    if failed:
        reason = f"{len(failed)} of {n} reference solves failed: {failed[0].status}, {failed[0].note or 'no note'}"
    return _distances(session, known, REFERENCE), Measure("reference", len(known), len(failed), reason)


def stages(fitted: Fitted, regime: Sequence[dict[str, float]]) -> tuple[StageFacts, ...]:
    """Return a row a stage: samples, held-out error before and after, whether it was kept, how the kernel moved."""
    return tuple(
        StageFacts(
            level=log.level,
            samples=log.samples,
            held_out=log.held_out,
            steps=log.steps,
            error_before=log.verdict.error_before,
            error_after=log.verdict.error_after,
            kept=log.verdict.kept,
            blend=log.verdict.blend,
            checks=log.checks,
            all_draws=log.all_draws,
            **moved,
        )
        for log, moved in zip(fitted.stages, regime, strict=True)
    )


def lifts(fitted: Fitted) -> tuple[LiftFacts, ...]:
    """Return a row a level that could be lifted: label error before and after, which lift, what else was tried."""
    return tuple(
        LiftFacts(
            level=log.choice.lift.place.level,
            target=log.choice.lift.place.target,
            name=log.choice.lift.name,
            raw=Interval(**asdict(log.choice.lift.error.raw)),
            lifted=Interval(**asdict(log.choice.lift.error.lifted)),
            mean=Interval(**asdict(log.choice.lift.error.mean)),
            draws=log.choice.lift.error.draws,
            samples=log.samples,
            tried=dict(log.choice.tried),
            cpu_seconds=log.choice.lift.cpu_seconds,
        )
        for log in fitted.lifts
    )


def bought_plan(plan: Plan, price: Prices, made: str) -> BoughtPlan:
    """Return the plan: samples a level, prices, the reason in words, what it predicts and when, its alternatives."""
    predicted = None
    if plan.predicted is not None and plan.interval is not None:
        predicted = Prediction(plan.predicted, *plan.interval, made, plan.coverage, plan.stretch)
    more = {"cost": plan.cost, "budget": price.budget, "unit": price.unit, "predicted_error": predicted}
    return from_plain(BoughtPlan, plan.facts | more)


def surrogate_facts(asked: Asked, fitted: Fitted) -> SurrogateFacts:
    """Return the network's name (its class for a user's own), its numbers, its options, and what it was chosen from."""
    network = fitted.surrogate.network
    count = sum(entry.numel() for entry in network.state_dict().values() if isinstance(entry, torch.Tensor))
    tried = (from_plain(CandidateFacts, asdict(log)) for log in fitted.candidates)
    name = asked.config.surrogate if asked.module is None else type(asked.module).__name__
    return SurrogateFacts(name, count, getattr(network, "options", {}), tuple(tried))


def data_facts(problem: Problem) -> DataFacts | None:
    """Return what is recorded of a data set; None of a problem with a solver."""
    if not isinstance(problem, DataProblem):
        return None
    data, split = problem.data, problem.split
    return DataFacts(
        files=data.files,
        rows=tuple(len(level) for level in data.levels),
        train=problem.counts("train"),
        test=len(split.test),
        coupled=data.coupled,
        alike=split.alike,
        left_out=split.left_out,
        dropped=data.left_out,
        assumed=data.assumed,
        priced=bool(problem.prices),
    )


def header(asked: Asked, folder: Path, *, verb: str = "run", **more: Any) -> dict[str, Any]:
    """Return how a run was asked for, with more arguments of its verb, and where it ran: version, config, machine."""
    return {
        "version": version("mlft"),
        "config": asked.config.model_dump(mode="json", exclude_none=True),
        "command": command(asked, folder, verb=verb, **more),
        "machine": machine(),
    }


def machine() -> dict[str, str]:
    """Return what the run ran on."""
    return {
        "cpu": processor(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "mlft": version("mlft"),
    }


_NONE = "no test draw was solved on every level"


def _distances(session: Session, indices: Sequence[int], stream: str) -> list[float]:
    """Return each level's mean distance from the solutions of a stream on the finest grid; NaN without draws."""
    top, grid = session.finest, session.asked.problem.finest
    if not indices:
        return [math.nan] * (top + 1)
    reference = session.store.read(stream, top, indices).solutions
    fields = [session.on_finest("test", level, indices) for level in range(top + 1)]
    return [float(relative_error(field, reference, grid).mean()) for field in fields]


def _tried(plan: Plan, price: Prices) -> tuple[int, ...]:
    """Return samples a level that were paid for: the plan's, and what else was bought and is left out."""
    wasted = plan.wasted or (0,) * len(plan.samples)
    return tuple(max(each) for each in zip(plan.samples, wasted, price.bought, strict=True))


def _seconds(session: Session, level: int, n: int) -> float:
    """Return seconds of a solve; where none is solved, of the first n training and all test draws, failed ones."""
    seconds, solved, _ = session.paced(level)
    if solved:
        return seconds
    streams = session.rows("train", level, n), session.store.ledger("test", level)
    return in_larger_batches(*([row.seconds for row in rows] for rows in streams))[0]


def _cost(part: dict[int, list[LedgerRow]], price: Prices, measured: Sequence[float]) -> Cost:
    """Return what samples cost: in seconds, and in solves at the prices of the run and at measured ones."""
    seconds = math.fsum(row.seconds for found in part.values() for row in found)
    solves, other = (
        math.fsum(each[level] * len(found) for level, found in part.items())
        for each in (price.relative, np.asarray(measured) / measured[-1])
    )
    return Cost(seconds, solves, other)
