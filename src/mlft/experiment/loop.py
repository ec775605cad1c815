"""The loop of a run: price, plan, solve, fit, measure, record. Everything else is in the rooms below."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlft.experiment import facts
from mlft.experiment.config import Config
from mlft.experiment.foresight import Forecast, foresee, reconsider
from mlft.experiment.measure import free_baselines, summary
from mlft.experiment.pricing import prices
from mlft.experiment.record import RECORD, Record, read_facts, write_evaluation, write_json
from mlft.experiment.regime import regime
from mlft.experiment.setup import check, claim, problem_of, store_identity, surrogate_of
from mlft.experiment.solving import Progress, Report, Solver, labelled
from mlft.generation import open_pool
from mlft.grids import relative_error
from mlft.planning import Plan
from mlft.problems import Problem
from mlft.store import Samples, SampleStore
from mlft.surrogates import Surrogate, load
from mlft.training import Fitted, strategy


def quiet(progress: Progress) -> None:
    """Report nothing."""


def run_config(
    asked: Config,
    folder: Path,
    *,
    problem: Problem | None = None,
    network: nn.Module | None = None,
    samples: Path | None = None,
    report: Report = quiet,
) -> Record:
    """Return the record of a run; a folder that holds a part of it is continued, a finished one is read.

    Args:
        asked: the configuration.
        folder: the run folder, made where absent.
        problem: a problem of your own, in place of the one that `asked.problem` names.
        network: a network of your own, untrained, (n, c, *grid) → (n, k, *grid), in place of `asked.surrogate`.
        samples: the folder of the sample store, to share samples between runs of one problem and seed.
        report: called with every step forward.

    Raises:
        ConfigError: for a configuration that is not allowed, or not the folder's.
        BudgetError: if the budget is too small, with what is needed.
        StoreError: if the folder cannot be used.
        GenerationError: if too many samples fail.
    """
    problem = problem if problem is not None else problem_of(asked)
    check(asked, problem)
    claim(asked, folder)
    if not (folder / RECORD).exists():
        place, identity = samples or folder, store_identity(asked, problem)
        pool = open_pool(asked.workers, scheduler=asked.scheduler)
        with SampleStore.open(place, identity, verify=True) as store, pool:
            _run(Solver(problem, store, asked, pool, report), folder, network)
    told = _with_rivals(asked, folder, problem, network, samples or folder, report)
    return Record(told, load(folder / "surrogate", network=network), folder)


def plan_config(
    asked: Config,
    folder: Path,
    *,
    problem: Problem | None = None,
    network: nn.Module | None = None,
    report: Report = quiet,
) -> Forecast:
    """Return the plan of a run, with its pilot solved into the run folder; `run_config` there goes by the same plan.

    Raises:
        MlftError: as `run_config`.
    """
    problem = problem if problem is not None else problem_of(asked)
    check(asked, problem)
    claim(asked, folder)
    pool = open_pool(asked.workers, scheduler=asked.scheduler)
    with SampleStore.open(folder, store_identity(asked, problem), verify=True) as store, pool:
        solver = Solver(problem, store, asked, pool, report)
        return foresee(solver, prices(asked, solver), network)


def _run(solver: Solver, folder: Path, network: nn.Module | None) -> None:
    """Price, pilot and plan; fit the coarse stage and plan the rest anew; solve, fit, measure, record."""
    asked, finest = solver.asked, len(solver.problem.hierarchy) - 1
    seconds = {"train": 0.0, "plan": 0.0}
    with _timed(seconds, "plan"):
        forecast = foresee(solver, prices(asked, solver), network)
    if forecast.rounds:
        coarse = _coarse_stage(solver, forecast.plan, folder / "checkpoints", network, seconds)
        with _timed(seconds, "plan"):
            forecast = reconsider(solver, forecast, coarse)
    plan, price = forecast.plan, forecast.prices

    solver.solve("train", dict(enumerate(plan.samples)))
    train = [solver.on_finest("train", level, n) for level, n in enumerate(plan.samples) if n]

    with _timed(seconds, "train"):
        fitted = fit(asked, solver.problem, train, folder / "checkpoints", network=network, report=solver.report)

    bias = facts.bias(solver)
    solver.solve("test", {finest: asked.test})
    test = solver.on_finest("test", finest, asked.test)
    errors = _evaluate(fitted.surrogate, test, solver.problem, folder)

    spent = facts.spending(solver, plan, price)
    fitted.surrogate.save(folder / "surrogate", card=_card(asked, solver.problem, errors, plan.samples))
    told = {
        "problem": solver.problem.name,
        "equation": solver.problem.equation,
        "seed": asked.seed,
        "strategy": asked.strategy,
        "budget": spent,
        "grid": facts.about_grid(solver.problem.finest),
        "levels": facts.levels(solver, plan, price, bias),
        "plan": facts.about_plan(plan, price),
        "foresight": forecast.facts,
        "stages": facts.stages(fitted, regime(solver, fitted, test, network)),
        "error": {"relative_l2": summary(errors), "samples": len(errors)},
        "baselines": _free(train, test, solver.problem, spent["spent"]["solves"]),
        "failures": facts.failures(solver, plan),
        "surrogate": facts.about_surrogate(asked, fitted.surrogate),
        "seconds": {"solve": spent["spent"]["seconds"], **seconds},
    }
    write_json(folder / RECORD, facts.header(asked, folder) | told)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the seconds that the block takes to those of a name."""
    started = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - started


