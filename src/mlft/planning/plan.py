"""What a plan is: samples per level, what they cost, what error they promise, and why these.

Errors are mean squares in this room, E_l(n) = E‖(I − P_n) δ_l‖², because for nested samples they add (see
`docs/method.md`); what is printed and stored is their square root, a relative L2 error. Level 0 is the coarsest.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from mlft.errors import BudgetError, plain
from mlft.markup import html_table, in_words

Levels = tuple[int, ...]
Pair = tuple[int | None, int]


@final
@dataclass(frozen=True)
class Curve:
    """Mean-square error of a learned correction after n samples: min(cap, floor + scale · n^(−exponent)).

    Attributes:
        scale: the part that falls, at n = 1 and before the cap; in squared relative error.
        exponent: p > 0.
        cap: the error of learning nothing, V = E‖δ‖², which is also the error at n = 0.
        floor: what no number of samples removes.
    """

    scale: float
    exponent: float
    cap: float = math.inf
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not (self.scale >= 0 and self.exponent > 0 and self.cap >= 0 and self.floor >= 0):
            raise ValueError(f"a curve needs scale >= 0, exponent > 0, cap >= 0 and floor >= 0, got {self}")

    def __call__(self, n: float) -> float:
        """Return the mean-square error after n samples."""
        return min(self.cap, self.floor + self.scale * n**-self.exponent) if n > 0 else self.cap


@final
@dataclass(frozen=True)
class Plan:
    """Samples per level, what they cost, what error they promise, and why these.

    Attributes:
        samples: samples per level, coarsest first; 0 for a level that is not used.
        costs: price of one sample on each level, in the unit of the budget.
        budget: what may be spent.
        rule: the rule that made the plan, such as "optimal" or "equal-cost".
        reason: why, in words.
        predicted: the predicted relative L2 error, the root of the predicted mean square; None where no error curve
            was given.
        interval: lower and upper end of the prediction's interval, where it was estimated.
        coverage: the probability with which that holds the error.
        stretch: how many times it reaches as far, in logarithms, as the scatter of what was measured would have it.
        corrections: for each level that is used, the size of what it has to teach, √V; NaN for the others.
        errors: for each level that is used, how much of that is left after its samples, √E(n); NaN for the others.
        bias: each level's distance from the finest level's solutions, where it was estimated.
        wasted: samples per level that are paid for and not used, such as a pilot's; part of the cost.
        alternatives: other plans of the same budget, the best first.
    """

    samples: tuple[int, ...]
    costs: tuple[float, ...]
    budget: float
    rule: str
    reason: str
    predicted: float | None = None
    interval: tuple[float, float] | None = None
    corrections: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()
    wasted: tuple[int, ...] = ()
    alternatives: tuple["Plan", ...] = ()
    coverage: float = 0.95
    stretch: float = 1.0

    @property
    def cost(self) -> float:
        """What the samples cost, Σ c_l n_l, wasted ones included; at most the budget."""
        wasted = self.wasted or (0,) * len(self.samples)
        return math.fsum(c * (n + m) for c, n, m in zip(self.costs, self.samples, wasted, strict=True))

    @property
    def levels(self) -> Levels:
        """The levels that are used, coarsest first."""
        return tuple(level for level, n in enumerate(self.samples) if n)

    @property
    def facts(self) -> dict[str, Any]:
        """The plan as plain values, without its alternatives' own alternatives; `from_facts` reads it back."""
        told = {name: getattr(self, name) for name in (*_PLAIN, *_LATER)}
        rows = {name: list(getattr(self, name)) for name in _ROWS}
        interval = None if self.interval is None else list(self.interval)
        return told | rows | {"interval": interval, "alternatives": [other.facts for other in self.alternatives]}

    def __repr__(self) -> str:
        """Return the samples, their cost, and the error to expect; `str` is the whole of it."""
        samples, words = "/".join(map(str, self.samples)), in_words(self.predicted, *(self.interval or (None, None)))
        return plain(f"Plan({samples} samples by {self.rule!r}, cost {self.cost:.4g}, predicted error {words})")

    def _repr_html_(self) -> str:
        """Return a row a level and one for all of them, as a small table, for notebooks."""
        rows = [(str(level), *self._cells(level)) for level in range(len(self.samples))]
        predicted = in_words(self.predicted, *(self.interval or (None, None)))
        rows.append(("all", f"{self.cost:.4g}", "", "", str(sum(self.samples)), predicted))
        head = ("level", "cost each", "bias", "correction", "samples", "error")
        return html_table(f"{self.rule}: {self.reason}", rows, head=head)

    def _cells(self, level: int) -> tuple[str, ...]:
        bias, size, error = (_number(rows, level) for rows in (self.bias, self.corrections, self.errors))
        return f"{self.costs[level]:.4g}", bias, size, str(self.samples[level]), error

    def __str__(self) -> str:
        """Return the plan as a table, a row a level."""
        head = f"{'level':>5} {'cost each':>10} {'bias':>8} {'correction':>10} {'samples':>8} {'share':>6} {'error':>8}"
        return "\n".join(
            [head, *(self._row(level) for level in range(len(self.samples))), self._total(), self._words()]
        )

    def _row(self, level: int) -> str:
        n, c = self.samples[level], self.costs[level]
        paid = n + (self.wasted[level] if self.wasted else 0)
        bias, size, error = (_number(rows, level) for rows in (self.bias, self.corrections, self.errors))
        return f"{level:>5} {c:>10.4g} {bias:>8} {size:>10} {n:>8} {paid * c / self.budget:>6.0%} {error:>8}"

    def _total(self) -> str:
        predicted = "" if self.predicted is None else f"{self.predicted:.3g}"
        blank = f"{'total':>5} {self.cost:>10.4g} {'':>8} {'':>10}"
        return f"{blank} {sum(self.samples):>8} {self.cost / self.budget:>6.0%} {predicted:>8}"

    def _words(self) -> str:
        low, high = self.interval or (math.nan, math.nan)
        between = "" if self.interval is None else f" ({self.coverage:.0%} interval {low:.3g} to {high:.3g})"
        predicted = "" if self.predicted is None else f"; predicted relative L2 error {self.predicted:.3g}{between}"
        return f"{self.rule}: {self.reason}{predicted}"


