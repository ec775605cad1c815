"""What every problem of the registry must do. Joining `PROBLEMS` is how a new problem gets tested."""

import dataclasses
import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

import mlft.problems
from mlft.errors import ConfigError
from mlft.grids import prolong, refine, relative_error, restrict
from mlft.problems import PROBLEMS, Problem, Solved
from mlft.seeds import generator as stream

# Options of a problem that make another case of it, to be tested like a problem of its own.
CASES: dict[str, tuple[str, dict[str, object]]] = {
    **{name: (name, {}) for name in PROBLEMS},
    "burgers with viscosity": ("burgers", {"viscosity": 0.005}),
    "darcy with channels": ("darcy", {"field": "channels", "contrast": 100.0}),
    "helmholtz in 2D": ("helmholtz", {"dimension": 2}),
    "gross-pitaevskii": ("schrodinger", {"law": "wells", "wells": 2, "boundary": "dirichlet", "cubic": 10.0}),
    "gross-pitaevskii in 2D": (
        "schrodinger",
        {"law": "wells", "wells": 2, "dimension": 2, "scheme": "spectral", "cubic": 10.0},
    ),
    "poisson in 2D": ("poisson", {"dimension": 2, "space": "cos", "degree": 3}),
}
# Options that make a case small, beside 48 cells a side on three levels; they change no draw.
SMALL: dict[str, dict[str, object]] = {
    "elliptic1d": {"epsilon": 0.15},
    "helmholtz": {"wave_number": 8.0},
    "helmholtz in 2D": {"wave_number": 8.0},
    "kohn-sham": {"cells": 160},
    "navier-stokes": {"time": 1.0},
    "wkb": {"epsilon": 0.12},
}
SIZES = ("cells", "finest")

every_problem = pytest.mark.parametrize("name", CASES)


def make(name: str, **options: object) -> Problem:
    kind, case = CASES[name]
    return PROBLEMS[kind](**case | options)


def size_option(name: str) -> str:
    fields = {field.name for field in dataclasses.fields(PROBLEMS[CASES[name][0]])}  # type: ignore[arg-type]
    return next(size for size in SIZES if size in fields)


@functools.cache
def small(name: str) -> Problem:
    """The problem on three grids, the finest of 48 cells a side."""
    return make(name, **{size_option(name): 48, "levels": 3} | SMALL.get(name, {}))


def draws_of(problem: Problem, n: int, purpose: str = "train") -> np.ndarray:
    """The first n draws, one stream each."""
    return np.concatenate([problem.draw(1, stream(0, purpose, i)) for i in range(n)])


def inputs_of(problem: Problem, n: int, level: int) -> np.ndarray:
    return problem.evaluate(draws_of(problem, n), problem.hierarchy[level])


def same(left: Solved, right: Solved) -> bool:
    """Whether two results are equal bit for bit, scalars included."""
    return (
        left.status == right.status
        and bool((left.solutions == right.solutions).all())
        and left.scalars.keys() == right.scalars.keys()
        and all((left.scalars[key] == right.scalars[key]).all() for key in left.scalars)
    )


def rows(solved: Solved, which: list[int]) -> Solved:
    return Solved(
        solved.solutions[which],
        tuple(solved.status[i] for i in which),
        {key: value[which] for key, value in solved.scalars.items()},
    )


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_registry_knows_a_problem_by_its_own_name(name: str) -> None:
    assert PROBLEMS[name].name == name
    assert PROBLEMS[name].__name__ in mlft.problems.__all__
    assert getattr(mlft.problems, PROBLEMS[name].__name__) is PROBLEMS[name]


