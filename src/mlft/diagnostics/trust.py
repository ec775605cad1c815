"""How far the surrogate of a run can be trusted: other laws of inputs, the spectrum of its error, where it breaks.

The test error of a run is for inputs like those it was trained on. Here the same draws are made smoother, rougher,
larger, shifted or of another family (`Problem.families`), solved on the finest grid, and compared; the amplitude is
swept until the error doubles; and if the solver is linear, the surrogate's Green's function is put beside the solver's.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.fft import dctn, fftn
from scipy.stats import t as student

from mlft.diagnostics.advice import Advice, advise
from mlft.diagnostics.bounds import span
from mlft.diagnostics.green import Likeness, jacobian, likeness, probe, superposition_defect
from mlft.diagnostics.learners import Map, predictions
from mlft.grids import Grid, relative_error
from mlft.problems import Problem
from mlft.problems.families import wave_numbers
from mlft.status import OK

Array = np.ndarray

AMPLITUDES = (0.125, 0.25, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0, 8.0)
BREAKS = 2.0
"""The factor by which the error must grow for an amplitude to count as broken."""
LINEAR = 1e-6
"""Largest defect of superposition of a solver that is taken for linear."""
RESOLVED = 0.5
"""Largest error of a wave and all finer ones, relative to the solution in them, at which it counts as resolved."""
MOST_COLUMNS = 600
SPAN = 1e-6
"""Directions of the training inputs weaker than this share of the strongest are not learned from."""


@final
@dataclass(frozen=True)
class FamilyError:
    """The error on one law of inputs.

    Attributes:
        name: of the law.
        mean: mean relative L2 error over the draws that were solved; NaN if none was.
        lower: end of the 95% interval of the mean (Student's t).
        upper: the other end.
        median: of the errors.
        outside: share of the inputs' norm that lies off the span of the law that is trained on.
        failed: draws that the solver did not solve.
        refused: why the problem refuses such inputs; empty if it does not.
        failures: how the solves that failed ended, and how many did; empty if none failed.
    """

    name: str
    mean: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    median: float = math.nan
    outside: float = math.nan
    failed: int = 0
    refused: str = ""
    failures: str = ""


@final
@dataclass(frozen=True)
class Spectrum:
    """Mean squares of the waves of errors and of solutions.

    Attributes:
        numbers: wave numbers, rounded; periods a box, half periods on bounded ones.
        error: mean square of the error's waves over that of the whole solution, so that they add up to the square of a
            relative error.
        solution: the same of the solution's; they add up to 1.
    """

    numbers: Float[Array, " waves"]
    error: Float[Array, " waves"]
    solution: Float[Array, " waves"]

    @property
    def resolved(self) -> float:
        """The last k before all finer waves, taken together, are off by more than half; NaN if there is none.

        In squares: the k before the first j with Σ_{i ≥ j} error_i > ¼ Σ_{i ≥ j} solution_i.
        """
        error, solution = (np.cumsum(part[::-1])[::-1] for part in (self.error, self.solution))
        lost = np.flatnonzero(~(error <= RESOLVED**2 * solution))
        first = int(lost[0]) if len(lost) else len(self.numbers)
        return float(self.numbers[first - 1]) if first else math.nan


@final
@dataclass(frozen=True)
class GreenPart:
    """The Green's function of a surrogate of a linear problem.

    Attributes:
        solver_defect: defect of superposition of the solver.
        surrogate_defect: the surrogate's.
        columns: the columns that were taken, of the flattened input.
        matrix: the surrogate's Jacobian, averaged over a few inputs of the law.
        operator: the solver's matrix.
        by_jacobian: how like they are.
        by_probing: how like the answers to unit inputs are, each as large as the largest value of the law's inputs.
        known: orthonormal basis of the span of the law's inputs; without columns where not all of `columns` were taken.
        advice: which laws the training inputs cover, and what they miss; None where not all columns were taken.
    """

    solver_defect: float
    surrogate_defect: float
    columns: Sequence[int]
    matrix: Float[Array, "p k"]
    operator: Float[Array, "p k"]
    by_jacobian: Likeness
    by_probing: Likeness
    known: Float[Array, "k r"]
    advice: Advice | None


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
    amplitudes: Sequence[float] = AMPLITUDES,
    progress: Callable[[int, int], None] | None = None,
) -> Trust:
    """Return how far a surrogate can be trusted.

    Args:
        predict: the surrogate's.
        problem: gives the families, and solves on its finest grid.
        draws: fresh draws of the law, at least 4.
        trained: the draws that were trained on, whose inputs on the finest grid give the span.
        amplitudes: in increasing order, 1 among them.
        progress: called with (laws done, laws).

    Raises:
        ValueError: for too few draws, amplitudes that are not in order or lack 1, or a surrogate that does not return
            fields of the shape of the solutions.
    """
    if len(draws) < 4 or 1.0 not in amplitudes or list(amplitudes) != sorted(set(amplitudes)):
        raise ValueError(
            f"at least 4 draws and increasing amplitudes with 1 among them are needed, got {len(draws)} draws and "
            f"{tuple(amplitudes)}"
        )
    own, learned = problem.amplified(draws, 1.0), problem.amplified(trained, 1.0)
    known = span(learned, tolerance=SPAN)
    makers: list[tuple[str, Callable[[], Array]]] = [("the law itself", lambda: own)]
    makers += [(name, lambda make=make: make(draws)) for name, make in problem.families().items()]  # type: ignore[misc]
    makers += [(f"×{a:g}", lambda a=a: problem.amplified(draws, a)) for a in amplitudes]  # type: ignore[misc]
    found = []
    for done, (name, make) in enumerate(makers):
        found.append(_family(name, make, predict, problem, known))
        if progress is not None:
            progress(done + 1, len(makers))
    families, swept = found[: -len(amplitudes)], dict(zip(amplitudes, found[-len(amplitudes) :], strict=True))
    green, refusal = _green(predict, problem, own, known)
    if green is not None and green.known.size:
        tests = {name: make(draws) for name, make in problem.families().items()}
        advice = advise(learned, tests, operator=green.operator, tolerance=SPAN)
        green = replace(green, advice=advice)
    return Trust(
        tuple(families),
        swept,
        breaking_amplitudes(list(amplitudes), [swept[a].mean for a in amplitudes]),
        spectrum_of(predict(own), _solve(problem, own)[0], problem.finest),
        green,
        refusal,
    )


def breaking_amplitudes(amplitudes: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Return where the error first reaches twice that of amplitude 1, going down and going up from it; else NaN.

    Between two amplitudes both logarithms are interpolated; an error that is not finite counts as broken.
    """
    one = list(amplitudes).index(1.0)
    bar = BREAKS * errors[one]
    down = _first(list(amplitudes[one::-1]), list(errors[one::-1]), bar)
    return down, _first(list(amplitudes[one:]), list(errors[one:]), bar)


def spectrum_of(predictions: Float[Array, "n c *grid"], solutions: Float[Array, "n c *grid"], grid: Grid) -> Spectrum:
    """Return the spectrum of predictions − solutions beside that of the solutions; rows with NaN are left out.

    Fourier waves on periodic grids, cosines on bounded ones, in two dimensions summed over rings of |k|.
    """
    finite = np.isfinite(solutions.reshape(len(solutions), -1)).all(axis=1)
    errors, solved = (predictions - solutions)[finite], solutions[finite]
    rings = np.rint(wave_numbers(grid)).astype(int).ravel()
    error, solution = (np.bincount(rings, weights=_power(field, grid)) for field in (errors, solved))
    numbers = np.flatnonzero(np.bincount(rings) > 0)
    whole = solution.sum()
    return Spectrum(numbers.astype(np.float64), error[numbers] / whole, solution[numbers] / whole)


def _power(fields: Array, grid: Grid) -> Array:
    """Return the mean square of each wave, summed over channels; they add up to the mean square of the fields."""
    axes = tuple(range(2, fields.ndim))
    waves = fftn(fields, axes=axes, norm="ortho") if grid.periodic else dctn(fields, 2, axes=axes, norm="ortho")
    return np.asarray((np.abs(waves) ** 2).mean(axis=0).sum(axis=0).ravel())


def _first(amplitudes: list[float], errors: list[float], bar: float) -> float:
    for i in range(1, len(errors) if bar > 0 else 0):
        if not np.isfinite(errors[i]):
            return amplitudes[i]
        if errors[i] >= bar:
            ratio = np.log(bar / errors[i - 1]) / np.log(errors[i] / errors[i - 1])
            return float(amplitudes[i - 1] * (amplitudes[i] / amplitudes[i - 1]) ** ratio)
    return float("nan")


def _solve(problem: Problem, inputs: Array) -> tuple[Array, Array, str]:
    """Return solutions on the finest grid, NaN where the solver failed, which it solved, and how the others ended."""
    solved = problem.solve(inputs, problem.finest)
    good = np.array([status == OK for status in solved.status])
    solutions = np.array(solved.solutions, dtype=np.float64)
    solutions[~good] = np.nan
    ends = Counter(status for status in solved.status if status != OK)
    return solutions, good, ", ".join(f"{count} {name}" for name, count in sorted(ends.items()))


def _family(name: str, make: Callable[[], Array], predict: Map, problem: Problem, known: Array) -> FamilyError:
    try:
        inputs = make()
        solutions, good, failures = _solve(problem, inputs)
    except ValueError as error:
        return FamilyError(name, refused=str(error))
    rows = inputs.reshape(len(inputs), -1)
    outside = float(np.linalg.norm(rows - (rows @ known) @ known.T) / (np.linalg.norm(rows) or 1.0))
    failed = int(np.sum(~good))
    if failed > len(good) - 2:
        return FamilyError(name, outside=outside, failed=failed, failures=failures)
    found = predictions(predict, inputs[good], solutions[good].shape)
    errors = relative_error(found, solutions[good], problem.finest)
    deviation = float(np.std(errors, ddof=1)) / len(errors) ** 0.5
    half = float(student.ppf(0.975, len(errors) - 1)) * deviation
    mean, median = float(np.mean(errors)), float(np.median(errors))
    return FamilyError(name, mean, mean - half, mean + half, median, outside, failed, failures=failures)


def _green(predict: Map, problem: Problem, own: Array, known: Array) -> tuple[GreenPart | None, str]:
    def solver(fields: Array) -> Array:
        solutions, _, failures = _solve(problem, fields)
        if failures:
            raise ValueError(f"{failures} of {len(fields)} solves")
        return solutions

    try:
        defect = superposition_defect(solver, own)
    except ValueError as error:
        return None, f"the solver does not take sums of its inputs, or 0: {error}"
    if not defect <= LINEAR:
        words = f"the defect of superposition is {defect:.2g}, at most {LINEAR:g} is allowed"
        return None, f"the solver is not linear: {words}"
    return _green_part(predict, solver, problem, own, known, defect), ""


def _green_part(predict: Map, solver: Map, problem: Problem, own: Array, known: Array, defect: float) -> GreenPart:
    shape, points = own.shape[1:], int(np.prod(own.shape[1:]))
    columns = np.unique(np.linspace(0, points - 1, min(points, MOST_COLUMNS)).astype(int)).tolist()
    step, amplitude = 0.05 * float(np.sqrt(np.mean(own**2))), float(np.abs(own).max())
    operator = probe(solver, shape, amplitude=amplitude, columns=columns)
    matrix = jacobian(predict, own[:4], step=step, columns=columns)
    whole = len(columns) == points
    weights = problem.finest.weights.ravel() if whole and own.shape[1] == 1 else None
    alike = [
        likeness(found, operator, weights=weights, known=known if whole else None)
        for found in (matrix, probe(predict, shape, amplitude=amplitude, columns=columns))
    ]
    basis = known if whole else np.zeros((len(columns), 0))
    own_defect = superposition_defect(predict, own)
    return GreenPart(defect, own_defect, columns, matrix, operator, alike[0], alike[1], basis, None)
