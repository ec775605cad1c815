"""Finished runs, asked further: their trust, what their bands cover, for what their alarm rings, what a lift solves."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

import mlft
from mlft.diagnostics.trust import inputs_of_laws
from mlft.experiment.naming import named_problem
from mlft.experiment.outcome import TrustOutcome
from mlft.experiment.record import read_bands
from mlft.grids import relative_error
from mlft.problems import Problem
from mlft.sources import Drawn
from mlft.status import OK
from mlft.uncertainty import Covered, calibrate, measure_coverage


@final
@dataclass(frozen=True)
class Cover:
    """What the bands of a run cover of fresh draws.

    Attributes:
        calibrated: draws that they were calibrated on.
        bound: of the relative L2 error.
        mean: relative L2 error of the fresh draws.
        shares: of draws whose error, and whose whole field, is within, and of points.
        again: the same of other calibrations, a row each.
    """

    calibrated: int
    bound: float
    mean: float
    shares: tuple[float, float, float]
    again: tuple[tuple[float, float, float], ...]


@final
@dataclass(frozen=True)
class HeardLaw:
    """For what an alarm rings on a law of inputs.

    Attributes:
        name: of the law.
        ratio: median error of the draws that were solved, over that of the law itself.
        rings: share of them for which the alarm rings.
        bad: how many err over three times the median of the law itself.
        rung: for how many of those it rings.
    """

    name: str
    ratio: float
    rings: float
    bad: int
    rung: int


@final
@dataclass(frozen=True)
class Heard:
    """For what the alarm of a run rings.

    Attributes:
        false: how many fresh draws of the law.
        larger: the share of draws at ten times the amplitude.
        laws: that `mlft trust` looks at, and amplitudes, each once, the law itself first.
    """

    false: int
    larger: float
    laws: tuple[HeardLaw, ...]


def corrected(folder: Path, problem: Problem, *, draws: int | None = None) -> float:
    """Return the error of the corrected solver of a finished run on its test draws; NaN where it lifted nothing.

    The cheapest one, of the coarsest level that was lifted, with a solve there at each prediction.

    Args:
        folder: of the run.
        problem: of the run.
        draws: the first test draws, all that the run had by default.
    """
    record = mlft.Record.load(folder, problem=problem)
    if record.corrected is None:
        return math.nan
    finest = len(problem.hierarchy) - 1
    inputs = Drawn(problem, record.outcome.seed, "test").inputs(finest, range(draws or record.outcome.error.samples))
    solved = problem.solve_level(inputs.copy(), finest)
    rows = [row for row, status in enumerate(solved.status) if status == OK]
    fields = record.corrected.predict(inputs[rows])
    return float(relative_error(fields, solved.solutions[rows], problem.finest).mean())


def trust(folder: Path, *, samples: int) -> TrustOutcome:
    """Return what `mlft trust` finds about a finished run."""
    return mlft.trust(folder, samples=samples)


def cover(folder: Path, *, level: float, fresh: int, calibrations: int, draws: int) -> Cover:
    """Return what the bands of a finished run of a shipped problem cover of fresh draws, solved here, kept nowhere.

    Args:
        folder: of the run.
        level: of the bands.
        fresh: draws that coverage is measured on.
        calibrations: of the same surrogate, on further draws, each on its own.
        draws: of each of them.
    """
    record = mlft.Record.load(folder)
    told, count = record.outcome, fresh + calibrations * draws
    assert told.sure is not None, f"{folder} has no bands"
    problem = named_problem(told.config["problem"], told.config.get("options", {}))
    source, top = Drawn(problem, told.seed, "bands"), len(problem.hierarchy) - 1
    inputs = source.inputs(top, range(count))
    solved = source.solve(inputs, top, range(count))
    assert set(solved.status) == {OK}, f"some fresh draws of {problem.name} failed"
    found = record.predict(inputs, uncertainty=level, unfamiliar="ignore")
    residuals = solved.solutions - found.value
    errors = relative_error(found.value, solved.solutions, problem.finest)
    bands = read_bands(folder, told.grid)
    assert bands is not None
    index = bands.levels.tolist().index(level)
    first = measure_coverage(bands, residuals[:fresh], errors[:fresh])[index]
    again = []
    for start in range(fresh, count, draws):
        part = slice(start, start + draws)
        other = calibrate(residuals[part], errors[part], levels=(level,))
        again.append(_shares(measure_coverage(other, residuals[:fresh], errors[:fresh])[0]))
    return Cover(told.sure.calibrated, found.error, float(errors[:fresh].mean()), _shares(first), tuple(again))


def listen(folder: Path, *, fresh: int, draws: int) -> Heard:
    """Return for what the alarm of a finished run of a shipped problem rings; its draws are kept nowhere.

    Args:
        folder: of the run.
        fresh: draws of the law that false alarms are counted on; they are not solved.
        draws: of each other law, and at ten times the amplitude.
    """
    record = mlft.Record.load(folder)
    told = record.outcome
    problem = named_problem(told.config["problem"], told.config.get("options", {}))
    source, other = (Drawn(problem, told.seed, name) for name in ("alarm", "alarm/laws"))
    false = record.familiarity(source.inputs(len(problem.hierarchy) - 1, range(fresh))).rings.sum()
    coefficients = other.draws(range(draws))
    larger = record.familiarity(problem.amplified(coefficients, 10.0)).rings.mean()
    found: list[HeardLaw] = []
    usual = float("nan")
    known: set[bytes] = set()
    for name, inputs in inputs_of_laws(problem, coefficients).items():
        if inputs.tobytes() in known:
            continue
        known.add(inputs.tobytes())
        try:
            solved = problem.solve(inputs, problem.finest)
        except ValueError:  # the equation does not allow such inputs
            continue
        good = np.array([status == OK for status in solved.status])
        if good.any():
            predicted = record.predict(inputs[good], unfamiliar="ignore")
            errors = relative_error(predicted, solved.solutions[good], problem.finest)
            usual = usual if found else float(np.median(errors))
            rings = record.familiarity(inputs[good]).rings
            bad = ~(errors <= 3 * usual)
            ratio, count = float(np.median(errors)) / usual, int(bad.sum())
            found.append(HeardLaw(name, ratio, float(rings.mean()), count, int((bad & rings).sum())))
    return Heard(int(false), float(larger), tuple(found))


def _shares(covered: Covered) -> tuple[float, float, float]:
    return covered.errors.value, covered.fields.value, covered.points.value