def fit(
    asked: Config,
    problem: Problem,
    train: list[Samples],
    checkpoints: Path,
    *,
    network: nn.Module | None = None,
    report: Report = quiet,
) -> Fitted:
    """Return the surrogate of a configuration fitted to samples on the finest grid."""
    torch.set_num_threads(asked.threads)
    channels = train[0].inputs.shape[1], train[0].solutions.shape[1]
    surrogate = surrogate_of(asked, channels, problem.finest, network)
    total, done = asked.training.steps, iter(range(1, 10**9))

    def tell(level: int, error: float) -> None:
        report(Progress("train", f"level {level}", next(done), total, f"held-out error {error:.4f}"))

    learn = strategy(asked.strategy)
    return learn(surrogate, train, asked.training, seed=asked.seed, folder=checkpoints, progress=tell)


def _coarse_stage(
    solver: Solver, plan: Plan, checkpoints: Path, network: nn.Module | None, seconds: dict[str, float]
) -> Fitted:
    """Return the network after the first of a plan's several stages; the whole training finds it in its checkpoint."""
    asked, level = solver.asked, plan.levels[0]
    solver.solve("train", {level: plan.samples[level]})
    train = solver.on_finest("train", level, plan.samples[level])
    steps = asked.training.shares(len(plan.levels))[0]
    first = asked.model_copy(update={"training": replace(asked.training, steps=steps)})
    with _timed(seconds, "train"):
        return fit(first, solver.problem, [train], checkpoints, network=network, report=solver.report)


def _evaluate(surrogate: Surrogate, test: Samples, problem: Problem, folder: Path) -> np.ndarray:
    """Return the error of each test sample, and keep three of them for the report: a good, a median, a bad one."""
    predictions = surrogate.predict(test.inputs)
    errors = relative_error(predictions, test.solutions, problem.finest)
    order = np.argsort(errors, kind="stable")
    chosen = order[[int(q * (len(order) - 1)) for q in (0.1, 0.5, 0.9)]]
    shown = {"inputs": test.inputs, "solutions": test.solutions, "predictions": predictions}
    write_evaluation(folder, {"errors": errors, "chosen": chosen} | {k: field[chosen] for k, field in shown.items()})
    return errors


def _free(train: list[Samples], test: Samples, problem: Problem, spent: float) -> list[dict[str, Any]]:
    found = free_baselines(train, test, problem.finest)
    return [
        {"name": name, "kind": "free", "error": error, "spent_solves": spent, "samples": None}
        for name, error in found.items()
    ]


def _with_rivals(
    asked: Config, folder: Path, problem: Problem, network: nn.Module | None, samples: Path, report: Report
) -> dict[str, Any]:
    """Run the baselines that are asked for and not yet in the record; return the facts with them."""
    told = read_facts(folder)
    known = {row["name"] for row in told["baselines"]}
    for name in [name for name in asked.baselines if name not in known]:
        rival = asked.model_copy(update={"strategy": name, "baselines": ()})
        place = folder / "baselines" / name.replace(":", "-")
        tell = labelled(report, name)
        other = run_config(rival, place, problem=problem, network=network, samples=samples, report=tell).facts
        row = {"name": name, "kind": "trained", "error": other["error"]["relative_l2"]["mean"]}
        row |= {"spent_solves": other["budget"]["spent"]["solves"], "samples": other["plan"]["samples"]}
        told["baselines"].append(row)
        write_json(folder / RECORD, told)
    return told


def _card(asked: Config, problem: Problem, errors: np.ndarray, samples: tuple[int, ...]) -> str:
    """Return the card of the surrogate's folder."""
    found = summary(errors)
    shape = ", ".join(map(str, problem.finest.shape))
    return f"""# {problem.name}: a surrogate trained by mlft

Maps an input field to the solution of {problem.equation} on the grid {problem.finest}.

* relative L2 error on {len(errors)} fresh draws: mean {found["mean"]:.4g}, median {found["median"]:.4g}
* strategy {asked.strategy}, budget {asked.budget}, samples a level (coarsest first) {list(samples)}, seed {asked.seed}
* trust it only for inputs of the distribution it was trained on: {problem.name} with {problem.options}

Load it with `mlft.load(folder).predict(inputs)`, inputs of shape (samples, channels, {shape}).
"""
