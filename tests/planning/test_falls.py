"""What lifts leave of the label error: believed, measured, and how the two are joined and extrapolated."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlft.planning import Fall
from mlft.planning.falls import SCATTER


def test_before_anything_is_measured_it_is_what_is_believed():
    assert [Fall()(n) for n in (4, 16, 100)] == pytest.approx([1.0, 1.6 * 16**-0.3, 1.6 * 100**-0.3])


def test_a_lift_that_learned_little_so_far_goes_on_so_and_one_that_learned_much_too():
    """The slope is the mean of the one that is believed and that of 1 at 4 draws."""
    assert Fall(16, 0.5)(64) == pytest.approx(0.5 * 4 ** (-0.5 * (0.3 + 0.5)))
    assert Fall(16, 0.9)(64) == pytest.approx(0.9 * 4 ** (-0.5 * (0.3 + math.log(1 / 0.9) / math.log(4))))
    assert Fall(16, 0.1)(64) == pytest.approx(0.1 * 4 ** (-0.5 * (0.3 + math.log(10) / math.log(4))))
    assert Fall(16, 1.0)(64) == pytest.approx(4**-0.15)
    assert Fall(2, 0.9)(8) == pytest.approx(0.9 * 4**-0.15)  # no slope from so few


def test_five_draws_are_not_believed_like_a_hundred():
    """The less exact a measurement, the nearer what is believed after it to what was before."""
    left = [Fall.measured(25, 0.2, scatter).left for scatter in (0.01, 0.1, 0.45, 5.0)]
    assert left == sorted(left)
    assert left[0] == pytest.approx(0.2, rel=1e-2) and left[-1] == pytest.approx(1.6 * 25**-0.3, rel=1e-1)
    assert left[2] == pytest.approx(math.sqrt(0.2 * 1.6 * 25**-0.3))
    assert Fall.measured(25, 0.2, SCATTER).scatter == pytest.approx(SCATTER / math.sqrt(2))


def test_a_lift_that_leaves_nothing_at_all_is_a_number_like_others():
    """As Richardson's does of an error that is one power of h."""
    fall = Fall.measured(16, 0.0, 0.1)
    assert 0 < fall.left < 0.01 and 0 < fall(64) < fall(16) and fall.moved(1.0).left > fall.left


@given(st.integers(1, 500), st.floats(1e-3, 1.0), st.floats(1.0, 4.0))
def test_more_draws_never_leave_more_and_never_more_than_all(draws, left, factor):
    fall = Fall(draws, left)
    assert fall(draws) == pytest.approx(left)
    assert fall(draws * factor) <= fall(draws) * (1 + 1e-12) <= 1 + 1e-9
    assert fall(1) <= 1