def test_names_of_problems_and_networks_cost_no_import_until_one_is_asked_for() -> None:
    code = f"""
import sys, types
mlft = sys.modules["mlft"] = types.ModuleType("mlft")
mlft.__path__ = [{str(Path(mlft.problems.__file__).parent.parent)!r}]
from mlft.problems import PROBLEMS
from mlft.surrogates import SURROGATES
assert "burgers" in PROBLEMS and "fno" in SURROGATES and len(list(PROBLEMS)) == {len(PROBLEMS)}
heavy = {{"numpy", "scipy", "numba", "torch", "matplotlib"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
from mlft.problems import Problem
assert not {{"scipy", "numba", "matplotlib"}} & set(sys.modules)
assert PROBLEMS["advection"].name == "advection" and "mlft.problems.euler" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_problem_is_refused_and_ones_own_joins_the_registry() -> None:
    with pytest.raises(ConfigError, match="unknown problem 'burger': did you mean 'burgers'"):
        PROBLEMS["burger"]
    PROBLEMS["mine"] = PROBLEMS["burgers"]
    assert PROBLEMS.pop("mine") is mlft.problems.Burgers
    assert "mine" not in PROBLEMS


@every_problem
def test_a_problem_says_what_it_is(name: str) -> None:
    problem = small(name)
    assert problem.equation.strip()
    assert "\n" not in problem.equation
    assert problem.order > 0
    assert problem.cost_exponent > 0
    documentation = " ".join((type(problem).__doc__ or "").split())
    assert re.search(r"What (makes it|is) hard", documentation)
    assert "Source: " in documentation


@every_problem
def test_the_default_hierarchy_has_four_levels_or_more_each_twice_as_fine(name: str) -> None:
    grids = make(name).hierarchy
    assert len(grids) >= 4
    assert [refine(grid) for grid in grids[:-1]] == list(grids[1:])


@every_problem
def test_costs_grow_with_the_level_up_to_one(name: str) -> None:
    problem = small(name)
    assert len(problem.costs) == len(problem.hierarchy)
    assert all(coarse < fine for coarse, fine in zip(problem.costs, problem.costs[1:], strict=False))
    assert problem.costs[0] > 0
    assert problem.costs[-1] == 1.0


def test_a_sample_costs_something_on_however_few_points() -> None:
    """(N^γ + N₀^γ) over that of the finest: with γ = 2, N₀ = 36, 32 and 64 cells, (1024 + 1296) / (4096 + 1296)."""
    assert PROBLEMS["advection"](cells=64, levels=2).costs == (pytest.approx(2320 / 5392, rel=1e-14), 1.0)
    assert PROBLEMS["navier-stokes"](cells=16, levels=2).costs == (pytest.approx(2**-2.9, rel=1e-14), 1.0)


@every_problem
def test_options_are_plain_values_that_make_the_same_problem_again(name: str) -> None:
    for problem in (small(name), make(name)):
        options = json.loads(json.dumps(problem.options))
        again = PROBLEMS[CASES[name][0]](**options)
        assert again == problem
        assert again.options == problem.options
        assert again.hierarchy == problem.hierarchy
    assert small(name) != make(name)


@every_problem
@pytest.mark.parametrize("bad", [{"levels": 0}, {"levels": -3}, {"size": 0}, {"size": -48}, {"size": 50, "levels": 3}])
def test_a_bad_option_is_refused_saying_what_was_got(name: str, bad: dict[str, int]) -> None:
    options = {size_option(name) if key == "size" else key: value for key, value in bad.items()}
    with pytest.raises(ValueError, match=re.escape(str(next(iter(bad.values()))))):
        make(name, **options)


@every_problem
def test_a_pickled_problem_solves_the_same_samples_bit_for_bit(name: str) -> None:
    problem = small(name)
    again = cloudpickle.loads(cloudpickle.dumps(problem))
    assert again == problem
    inputs = inputs_of(problem, 2, 0)
    assert (inputs_of(again, 2, 0) == inputs).all()
    assert same(again.solve(inputs, again.hierarchy[0]), problem.solve(inputs, problem.hierarchy[0]))


@every_problem
def test_draws_are_float64_rows_told_by_the_stream_alone(name: str) -> None:
    problem = small(name)
    draws = problem.draw(5, stream(3, "draws"))
    assert draws.dtype == np.float64
    assert draws.ndim == 2
    assert len(draws) == 5
    assert (problem.draw(5, stream(3, "draws")) == draws).all()
    assert not (problem.draw(5, stream(4, "draws")) == draws).any()
    assert len({row.tobytes() for row in draws}) == 5


@every_problem
def test_draws_do_not_know_the_grids(name: str) -> None:
    problem = small(name)
    finer = make(name)
    assert finer.hierarchy != problem.hierarchy
    assert (draws_of(finer, 3) == draws_of(problem, 3)).all()


@every_problem
def test_sample_i_is_the_same_for_every_n_and_in_any_order(name: str) -> None:
    problem = small(name)
    few, many = inputs_of(problem, 3, -1), inputs_of(problem, 7, -1)
    assert (few == many[:3]).all()
    backwards = np.concatenate([problem.draw(1, stream(0, "train", i)) for i in reversed(range(7))])
    assert (problem.evaluate(backwards, problem.finest)[::-1] == many).all()
    assert not (draws_of(problem, 7, "test") == draws_of(problem, 7)).any()


@every_problem
def test_inputs_of_a_level_are_the_restricted_inputs_of_the_finest(name: str) -> None:
    problem = small(name)
    draws = draws_of(problem, 5)
    finest = problem.evaluate(draws, problem.finest)
    for grid in (*problem.hierarchy, refine(problem.finest)):
        inputs = problem.evaluate(draws, grid)
        assert inputs.dtype == np.float64
        assert inputs.ndim == grid.dimension + 2
        assert len(inputs) == 5
        assert inputs.shape[2:] == grid.shape
        assert np.isfinite(inputs).all()
        if grid != refine(problem.finest):
            np.testing.assert_allclose(inputs, restrict(finest, to=grid), rtol=0, atol=1e-12 * np.abs(finest).max())
        else:
            np.testing.assert_allclose(
                restrict(inputs, to=problem.finest), finest, rtol=0, atol=1e-12 * np.abs(finest).max()
            )


@every_problem
def test_solutions_are_ok_float64_and_on_the_grid_of_every_level(name: str) -> None:
    problem = small(name)
    for level, grid in enumerate(problem.hierarchy):
        inputs = inputs_of(problem, 5, level)
        kept = inputs.copy()
        solved = problem.solve(inputs, grid)
        assert solved.status == ("ok",) * 5
        assert solved.solutions.dtype == np.float64
        assert solved.solutions.ndim == grid.dimension + 2
        assert len(solved.solutions) == 5
        assert solved.solutions.shape[2:] == grid.shape
        assert np.isfinite(solved.solutions).all()
        assert all(value.shape == (5,) for value in solved.scalars.values())
        assert (inputs == kept).all()
        assert same(problem.solve(inputs, grid), solved)


@every_problem
@pytest.mark.parametrize(("level", "n"), [(0, 37), (-1, 5)])
def test_a_sample_does_not_depend_on_its_batch_bit_for_bit(name: str, level: int, n: int) -> None:
    problem = small(name)
    grid, draws = problem.hierarchy[level], draws_of(problem, n)
    inputs = problem.evaluate(draws, grid)
    solved = problem.solve(inputs, grid)
    for which in ([i] for i in range(0, n, 4)):
        assert (problem.evaluate(draws[which], grid) == inputs[which]).all()
        assert same(problem.solve(inputs[which], grid), rows(solved, which))
    for which in ([3, 0], list(reversed(range(n))), [1, 1, 2], list(range(2, n))):
        assert (problem.evaluate(draws[which], grid) == inputs[which]).all()
        assert same(problem.solve(inputs[which], grid), rows(solved, which))
    assert same(problem.solve(inputs[::-2], grid), rows(solved, list(range(n))[::-2]))


@every_problem
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_input_that_is_not_finite_fails_by_name_and_alone(name: str, value: float) -> None:
    problem = small(name)
    for level, grid in enumerate(problem.hierarchy[:2]):
        inputs = inputs_of(problem, 6, level)
        alone = problem.solve(inputs, grid)
        inputs[2].flat[inputs[2].size // 2] = value
        solved = problem.solve(inputs, grid)
        assert solved.status == ("ok", "ok", "not-finite", "ok", "ok", "ok")
        others = [0, 1, 3, 4, 5]
        assert same(rows(solved, others), rows(alone, others))


@every_problem
def test_inputs_of_another_grid_are_refused(name: str) -> None:
    problem = small(name)
    with pytest.raises(ValueError, match=str(problem.hierarchy[0].shape[0])):
        problem.solve(inputs_of(problem, 2, 0), problem.finest)


@every_problem
def test_solutions_come_closer_to_the_reference_with_every_level(name: str) -> None:
    problem = small(name)
    draws = draws_of(problem, 6)
    reference = problem.reference(draws)
    assert reference.dtype == np.float64
    assert (problem.reference(draws[[4]])[0] == reference[4]).all()
    bias = []
    for grid in problem.hierarchy:
        fine = prolong(problem.solve(problem.evaluate(draws, grid), grid).solutions, to=problem.finest)
        assert fine.shape == reference.shape
        bias.append(relative_error(fine, reference, problem.finest).mean())
    assert all(fine < coarse for coarse, fine in zip(bias, bias[1:], strict=False)), bias
    assert bias[0] < 1


@every_problem
def test_what_is_given_in_float32_is_solved_in_float64_and_what_is_masked_is_refused(name: str) -> None:
    problem = small(name)
    draws = problem.draw(2, stream(3, "float32", name)).astype(np.float32)
    inputs = problem.evaluate(draws, problem.hierarchy[1])
    np.testing.assert_array_equal(inputs, problem.evaluate(draws.astype(np.float64), problem.hierarchy[1]))
    single = np.array(inputs, dtype=np.float32)
    found, meant = (problem.solve(given, problem.hierarchy[1]) for given in (single, single.astype(np.float64)))
    assert found.solutions.dtype == np.float64 and found.status == meant.status
    np.testing.assert_array_equal(found.solutions, meant.solutions)
    with pytest.raises(TypeError, match=f"the inputs of {problem.name} are masked in places"):
        problem.solve(np.ma.masked_less_equal(inputs, inputs.min()), problem.hierarchy[1])
