"""What past predictions ask of the interval of a new one."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mlft.planning import Past, Plan, Stretch, bank, stretch, stretched
from mlft.planning.past import BANK, COVERAGES, LEAST, text_of


def past(problem: str, score: float, *, seed: int = 0, up: bool = True) -> Past:
    """A prediction of 0.1 that was believed to reach from 0.05 to 0.2, and was off by so many times that."""
    measured = 0.1 * 2.0 ** (score if up else -score)
    return Past(problem, "lift", 64, seed, 0.1, 0.05, 0.2, measured, "1d9b56e")


def told(found: Stretch) -> tuple[float, float, int, int]:
    return found.coverage, round(found.times, 9), found.problems, found.cells


def test_a_score_is_counted_in_what_was_believed_on_the_side_of_what_was_measured() -> None:
    assert [past("a", 1.5).score, past("a", 1.5, up=False).score] == pytest.approx([1.5, 1.5])
    uneven = Past("a", "lift", 64, 0, 0.1, 0.09, 0.4, 0.2, "")
    assert uneven.score == pytest.approx(0.5)
    assert replace(uneven, measured=0.081).score == pytest.approx(2.0)
    certain = Past("a", "lift", 64, 0, 0.1, 0.1, 0.1, 0.11, "")
    assert certain.score == pytest.approx(math.log(1.1) / LEAST)


def test_each_problem_weighs_as_much_however_many_predictions_it_has() -> None:
    few = [past("a", 0.5), past("b", 1.0), past("c", 3.0), past("d", 2.0)]
    assert told(stretch(few, "new")) == (0.8, 3.0, 4, 4)
    many = [past("c", 0.1 * i, seed=i) for i in range(1, 11)]
    more = [*few[:2], few[3], *many]  # 0.1 to 1.0 share a fifth; 2.0 is still the last
    assert told(stretch(more, "new")) == (0.8, 2.0, 4, 13)
    assert told(stretch([one for one in more if one.problem != "d"], "new")) == (0.7, 1.0, 3, 12)


def test_what_is_supported_grows_with_the_problems_and_the_own_one_is_left_out() -> None:
    found = [stretch([past(str(i), 1.0) for i in range(count)], "new").coverage for count in range(1, 21)]
    assert found == [max(share for share in COVERAGES if share <= count / (count + 1) + 1e-9) for count in range(1, 21)]
    assert found[-1] == 0.95 and found[8] == 0.9 and found[0] == 0.5
    every = [past("a", 1.0), past("b", 9.0)]
    assert stretch(every, "b").times == pytest.approx(1.0) and stretch(every, "a").times == pytest.approx(9.0)
    assert stretch([past("a", 1.0)], "a") == Stretch() == stretch([], "a")


def test_the_stretched_interval_holds_new_problems_as_often_as_it_says() -> None:
    """Problems differ, and predictions of one problem are alike: 9 known ones, 90% of a tenth."""
    random, held = np.random.default_rng(3), []
    for _ in range(1500):
        sizes = random.lognormal(0.0, 0.8, 10)
        scores = sizes[:, None] * np.abs(random.standard_normal((10, 4)))
        known = [past(str(i), score, seed=k) for i, row in enumerate(scores[:9]) for k, score in enumerate(row)]
        held.append(scores[9, 0] <= stretch(known, "new").times)
    assert 0.88 < np.mean(held) < 0.96


def test_an_interval_is_stretched_in_logarithms_and_so_are_those_of_other_plans() -> None:
    other = Plan((3, 0), (0.5, 1.0), 8.0, "lift", "", predicted=0.4, interval=(0.2, 0.4))
    plan = Plan((8, 2), (0.5, 1.0), 8.0, "lift", "", predicted=0.1, interval=(0.05, 0.4), alternatives=(other,))
    found = stretched(plan, Stretch(0.8, 1.5, 4, 9))
    assert found.interval == pytest.approx((0.1 * 0.5**1.5, 0.1 * 4**1.5)) and found.predicted == 0.1
    assert (found.coverage, found.stretch) == (0.8, 1.5) and "80% interval" in str(found)
    (beside,) = found.alternatives
    assert beside.interval == pytest.approx((0.4 * 0.5**1.5, 0.4 * math.exp(1.5 * LEAST))) and beside.coverage == 0.8
    certain = stretched(replace(other, interval=(0.4, 0.4)), Stretch(0.8, 1.5)).interval
    assert certain == pytest.approx((0.4 * math.exp(-1.5 * LEAST), 0.4 * math.exp(1.5 * LEAST)))
    ruled = replace(plan, predicted=None, interval=None)
    assert stretched(ruled, Stretch(0.8, 1.5)).interval is None


def test_the_past_is_read_as_it_was_written(tmp_path) -> None:
    file = tmp_path / "past.csv"
    rows = [past("b", 1.0 / 3.0, seed=4), past("a", 2.0, seed=11), past("a", 1.0, seed=3)]
    file.write_text(text_of(rows))
    assert bank(file) == (rows[2], rows[1], rows[0])


def test_the_past_that_ships_supports_nine_tenths_at_least() -> None:
    every = bank()
    assert BANK.read_text() == text_of(every)
    found = stretch(every, "new")
    assert len(every) >= 32 and found.coverage >= 0.9 and 0.2 < found.times < 20
    assert all(one.predicted > 0 and one.measured > 0 and one.lower <= one.predicted <= one.upper for one in every)
