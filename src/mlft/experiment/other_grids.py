"""Predictions on other grids than the one that was trained on: which grid inputs are on, and the error there."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from mlft.errors import ConfigError
from mlft.experiment.measure import summary
from mlft.experiment.outcome import GridError, Outcome
from mlft.experiment.unfamiliar import said
from mlft.familiarity import Alarm
from mlft.grids import Grid, Hierarchy, relative_error, restrict
from mlft.surrogates import Surrogate

Array = np.ndarray


def grid_of(inputs: Array, surrogate: Surrogate) -> Grid:
    """Return the grid of inputs, told by their shape: the surrogate's, or that refined or coarsened by a power of two.

    Raises:
        ConfigError: for any other shape.
    """
    points, finest = inputs.shape[2:], surrogate.grid
    cells = tuple(n - end for n, end in zip(points, finest.ends, strict=False))
    if (
        len(points) == finest.dimension
        and inputs.shape[1] == surrogate.channels[0]
        and min(cells) >= 2
        and _is_power(cells, finest.cells)
    ):
        return replace(finest, cells=cells)
    wanted = ", ".join(map(str, (surrogate.channels[0], *finest.shape)))
    raise ConfigError(
        f"this surrogate takes inputs of shape (samples, {wanted}), got {inputs.shape}; "
        "or on that grid refined or coarsened by a power of two, or on one that is named: grid=mlft.Grid(...)"
    )


def errors_on(
    surrogate: Surrogate,
    grids: Hierarchy,
    inputs: Float[Array, "n c *grid"],
    solutions: Float[Array, "n k *grid"],
) -> tuple[GridError, ...]:
    """Return the error of a surrogate on the grids of the coarser levels: no solve is made for it.

    Inputs and solutions of the finest grid are restricted to the level's by `mlft.grids.restrict`: the same functions
    as averages over its cells, or at its points. So the error is about the finest grid's solution, not the level's own.

    Args:
        surrogate: of the finest grid.
        grids: coarsest first.
        inputs: fresh ones, on the finest grid.
        solutions: of the finest grid.
    """
    found = []
    for level, grid in enumerate(grids[:-1]):
        if grid == grids[-1]:  # of a level that shares the finest grid nothing new is known
            continue
        try:
            predicted = surrogate.predict(restrict(inputs, to=grid), grid)
        except ValueError as error:
            found.append(GridError(level, str(grid), None, None, None, 0, str(error)))
            continue
        told = summary(relative_error(predicted, restrict(solutions, to=grid), grid))
        found.append(GridError(level, str(grid), told.mean, told.mean_lower, told.mean_upper, len(inputs), ""))
    return tuple(found)


def predict_on(
    told: Outcome, surrogate: Surrogate, alarm: Alarm | None, inputs: Float[Array, "n c *grid"], on: tuple[Grid, str]
) -> tuple[Float[Array, "n k *grid"], str]:
    """Return predictions on another grid than the finest, and what is to be warned of.

    On a finer grid, inputs are compared with the law by their restriction to the finest; on a coarser one they are not.

    Args:
        told: of the run.
        surrogate: of the run.
        alarm: of the run, as far as it keeps one.
        inputs: on the grid.
        on: the grid, and what is done about unfamiliar inputs.

    Raises:
        ConfigError: for "solve", or "raise" on a coarser grid, or a grid that the network does not take.
        UnfamiliarError: as `said`.
        ValueError: for a wrong shape, or inputs that are not finite.
    """
    (grid, unfamiliar), finest = on, told.grid
    finer = all(n % m == 0 and n > m for n, m in zip(grid.cells, finest.cells, strict=True))
    if unfamiliar == "solve" or (unfamiliar == "raise" and not finer):
        raise ConfigError(
            f"which inputs are unfamiliar is known on the finest grid, {finest} cells, got inputs on {grid}: bring "
            "them to it, or say unfamiliar='warn' or 'ignore'"
        )
    try:
        value = surrogate.predict(inputs, grid)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from None
    words = []
    if finer and alarm is not None and unfamiliar != "ignore":
        words += [said(alarm.of(restrict(inputs, to=finest)), unfamiliar)]
    measured = [row.grid for row in told.grids if row.mean is not None]
    if unfamiliar == "warn" and str(grid) not in measured:
        known = ", ".join([*measured, str(finest)])
        words += [f"the error of this surrogate on {grid} cells was not measured: it was on {known}"]
    return value, "; ".join(filter(None, words))


def _is_power(cells: tuple[int, ...], finest: tuple[int, ...]) -> bool:
    """Return whether each axis has the same power of two of the finest grid's cells."""
    if any(n * finest[0] != cells[0] * m for n, m in zip(cells, finest, strict=True)):
        return False
    more, less = max(cells[0], finest[0]), min(cells[0], finest[0])
    return more % less == 0 and (more // less) & (more // less - 1) == 0
