"""How draws are split: each on one side, and so are draws with the same input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlft import DataError, Dataset, Grid
from mlft.datasets import DataProblem, Rule, split
from mlft.grids import restrict
from mlft.training import Training
from mlft.training.batches import learned
from rows import between, fields, made, unrelated

GRID = Grid((12,), periodic=False)
RULE = Rule(test=6, held_out=5, guards=128)


def repeated(kinds: list[int]) -> Dataset:
    """A row for each number, with the same input for the same number, and another solution."""
    rows = np.array(kinds)
    return Dataset.from_arrays(fields(max(kinds) + 1, 1, GRID)[rows], fields(len(rows), 1, GRID, seed=1), grid=GRID)


@given(st.lists(st.integers(0, 12), min_size=6, max_size=40), st.integers(1, 9), st.integers(2, 5), st.integers(0, 99))
def test_no_input_is_on_two_sides(kinds: list[int], test: int, held_out: int, seed: int) -> None:
    kinds = [0, 1, 2, *kinds]
    rule = Rule(min(test, len(kinds) - 2), held_out, guards=3)
    try:
        found = split(repeated(kinds), rule, seed)
    except DataError:
        return  # too few inputs are unlike
    of = np.array(kinds)
    sides = [*found.train, *found.test]
    assert len(set(sides)) == len(sides) and len(sides) + found.left_out == len(kinds)
    assert not set(of[found.train]) & set(of[found.test]) and 0 < len(found.test) <= rule.test
    teaches = learned(range(len(found.train)), Training(held_out=held_out, guards=3))
    np.testing.assert_array_equal(teaches, ~rule.guarding(len(found.train)))  # the training's own rule
    assert not set(of[found.train[teaches]]) & set(of[found.train[~teaches]])


def test_the_split_is_told_by_the_seed_and_is_random() -> None:
    data = made((40,))
    one, same, other = (split(data, RULE, seed) for seed in (0, 0, 1))
    assert one.test.tolist() == same.test.tolist() != other.test.tolist() and one.train.tolist() == same.train.tolist()
    assert one.train.tolist() != sorted(one.train) and len(one.train) == 34 and one.left_out == one.alike == 0


def test_a_coupled_draw_is_on_one_side_of_every_level() -> None:
    data = made((30, 20, 14))
    problem = DataProblem(data, RULE, 0)
    assert problem.counts("train") == (24, 14, 8) and problem.counts("test") == (6, 6, 6)
    train = problem.draws_of("train")
    assert all((problem.rows(2, train[:8]) >= 0).tolist()) and set(train[8:]) == set(range(14, 30))


def test_a_test_row_keeps_its_like_on_a_coarser_level_out_of_training() -> None:
    fine = fields(9, 1, Grid((12,)))
    coarse = restrict(np.concatenate([fine[:4], fields(11, 1, Grid((12,)), seed=3)]), to=Grid((6,)))
    solutions = [fields(15, 1, Grid((6,))), fields(9, 1, Grid((12,)))]
    data = Dataset.from_arrays([coarse, fine], solutions, grid=Grid((12,)), coupled=False)
    found = split(data, Rule(5, 5, 128), 0)
    like = {15 + i: i for i in range(4)}  # draws of the finest level, and the coarse one of the same input
    tested = [like[draw] for draw in found.test if draw in like]
    assert tested and not set(tested) & set(found.train) and found.left_out == len(tested) and found.alike == 8


def test_inputs_on_grids_that_are_not_nested_are_compared_by_the_callers_own_function() -> None:
    data = unrelated((15, 9), Grid((20,)), coupled=False)
    coarse, fine = data.levels
    inputs = [np.concatenate([coarse.inputs[:11], between(fine.inputs[:4], coarse.grid)]), fine.inputs]
    data = Dataset.from_arrays(inputs, [coarse.solutions, fine.solutions], grid=fine.grid, coupled=False)
    assert split(data, Rule(5, 5, 128), 0).alike == 0  # nothing can be compared
    found = split(data.with_transfers(prolong_function=between, coarsen_function=between), Rule(5, 5, 128), 0)
    tested = {11 + draw - 15 for draw in found.test if draw < 19}  # coarse rows of the inputs that are tested on
    assert tested and not tested & set(found.train) and found.left_out == len(tested) and found.alike == 8


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="every row has the same input"):
        split(repeated([0, 0, 0, 0]), Rule(2, 5, 128), 0)
    with pytest.raises(DataError, match="4 rows on the finest level are too few: 3 are tested on"):
        split(repeated([0, 1, 2, 3]), Rule(3, 5, 128), 0)
