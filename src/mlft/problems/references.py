"""References where no exact solution is known: finer and finer grids, extrapolated at the rate that they show."""

import numpy as np
from jaxtyping import Float

from mlft.problems.base import Problem, refined

Array = np.ndarray


def extrapolated(
    problem: Problem, draws: Float[Array, "n k"], *, ratios: tuple[int, ...], least: float = 0.0
) -> Float[Array, "n c *grid"]:
    """Return solutions on the finest grid, extrapolated from those on it refined by each of `ratios`, restricted.

    With the steps d_j = u_{j+1} − u_j from ratio to ratio, each twice the one before, and errors that are sums of m
    powers of h, Σ_j w_j d_j = 0 for weights w_0 = 1 … w_m, and the limit is Σ_j w_j u_{j+1} / Σ_j w_j:

        two ratios:    w_1 = −2^order, the stated order; nothing tells whether it holds;
        three ratios:  w_1 = −2^rate by least squares, the rate that this sample shows;
        four ratios:   the last grid is solved for samples alone that show a rate under `least` on the first three: then
                       w_1 and w_2 by least squares, which fits two rates.

    A correction larger than all the steps together is not believed, and the last solution returned as it is. A sample
    at a time, so that no memory beyond one solve is held, and no sample sees its batch.

    Raises:
        ValueError: if the solver fails on one of these grids.

    Source: Richardson, Phil. Trans. R. Soc. A 226 (1927); Sidi, Vector Extrapolation Methods (2017), chapters 1 and 2,
    for the weights by least squares.
    """
    out = refined(problem, draws, ratios[0])
    for i in range(len(draws)):
        fields = [out[i]] + [refined(problem, draws[i : i + 1], ratio)[0] for ratio in ratios[1:3]]
        weights = _weights(fields, problem.order)
        if len(ratios) > 3 and not weights[1] < -(2.0**least):
            fields.append(refined(problem, draws[i : i + 1], ratios[3])[0])
            weights = _weights(fields, problem.order)
        out[i] = _limit(fields, weights)
    return out


def _weights(fields: list[Array], order: float) -> Array:
    steps = np.diff(np.reshape(fields, (len(fields), -1)), axis=0)
    if len(steps) == 1:
        return np.array([1.0, -(2.0**order)])
    return np.append(1.0, np.linalg.lstsq(steps[1:].T, -steps[0], rcond=None)[0])


def _limit(fields: list[Array], weights: Array) -> Array:
    last, known = fields[-1], fields[-len(weights) :]
    if weights.sum() == 0:
        return last
    correction = sum(w * (field - last) for w, field in zip(weights, known, strict=True)) / weights.sum()
    believed = np.linalg.norm(correction) <= np.linalg.norm(last - fields[0])
    return last + correction if believed else last
