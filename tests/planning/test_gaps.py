"""Distances between levels: measured, steadied, extrapolated, joined, each worked out by hand."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from mlft.planning import pilot_of


@dataclass(frozen=True)
class Solved:
    """Samples of one level whose solution is their index plus the level's own error."""

    indices: tuple[int, ...]
    inputs: np.ndarray
    solutions: np.ndarray


def solved(error, *indices, base=10.0, slope=1.0):
    fields = slope * np.array(indices, dtype=float)[:, None, None] + base + error * np.ones((1, 1, 5))
    return Solved(indices, fields, fields)


def alike(error, n):
    """Samples that are all 1 plus the level's error, so that every draw is as far from another level."""
    return solved(error, *range(n), base=1.0, slope=0.0)


def test_a_distance_is_the_mean_over_the_draws_that_both_levels_have_with_its_standard_error():
    gap = pilot_of((8, 3), {0: solved(0.4, *range(8)), 1: solved(0.1, 1, 4, 6)}, ()).gaps[0, 1]
    sizes = [0.3 / (10.1 + i) for i in (1, 4, 6)]
    assert gap.size == pytest.approx(np.mean(sizes)) and gap.samples == 3
    assert gap.scatter == pytest.approx(np.std(sizes, ddof=1) / np.mean(sizes) / math.sqrt(3))


def test_the_distance_of_one_draw_is_believed_to_a_half():
    assert pilot_of((8, 1), {0: solved(0.4, *range(8)), 1: solved(0.1, 2)}, ()).gaps[0, 1].scatter == 0.5


def test_pairs_of_levels_that_share_no_solved_draw_with_a_third_keep_their_own_distance():
    # Draws 5 and 6 alone are solved on level 2: of those of level 1 none, so that pair (0, 2) cannot be steadied by it.
    samples = {0: solved(0.4, *range(8)), 1: solved(0.1, 0, 1, 2, 3), 2: solved(0.0, 5, 6)}
    gaps = pilot_of((8, 5, 3), samples, ()).gaps
    assert gaps[0, 2].size == pytest.approx(np.mean([0.4 / 15, 0.4 / 16])) and gaps[0, 2].samples == 2
    assert gaps[0, 1].size == pytest.approx(np.mean([0.3 / (10.1 + i) for i in range(4)]))


def test_a_pair_is_steadied_by_the_pair_that_most_draws_have_been_solved_on():
    # On draws 0 and 1 level 0 is off by more than on the others, relatively: the pair (0, 2) is corrected for that.
    samples = {0: solved(0.4, *range(8)), 1: solved(0.1, *range(8)), 2: solved(0.0, 0, 1)}
    gaps = pilot_of((8, 8, 2), samples, ()).gaps
    few = np.array([0.4 / 10, 0.4 / 11])
    here, wide = (np.mean([0.3 / (10.1 + i) for i in range(n)]) for n in (2, 8))
    assert gaps[0, 2].size == pytest.approx(few.mean() * wide / here)
    own = few.std(ddof=1) / few.mean() / math.sqrt(2)
    assert gaps[0, 2].scatter == pytest.approx(math.hypot(0.7 * own, gaps[0, 1].scatter))


def test_the_correction_after_a_single_measured_one_is_half_of_it():
    first, second, third = (
        pilot_of((8, 3, 0, 0), {0: alike(0.3, 8), 1: alike(0.1, 3)}, ()).gaps[i, i + 1] for i in range(3)
    )
    assert first.size == pytest.approx(0.2 / 1.1) and first.samples == 3
    assert second.size == pytest.approx(first.size / 2) and second.samples == third.samples == 0
    assert third.size == pytest.approx(first.size / 4)
    assert second.scatter == pytest.approx(0.4) and third.scatter == pytest.approx(math.hypot(0.4, 0.4))


@pytest.mark.parametrize(("step", "ratio"), [(0.14, 0.7), (0.02, 0.25), (0.6, 1.0)])
def test_a_correction_is_extrapolated_by_the_ratio_of_the_two_before_within_a_quarter_and_one(step, ratio):
    # Level 2 is the truth, 1; level 1 is off by `step`, level 0 by 0.2 (1 + step) more: corrections 0.2 and `step`.
    levels = {0: alike(step + 0.2 * (1 + step), 7), 1: alike(step, 4), 2: alike(0.0, 4)}
    gaps = pilot_of((7, 4, 4, 0), levels, ()).gaps
    assert gaps[0, 1].size == pytest.approx(0.2) and gaps[1, 2].size == pytest.approx(step)
    assert gaps[2, 3].size == pytest.approx(ratio * step)


def test_a_distance_over_several_levels_lies_between_unrelated_and_aligned_corrections():
    gaps = pilot_of((8, 3, 0, 0), {0: alike(0.3, 8), 1: alike(0.1, 3)}, ()).gaps
    steps = [0.2 / 1.1 / 2**i for i in range(3)]
    assert gaps[0, 2].size == pytest.approx((math.hypot(*steps[:2]) + sum(steps[:2])) / 2)
    assert gaps[0, 3].size == pytest.approx((math.hypot(*steps) + sum(steps)) / 2)
    assert gaps[1, 3].size == pytest.approx((math.hypot(*steps[1:]) + sum(steps[1:])) / 2)
    assert gaps[0, 2].scatter == pytest.approx(math.hypot(0.2, 0.4))
    assert gaps[0, 3].scatter == pytest.approx(math.hypot(0.2, math.hypot(0.4, 0.4)))


def test_a_level_next_to_the_coarsest_that_shares_no_solved_draw_with_it_is_left_out_with_a_warning():
    samples = {0: solved(0.4, *range(4)), 1: solved(0.1, 6, 7), 2: solved(0.0, 0, 1)}
    pilot = pilot_of((8, 8, 3), samples, ("before",))
    assert set(pilot.gaps) == {(0, 2)} and math.isnan(pilot.bias[1])
    words = "level 1 is left out: no draw of the pilot was solved on it and on level 0"
    assert pilot.warnings == ("before", words)
    alone = pilot_of((8, 8, 0), {0: samples[0], 1: samples[1]}, ())
    assert alone.gaps == {} and len(alone.warnings) == 2
    assert np.nan_to_num(alone.bias, nan=-1).tolist() == [0.0, -1.0, -1.0]


@pytest.mark.parametrize(("one", "others", "end"), [(0.01, 0.2, -0.01), (0.8, 0.1, 0.01)])
def test_one_draw_brings_a_level_no_nearer_and_no_farther_than_the_triangle_inequality_allows(one, others, end):
    """Levels 1 and 2 differ by 0.01; level 0 is `others` from both, but for the one draw that is solved on level 2."""
    errors = np.array([one, *[others] * 7])[:, None, None] * np.ones((8, 1, 5))
    coarse = Solved(tuple(range(8)), errors, 1.01 + errors)
    gaps = pilot_of((8, 8, 1), {0: coarse, 1: alike(0.01, 8), 2: alike(0.0, 1)}, ()).gaps
    near = (one + 7 * others) / 8 / 1.01
    assert gaps[0, 1].size == pytest.approx(near)
    assert gaps[0, 2].size == pytest.approx(near + end)
    assert gaps[1, 2].size == pytest.approx(0.01)
