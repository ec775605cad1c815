"""Split-conformal bands: what they promise on residuals of a known law, and that small slips break the promise."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from mlft.intervals import proportion
from mlft.uncertainty import Bands, calibrate, conformal_quantile, measure_coverage, pooled_quantile, rank
from mlft.uncertainty.bands import PRIOR, scale_of, scores_of


def smooth(generator: np.random.Generator, n: int, points: int = 13) -> np.ndarray:
    """Residuals that depend along the grid, heavier at one end, of two channels of different units."""
    waves = np.sin(np.pi * np.outer(np.arange(1, 5), (np.arange(points) + 0.5) / points))
    fields = generator.standard_t(4, size=(n, 2, 4)) @ waves
    return fields * (0.1 + np.linspace(0, 1, points)) * np.array([1.0, 300.0])[:, None]


def sizes(residuals: np.ndarray) -> np.ndarray:
    return np.sqrt((residuals[:, 0] ** 2).mean(axis=-1))


RANKS = [(0.55, 6), (0.75, 8), (0.85, 9)]


@pytest.mark.parametrize(("level", "k"), RANKS)
def test_a_fresh_score_stays_under_the_quantile_at_the_stated_rate(level: float, k: int) -> None:
    # 4,000 calibrations on 9 scores, one fresh score each: hits are binomial with probability k / 10 exactly, and the
    # range holds 99% of them (false alarms: 1%, three levels: 3%). The next rank is a tenth off, five times the range.
    generator = np.random.default_rng(int(100 * level))
    scores = generator.lognormal(size=(4000, 10))
    hits = sum(int(row[-1] <= conformal_quantile(row[:-1], level)) for row in scores)
    assert in_range(hits, 4000, k / 10) and k / 10 >= level


def in_range(hits: int, n: int, probability: float) -> bool:
    low, high = binom.interval(0.99, n, probability)
    return bool(low <= hits <= high)


SLIPS = {"floor": lambda n, level: math.floor((n + 1) * level), "n, not n + 1": lambda n, level: math.ceil(n * level)}


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
@pytest.mark.parametrize(("level", "k"), RANKS)
def test_nine_scores_tell_a_slip_of_the_rank(slip: Callable[[int, float], int], level: float, k: int) -> None:
    generator = np.random.default_rng(5)
    scores, fresh = np.sort(generator.lognormal(size=(4000, 9)), axis=1), generator.lognormal(size=4000)
    hits = int((fresh <= scores[:, slip(9, level) - 1]).sum())
    assert not in_range(hits, 4000, k / 10) and hits < 4000 * level


@given(st.integers(1, 300), st.floats(0.01, 0.99))
def test_the_rank_is_the_smallest_that_keeps_the_promise(n: int, level: float) -> None:
    if level > n / (n + 1):
        with pytest.raises(ValueError, match="draws support levels up to"):
            rank(n, level)
        return
    k = rank(n, level)
    assert 1 <= k <= n and k / (n + 1) >= level - 1e-9 and (k == 1 or (k - 1) / (n + 1) < level)


def test_whole_ranks_are_whole_in_spite_of_round_off() -> None:
    assert [rank(19, 0.95), rank(9, 0.7), rank(99, 0.99), rank(4, 0.6)] == [19, 7, 99, 3]


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, math.nan])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        conformal_quantile(np.arange(5.0), level)


def test_scores_that_are_no_numbers_count_as_infinite() -> None:
    assert conformal_quantile(np.array([1.0, np.nan, 2.0]), 0.5) == 2.0
    assert conformal_quantile(np.array([1.0, np.nan, 2.0]), 0.75) == np.inf


@given(st.integers(1, 40), st.integers(1, 7), st.floats(0.05, 0.95), st.integers(0, 2**31))
def test_pooled_scores_leave_over_what_risk_control_allows(n: int, p: int, level: float, seed: int) -> None:
    if level > n / (n + 1):
        return
    scores = np.random.default_rng(seed).normal(size=(n, p))
    q, allowed = pooled_quantile(scores, level), ((1 - level) * (n + 1) - 1) / n
    below = scores[scores < q]
    assert (scores > q).mean() <= allowed + 1e-9
    assert not below.size or (scores > below.max()).mean() > allowed - 1e-9
    if p == 1:
        assert q == conformal_quantile(scores[:, 0], level)


def test_bands_cover_fresh_fields_points_and_errors_at_the_stated_rate() -> None:
    # 400 calibrations on 16 draws (4 for the scale, 12 for the quantiles), 10 fresh draws each. Fresh draws of one
    # calibration share its quantile: hits of ten are beta-binomial with ranks 11 of 13 at level 0.8. The mean of 400
    # such is normal; the range of ± 2.58 standard deviations holds 99% (false alarms: 1% for each of two assertions).
    generator = np.random.default_rng(8)
    fields, bounds, points = [], [], []
    for _ in range(400):
        residuals = smooth(generator, 26)
        bands = calibrate(residuals[:16], sizes(residuals[:16]), levels=(0.8,))
        (covered,) = measure_coverage(bands, residuals[16:], sizes(residuals[16:]))
        fields.append(covered.fields.value)
        bounds.append(covered.errors.value)
        points.append(covered.points.value)
    k, n = rank(12, 0.8), 12
    deviation = 2.58 * betabinom.std(10, k, n + 1 - k) / 10 / math.sqrt(400)
    assert abs(np.mean(fields) - k / (n + 1)) < deviation and abs(np.mean(bounds) - k / (n + 1)) < deviation
    # of points at least the level, at most 1/(n + 1) more, in the mean over calibrations; 2.58 standard errors, 0.5%.
    error = 2.58 * np.std(points) / math.sqrt(400)
    assert 0.8 - error < np.mean(points) < 0.8 + 1 / (n + 1) + error


def test_the_scale_is_not_from_the_draws_that_are_scored() -> None:
    # 1,000 calibrations on 2 + 9 draws and a fresh one each, rank 8 of 10: the range holds 99% (false alarms: 1%).
    # Scored by a scale of their own, 9 draws promise 0.8 and keep 0.56.
    generator = np.random.default_rng(2)
    fair, own = 0, 0
    for _ in range(1000):
        residuals = smooth(generator, 12)
        bands = calibrate(residuals[:11], sizes(residuals[:11]), levels=(0.8,))
        fair += int(np.abs(residuals[11] / bands.scale).max() <= bands.fields[0])
        scale = np.sqrt((residuals[:9] ** 2).mean(axis=0))
        q = conformal_quantile(scores_of(residuals[:9], scale).max(axis=1), 0.8)
        own += int(np.abs(residuals[11] / scale).max() <= q)
    assert in_range(fair, 1000, 0.8) and own < 650


def test_a_scale_is_positive_and_in_the_units_of_its_channel() -> None:
    residuals = np.zeros((5, 2, 3))
    residuals[:, 0, 1] = (2.0, -2.0, 2.0, -2.0, 2.0)
    scale = scale_of(residuals)
    assert scale[0] == pytest.approx([math.sqrt((4 * m + PRIOR * 4 / 3) / (5 + PRIOR)) for m in (0, 5, 0)])
    assert (scale[1] == 1.0).all()
    assert scale_of(1e6 * residuals)[0] == pytest.approx(1e6 * scale[0])
    residuals[2, 0, 0] = np.nan
    assert np.isfinite(scale_of(residuals)).all() and (scale_of(np.full((2, 1, 3), np.nan)) == 1).all()


def test_bands_do_not_depend_on_the_units_of_the_solution() -> None:
    residuals = smooth(np.random.default_rng(4), 40)
    one, other = (calibrate(factor * residuals, sizes(residuals)) for factor in (1.0, 1e-7))
    assert other.fields == pytest.approx(one.fields) and other.points == pytest.approx(one.points)
    value = np.zeros((3, 2, 13))
    assert other.about(value, 0.9).band == pytest.approx(1e-7 * one.about(value, 0.9).band)


def test_a_prediction_has_bands_of_the_known_levels_and_no_others() -> None:
    residuals = smooth(np.random.default_rng(1), 40)
    bands = calibrate(residuals, sizes(residuals))
    assert (bands.scaled, bands.calibrated, bands.levels.tolist()) == (10, 30, [0.5, 0.8, 0.9, 0.95])
    assert all((np.diff(q) >= 0).all() for q in (bands.points, bands.fields, bands.errors))
    assert (bands.fields >= bands.points).all() and bands.highest == 30 / 31
    value = np.ones((2, 2, 13))
    found = bands.about(value, 0.9)
    assert found.value is value and (found.band >= found.half_width).all() and found.level == 0.9
    assert repr(found) == f"Banded(value (2, 2, 13), level 0.9: relative L2 error at most {found.error:.3g})"
    with pytest.raises(ValueError, match=r"levels 0.5, 0.8, 0.9, 0.95, got 0.99; 30 draws support 0.9677 at most"):
        bands.about(value, 0.99)


def test_few_draws_support_few_levels() -> None:
    residuals = smooth(np.random.default_rng(3), 6)
    assert calibrate(residuals[:3], sizes(residuals[:3])).levels.tolist() == [0.5]
    assert calibrate(residuals[:2], sizes(residuals[:2])).levels.tolist() == [0.5]
    for n in (0, 1):
        with pytest.raises(ValueError, match=f"{n} draws support none of the levels"):
            calibrate(residuals[:n], sizes(residuals[:n]))


def test_a_prediction_that_is_not_finite_is_covered_by_nothing() -> None:
    residuals = smooth(np.random.default_rng(6), 30)
    residuals[20] = np.nan
    bands = calibrate(residuals, sizes(residuals))
    assert isinstance(bands, Bands) and np.isfinite(bands.scale).all() and np.isfinite(bands.fields[0])
    broken = np.full((4, 2, 13), np.nan)
    assert [one.fields.value for one in measure_coverage(bands, broken, np.full(4, np.nan))][0] == 0


def test_an_interval_of_a_share_is_exact_binomial() -> None:
    found = proportion(85, 100)  # Clopper, Pearson 1934, as tables of the exact interval have it
    assert (found.value, found.lower, found.upper) == pytest.approx((0.85, 0.7647, 0.9135), abs=1e-4)
    assert (proportion(0, 7).lower, proportion(7, 7).upper) == (0.0, 1.0)
    for hits in range(8):
        told = proportion(hits, 7)
        assert hits == 7 or binom.cdf(hits, 7, told.upper) == pytest.approx(0.025)
        assert hits == 0 or binom.sf(hits - 1, 7, told.lower) == pytest.approx(0.025)
    assert math.isnan(proportion(0, 0).value)
