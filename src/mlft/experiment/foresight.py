"""Foresight: from a pilot to a plan with a predicted error, and again after the coarse stage."""

import copy
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import nn

from mlft.errors import ConfigError
from mlft.estimators import ErrorCurve, Task, kernel_curve, network_curve
from mlft.experiment.config import Config
from mlft.experiment.outlook import PASSES, Outlook, learnability
from mlft.experiment.pilot import Pilot, coupled, pilot_counts, scale_of, solve_pilot
from mlft.experiment.pricing import Prices
from mlft.experiment.record import plain, write_json
from mlft.experiment.setup import surrogate_of
from mlft.experiment.solving import Progress, Solver
from mlft.planning import Plan, from_facts, mlmc, rates
from mlft.seeds import generator
from mlft.store import Samples
from mlft.surrogates import Surrogate
from mlft.training import Fitted, adapt, one_level

STEPS = 400
"""Optimizer steps of a pilot training, at most."""


@final
@dataclass(frozen=True)
class Forecast:
    """A plan and where it came from.

    Attributes:
        plan: the plan; of the rounds after the first, for what is left of the budget.
        prices: the prices, with the pilot that was solved.
        facts: rates, curves, learnability, warnings, as plain values.
        rounds: whether the plan is to be looked at again after its coarsest stage.
    """

    plan: Plan
    prices: Prices
    facts: dict[str, Any]
    rounds: bool


def foresee(solver: Solver, price: Prices, network: nn.Module | None) -> Forecast:
    """Return the forecast of a run: by estimates from a pilot where the strategy asks for them, else by its rule.

    The outcome is frozen in the ledger: a run that is continued goes by the same plan, and trains no pilot again.

    Raises:
        BudgetError: if the budget does not buy the pilot, with what is needed.
        GenerationError: if no level can be used.
        PilotError: for too few solved pilot samples.
    """
    asked = solver.asked
    if not asked.estimated:
        return Forecast(price.plan(asked), price, {}, rounds=False)
    counts = pilot_counts(price.costs, price.budget, at_least=price.pilot)
    name = f"plan/{_digest(asked)}"
    told = solver.store.frozen(name)
    if told is None:
        told = solver.store.freeze(name, _forecast(solver, replace(price, pilot=counts), network))
    plan = from_facts(told["plan"])
    rounds = asked.strategy == "finetune" and len(plan.levels) > 1
    return Forecast(plan, replace(price, pilot=counts), told["facts"], rounds)


def write_plan(file: Path, forecast: Forecast, asked: Config) -> None:
    """Write a plan as JSON, with the problem, its options, the budget and the seed that it is for."""
    told = {name: asked.model_dump(mode="json")[name] for name in _ASKED}
    write_json(file, {"asked": told, "plan": forecast.plan.facts, "foresight": forecast.facts})


def read_plan(file: Path) -> dict[str, Any]:
    """Return the options of a run by a written plan: problem, options, budget, seed, and samples as `plan`.

    Raises:
        ConfigError: if the file cannot be read, or holds no plan.
    """
    try:
        told = json.loads(file.read_text())
        plan = from_facts(told["plan"])
        return {**{name: told["asked"][name] for name in _ASKED}, "plan": list(plan.samples)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} holds no plan as `mlft plan --save` writes it: {error}") from None


_ASKED = ("problem", "options", "budget", "seed")


def reconsider(solver: Solver, forecast: Forecast, coarse: Fitted) -> Forecast:
    """Return the forecast for the rest of the budget, after the plan's coarsest stage.

    The coarse stage's error is now measured, on the samples that it held out, and the corrections are estimated again
    at the trained weights. What is solved is bought: the levels to come share what is left.

    Raises:
        GenerationError: if no level can be used.
    """
    name = f"replan/{_digest(solver.asked)}"
    told = solver.store.frozen(name)
    if told is None:
        pilot = solve_pilot(solver, forecast.prices.pilot)
        outlook = outlook_of(solver.asked, forecast.facts, pilot)
        error = coarse.stages[-1].verdict.error_after
        level = forecast.plan.levels[0]
        n = forecast.plan.samples[level]
        further = _trainings(solver)[1]
        evidence = _evidence(solver.asked, coarse.surrogate, pilot, level, further)
        kappa = learnability(outlook.base, evidence) if evidence else (outlook.learnability, outlook.scatter)
        known = (level, n, error) if math.isfinite(error) else None
        outlook = replace(outlook, learnability=kappa[0], scatter=kappa[1], known=known)
        bought = list(forecast.prices.pilot)
        bought[level] = max(bought[level], n)
        plan = _planned(solver, outlook, forecast.prices, bought)
        facts = {**forecast.facts, "first": forecast.plan.facts, "learnability_after": list(kappa)}
        told = solver.store.freeze(name, {"plan": plain(plan.facts), "facts": plain(facts)})
    return replace(forecast, plan=from_facts(told["plan"]), facts=told["facts"])