_PLAIN = ("budget", "rule", "reason", "predicted")
_LATER = ("coverage", "stretch")
"""Not in plans that were written before there were any."""
_ROWS = ("samples", "costs", "corrections", "errors", "bias", "wasted")


def from_facts(facts: Mapping[str, Any]) -> Plan:
    """Return the plan that `Plan.facts` wrote, NaN where JSON had to write null.

    Raises:
        ValueError: if something is missing or of the wrong type.
    """
    try:
        told: dict[str, Any] = {name: facts[name] for name in _PLAIN}
        told |= {name: facts[name] for name in _LATER if name in facts}
        told |= {name: tuple(math.nan if v is None else v for v in facts[name]) for name in _ROWS}
        interval = None if facts["interval"] is None else tuple(facts["interval"])
        others = tuple(from_facts(other) for other in facts["alternatives"])
        return Plan(**told, interval=interval, alternatives=others)
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is not a plan as mlft writes it: {error!r}") from None


def fit(budget: float, cost: float) -> int:
    """Return how many samples of a cost fit a budget, forgiving round-off of one part in 10¹²."""
    n = math.floor(budget / cost * (1 + 1e-12))
    return n if n * cost <= budget else n - 1


def check(costs: Sequence[float], budget: float, *, needed: float, what: str) -> None:
    """Refuse costs that are not positive and a budget that is too small.

    Raises:
        ValueError: for costs that are not positive and finite.
        BudgetError: for a budget under `needed`, which buys `what`.
    """
    if not costs or not all(0 < c < math.inf for c in costs):
        raise ValueError(f"costs must be positive and finite, one for each level, got {list(costs)}")
    if not 0 < budget < math.inf:
        raise BudgetError(f"a budget must be positive and finite, got {budget}", needed=needed, given=budget)
    if budget < needed:
        message = f"the budget {budget:.6g} is too small: {what} costs {needed:.6g}; give at least that"
        raise BudgetError(message, needed=needed, given=budget)


def _number(rows: Sequence[float], level: int) -> str:
    return "" if not rows or math.isnan(rows[level]) else f"{rows[level]:.3g}"
