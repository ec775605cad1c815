"""The fit of a learning curve to errors that were measured after a few numbers of samples."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from mlft.planning import ErrorCurve

Array = np.ndarray

Belief = tuple[float, float]
"""Of a learning exponent before anything is measured: mean and standard deviation."""

NETWORKS: Belief = (0.45, 0.25)
"""What is believed of the learning exponent of a network trained in steps.

From 64 to 256 samples and from 256 to 1,024, networks fell with 0.2 and 0.3 (kohn-sham), 0.3 and 0.7 (burgers), 0.4
(darcy), 0.5 (schrodinger), 0.8 (euler) and 1.0 (poisson), and the paper's regime gives a half. Few pilot samples say
little about it; they take over as they grow.
"""

REGRESSIONS: Belief = (0.8, 1.0)
"""What is believed of the learning exponent of a regression: next to nothing, for the problem decides it.

From 8 to 256 samples (seeds 900 and 901) `kernel` fell with 0.0 (burgers, schrodinger, advection), 0.3 (darcy), 0.2 to
0.5 (euler), 1 (radiative-transfer), 1.3 (wkb), 1.5 (elliptic1d) and 3.5 (helmholtz), evenly: few samples show it.
"""

NOISE = 0.1
"""Relative scatter of a trained network's error over seeds and subsets, beside that of the test samples."""

REPLICATES = 200


def fit_curve(
    sizes: Sequence[int],
    errors: Sequence[Float[Array, " _n"]],
    *,
    cap: float,
    generator: torch.Generator,
    known: ErrorCurve | None = None,
    belief: Belief = NETWORKS,
) -> ErrorCurve:
    """Return the power law through errors measured after a few numbers of samples.

    log e = log c − a log n by least squares, weighted by the scatter of each point (of its test samples, and `NOISE`),
    with a normal prior on a. The replicates are draws of the posterior, exact for this linear model: each refits to
    points and prior that are moved at random by their own scatter. Points at or above the cap have learned nothing:
    they count as the cap, so the curve begins to fall where it was last seen flat.

    Args:
        sizes: numbers of samples, each at least 1.
        errors: for each of them, the relative errors of test samples.
        cap: the error of learning nothing.
        generator: moves the replicates.
        known: a curve of the same learning from fewer samples, whose points are fitted to as well.
        belief: the prior on a.

    Raises:
        ValueError: for no points, sizes under 1, or errors that are not finite.
    """
    if not sizes or min(sizes) < 1 or len(sizes) != len(errors):
        raise ValueError(f"a curve needs errors after one number of samples at least, got sizes {list(sizes)}")
    plain = [float(np.mean(e)) for e in errors]
    if not all(0 < e < math.inf for e in [*plain, cap]):
        raise ValueError(f"errors and cap must be positive and finite, got means {plain} and cap {cap}")
    rows = [*_rows(known), *((n, *_mean(e)) for n, e in zip(sizes, errors, strict=True))]
    counts, means, scatter = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    x, y, (mean, spread) = np.log(counts), np.log(np.minimum(means, cap)), belief
    best = _line(x, y, scatter, belief)
    noise = torch.randn(REPLICATES, len(x) + 1, generator=generator, dtype=torch.float64).numpy()
    moved = [_line(x, y + scatter * z[1:], scatter, (mean + spread * z[0], spread)) for z in noise]
    points = tuple((int(n), float(e)) for n, e in zip(counts, means, strict=True))
    return ErrorCurve(points, *best, cap, tuple(moved), tuple(map(float, scatter)))


def _rows(known: ErrorCurve | None) -> list[tuple[int, float, float]]:
    """Return samples, error and scatter of each point of a curve; nothing of none."""
    return [] if known is None else [(n, e, s) for (n, e), s in zip(known.points, known.scatters, strict=True)]


def _line(x: Array, y: Array, scatter: Array, exponent: tuple[float, float]) -> tuple[float, float]:
    """Return (c, a), the weighted least-squares line with a ≥ 0.02 drawn towards its prior."""
    weights = scatter**-2
    mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
    spread = float((weights * (x - mean_x) ** 2).sum())
    slope = float((weights * (x - mean_x) * (y - mean_y)).sum())
    prior = exponent[1] ** -2
    a = max(0.02, (prior * exponent[0] - slope) / (prior + spread))
    return math.exp(mean_y + a * mean_x), a


def _mean(errors: Array) -> tuple[float, float]:
    """Return the mean of errors, and its relative standard error with `NOISE`."""
    n, mean = len(errors), float(np.mean(errors))
    own = float(np.std(errors, ddof=1)) / mean / math.sqrt(n) if n > 1 else 0.5
    return mean, math.hypot(own, NOISE)
