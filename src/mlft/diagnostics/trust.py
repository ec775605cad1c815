"""How far the surrogate of a run can be trusted: other laws of inputs, the spectrum of its error, where it breaks.

The test error of a run is for inputs like those it was trained on. Here the same draws are made smoother, rougher,
larger, shifted or of another family (`Problem.families`), solved on the finest grid, and compared; the amplitude is
swept until the error doubles; and if the solver is linear, the surrogate's Green's function is put beside the solver's.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.diagnostics.advice import advise
from mlft.diagnostics.answers import Answers, Door
from mlft.diagnostics.green_part import GreenPart, green_part
from mlft.diagnostics.laws import FamilyError, breaking_amplitudes, law_error, slugs
from mlft.diagnostics.maps import Map
from mlft.diagnostics.span import span
from mlft.diagnostics.spectrum import Spectrum, spectrum_of
from mlft.grids import Grid
from mlft.problems import Problem
from mlft.status import OK

Array = np.ndarray

AMPLITUDES = (0.125, 0.25, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0, 8.0)
NO_SOLVES = "a data set has no solver, which it is asked of"
"""Why there is no Green's function where nothing can be solved."""

SPAN = 1e-6
"""Directions of the training inputs weaker than this share of the strongest are not learned from."""


@final
@dataclass(frozen=True)
class Trust:
    """What was found.

    Attributes:
        families: errors by law, the law itself first.
        amplitudes: errors by amplitude, as laws named by it.
        breaking: largest amplitude below 1 and smallest above at which the error has doubled, interpolated on a
            logarithmic scale; NaN where it has not within the range.
        spectrum: of the error on the law itself.
        green: for linear problems.
        refusal: why there is no Green's function; empty if there is one.
    """

    families: tuple[FamilyError, ...]
    amplitudes: dict[float, FamilyError]
    breaking: tuple[float, float]
    spectrum: Spectrum
    green: GreenPart | None
    refusal: str


def measure_trust(
    predict: Map,
    problem: Problem,
    draws: Float[Array, "n k"],
    *,
    trained: Float[Array, "m k"],
    solve: Door,
    amplitudes: Sequence[float] = AMPLITUDES,
) -> Trust:
    """Return how far a surrogate can be trusted.

    The same inputs are asked of the solver once, whatever they are needed for.

    Args:
        predict: the surrogate's.
        problem: gives the families; it solves nothing here.
        draws: fresh draws of the law, at least 4.
        trained: the draws that were trained on, whose inputs on the finest grid give the span.
        solve: asks the solver.
        amplitudes: in increasing order, 1 among them.

    Raises:
        ValueError: for too few draws, amplitudes that are not in order or lack 1, or a surrogate that does not return
            fields of the shape of the solutions.
    """
    if len(draws) < 4 or 1.0 not in amplitudes or list(amplitudes) != sorted(set(amplitudes)):
        raise ValueError(
            f"at least 4 draws and increasing amplitudes with 1 among them are needed, got {len(draws)} draws and "
            f"{tuple(amplitudes)}"
        )
    ask = _once(solve)
    own, learned = problem.amplified(draws, 1.0), problem.amplified(trained, 1.0)
    known = span(learned, tolerance=SPAN)
    laws = _laws(problem, draws, own, amplitudes)
    found = [_measured(law, predict, problem.finest, known, ask) for law in laws]
    families, swept = found[: -len(amplitudes)], dict(zip(amplitudes, found[-len(amplitudes) :], strict=True))
    answers = ask(laws[0].slug, own)
    green, refusal = green_part(predict, ask, own, answers, known, problem.finest)
    if green is not None and green.known.size:
        tests = _makeable(problem, draws)
        advice = advise(learned, tests, operator=green.operator, tolerance=SPAN)
        green = replace(green, advice=advice)
    return Trust(
        tuple(families),
        swept,
        breaking_amplitudes(list(amplitudes), [swept[a].mean for a in amplitudes]),
        _spectrum(predict(own), answers, problem.finest),
        green,
        refusal,
    )


