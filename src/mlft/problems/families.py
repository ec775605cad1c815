"""Laws of inputs near the one that is trained on, made from its own draws, to ask how far a surrogate can be trusted.

A family is a function of the draws of the problem, so that all families answer for the same randomness and differ in
nothing else. It returns inputs on the finest grid.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from mlft.grids import Grid, from_waves, to_waves, wave_numbers

Array = np.ndarray
Family = Callable[[Array], Array]
"""Draws (n, k) to inputs (n, channels, *grid) on the finest grid."""


def of_coefficients(evaluate: Family, amplified: Callable[[Array, float], Array]) -> dict[str, Family]:
    """Return families for any problem whose draws are coefficients: larger, smaller, shifted, one at a time.

    Args:
        evaluate: draws to inputs on the finest grid.
        amplified: draws and an amplitude to inputs.
    """
    return {
        "larger (×2)": lambda draws: amplified(draws, 2.0),
        "smaller (×½)": lambda draws: amplified(draws, 0.5),
        "shifted": lambda draws: evaluate(draws + draws.std(axis=0)),
        "other family: one coefficient": lambda draws: evaluate(largest(draws)),
    }


def of_fields(evaluate: Family, grid: Grid) -> dict[str, Family]:
    """Return families for any problem whose inputs may be filtered: smoother and rougher by one order."""
    return {
        "smoother": lambda draws: filtered(evaluate(draws), grid, -1.0),
        "rougher": lambda draws: filtered(evaluate(draws), grid, 1.0),
    }


def with_other(found: dict[str, Family], name: str, family: Family) -> dict[str, Family]:
    """Return families with this one for the other family, where a single coefficient is no input."""
    kept = {key: make for key, make in found.items() if not key.startswith("other family")}
    return kept | {f"other family: {name}": family}


def largest(draws: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Return draws whose largest coefficient alone is kept, at the norm of the whole draw."""
    kept = np.zeros_like(draws)
    rows, where = np.arange(len(draws)), np.abs(draws).argmax(axis=1)
    kept[rows, where] = np.sign(draws[rows, where]) * np.linalg.norm(draws, axis=1)
    return kept


def square_wells(potentials: Float[Array, "n c *grid"]) -> Float[Array, "n c *grid"]:
    """Return potentials of two values: the least of the sample below half of it, 0 elsewhere."""
    depth = potentials.min(axis=tuple(range(1, potentials.ndim)), keepdims=True)
    return np.where(potentials < depth / 2, depth, 0.0)


def filtered(fields: Float[Array, "n c *grid"], grid: Grid, power: float) -> Float[Array, "n c *grid"]:
    """Return fields whose wave of number k is multiplied by (1 + k)^power, k in half periods on bounded boxes.

    The mean and the mean square about it stay what they were.
    """
    axes = tuple(range(2, fields.ndim))
    mean = fields.mean(axis=axes, keepdims=True)
    factors = (1 + wave_numbers(grid)) ** power
    waves = fields - mean
    changed = from_waves(factors * to_waves(waves, grid), grid)
    changed -= changed.mean(axis=axes, keepdims=True)
    before, after = (np.sqrt(np.mean(part**2, axis=axes, keepdims=True)) for part in (waves, changed))
    return np.asarray(mean + changed * before / np.where(after > 0, after, 1.0))
