"""The quantiles of split-conformal prediction: order statistics that a fresh score stays under at a stated rate."""

import math

import numpy as np
from jaxtyping import Float

Array = np.ndarray

_ROUND_OFF = 1e-9
"""Of a rank that is a whole number but for round-off, as 20 · 0.95 is."""


def rank(n: int, level: float) -> int:
    """Return which of n scores, the smallest being 1, a fresh one stays under with probability `level` or more.

    The rank is ⌈(n + 1) · level⌉: of n + 1 exchangeable scores the last is equally likely to have any rank.

    Raises:
        ValueError: for a level that is not between 0 and 1, or that n scores do not support: over n / (n + 1).

    Source: Vovk, Gammerman, Shafer 2005; Lei, G'Sell, Rinaldo, Tibshirani, Wasserman 2018, JASA 113, 1094, theorem 2.2.

    >>> [rank(9, level) for level in (0.5, 0.89, 0.9)]
    [5, 9, 9]
    """
    return _rank(n, level, 1)


def conformal_quantile(scores: Float[Array, " n"], level: float) -> float:
    """Return the number that the score of a fresh draw stays under with probability `level` or more.

    Exact where the draws are exchangeable, whatever their law; with continuous scores the probability is less than
    level + 1/(n + 1). It is over the draws of the scores, too: given them, it has the law Beta(k, n + 1 − k), k the
    rank. A score that is no number counts as infinite.

    Raises:
        ValueError: as `rank`.

    >>> conformal_quantile(np.arange(1.0, 10.0), 0.8)
    8.0
    """
    return _smallest(scores, rank(len(scores), level))


def pooled_quantile(scores: Float[Array, "n p"], level: float) -> float:
    """Return the number that, in the mean over fresh draws, a share `level` or more of a draw's p scores stays under.

    The smallest q of which the n draws leave a share of at most (α (n + 1) − 1) / n over, α = 1 − level: the order
    statistic ⌈(n + 1) · level · p⌉ of all n · p scores, and for p = 1 `conformal_quantile`. Scores of one draw may
    depend on each other in any way; it is the draws that are exchangeable.

    Raises:
        ValueError: as `rank`.

    Source: Angelopoulos, Bates, Fisch, Lei, Schuster 2024, Conformal risk control, theorem 1, arXiv 2208.02814.

    >>> pooled_quantile(np.array([[1.0, 2.0], [3.0, 4.0]]), 0.5)
    3.0
    """
    n, p = scores.shape
    return _smallest(scores.reshape(-1), _rank(n, level, p))


def _rank(n: int, level: float, p: int) -> int:
    if not 0 < level < 1:
        raise ValueError(f"a level is a share between 0 and 1, got {level}")
    found = max(1, math.ceil((n + 1) * level * p - _ROUND_OFF * p))
    if found > n * p:
        raise ValueError(f"{n} draws support levels up to {n / (n + 1):.4g}, got {level}")
    return found


def _smallest(scores: Float[Array, " n"], k: int) -> float:
    known = np.where(np.isnan(scores), np.inf, scores)
    return float(np.partition(known, k - 1)[k - 1])