def _forecast(solver: Solver, price: Prices, network: nn.Module | None) -> dict[str, Any]:
    pilot = solve_pilot(solver, price.pilot)
    outlook = estimate(solver, pilot, network)
    plan = _planned(solver, outlook, price, list(price.pilot))
    if solver.asked.strategy == "finetune:mlmc":
        plan = _by_variances(outlook, pilot, plan, price)
    facts = _facts(solver, outlook, pilot, price) | {"by_budget": _by_budget(outlook, price)}
    return {"plan": plain(plan.facts), "facts": plain(facts)}


def _by_budget(outlook: Outlook, price: Prices) -> list[list[float]]:
    """Return (budget, predicted error, lower, upper) of the best plan from an eighth to eight times the budget."""
    rows = []
    for budget in (price.budget * 2.0**i for i in range(-3, 4)):
        if budget >= 2 * min(price.costs):
            stream = torch.Generator().manual_seed(0)
            plan = outlook.plan(price.costs, budget, bought=[0] * len(price.costs), generator=stream)
            rows.append([budget, plan.predicted or 0.0, *(plan.interval or (0.0, 0.0))])
    return rows


def _planned(solver: Solver, outlook: Outlook, price: Prices, bought: list[int]) -> Plan:
    stream = generator(solver.asked.seed, "intervals")
    return outlook.plan(price.costs, price.budget, bought=bought, generator=stream)


def _by_variances(outlook: Outlook, pilot: Pilot, best: Plan, price: Prices) -> Plan:
    """Return the plan of the Multi-Level Monte Carlo rule on all usable levels, the optimal one as its alternative."""
    levels = outlook.levels
    sizes = [outlook.base.cap, *(outlook.gaps[pair].size for pair in zip(levels, levels[1:], strict=False))]
    costs = [price.costs[level] for level in levels]
    wasted = [0 if level in levels else n for level, n in enumerate(pilot.counts)]
    left = price.budget - math.fsum(c * n for c, n in zip(price.costs, wasted, strict=True))
    ruled = mlmc([size**2 for size in sizes], costs, left, least=[pilot.counts[level] for level in levels])
    samples = [0] * len(price.costs)
    for level, n in zip(levels, ruled.samples, strict=True):
        samples[level] = n
    plan = Plan(
        tuple(samples),
        price.costs,
        price.budget,
        ruled.rule,
        ruled.reason,
        wasted=tuple(wasted),
        alternatives=(replace(best, alternatives=()),),
    )
    stream = torch.Generator().manual_seed(0)
    return outlook.judge(plan, outlook.beliefs(stream, len(plan.costs)))


def estimate(solver: Solver, pilot: Pilot, network: nn.Module | None) -> Outlook:
    """Return the outlook of a pilot by the estimator that the configuration names."""
    asked, origin = solver.asked, min(pilot.samples)
    coarse = pilot.samples[origin]
    half = len(coarse.indices) // 2
    channels = coarse.inputs.shape[1], coarse.solutions.shape[1]
    start = surrogate_of(asked, channels, solver.problem.finest, network)
    start.fit_normalisers(coarse.inputs, coarse.solutions)
    fresh, further = _trainings(solver)
    trained = start
    if asked.estimator != "kernel-initial":
        trained = copy.deepcopy(start)
        fresh(trained, coarse.inputs[half:], coarse.solutions[half:])
    untaught = coarse.solutions - start.predict(coarse.inputs)
    base = _base(asked, Task(start, coarse.inputs, untaught, scale_of(coarse.solutions)), trained, fresh)
    evidence = _evidence(asked, trained, pilot, origin, further, upto=half)
    kappa = learnability(base, evidence) if evidence is not None else learnability(base, base)
    return Outlook(base, origin, *kappa, pilot.gaps, reach(asked))


def _base(asked: Config, task: Task, trained: Surrogate, train: Callable[..., None]) -> ErrorCurve:
    """Return the learning curve of the coarsest level."""
    stream = generator(asked.seed, "estimate", "base")
    if asked.estimator == "learning-curve":
        return network_curve(task, stream, train=train)
    if asked.estimator == "kernel-initial":
        return kernel_curve(task, stream)
    half = len(task.inputs) // 2
    labels = task.surrogate.predict(task.inputs) + task.targets
    targets = labels - labels.mean(axis=0)
    return kernel_curve(Task(trained, task.inputs[:half], targets[:half], task.scale[:half]), stream)


