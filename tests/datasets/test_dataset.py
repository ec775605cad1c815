"""Data sets from arrays: what they hold, which rows are of one draw, and what they are refused for."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlft import DataError, Dataset, Grid
from mlft.datasets import DataProblem, Rule
from mlft.grids import restrict
from rows import between, fields, made, most, unrelated
from small import GRIDS

FINE = Grid((12, 20), (2.0, 1.5), "nodal", periodic=False)
COARSE = Grid((6, 10), (2.0, 1.5), "nodal", periodic=False)


def test_arrays_of_one_level_are_kept_in_float64() -> None:
    x, y = fields(7, 2, FINE).astype(np.float32), fields(7, 3, FINE, seed=1)
    data = Dataset.from_arrays(x, y, grid=FINE, name="heat").named(inputs=("a", "b [m]"))
    (level,) = data.levels
    assert level.inputs.dtype == level.solutions.dtype == np.float64
    np.testing.assert_array_equal(level.inputs, x.astype(np.float64))
    np.testing.assert_array_equal(level.solutions, y)
    assert (level.grid, data.channels, data.input_channels, data.assumed) == (FINE, (2, 3), ("a", "b [m]"), ())
    assert repr(data) == "Dataset('heat': 7 rows on 12x20; 2 → 3 channels)"


def test_a_data_set_keeps_its_rows_when_the_callers_arrays_change() -> None:
    x, y = fields(7, 2, FINE), fields(7, 3, FINE, seed=1)
    data = Dataset.from_arrays(x, y, grid=FINE)
    x[:], y[:] = 0.0, 1.0
    np.testing.assert_array_equal(data.levels[0].inputs, fields(7, 2, FINE))
    np.testing.assert_array_equal(data.levels[0].solutions, fields(7, 3, FINE, seed=1))


def test_rows_of_coupled_levels_are_one_draw_each_and_of_others_none() -> None:
    fine = fields(5, 1, FINE)
    more = np.concatenate([fine, fields(3, 1, FINE, seed=2)])
    given = [restrict(more, to=COARSE), fine], [fields(8, 1, COARSE), fields(5, 1, FINE)]
    together = Dataset.from_arrays(*given, grid=FINE)
    assert [level.draws.tolist() for level in together.levels] == [[*range(8)], [*range(5)]] and together.coupled
    assert together.hierarchy == (COARSE, FINE)
    apart = Dataset.from_arrays(*given, grid=FINE, coupled=False)
    assert [level.draws.tolist() for level in apart.levels] == [[*range(8)], [*range(8, 13)]] and not apart.coupled
    assert apart.only(-1).levels[0].draws.tolist() == [*range(5)]
    assert apart.only(-1).hierarchy == (FINE,)


def test_inputs_of_a_coarse_level_may_be_on_the_finest_grid() -> None:
    x = fields(6, 2, FINE)
    data = Dataset.from_arrays([x, x[:4]], [fields(6, 1, COARSE), fields(4, 1, FINE)], grid=FINE)
    assert data.levels[0].inputs.shape == (6, 2, 13, 21) and data.levels[0].grid == COARSE


def test_what_nobody_said_is_told() -> None:
    data = Dataset.from_arrays(np.ones((4, 1, 9)), np.ones((4, 1, 9)))
    assert data.hierarchy == (Grid((9,), periodic=False),)
    assert len(data.assumed) == 3 and any("periodic=True" in text for text in data.assumed)


def test_rows_that_are_not_finite_are_named_or_dropped() -> None:
    x, y = fields(7, 1, FINE), fields(7, 1, FINE, seed=1)
    y[[3, 5], 0, 2, 2] = np.nan
    with pytest.raises(
        DataError, match=r"arrays: 2 of 7 rows of solutions .* first row 3: finite numbers are expected"
    ):
        Dataset.from_arrays(x, y, grid=FINE)
    data = Dataset.from_arrays(x, y, grid=FINE, drop=True)
    np.testing.assert_array_equal(data.levels[0].inputs, x[[0, 1, 2, 4, 6]])
    assert data.left_out == 2 and data.levels[0].draws.tolist() == [*range(5)]


X, Y = fields(7, 1, FINE), fields(7, 1, FINE, seed=1)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "complex": (lambda: (X, Y * 1j), "solutions are complex: give the real and the imaginary part as two channels"),
    "masked": (lambda: (np.ma.masked_less(X, 0), Y), "inputs are masked in places"),
    "objects": (lambda: (X.astype(object), Y), "inputs are no numbers but object"),
    "texts": (lambda: (X.astype(str), Y), "inputs are no numbers but"),
    "no channels": (lambda: (X[:, 0, 0], Y), "inputs have shape (7, 21); (rows, channels, *grid) is expected"),
    "channels last": (lambda: (np.moveaxis(X, 1, -1), np.moveaxis(Y, 1, -1)), "np.moveaxis(inputs, -1, 1)"),
    "turned": (lambda: (X, np.swapaxes(Y, -1, -2)), "its axes are turned, give np.swapaxes(solutions, -2, -1)"),
    "other grid": (lambda: (X[..., :-1], Y[..., :-1]), "the grid of 12x20 cells has the points (13, 21)"),
    "inputs elsewhere": (lambda: (X[..., :-1], Y), "inputs have 13x20 points and solutions 12x20 cells"),
    "fewer rows": (lambda: (X[:5], Y), "5 rows of inputs and 7 of solutions"),
    "numbers in": (lambda: (X[..., 0], Y), "a number a row is given as a field that is constant"),
    "no rows": (lambda: (X[:0], Y[:0]), "at least one row"),
    "no levels": (lambda: ([], []), "0 levels of inputs and 0 of solutions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_of_another_layout_are_refused_in_a_sentence(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(DataError, match=re.escape(words)) as told:
        Dataset.from_arrays(*make(), grid=FINE)
    assert "\n" not in str(told.value)


def test_levels_that_do_not_belong_together_are_refused() -> None:
    x, y = [fields(7, 1, COARSE), fields(7, 1, FINE)], [fields(7, 1, COARSE), fields(7, 2, FINE)]
    with pytest.raises(DataError, match=r"channels of solutions 2, and level 0 has 1: all rows have the same"):
        Dataset.from_arrays(x, y, grid=FINE)


def test_rows_that_are_said_to_be_of_one_draw_and_are_not_are_found_out() -> None:
    data = made((9, 6))
    inputs, solutions = [level.inputs for level in data.levels], [level.solutions for level in data.levels]
    inputs[0], solutions[0] = inputs[0][::-1], solutions[0][::-1]
    with pytest.raises(DataError, match=r"rows of levels 0 and 1 are said to be of one draw, .* or say coupled=False"):
        Dataset.from_arrays(inputs, solutions, grid=data.levels[-1].grid)
    assert not Dataset.from_arrays(inputs, solutions, grid=data.levels[-1].grid, coupled=False).coupled


def test_fields_get_from_grid_to_grid_by_the_callers_own_functions() -> None:
    fine, coarse = Grid((28,)), Grid((20,))
    data = unrelated((9, 6), coarse)
    assert data.hierarchy == (coarse, fine) and data.transfers == {}
    with pytest.raises(ValueError, match="28 cells are not 20 cells refined by a power of two"):
        data.prolonged(data.levels[0].solutions, fine)
    moved = data.with_transfers(prolong_function=between, coarsen_function=between)
    assert moved.transfers == {"prolong": "between", "coarsen": "between"}
    inputs = [level.inputs for level in moved.levels]
    np.testing.assert_allclose(moved.prolonged(inputs[0][:6], fine), inputs[1], atol=0.03)  # averages of unlike cells
    np.testing.assert_allclose(moved.coarsened(inputs[1], coarse), inputs[0][:6], atol=0.03)
    problem = DataProblem(moved, Rule(2, 5, 128), 0)
    np.testing.assert_array_equal(problem.inputs_of([7, 2]), [between(inputs[0][7:8], fine)[0], inputs[1][2]])
    np.testing.assert_array_equal(problem.evaluate(np.array([[2.0]]), coarse), between(inputs[1][2:3], coarse))


def test_rows_that_are_not_of_one_draw_are_found_out_by_the_callers_own_function() -> None:
    data = unrelated((9, 6), Grid((20,)), coupled=False)
    inputs, solutions = [level.inputs for level in data.levels], [level.solutions for level in data.levels]
    wrong = Dataset.from_arrays(inputs, solutions, grid=GRIDS[-1], name="odd")  # its grids cannot be compared
    with pytest.raises(DataError, match=r"rows of levels 0 and 1 are said to be of one draw, .* or say coupled=False"):
        wrong.with_transfers(coarsen_function=between)


BROKEN: dict[str, tuple[Callable[..., Any], str]] = {
    "a list": (lambda fields, grid: [0.0], "returned a list; return an array of shape "),
    "shape": (lambda fields, grid: fields, "returned an array of shape "),
    "not finite": (
        lambda fields, grid: np.full((*fields.shape[:2], *grid.shape), np.nan),
        "values that are not finite",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_callers_function_that_returns_something_else_is_refused(name: str) -> None:
    function, words = BROKEN[name]
    data = unrelated((9, 6), Grid((20,)))
    with pytest.raises(
        DataError, match=re.escape("coarsen_function, asked for fields of 28 points on 20 cells, ")
    ) as one:
        data.with_transfers(coarsen_function=function)
    moved = data.with_transfers(prolong_function=function)
    with pytest.raises(
        DataError, match=re.escape("prolong_function, asked for fields of 20 points on 28 cells, ")
    ) as two:
        moved.prolonged(data.levels[0].solutions, Grid((28,)))
    assert words in str(one.value) and words in str(two.value)


def test_what_tells_rows_from_others_is_the_digest_of_all_their_bytes() -> None:
    data = made((150, 70))
    told = hashlib.sha256()
    for level in data.levels:
        for values in (level.inputs, level.solutions, level.draws):
            told.update(values.tobytes())
    assert DataProblem(data, Rule(9, 5, 128), 0).options["rows"] == told.hexdigest()[:16]  # as stores have it


def test_to_split_rows_and_to_tell_them_from_others_makes_no_copy_of_them() -> None:
    x, y = (fields(400, 1, Grid((2000,)), seed) for seed in (0, 1))
    problem = DataProblem(Dataset.from_arrays(x, y, grid=Grid((2000,))), Rule(9, 5, 128), 0)
    with most() as bytes_at_once:
        assert problem.options["rows"] and len(problem.split.test) == 9
    assert bytes_at_once() < 0.3 * x.nbytes


def test_names_of_channels_are_counted() -> None:
    with pytest.raises(DataError, match="2 names for 1 channels of solutions: a, b"):
        Dataset.from_arrays(X, Y, grid=FINE).named(solutions=("a", "b"))
