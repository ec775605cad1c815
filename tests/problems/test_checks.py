from dataclasses import replace

import numpy as np
import pytest

from mlft.grids import Grid
from mlft.problems import Poisson, checks

PROBLEM = Poisson(cells=16, levels=2, dimension=2, degree=3)


def with_option(**values: object) -> Poisson:
    """The problem with an option out of its range, which it would have refused."""
    problem = replace(PROBLEM)
    for name, value in values.items():
        object.__setattr__(problem, name, value)
    return problem


def test_options_out_of_range_are_named_with_their_value_and_what_is_allowed() -> None:
    cases = [
        (checks.integers, {"degree": 2.5}, {"degree": 1}, "degree of poisson must be an integer .* got 2.5"),
        (checks.integers, {"degree": 0}, {"degree": 1}, "at least 1, got 0"),
        (checks.numbers, {"conductivity": 2.0}, {"conductivity": 2}, "finite and above 2, got 2.0"),
        (checks.numbers, {"conductivity": np.inf}, {"conductivity": 2}, "got inf"),
        (checks.numbers, {"conductivity": np.nan}, {"conductivity": 2}, "got nan"),
    ]  # fmt: skip
    for check, option, bound, message in cases:
        with pytest.raises(ValueError, match=message):
            check(with_option(**option), **bound)
    for value in (1, 0.99, 3.0):
        with pytest.raises(ValueError, match=f"conductivity of poisson must be at least 1.5 and below 3, got {value}"):
            checks.between(with_option(conductivity=value), conductivity=(1.5, 3))
    checks.between(with_option(conductivity=1.5), conductivity=(1.5, 3))
    with pytest.raises(ValueError, match="conductivity of poisson must be at least 0 and finite, got inf"):
        checks.between(with_option(conductivity=np.inf), conductivity=(0, np.inf))
    with pytest.raises(ValueError, match="space of poisson is one of sin, cos; got 'tan'"):
        checks.choices(with_option(space="tan"), dimension=(1, 2), space=("sin", "cos"))


def test_grids_of_another_kind_or_shape_are_refused() -> None:
    good = Grid((24, 24), centring="nodal", periodic=False)
    checks.on_grid(PROBLEM, good)
    for grid in (Grid((24, 24)), Grid((24,), (1.0,), "nodal", False), Grid((24, 48), centring="nodal", periodic=False)):
        with pytest.raises(
            ValueError, match=r"lives on bounded nodal grids of the box \(1.0, 1.0\), with cells as 16x16"
        ):
            checks.on_grid(PROBLEM, grid)


def test_fields_and_draws_of_another_shape_or_range_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"inputs of poisson on 16x16 have shape \(n, 2, 17, 17\), got \(5, 1, 17, 17\)"
    ):
        checks.inputs(PROBLEM, np.ones((5, 1, 17, 17)), PROBLEM.finest, 2)
    for draws, message in ((np.ones((2, 3)), r"shape \(n, 4\), got \(2, 3\)"), (np.full((2, 4), np.inf), "be finite")):
        with pytest.raises(ValueError, match=message):
            checks.draws(PROBLEM, draws, 4)
    field = np.array([3.0, np.nan, 0.5])
    checks.above(PROBLEM, field, 0.4, "the source")
    with pytest.raises(ValueError, match="the source of poisson must be above 0.5 everywhere, got 0.5"):
        checks.above(PROBLEM, field, 0.5, "the source")