def trust_of_rows(
    predict: Map,
    inputs: Float[Array, "n c *grid"],
    solutions: Float[Array, "n k *grid"],
    *,
    trained: Float[Array, "m c *grid"],
    grid: Grid,
) -> Trust:
    """Return how far a surrogate can be trusted by rows that it did not learn from, where there is no solver to ask.

    That is its error on them, the spectrum of that, and how much of the inputs lies off the span of the trained ones.
    Other laws of inputs, amplitudes and a Green's function need solves, and are not there.

    Args:
        predict: the surrogate's.
        inputs: of the rows, on the finest grid, at least 2.
        solutions: of the rows.
        trained: inputs that were trained on.
        grid: the finest.

    Raises:
        ValueError: for too few rows, or a surrogate that does not return fields of the shape of the solutions.
    """
    if len(inputs) < 2:
        raise ValueError(f"at least 2 rows that were held back are needed, got {len(inputs)}")
    answers = Answers(solutions, (OK,) * len(inputs), ("",) * len(inputs))
    own = law_error("the law itself", inputs, answers, predict, grid, span(trained, tolerance=SPAN))
    waves = spectrum_of(predict(inputs), solutions, grid)
    return Trust((own,), {}, (math.nan, math.nan), waves, None, NO_SOLVES)


def inputs_of_laws(
    problem: Problem, draws: Float[Array, "n k"], *, amplitudes: Sequence[float] = AMPLITUDES
) -> dict[str, Float[Array, "n c *grid"]]:
    """Return the inputs of each law that `measure_trust` looks at, by its name there; those refused are left out."""
    found = {}
    for law in _laws(problem, draws, problem.amplified(draws, 1.0), amplitudes):
        with contextlib.suppress(ValueError):
            found[law.name] = law.make()
    return found


@final
@dataclass(frozen=True)
class _Law:
    """A law of inputs: its name, its name for the solver, and its inputs, which the problem may refuse to make."""

    name: str
    slug: str
    make: Callable[[], Array]


def _laws(problem: Problem, draws: Array, own: Array, amplitudes: Sequence[float]) -> list[_Law]:
    """Return the laws: the run's own, the families, the amplitudes."""
    makers: list[tuple[str, str, Callable[[], Array]]] = [("the law itself", "the law itself", lambda: own)]
    makers += [(name, name, partial(make, draws)) for name, make in problem.families().items()]
    makers += [(f"×{a:g}", f"amplitude {a:g}", partial(problem.amplified, draws, a)) for a in amplitudes]
    names = slugs([name for _, name, _ in makers])
    return [_Law(name, slug, make) for (name, _, make), slug in zip(makers, names, strict=True)]


def _measured(law: _Law, predict: Map, grid: Grid, known: Array, ask: Door) -> FamilyError:
    try:
        inputs = law.make()
    except ValueError as error:
        return FamilyError(law.name, refused=str(error))
    return law_error(law.name, inputs, ask(law.slug, inputs), predict, grid, known)


def _makeable(problem: Problem, draws: Array) -> dict[str, Array]:
    """Return the inputs of the families that do not refuse the draws."""
    found = {}
    for name, make in problem.families().items():
        with contextlib.suppress(ValueError):
            found[name] = make(draws)
    return found


def _spectrum(predicted: Array, answers: Answers, grid: Grid) -> Spectrum:
    solutions = answers.solutions if answers.good.any() else np.full_like(predicted, np.nan)
    return spectrum_of(predicted, solutions, grid)


def _once(solve: Door) -> Door:
    """Return a door that asks for the same inputs once, under the name that they first had."""
    known: dict[bytes, Answers] = {}

    def ask(name: str, fields: Array) -> Answers:
        content = np.ascontiguousarray(fields).tobytes()
        if content not in known:
            known[content] = solve(name, fields)
        return known[content]

    return ask