def _evidence(
    asked: Config, trained: Surrogate, pilot: Pilot, level: int, train: Callable[..., None], *, upto: int | None = None
) -> ErrorCurve | None:
    """Return the error curve of the correction to the next level; None without 4 coupled samples.

    Args:
        asked: the configuration.
        trained: the surrogate that learns it.
        pilot: the coupled samples.
        level: the level that the surrogate was trained on.
        train: how the network is trained further.
        upto: only draws before this one, which the surrogate has not seen.
    """
    above = [fine for fine in sorted(pilot.samples) if fine > level]
    if not above or level not in pilot.samples:
        return None
    low, high = pilot.samples[level], pilot.samples[above[0]]
    i, j = coupled(low, high)
    i, j = (i, j) if upto is None else (i[i < upto], j[i < upto])
    targets = high.solutions[j] - low.solutions[i]
    if len(j) < 4 or not np.abs(targets).max() > 0:
        return None
    task = Task(trained, high.inputs[j], targets, scale_of(high.solutions[j]))
    stream = generator(asked.seed, "estimate", f"correction-{level}")
    return (
        network_curve(task, stream, train=train) if asked.estimator == "learning-curve" else kernel_curve(task, stream)
    )


def _trainings(solver: Solver) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return how a pilot trains: from initial weights, and further from trained ones with fewer steps."""
    asked = solver.asked
    torch.set_num_threads(asked.threads)
    first = replace(asked.training, steps=min(asked.training.steps, STEPS))
    later = replace(first, steps=max(1, first.steps // 3))
    done = iter(range(1, 10**9))

    def tell(level: int, error: float) -> None:
        solver.report(Progress("plan", "pilot trainings", next(done), 4 * first.steps + 3 * later.steps, ""))

    def samples(inputs: np.ndarray, labels: np.ndarray) -> Samples:
        return Samples(0, tuple(range(len(inputs))), inputs, labels)

    def fresh(surrogate: Surrogate, inputs: np.ndarray, labels: np.ndarray) -> None:
        one_level(surrogate, [samples(inputs, labels)], first, seed=asked.seed, progress=tell)

    def further(surrogate: Surrogate, inputs: np.ndarray, labels: np.ndarray) -> None:
        adapt(surrogate, samples(inputs, labels), later, seed=asked.seed, progress=tell)

    return fresh, further


def _facts(solver: Solver, outlook: Outlook, pilot: Pilot, price: Prices) -> dict[str, Any]:
    """Return what an outlook was made of, as plain values; `outlook_of` reads it back."""
    problem, levels = solver.problem, outlook.levels
    steps = [outlook.base.cap, *(outlook.gaps[pair].size for pair in zip(levels, levels[1:], strict=False))]
    found = rates(
        [problem.hierarchy[level].cells[0] for level in levels],
        bias=[pilot.bias[level] for level in levels],
        corrections=steps,
        costs=[price.costs[level] for level in levels],
    )
    return {
        "estimator": solver.asked.estimator,
        "pilot": list(pilot.counts),
        "base": asdict(outlook.base),
        "origin": outlook.origin,
        "learnability": [outlook.learnability, outlook.scatter],
        "gaps": [[k, level, gap.size, gap.samples] for (k, level), gap in outlook.gaps.items()],
        "rates": asdict(found),
        "warnings": list(pilot.warnings),
    }


def outlook_of(asked: Config, facts: dict[str, Any], pilot: Pilot) -> Outlook:
    """Return the outlook that a forecast's facts tell of, with the distances of the pilot."""
    told = facts["base"]
    points, replicates = (tuple(tuple(pair) for pair in told[name]) for name in ("points", "replicates"))
    base = ErrorCurve(points, told["scale"], told["exponent"], told["cap"], replicates)
    kappa, scatter = facts["learnability"]
    return Outlook(base, facts["origin"], kappa, scatter, pilot.gaps, reach(asked))


def reach(asked: Config) -> float:
    """Return the number of samples that the training can visit `PASSES` times each."""
    return max(1.0, asked.training.steps * asked.training.batch / PASSES)


def _digest(asked: Config) -> str:
    return hashlib.sha256(json.dumps(asked.identity, sort_keys=True).encode()).hexdigest()[:16]
