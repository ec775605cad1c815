"""The optimal plan: over the subset of levels used and the counts on them, for given error curves."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import final, no_type_check

import numpy as np
from jaxtyping import Int

from mlft.planning.plan import Curve, Levels, Pair, Plan, check

_AXIS = {1: 1, 2: 401, 3: 61, 4: 25, 5: 13}
"""Integer counts tried on each level around the real optimum, by the number of levels used; 7 beyond."""


Sum = tuple[Curve, ...]
"""Curves of one level that add up, E(n) = Σ E_i(n)."""

Corrections = Mapping[Pair, Curve | Sum]


@final
@dataclass(frozen=True)
class _Chain:
    """One subset of levels in the order of training, with what is known of each."""

    levels: Levels
    curves: tuple[Sum, ...]
    costs: tuple[float, ...]
    least: tuple[int, ...]
    budget: float
    wasted: float
    whole: float


def allocate(
    corrections: Corrections,
    costs: Sequence[float],
    budget: float,
    *,
    bias: Sequence[float] | None = None,
    bought: Sequence[int] | None = None,
    simplicity: float = 0.0,
) -> Plan:
    """Return the plan that minimises Σ_l E_kl(n_l) + bias² under Σ c_l n_l ≤ B, over the subset of levels used too.

    For one subset of levels the real counts are n_l = (p_l C_l / (μ c_l))^(1/(1+p_l)) with μ from the budget, made
    non-increasing by pooling neighbours (nested samples). Around them all integer counts are tried, the first level
    taking what is left of the budget: exact where the counts are small. A curve with a finite cap is flat up to some
    count, so each set of levels that are only passed through is a case of its own. All subsets are tried, each single
    level among them; the single levels are the first alternatives, the best of them first.

    Args:
        corrections: the learning curve of u_l − u_k for each pair (k, l) of levels that may follow each other, and of
            u_l itself under (None, l); several curves in a tuple add up. A subset that needs an absent pair is not
            tried.
        costs: price of one sample on each level.
        budget: what may be spent, in the unit of the costs, with what `bought` has cost already.
        bias: relative distance of each level's solutions from the finest level's, 0 for the finest; it is added,
            squared, for the last level that is used.
        bought: samples that each level has already, from a pilot or an earlier round. A level that is used keeps
            them; those of a level that is not used are paid for and wasted.
        simplicity: how much more predicted error, relatively, is accepted for a plan of fewer levels: estimates are not
            so exact that a gain of a few per cent would be worth another stage.

    Raises:
        BudgetError: if no offered subset of levels can have a sample on each of its levels.
        ValueError: no curve of the form (None, l), or a wrong number of biases or bought samples.

    Source: the multi-level Monte Carlo allocation (Giles 2008, Oper. Res. 56, eq. 3.1) with general exponents.
    """
    bias = [0.0] * len(costs) if bias is None else bias
    bought = [0] * len(costs) if bought is None else bought
    if len(bias) != len(costs) or len(bought) != len(costs):
        raise ValueError(
            f"a bias for each of {len(costs)} levels and a count of what is bought are needed, got {bias}, {bought}"
        )
    chains = [_chain(levels, corrections, costs, budget, bought) for levels in _offered(corrections)]
    if not chains:
        raise ValueError("no subset of levels can be planned: give a curve (None, l) for at least one level l")
    cheapest = min(_price(chain, chain.least) + chain.wasted for chain in chains)
    check(costs, budget, needed=cheapest, what="one sample on each level of the cheapest subset of levels")
    found = [(chain, counts) for chain in chains if (counts := _best(chain)) is not None]
    plans = [_plan(chain, counts, costs, budget, bias, bought) for chain, counts in found]
    plans.sort(key=lambda plan: (_error(plan), len(plan.levels), plan.samples))
    allowed = (1 + simplicity) * _error(plans[0])
    simple = [plan for plan in plans if _error(plan) <= allowed]
    best = min(simple, key=lambda plan: (len(plan.levels), _error(plan))) if simplicity else plans[0]
    singles = [plan for plan in plans if len(plan.levels) == 1]
    others = [plan for plan in plans if len(plan.levels) > 1]
    alternatives = [plan for plan in [*singles, *others[:3]] if plan is not best]
    return replace(best, reason=_why(best, singles), alternatives=tuple(alternatives))


def predict(corrections: Corrections, samples: Sequence[int], *, bias: Sequence[float]) -> float:
    """Return the predicted relative L2 error of any samples per level, √(Σ E_kl(n_l) + bias²).

    Raises:
        KeyError: if a pair of levels that follow each other has no curve.
    """
    chain = tuple(level for level, n in enumerate(samples) if n)
    parts = [_total(_sum(corrections[pair]), samples[pair[1]]) for pair in _pairs(chain)]
    return math.sqrt(math.fsum(parts) + bias[chain[-1]] ** 2)


def _offered(corrections: Corrections) -> list[Levels]:
    """Return every path through the offered pairs, from None on, shortest first; no level twice."""
    paths: list[Levels] = sorted((level,) for before, level in corrections if before is None)
    for path in paths:  # grows while it is read
        following = sorted(level for before, level in corrections if before == path[-1] and level not in path)
        paths.extend((*path, level) for level in following)
    return paths


def _chain(
    levels: Levels, corrections: Corrections, costs: Sequence[float], budget: float, bought: Sequence[int]
) -> _Chain:
    least = [max(1, bought[level]) for level in levels]
    for i in reversed(range(len(levels) - 1)):
        least[i] = max(least[i], least[i + 1])
    curves, prices = (_sum(corrections[pair]) for pair in _pairs(levels)), (costs[level] for level in levels)
    wasted = math.fsum(costs[level] * n for level, n in enumerate(bought) if level not in levels)
    return _Chain(levels, tuple(curves), tuple(prices), tuple(least), budget - wasted, wasted, budget)


def _best(chain: _Chain) -> tuple[int, ...] | None:
    """Return the best integer counts on exactly these levels; None if the budget does not buy the least ones."""
    if not _affordable(chain, chain.least):
        return None
    candidates = {chain.least} | {counts for real in _stationary_points(chain) if (counts := _round(chain, real))}
    return min(sorted(candidates), key=lambda counts: math.fsum(_errors(chain, counts)))


def _stationary_points(chain: _Chain) -> Iterator[list[float]]:
    """Yield the real optimum for each set of levels that are passed through without learning (their curve is flat)."""
    capped = [(i, j) for i, each in enumerate(chain.curves) for j, c in enumerate(each) if math.isfinite(c.cap)]
    for size in range(len(capped) + 1):
        for flat in combinations(capped, size):
            curves = [
                tuple(replace(c, scale=0.0) if (i, j) in flat else c for j, c in enumerate(each))
                for i, each in enumerate(chain.curves)
            ]
            if any(c.scale for each in curves for c in each):
                yield _continuous(curves, chain)


def _continuous(curves: Sequence[Sum], chain: _Chain) -> list[float]:
    """Return the non-increasing real counts, at least the least ones, that spend the budget, by bisection on log μ."""
    low, high = -400.0, 400.0
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        counts = _stationary(curves, chain, middle)
        low, high = (low, middle) if _price(chain, counts) < chain.budget else (middle, high)
    return _stationary(curves, chain, high)


@no_type_check  # called ten thousand times a plan
def _stationary(curves: Sequence[Sum], chain: _Chain, log_mu: float) -> list[float]:
    """Return the counts that minimise Σ E_l(n_l) + μ Σ c_l n_l under n_0 ≥ n_1 ≥ …, pooling violating neighbours."""
    blocks: list[tuple[list[int], float]] = []
    for level in range(len(curves)):
        block = [level]
        value = _log_count(block, curves, chain.costs, log_mu)
        while blocks and blocks[-1][1] < value:
            block = blocks.pop()[0] + block
            value = _log_count(block, curves, chain.costs, log_mu)
        blocks.append((block, value))
    counts = [math.exp(value) for block, value in blocks for _ in block]
    return [max(n, least) for n, least in zip(counts, chain.least, strict=True)]


@no_type_check  # called ten thousand times a plan
def _log_count(block: Sequence[int], curves: Sequence[Sum], costs: Sequence[float], log_mu: float) -> float:
    """Return x = log n with Σ p_l C_l n^(−p_l−1) = μ Σ c_l, by Newton on the log of both sides (convex in x)."""
    terms = [(math.log(c.exponent * c.scale), c.exponent + 1) for i in block for c in curves[i] if c.scale]
    if not terms:
        return -40.0
    target = log_mu + math.log(math.fsum(costs[i] for i in block))
    x = min((a - target) / q for a, q in terms)
    for _ in range(50 if len(terms) > 1 else 0):
        peak = max(a - q * x for a, q in terms)
        weights = [math.exp(a - q * x - peak) for a, q in terms]
        value = peak + math.log(sum(weights))
        slope = math.fsum(w * q for w, (_, q) in zip(weights, terms, strict=True)) / sum(weights)
        step = (value - target) / slope
        x += step
        if abs(step) < 1e-13 * max(1.0, abs(x)):
            break
    return max(-40.0, min(x, 300.0))


def _round(chain: _Chain, real: Sequence[float]) -> tuple[int, ...] | None:
    """Return the best integer counts around the real ones; the first level takes what is left of the budget."""
    axis = _AXIS.get(len(real), 7)
    ranges = [_around(n, least, axis) for n, least in zip(real[1:], chain.least[1:], strict=True)]
    later = [grid.ravel() for grid in np.meshgrid(*ranges, indexing="ij")]
    paid = sum((c * n for c, n in zip(chain.costs[1:], later, strict=True)), np.zeros(1))
    first = np.floor((chain.budget - paid) / chain.costs[0] * (1 + 1e-12)).astype(np.int64)
    counts = np.stack([np.broadcast_to(first, later[0].shape if later else first.shape), *later])
    allowed = (counts[:-1] >= counts[1:]).all(axis=0) & (counts[0] >= chain.least[0])
    if not allowed.any():
        return None
    counts = counts[:, allowed]
    errors = sum(_values(curve, n) for curve, n in zip(chain.curves, counts, strict=True))
    best = [int(n) for n in counts[:, int(np.argmin(errors))]]
    while not _affordable(chain, best):  # by a unit of round-off
        best[0] -= 1
    return tuple(best) if best[0] >= max([*best[1:2], chain.least[0]]) else None


def _around(n: float, least: int, width: int) -> Int[np.ndarray, " k"]:
    start = max(least, math.floor(n) - width // 2)
    return np.arange(start, start + width, dtype=np.int64)


def _values(curves: Sum, n: np.ndarray) -> np.ndarray:
    x = n.astype(np.float64)
    return np.asarray(sum(np.minimum(c.cap, c.floor + c.scale * x**-c.exponent) for c in curves))


def _plan(
    chain: _Chain,
    counts: Sequence[int],
    costs: Sequence[float],
    budget: float,
    bias: Sequence[float],
    bought: Sequence[int],
) -> Plan:
    samples, sizes, errors = [0] * len(costs), [math.nan] * len(costs), [math.nan] * len(costs)
    for level, curve, n in zip(chain.levels, chain.curves, counts, strict=True):
        samples[level], sizes[level], errors[level] = n, _size(curve), math.sqrt(_total(curve, n))
    total = math.fsum(_errors(chain, counts)) + bias[chain.levels[-1]] ** 2
    wasted = tuple(0 if level in chain.levels else n for level, n in enumerate(bought))
    return Plan(
        samples=tuple(samples),
        costs=tuple(costs),
        budget=budget,
        rule="optimal",
        reason=f"levels {list(chain.levels)}",
        predicted=math.sqrt(total),
        corrections=tuple(sizes),
        errors=tuple(errors),
        bias=tuple(bias),
        wasted=wasted,
    )


def _why(best: Plan, singles: Sequence[Plan]) -> str:
    finest = len(best.costs) - 1
    rival = min((plan for plan in singles if plan.levels != best.levels), key=_error, default=None)
    against = f" (next best single level: {rival.levels[0]}, {_error(rival):.3g})" if rival else ""
    if best.levels == (finest,):
        return f"finest only: the corrections cost more than they save{against}"
    if len(best.levels) == 1:
        return f"level {best.levels[0]} only: it is accurate enough that finer samples do not pay{against}"
    if not singles:
        return f"levels {list(best.levels)}"
    gain = min(_error(plan) for plan in singles) / _error(best) if _error(best) else math.inf
    return f"levels {list(best.levels)}: {gain:.3g} times more accurate than the best single level{against}"


def _errors(chain: _Chain, counts: Sequence[int]) -> list[float]:
    return [_total(curves, n) for curves, n in zip(chain.curves, counts, strict=True)]


def _sum(curves: Curve | Sum) -> Sum:
    return (curves,) if isinstance(curves, Curve) else tuple(curves)


def _size(curves: Sum) -> float:
    """Return √V of the largest thing that a level has to teach; inf where no cap is known."""
    return math.sqrt(max((c.cap for c in curves if math.isfinite(c.cap)), default=math.inf))


@no_type_check  # called ten thousand times a plan
def _total(curves: Sum, n: float) -> float:
    return math.fsum(curve(n) for curve in curves)


def _affordable(chain: _Chain, counts: Sequence[int]) -> bool:
    return _price(chain, counts) + chain.wasted <= chain.whole


@no_type_check  # called ten thousand times a plan
def _price(chain: _Chain, counts: Sequence[float]) -> float:
    return math.fsum(c * n for c, n in zip(chain.costs, counts, strict=True))


def _error(plan: Plan) -> float:
    return math.inf if plan.predicted is None else plan.predicted


def _pairs(chain: Levels) -> list[Pair]:
    return list(zip((None, *chain[:-1]), chain, strict=True))
