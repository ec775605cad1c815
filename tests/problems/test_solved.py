import numpy as np
import pytest

from mlft.grids import Grid, hierarchy
from mlft.problems import FunctionProblem, Poisson, judged, statuses
from mlft.problems.base import refined, settle
from mlft.problems.solved import blanked
from mlft.seeds import generator as stream

FIELDS = np.array([[[1.0, 2.0, 3.0]], [[np.nan, 2.0, 3.0]], [[1.0, 2.0, 3.0]], [[1.0, np.inf, 3.0]]])


def test_a_value_that_is_not_finite_comes_before_convergence_and_that_before_names_of_ones_own() -> None:
    converged, close = np.array([True, True, False, False]), np.array([True, True, True, False])
    assert statuses(FIELDS) == ("ok", "not-finite", "ok", "not-finite")
    assert statuses(FIELDS, converged) == ("ok", "not-finite", "not-converged", "not-finite")
    solved = judged(FIELDS, converged, named={"close": close, "late": close}, steps=np.arange(4), gap=np.ones(4))
    assert solved.status == ("close", "not-finite", "not-converged", "not-finite")
    assert solved.solutions is FIELDS
    assert {name: value.dtype for name, value in solved.scalars.items()} == {"steps": np.float64, "gap": np.float64}
    assert solved.scalars["steps"].tolist() == [0, 1, 2, 3]


def test_a_sample_with_a_value_that_is_not_finite_is_blanked_in_a_copy() -> None:
    kept = FIELDS.copy()
    np.testing.assert_array_equal(blanked(FIELDS)[[1, 3]], np.nan)
    np.testing.assert_array_equal(blanked(FIELDS)[[0, 2]], FIELDS[[0, 2]])
    np.testing.assert_array_equal(FIELDS, kept)


def test_a_problem_has_the_levels_that_its_cells_allow() -> None:
    problem = Poisson(cells=8, levels=1)
    settle(problem, Grid((8, 24)), 2, order=3.0)
    assert [grid.cells for grid in problem.hierarchy] == [(4, 12), (8, 24)]
    assert problem.order == 3.0
    with pytest.raises(ValueError, match="levels of poisson: a finest grid of 24x8 cells allows 2 levels.*; got 3"):
        settle(problem, Grid((24, 8)), 3)


def test_values_of_ones_own_functions_that_are_no_real_numbers_are_refused_in_words() -> None:
    def rotated(array: np.ndarray, *_: object) -> np.ndarray:
        return array * 1j

    def ones(n: int, _: object) -> np.ndarray:
        return np.ones((n, 2))

    def own(**functions: object) -> FunctionProblem:
        known = {"draw_function": ones, "evaluate_function": rotated, "solve_function": rotated}
        return FunctionProblem("own", hierarchy(Grid((8,)), 2), **(known | functions), cost_exponent=1.0)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="the inputs are complex: give the real and the imaginary part as two channels"):
        own().evaluate(np.ones((1, 2)), Grid((8,)))
    with pytest.raises(TypeError, match="the solutions are complex"):
        own().solve(np.ones((1, 1, 8)), Grid((8,)))
    with pytest.raises(TypeError, match="the draws are complex"):
        own(draw_function=lambda n, _: np.ones((n, 2)) * 1j).draw(1, stream(0, "own"))
    with pytest.raises(TypeError, match="the draws are masked in places: give NaN where there is no number"):
        own(draw_function=lambda n, _: np.ma.masked_equal(np.ones((n, 2)), 1)).draw(1, stream(0, "own"))
    with pytest.raises(TypeError, match="the solutions are no numbers but bool"):
        own(solve_function=lambda fields, _: fields > 0).solve(np.ones((1, 1, 8)), Grid((8,)))
    with pytest.raises(TypeError, match="the inputs are no numbers but <U1"):
        own(evaluate_function=lambda *_: np.full((1, 1, 8), "a")).evaluate(np.ones((1, 2)), Grid((8,)))
    unmasked = own(draw_function=lambda n, _: np.ma.masked_equal(np.ones((n, 2)), 7)).draw(1, stream(0, "own"))
    assert type(unmasked) is np.ndarray and unmasked.dtype == np.float64


def test_solutions_of_a_refined_grid_are_restricted_to_the_finest() -> None:
    problem = Poisson(cells=16, levels=1)
    draws = np.ones((2, 8))
    fine, finer = (np.abs(refined(problem, draws, ratio) - problem.reference(draws)).max() for ratio in (1, 2))
    assert refined(problem, draws, 4).shape == (2, 1, 17)
    assert 3.5 < fine / finer < 4.5
