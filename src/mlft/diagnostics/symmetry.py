"""Which symmetries a solver has: maps tried on a few draws, told by what the solver says to them."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float

from mlft.grids import Grid, Map, Scaling, Symmetry, Translation, group, translations
from mlft.grids.symmetry import pins, square

Array = np.ndarray

DRAWS = 4
"""Draws that a map is tried on: two at least must tell it from the identity."""

TOLERANCE, DECLARED = 1e-8, 1e-5
"""Relative defect of a symmetry that is found, and of one that a problem declares, at most.

The shipped solvers commute to 8e-13 or better, those that iterate to a tolerance among them, and what they lack is off
by over 1e-2. One that iterates to less may still have a symmetry, and its problem may say so: then its tolerance is in
every label too.
"""

LAW_DRAWS, LAW_LIMIT = 512, 6.0
"""Draws that the law of inputs is judged by, and the statistic from which a map is taken to leave it."""

FACTORS = (2.0, 0.7)
"""Multiples of inputs that are tried: the power is read off the first."""

_SAME, _NOTHING, _POINTS, _WAVES, _CHANNELS = 1e-6, 1e-10, 24, 3, 4
_TRIED = 8 * 2**_CHANNELS  # the maps of the square with all signs

Door = Callable[[Map | None, int], Float[Array, "n k *grid"]]
"""From a map (or none) and n to the solutions of the first n draws, taken by it; NaN where the solver fails."""


@final
@dataclass(frozen=True)
class Found:
    """A symmetry of a solver.

    Attributes:
        symmetry: the map, with its signs of solutions.
        defect: the largest ‖S(g x) − g S(x)‖ / ‖S(x)‖ of a channel and a draw.
        shift: how far it takes inputs off their law; see `law_shift`.
    """

    symmetry: Symmetry
    defect: float
    shift: float

    @property
    def on_law(self) -> bool:
        """Whether inputs that it takes look like those of the law."""
        return self.shift < LAW_LIMIT


@final
@dataclass(frozen=True)
class Shifts:
    """A periodic axis along which a solver commutes with shifts by any number of points.

    Attributes:
        axis: of the grid.
        defect: as of `Found`, of a shift that makes all others.
        shift: how far it takes inputs off their law.
    """

    axis: int
    defect: float
    shift: float

    @property
    def on_law(self) -> bool:
        """Whether inputs that it takes look like those of the law."""
        return self.shift < LAW_LIMIT


@final
@dataclass(frozen=True)
class Multiples:
    """That solutions follow multiples of inputs by powers.

    Attributes:
        powers: of each solution channel, a multiple of a quarter.
        defect: as of `Found`, of all multiples that were tried.
        spread: standard deviation of the logarithm of the root mean square of inputs, by their law.
    """

    powers: tuple[float, ...]
    defect: float
    spread: float


@final
@dataclass(frozen=True)
class Search:
    """What was found, and how many solves it took.

    Attributes:
        found: maps of a group.
        solves: that it took.
        shifts: axes along which the solver commutes with shifts.
        scaling: how solutions follow multiples of inputs; None where they do not.
    """

    found: tuple[Found, ...]
    solves: int
    shifts: tuple[Shifts, ...] = ()
    scaling: Multiples | None = None


def find(inputs: Float[Array, "n c *grid"], solve: Door, grid: Grid) -> Search:
    """Return symmetries of a solver that make all those which were tried and found.

    Reflections, the swap of the axes of a square and what these make together, each with signs of the input channels,
    from the simplest on; those that follow from what is known already are not tried, neither are those that would
    contradict it. The sign of each solution channel is read off. A map that fails on the first draw is dropped. Then
    shifts along periodic axes, by a number of points that has no factor in common with them, and multiples.

    Args:
        inputs: of the law on the grid, NaN where one could not be made; the first `DRAWS` are solved, all of them tell
            of the law.
        solve: the solver.
        grid: the grid of the draws.
    """
    plain = solve(None, min(DRAWS, len(inputs)))
    found: list[Found] = []
    wrong: list[Symmetry] = []
    solves = len(plain)
    for candidate in candidates(grid, inputs.shape[1]):
        known = _known(one.symmetry for one in found)
        if _follows(candidate, known, wrong):
            continue
        for n in (1, len(plain)):
            tried, defect = compared(candidate, inputs[:n], plain[:n], solve(candidate, n))
            if not defect <= TOLERANCE:
                break
        solves += n
        if defect <= TOLERANCE and _telling(candidate, known, inputs[: len(plain)], plain) >= 2:
            found.append(Found(tried, defect, law_shift(tried, inputs)))
        elif defect > TOLERANCE:
            wrong.append(candidate)
    shifts, of_shifts = _shifts(inputs, plain, solve, grid)
    scaling, of_multiples = _multiples(inputs, plain, solve)
    return Search(tuple(found), solves + of_shifts + of_multiples, shifts, scaling)


def _shifts(inputs: Array, plain: Array, solve: Door, grid: Grid) -> tuple[tuple[Shifts, ...], int]:
    """Return the axes along which shifts are symmetries, and how many solves that took."""
    found, solves = [], 0
    for by in translations(grid):
        for n in (1, len(plain)):
            off = _off(by, plain[:n], solve(by, n))
            if not off <= TOLERANCE:
                break
        solves += n
        if off <= TOLERANCE and _telling(by, (), inputs[: len(plain)], plain) >= 2:
            found.append(Shifts(by.axis, off, law_shift(by, inputs)))
    return tuple(found), solves


def _multiples(inputs: Array, plain: Array, solve: Door) -> tuple[Multiples | None, int]:
    """Return how solutions follow multiples of inputs, and how many solves that took; None where they do not."""
    first = solve(Scaling(FACTORS[0], (0.0,) * plain.shape[1]), 1)
    size, other = (np.linalg.norm(part.reshape(*part.shape[:2], -1), axis=2)[0] for part in (plain[:1], first))
    if not (np.isfinite(size) & np.isfinite(other) & (size > 0) & (other > 0)).all():
        return None, 1
    powers = tuple(map(float, np.round(4 * np.log2(other / size) / np.log2(FACTORS[0])) / 4))
    worst, solves = _off(Scaling(FACTORS[0], powers), plain[:1], first), 1
    for number, factor in enumerate(FACTORS):
        if worst <= TOLERANCE:
            by = Scaling(factor, powers)
            worst = max(worst, _off(by, plain, solve(by, len(plain))))
            solves += len(plain) - (number == 0)  # its first draw is solved
    known = np.isfinite(_rows(inputs)).all(1)
    sizes = np.linalg.norm(_rows(inputs[known]), axis=1)
    if not worst <= TOLERANCE or not (sizes > 0).any():
        return None, solves
    return Multiples(powers, worst, float(np.log(sizes[sizes > 0]).std())), solves


def _off(by: Translation | Scaling, plain: Array, answers: Array) -> float:
    """Return the largest defect of a map; infinite where a draw fails when it is taken, or a channel has none."""
    known, other = (np.isfinite(_rows(part)).all(1) for part in (plain, answers))
    failed = not known.any() or bool((known & ~other).any())
    return math.inf if failed else _largest(_defects(answers[known], by.of_outputs(plain[known])))


def _largest(defects: Float[Array, "n k"]) -> float:
    """Return the largest defect; infinite where a channel has none."""
    return float(np.nanmax(defects)) if (~np.isnan(defects)).any(0).all() else math.inf


def verify(symmetry: Symmetry, inputs: Float[Array, "n c *grid"], solve: Door) -> Found:
    """Return a map that is said to be a symmetry, with its measured defect: infinite where the solver fails.

    Args:
        symmetry: the map.
        inputs: as of `find`.
        solve: the solver.
    """
    n = min(DRAWS, len(inputs))
    plain, answers = solve(None, n), solve(symmetry, n)
    known, other = np.isfinite(_rows(plain)).all(1), np.isfinite(_rows(answers)).all(1)
    if not known.any() or (known & ~other).any() or plain.shape[1] != len(symmetry.outputs):
        return Found(symmetry, math.inf, law_shift(symmetry, inputs))
    off = _defects(answers[known], symmetry.of_outputs(plain[known]))
    return Found(symmetry, float(np.nanmax(off, initial=0.0)), law_shift(symmetry, inputs))


def candidates(grid: Grid, channels: int) -> Iterator[Symmetry]:
    """Yield the maps that are tried on a grid, the simplest first; solutions have one sign, until it is read off."""
    flips = sorted(itertools.product([False, True], repeat=grid.dimension), key=lambda bits: (sum(bits), not bits[0]))
    moves = [(bits, swap) for swap in ((False, True) if square(grid) else (False,)) for bits in flips]
    for bits, swap in sorted(moves, key=lambda move: sum(move[0]) + move[1]):
        for signs in _signs(channels):
            if any(bits) or swap or -1 in signs:
                yield Symmetry(bits, swap, signs, pinned=pins(grid))


def compared(
    candidate: Symmetry,
    inputs: Float[Array, "n c *grid"],
    plain: Float[Array, "n k *grid"],
    answers: Float[Array, "n _k *grid"],
) -> tuple[Symmetry, float]:
    """Return a map with the signs of solutions that fit best, and its largest defect over draws and channels.

    A draw that the solver fails on as it is says nothing; one that it fails on only when taken makes the defect
    infinite, and so does a channel that vanishes on every draw, of which no sign can be read.
    """
    known, other = np.isfinite(_rows(plain)).all(1), np.isfinite(_rows(answers)).all(1)
    if not known.any() or (known & ~other).any():
        return candidate, math.inf
    images = replace(candidate, outputs=(1,) * plain.shape[1]).of_outputs(plain[known])
    told = answers[known]
    products = (images * told).reshape(*images.shape[:2], -1).sum(2)
    signs = tuple(1 if total >= 0 else -1 for total in np.sign(products).sum(0))
    tried = replace(candidate, outputs=signs)
    off = _defects(told, tried.of_outputs(plain[known]))
    decided = ~np.isnan(off).all(0)
    return tried, float(np.nanmax(off)) if decided.all() else math.inf


def law_shift(symmetry: Map, inputs: Float[Array, "n c *grid"]) -> float:
    """Return how far a map takes inputs off their law, max_k |Σ_i d_ik| / (Σ_i d_ik²)^½ with d_i = φ(x_i) − φ(g x_i).

    φ are the values at some points, their hyperbolic tangents, their products by pairs, all in the unit of the
    channel's root mean square, and the squares of the first Fourier coefficients, which tell one direction from
    another. Where the law is invariant d_i is as likely as −d_i for a map that undoes itself, and a term exceeds t with
    a probability of 2 exp(−t²/2) at most: one of some 400 exceeds 6 once in 100,000 searches; for a shift, that holds
    as far as sums of d are normal. A mean of d over 6/√n of its root mean square, 0.27 for 512 draws, is seen. What
    these moments do not see is not checked.

    Source: for the bound, Hoeffding 1963, J. Am. Stat. Assoc. 58, theorem 2, on signs given their sizes.
    """
    inputs = inputs[np.isfinite(_rows(inputs)).all(1)]
    if not len(inputs):
        return math.inf
    inputs = _scaled(inputs)
    rows = _features(inputs) - _features(symmetry.of_inputs(inputs))
    squares = np.sqrt((rows**2).sum(0))
    moved = squares > _NOTHING
    return float((np.abs(rows.sum(0))[moved] / squares[moved]).max(initial=0.0))


def _known(found: Iterable[Symmetry]) -> tuple[Symmetry, ...]:
    """Return all that follows from what is found, by what it does to inputs."""
    return group((replace(one, outputs=(1,)) for one in found), most=_TRIED)


def _follows(candidate: Symmetry, known: Sequence[Symmetry], wrong: Sequence[Symmetry]) -> bool:
    """Return whether what is known says that a map is a symmetry, or that it is none: h r k of a wrong r is wrong."""
    return candidate in known or any(h.after(r).after(k) == candidate for h in known for r in wrong for k in known)


def _telling(candidate: Map, known: Sequence[Symmetry], inputs: Array, plain: Array) -> int:
    """Return how many solved draws a map takes elsewhere than all that is known: the others say nothing new of it."""
    rows, size = _rows(candidate.of_inputs(inputs)), _SAME * np.linalg.norm(_rows(inputs), axis=1)
    others = [inputs, *(one.of_inputs(inputs) for one in known)]
    away = [np.linalg.norm(rows - _rows(other), axis=1) > size for other in others]
    return int((np.all(away, axis=0) & np.isfinite(_rows(plain)).all(1)).sum())


def _defects(answers: Array, images: Array) -> Float[Array, "n k"]:
    """Return ‖answer − image‖ / ‖image‖ by draw and channel; NaN where the channel is as good as zero beside others."""
    off, size = (np.linalg.norm(part.reshape(*part.shape[:2], -1), axis=2) for part in (answers - images, images))
    nothing = size <= _NOTHING * size.max(axis=1, keepdims=True, initial=0.0)
    return np.where(nothing, np.nan, off / np.where(nothing, 1.0, size))


def _scaled(fields: Array) -> Float[Array, "n c *grid"]:
    """Return fields in the unit of each channel's root mean square, through that of its largest value: of 1e200 too."""
    axes = (0, *range(2, fields.ndim))
    largest = np.abs(fields).max(axis=axes, keepdims=True)
    fields = fields / np.where(largest > 0, largest, 1.0)
    return fields / np.where(largest > 0, np.sqrt((fields**2).mean(axis=axes, keepdims=True)), 1.0)


