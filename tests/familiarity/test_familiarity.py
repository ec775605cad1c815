"""The alarm for unfamiliar inputs: false as often as it says, and it rings for what is unlike the law."""

import numpy as np
import pytest

from mlft.familiarity import FEWEST, MINIMUM, fit_alarm, rank_of_alarm
from mlft.grids import Grid

LINE = Grid((24,), centring="nodal", periodic=False)


def draws(n: int, seed: int, grid: Grid = LINE) -> np.ndarray:
    """Sums of four sines with decaying normal coefficients."""
    (x,) = grid.points
    waves = np.stack([np.sin(np.pi * k * x) / k for k in range(1, 5)])
    return (np.random.default_rng(seed).normal(size=(n, 4)) @ waves)[:, None]


@pytest.mark.parametrize(("n", "k"), [(59, 1), (92, 1), (93, 2), (400, 13), (1000, 39)])
def test_the_rank_is_the_largest_that_keeps_the_rate(n: int, k: int) -> None:
    assert rank_of_alarm(n) == k


def test_few_draws_are_refused() -> None:
    with pytest.raises(ValueError, match=f"{MINIMUM} draws or more, got 58"):
        rank_of_alarm(58)
    with pytest.raises(ValueError, match=f"needs {FEWEST} draws .* got 88 and 3"):
        fit_alarm(draws(3, 0), draws(88, 1), LINE)


def test_it_is_false_as_often_as_it_says_and_rings_for_what_is_unlike_the_law() -> None:
    alarm = fit_alarm(draws(20, 0), draws(600, 1), LINE)
    own = draws(2000, 2)
    assert 0.01 < alarm.of(own).rings.mean() < 0.05
    (x,) = LINE.points
    odd = {
        "amplitude": 10 * own[:50],
        "off the trained span": own[:50] + 0.5 * np.sin(9 * np.pi * x),
        "boundary values": own[:50] + 2e-3 * (x == 1),
        "values that are not finite": np.where(x > 0.9, np.nan, own[:50]),
    }
    for why, inputs in odd.items():
        found = alarm.of(inputs)
        assert found.rings.mean() > 0.98, why
        assert any(why in reason for reason in found.reasons), (why, found.reasons[:3])
