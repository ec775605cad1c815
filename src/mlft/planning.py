"""How many samples to solve on which grid: arithmetic on costs and error curves, and nothing else.

Errors are mean squares here, E_l(n) = E‖(I − P_n) δ_l‖², because for nested samples they add (see `docs/method.md`);
what is printed and stored is their square root, a relative L2 error. Level 0 is the coarsest.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import final

from mlft.errors import BudgetError, unknown_name

Levels = tuple[int, ...]
Pair = tuple[int | None, int]


@final
@dataclass(frozen=True)
class Curve:
    """Mean-square error of a learned correction after n samples: min(cap, scale · n^(−exponent)); `cap` at n = 0.

    Attributes:
        scale: the error at n = 1, before the cap; in squared relative error.
        exponent: p > 0.
        cap: the error of learning nothing, V = E‖δ‖².
    """

    scale: float
    exponent: float
    cap: float = math.inf

    def __post_init__(self) -> None:
        if not (self.scale >= 0 and self.exponent > 0 and self.cap >= 0):
            raise ValueError(f"a curve needs scale >= 0, exponent > 0 and cap >= 0, got {self}")

    def __call__(self, n: float) -> float:
        """Return the mean-square error after n samples."""
        return min(self.cap, self.scale * n**-self.exponent) if n > 0 else self.cap


@final
@dataclass(frozen=True)
class Plan:
    """Samples per level, what they cost, what error they promise, and why these.

    Attributes:
        samples: samples per level, coarsest first; 0 for a level that is not used.
        costs: price of one sample on each level, in the unit of the budget.
        budget: what may be spent.
        rule: the rule that made the plan, such as "equal-cost".
        reason: why, in words.
        predicted: the predicted relative L2 error, the root of the predicted mean square; None where no error curve
            was given.
        alternatives: other plans of the same budget, the best first.
    """

    samples: tuple[int, ...]
    costs: tuple[float, ...]
    budget: float
    rule: str
    reason: str
    predicted: float | None = None
    alternatives: tuple["Plan", ...] = ()

    @property
    def cost(self) -> float:
        """What the samples cost, Σ c_l n_l; at most the budget."""
        return math.fsum(c * n for c, n in zip(self.costs, self.samples, strict=True))

    @property
    def levels(self) -> Levels:
        """The levels that are used, coarsest first."""
        return tuple(level for level, n in enumerate(self.samples) if n)

    def __str__(self) -> str:
        """Return the plan as a table, a row a level."""
        rows = [f"{'level':>5} {'samples':>8} {'cost each':>10} {'cost':>10} {'share':>6}"]
        for level, (n, c) in enumerate(zip(self.samples, self.costs, strict=True)):
            rows.append(f"{level:>5} {n:>8} {c:>10.4g} {n * c:>10.4g} {n * c / self.budget:>6.0%}")
        rows.append(f"{'total':>5} {sum(self.samples):>8} {'':>10} {self.cost:>10.4g} {self.cost / self.budget:>6.0%}")
        predicted = "" if self.predicted is None else f"; predicted relative L2 error {self.predicted:.3g}"
        return "\n".join([*rows, f"{self.rule}: {self.reason}{predicted}"])


def equal_cost(costs: Sequence[float], budget: float, *, least: int = 1) -> Plan:
    """Return the plan that spends the same on every level, n_l ≈ B / ((L+1) c_l), at least `least` samples each.

    Shares are given out from the finest level down, so that what a level cannot use falls to the coarser ones. The
    counts never increase with the level (nested samples need it), and the budget is never exceeded.

    Raises:
        BudgetError: if the budget does not buy `least` samples on each level.

    >>> equal_cost([1 / 64, 1 / 16, 1 / 4, 1.0], 64).samples
    (1024, 256, 64, 16)
    """
    _check(costs, budget, needed=least * math.fsum(costs), what=f"{_count(least)} on each level")
    samples = [0] * len(costs)
    for level in reversed(range(len(costs))):
        spent = math.fsum(c * n for c, n in zip(costs, samples, strict=True))
        reserve = least * math.fsum(costs[:level])
        share = max((budget - spent) / (level + 1), least * costs[level])
        samples[level] = max(least, _fit(min(share, budget - spent - reserve), costs[level]))
        if level < len(costs) - 1:
            samples[level] = max(samples[level], samples[level + 1])
    samples = _within(samples, costs, budget, least=least)
    reason = f"the same cost on each of {len(costs)} levels; no error estimate was asked"
    return Plan(tuple(samples), tuple(costs), budget, "equal-cost", reason)


def single_level(costs: Sequence[float], budget: float, level: int, *, least: int = 1) -> Plan:
    """Return the plan that spends everything on one level.

    Raises:
        ValueError: for a level that does not exist.
        BudgetError: if the budget does not buy `least` samples there.

    >>> single_level([0.25, 1.0], 2.6, 0).samples
    (10, 0)
    """
    if not 0 <= level < len(costs):
        raise ValueError(f"there are levels 0 to {len(costs) - 1} (0 is the coarsest), got {level}")
    _check(costs, budget, needed=least * costs[level], what=f"{_count(least)} on level {level}")
    samples = [0] * len(costs)
    samples[level] = _fit(budget, costs[level])
    finest = level == len(costs) - 1
    rule = "finest-only" if finest else f"single-level:{level}"
    reason = "everything on the finest grid" if finest else f"everything on level {level}"
    return Plan(tuple(samples), tuple(costs), budget, rule, reason)


def by_rule(rule: str, costs: Sequence[float], budget: float, *, least: int = 1) -> Plan:
    """Return the plan of a named rule: "equal-cost", "finest-only" or "single-level:<l>".

    Raises:
        ConfigError: for an unknown rule.
        ValueError: for a level that does not exist.
        BudgetError: if the budget is too small.
    """
    name, _, argument = rule.partition(":")
    rules: dict[str, Callable[[], Plan]] = {
        "equal-cost": lambda: equal_cost(costs, budget, least=least),
        "finest-only": lambda: single_level(costs, budget, len(costs) - 1, least=least),
        "single-level": lambda: single_level(costs, budget, _level(argument), least=least),
    }
    if name not in rules or (argument and name != "single-level"):
        raise unknown_name("planning rule", rule, ["equal-cost", "finest-only", "single-level:<l>"])
    return rules[name]()


def allocate(
    corrections: Mapping[Pair, Curve], costs: Sequence[float], budget: float, *, bias: Sequence[float] | None = None
) -> Plan:
    """Return the plan that minimises Σ_l E_kl(n_l) + bias² under Σ c_l n_l ≤ B, over the subset of levels used too.

    For one subset of levels the counts are n_l = (p_l C_l / (μ c_l))^(1/(1+p_l)) with μ from the budget, made
    non-increasing by pooling neighbours (nested samples), rounded down, and the rest spent where it gains most.
    All subsets are tried, each single level among them; the best single level is the first alternative.

    Args:
        corrections: the learning curve of u_l − u_k for each pair (k, l) of levels that may follow each other, k < l,
            and of u_l itself under (None, l). A subset that needs an absent pair is not tried.
        costs: price of one sample on each level.
        budget: what may be spent, in the unit of the costs.
        bias: relative distance of each level's solutions from the finest level's, 0 for the finest; it is added,
            squared, for the finest level that is used.

    Raises:
        BudgetError: if no offered subset of levels can have a sample on each of its levels.
        ValueError: no curve of the form (None, l), or a wrong number of biases.

    Source: the multi-level Monte Carlo allocation (Giles 2008, Oper. Res. 56, eq. 3.1) with a general exponent.
    """
    levels = range(len(costs))
    bias = [0.0] * len(costs) if bias is None else bias
    if len(bias) != len(costs):
        raise ValueError(f"a bias for each of {len(costs)} levels is needed, got {len(bias)}")
    chains = [c for size in range(1, len(costs) + 1) for c in combinations(levels, size) if _offered(c, corrections)]
    if not chains:
        raise ValueError("no subset of levels can be planned: give a curve (None, l) for at least one level l")
    cheapest = min(math.fsum(costs[level] for level in chain) for chain in chains)
    _check(costs, budget, needed=cheapest, what="one sample on each level of the cheapest subset of levels")
    plans = [p for chain in chains if (p := _plan(chain, corrections, costs, budget, bias)) is not None]
    plans.sort(key=lambda plan: (_error(plan), len(plan.levels), plan.samples))
    best, singles = plans[0], [plan for plan in plans if len(plan.levels) == 1]
    return replace(best, reason=_why(best, singles), alternatives=tuple([*singles, *plans[1:4]]))


def _plan(
    chain: Levels, corrections: Mapping[Pair, Curve], costs: Sequence[float], budget: float, bias: Sequence[float]
) -> Plan | None:
    """Return the best plan on exactly these levels; None if the budget does not buy one sample on each."""
    curves = [corrections[pair] for pair in _pairs(chain)]
    prices = [costs[level] for level in chain]
    if math.fsum(prices) > budget:
        return None
    counts = _spend(_integers(_continuous(curves, prices, budget), prices, budget), curves, prices, budget)
    samples = [0] * len(costs)
    for level, n in zip(chain, counts, strict=True):
        samples[level] = n
    error = math.fsum(curve(n) for curve, n in zip(curves, counts, strict=True)) + bias[chain[-1]] ** 2
    return Plan(tuple(samples), tuple(costs), budget, "optimal", f"levels {list(chain)}", math.sqrt(error))


def _continuous(curves: Sequence[Curve], costs: Sequence[float], budget: float) -> list[float]:
    """Return the non-increasing real counts that spend the budget exactly, by bisection on log μ."""
    low, high = -700.0, 700.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        counts = _stationary(curves, costs, middle)
        low, high = (low, middle) if math.fsum(map(_times, counts, costs)) < budget else (middle, high)
        if high - low < 1e-12 * max(1.0, abs(high)):
            break
    return _stationary(curves, costs, high)


def _stationary(curves: Sequence[Curve], costs: Sequence[float], log_mu: float) -> list[float]:
    """Return the counts that minimise Σ E_l(n_l) + μ Σ c_l n_l under n_0 ≥ n_1 ≥ …, pooling violating neighbours."""
    blocks: list[tuple[list[int], float]] = []
    for level in range(len(curves)):
        block = [level]
        value = _log_count(block, curves, costs, log_mu)
        while blocks and blocks[-1][1] < value:
            block = blocks.pop()[0] + block
            value = _log_count(block, curves, costs, log_mu)
        blocks.append((block, value))
    return [math.exp(value) for block, value in blocks for _ in block]


def _log_count(block: Sequence[int], curves: Sequence[Curve], costs: Sequence[float], log_mu: float) -> float:
    """Return x = log n with Σ p_l C_l n^(−p_l−1) = μ Σ c_l, by Newton on the log of both sides (convex in x)."""
    terms = [(math.log(curves[i].exponent * curves[i].scale), curves[i].exponent + 1) for i in block if curves[i].scale]
    if not terms:
        return -40.0
    target = log_mu + math.log(math.fsum(costs[i] for i in block))
    x = min((a - target) / q for a, q in terms)
    for _ in range(50):
        peak = max(a - q * x for a, q in terms)
        weights = [math.exp(a - q * x - peak) for a, q in terms]
        value, slope = peak + math.log(sum(weights)), sum(map(_times, weights, [q for _, q in terms])) / sum(weights)
        step = (value - target) / slope
        x += step
        if abs(step) < 1e-13 * max(1.0, abs(x)):
            break
    return max(-40.0, min(x, 300.0))


def _integers(counts: Sequence[float], costs: Sequence[float], budget: float) -> list[int]:
    """Return the counts rounded down, at least 1 each, thinned from the coarsest if the ones took too much."""
    return _within(
        [max(1, math.floor(min(n, budget / c) * (1 + 1e-12))) for n, c in zip(counts, costs, strict=True)],
        costs,
        budget,
    )


def _within(samples: list[int], costs: Sequence[float], budget: float, *, least: int = 1) -> list[int]:
    """Return the counts lowered, the largest spender first and never below the next level, to fit the budget."""
    samples = list(samples)
    while (excess := math.fsum(map(_times, samples, costs)) - budget) > 0:
        floors = [*samples[1:], least]
        free = [i for i in range(len(samples)) if samples[i] > floors[i]]
        level = max(free, key=lambda i: samples[i] * costs[i])
        room = samples[level] - floors[level]
        samples[level] -= max(1, min(room, math.floor(excess / costs[level])))
    return samples


def _spend(samples: list[int], curves: Sequence[Curve], costs: Sequence[float], budget: float) -> list[int]:
    """Return the counts with what is left of the budget spent where an increment gains most per cost."""
    samples = list(samples)
    while True:
        left = budget - math.fsum(map(_times, samples, costs))
        ceilings = [math.inf, *samples[:-1]]
        free = [i for i in range(len(samples)) if costs[i] <= left and samples[i] < ceilings[i]]
        if not free:
            return samples
        gains = {i: (curves[i](samples[i]) - curves[i](samples[i] + 1)) / costs[i] for i in free}
        level = max(gains, key=lambda i: (gains[i], i))
        room = min(ceilings[level] - samples[level], _fit(left, costs[level]))
        samples[level] += int(max(1, min(room, samples[level] // 50)))
        if math.fsum(map(_times, samples, costs)) > budget:
            samples[level] -= 1
            return samples


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
    return f"levels {list(best.levels)}: {gain:.2g} times more accurate than the best single level{against}"


def _error(plan: Plan) -> float:
    return math.inf if plan.predicted is None else plan.predicted


def _pairs(chain: Levels) -> list[Pair]:
    return list(zip((None, *chain[:-1]), chain, strict=True))


def _offered(chain: Levels, corrections: Mapping[Pair, Curve]) -> bool:
    return all(pair in corrections for pair in _pairs(chain))


def _times(a: float, b: float) -> float:
    return a * b


def _fit(budget: float, cost: float) -> int:
    """Return how many samples of a cost fit a budget, forgiving round-off of one part in 10¹²."""
    n = math.floor(budget / cost * (1 + 1e-12))
    return n if n * cost <= budget else n - 1


def _count(n: int) -> str:
    return "one sample" if n == 1 else f"{n} samples"


def _level(argument: str) -> int:
    if not argument.isdecimal():
        raise ValueError(f"single-level needs the number of a level, as in single-level:0, got {argument!r}")
    return int(argument)


def _check(costs: Sequence[float], budget: float, *, needed: float, what: str) -> None:
    if not costs or not all(0 < c < math.inf for c in costs):
        raise ValueError(f"costs must be positive and finite, one for each level, got {list(costs)}")
    if not 0 < budget < math.inf:
        raise BudgetError(f"a budget must be positive and finite, got {budget}", needed=needed, given=budget)
    if budget < needed:
        message = f"the budget {budget:.6g} is too small: {what} costs {needed:.6g}; give at least that"
        raise BudgetError(message, needed=needed, given=budget)