def _features(fields: Array) -> Float[Array, "n f"]:
    """Return values at some points, their tanh, their products by pairs, and squares of some Fourier coefficients."""
    axes = range(2, fields.ndim)
    waves = np.abs(np.fft.fftn(fields, axes=axes, norm="forward")) ** 2
    for axis in axes:
        waves = np.take(waves, range(-_WAVES, _WAVES + 1), axis=axis, mode="wrap")
    rows = _rows(fields)
    rows = rows[:, np.unique(np.linspace(0, rows.shape[1] - 1, _POINTS).round().astype(int))]
    first, second = np.triu_indices(rows.shape[1])
    return np.concatenate([rows, np.tanh(rows), rows[:, first] * rows[:, second], _rows(waves)], axis=1)


def _signs(channels: int) -> list[tuple[int, ...]]:
    """Return the signs of input channels that are tried: all of up to 4 channels, else the same of all."""
    if channels > _CHANNELS:
        return [(1,) * channels, (-1,) * channels]
    every = itertools.product([1, -1], repeat=channels)
    return sorted(every, key=lambda signs: (len(set(signs)) > 1, -sum(signs)))


def _rows(fields: Array) -> Float[Array, "n m"]:
    return fields.reshape(len(fields), math.prod(fields.shape[1:]))
