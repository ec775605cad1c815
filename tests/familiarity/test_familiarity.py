"""The alarm for unfamiliar inputs: false as often as it says, and it rings for what is unlike the law."""

import numpy as np
import pytest

from mlft.familiarity import FEWEST, MINIMUM, bands_of, fit_alarm, rank_of_alarm
from mlft.grids import Grid

LINE = Grid((24,), centring="nodal", periodic=False)


def draws(n: int, seed: int, grid: Grid = LINE) -> np.ndarray:
    """Sums of four sines with decaying normal coefficients."""
    (x,) = grid.points
    waves = np.stack([np.sin(np.pi * k * x) / k for k in range(1, 5)])
    return (np.random.default_rng(seed).normal(size=(n, 4)) @ waves)[:, None]


@pytest.mark.parametrize(("n", "k"), [(90, 1), (129, 1), (130, 2), (400, 11), (1000, 35)])
def test_the_rank_is_the_largest_that_keeps_the_rate(n: int, k: int) -> None:
    assert rank_of_alarm(n) == k


def test_few_draws_are_refused() -> None:
    with pytest.raises(ValueError, match=f"{MINIMUM} draws or more, got 89"):
        rank_of_alarm(89)
    with pytest.raises(ValueError, match=f"needs {FEWEST} draws .* got 134 and 3"):
        fit_alarm(draws(3, 0), draws(134, 1), LINE)


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


def test_smoother_inputs_of_a_rough_law_stand_out_by_their_spectrum() -> None:
    grid = Grid((48,))
    rough = np.random.default_rng(3).normal(size=(700, 1, 48))
    alarm = fit_alarm(rough[:60], rough[60:660], grid)
    smooth = sum(np.roll(rough[660:], k, axis=-1) for k in range(3)) / np.sqrt(3)
    found = alarm.of(smooth)
    assert found.rings.mean() > 0.9 and any("spectrum" in why for why in found.reasons)


def test_a_jump_across_the_seam_of_a_periodic_box_is_a_boundary_value() -> None:
    grid = Grid((48,))
    (x,) = grid.points
    waves = np.stack([f(2 * np.pi * k * x) / k**2 for k in range(1, 9) for f in (np.sin, np.cos)])
    law = (np.random.default_rng(4).normal(size=(300, 16)) @ waves)[:, None]
    alarm, odd = fit_alarm(law[:40], law[40:], grid), law[:20] + 1.0 * (x - 0.5)
    assert alarm.of(odd).rings.all()
    assert (alarm.law.measure(odd)[:, -1] > alarm.usual[-1, 2]).all()
    assert (
        alarm.law.measure(np.roll(odd, 7, axis=-1))[:, -1] < alarm.usual[-1, 2]
    ).mean() > 0.8  # elsewhere it is none


def test_channels_are_compared_each_in_its_own_units() -> None:
    both = np.concatenate([draws(600, 5), 1e6 + 1e4 * draws(600, 6)], axis=1)
    alarm = fit_alarm(both[:30], both[30:], LINE)
    odd = both[:40].copy()
    odd[:, 0] *= 10
    assert alarm.of(both).rings.mean() < 0.06 and alarm.of(odd).rings.mean() > 0.95


def test_constant_and_huge_inputs_are_answered() -> None:
    alarm = fit_alarm(draws(20, 0), draws(150, 1), LINE)
    flat = np.zeros((1, 1, 25))
    found = alarm.of(np.concatenate([flat, flat + alarm.law.mean, flat + 1e300, flat - np.inf]))
    assert found.rings.all() and all(found.reasons) and (found.score == 1).all()
    assert len(alarm.of(flat[:0]).rings) == 0


def test_the_law_of_a_constant_channel_is_known() -> None:
    both = np.concatenate([draws(200, 5), np.ones((200, 1, 25))], axis=1)
    alarm = fit_alarm(both[:30], both[30:], LINE)
    odd = both[:10].copy()
    odd[:, 1] = 1.01
    assert alarm.of(odd).rings.all()


def test_a_field_of_two_dimensions_and_many_points_is_compared_by_64_components() -> None:
    grid = Grid((34, 18), centring="nodal", periodic=False)
    law = np.random.default_rng(7).normal(size=(220, 1, *grid.shape)).cumsum(axis=-1)
    alarm = fit_alarm(law[:70], law[70:], grid)
    assert alarm.law.components.shape == (64, 35 * 19)
    assert np.abs(alarm.law.components @ alarm.law.components.T - np.eye(64)).max() < 1e-9
    assert alarm.of(3 * law[:20]).rings.all()


@pytest.mark.parametrize(
    "grid", [Grid((20,)), Grid((21,)), Grid((12, 9)), Grid((12, 10)), Grid((9, 7), periodic=False)]
)
def test_bands_of_waves_share_the_energy(grid: Grid) -> None:
    fields = np.random.default_rng(8).normal(size=(3, 2, *grid.shape))
    assert np.allclose((10 ** bands_of(grid).shares(fields)).sum(axis=-1), 1, atol=1e-8)
    x = grid.points[-1]
    wave = np.broadcast_to(np.cos((2 if grid.periodic else 1) * np.pi * 2 * x), (1, 1, *grid.shape))
    shares = 10 ** bands_of(grid).shares(wave)
    assert np.argmax(shares) == 2 and shares.max() == pytest.approx(1, abs=1e-8)
