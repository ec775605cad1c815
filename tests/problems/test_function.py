"""What a solver of the user's own may ask for and declare: the level, one sample at a time, grids of its own."""

import dataclasses

import numpy as np
import pytest

import mlft
from mlft.errors import ConfigError
from mlft.grids import nested
from mlft.lifts.coupled import Coarse, Coupled, LiftError, Place
from mlft.lifts.learned import plainly
from mlft.lifts.richardson import RICHARDSON
from mlft.planning import rates
from mlft.problems import Plain, distances, rehearse
from mlft.sources import Drawn, Stored
from mlft.training import Course, Training
from small import GRIDS, SMALL, draw, evaluate, solve

LINE = mlft.Grid((28,))
STEPS = (0.2, 0.04, 0.0)


def stepped(inputs, grid, level):
    """One grid, and another time step on each level."""
    return np.tanh(inputs) + 1.0 + STEPS[level] * inputs


def of(solver, grids=GRIDS, **more):
    return mlft.FunctionProblem("mine", grids, draw, evaluate, solver, **{"cost_exponent": 2.0, **more})


SHARED = of(stepped, (LINE,) * 3, cost_table=(0.1, 0.4, 1.0))


def interpolated(fields, grid):
    """Periodic linear interpolation between the centres of cells, of any number."""
    x = (np.arange(fields.shape[-1]) + 0.5) / fields.shape[-1]
    return np.stack([[np.interp(grid.points[0], x, line, period=1.0) for line in sample] for sample in fields])


OTHER = (mlft.Grid((9,)), mlft.Grid((17,)), LINE)
UNRELATED = of(solve, OTHER, prolong_function=interpolated, coarsen_function=interpolated)


def some(n=3, grid=LINE):
    return evaluate(np.random.default_rng(5).normal(size=(n, 3)), grid)


def the(found, name, level=None):
    return next(one for one in found.findings if (one.name, one.level) == (name, level))


# ---- The level


def test_a_solver_that_asks_for_the_level_is_given_it_by_every_door():
    fields = some()
    for level, step in enumerate(STEPS):
        known = np.tanh(fields) + 1.0 + step * fields
        for door in (SHARED, Plain(SHARED)):
            assert np.array_equal(door.solve_level(fields, level).solutions, known)
        given = Stored(SHARED, fields)
        assert np.array_equal(given.solve(given.inputs(level, [0, 2]), level, [0, 2]).solutions, known[[0, 2]])
    assert np.array_equal(SHARED.solve(fields, LINE).solutions, np.tanh(fields) + 1.0)  # of the finest that has it
    with pytest.raises(ValueError, match=r"mine asks for the level, and no level has Grid\(cells=\(14,\)"):
        SHARED.solve(fields, GRIDS[1])


def test_only_a_parameter_of_that_name_asks_for_the_level():
    @dataclasses.dataclass
    class Solver:
        shift: float

        def __call__(self, inputs, grid, level=7):
            return np.tanh(inputs) + self.shift + level

    told = of(Solver(0.5))
    assert told.told_level and np.array_equal(told.solve_level(some(), 2).solutions, np.tanh(some()) + 0.5 + 2)
    assert np.array_equal(told.solve(some(), LINE).solutions, np.tanh(some()) + 0.5 + 2)
    for silent in (solve, np.add, lambda f, g: f):
        assert not of(silent).told_level
    assert np.array_equal(of(np.add).solve_function(1, 2), 3)  # a callable without a signature


def test_levels_that_share_a_grid_need_a_solver_that_is_told_which():
    found = mlft.check(SHARED)
    assert found.ok and "28, 28, 28" in the(found, "grids").measured
    assert the(found, "distance to the finest").measured.startswith("0.1")
    assert the(found, "order seen").measured == "levels share a grid"
    with pytest.raises(ConfigError, match="two levels have 28 cells, and the solver is not told which.*`level`"):
        rehearse(of(solve, (LINE,) * 3, cost_table=(0.1, 0.4, 1.0)))
    unpriced = the(mlft.check(dataclasses.replace(SHARED, cost_table=())), "stated costs")
    assert unpriced.result == "note" and "`cost_table`" in unpriced.advice


def test_a_run_on_levels_that_share_a_grid_learns_from_each(tmp_path):
    record = mlft.run(SHARED, budget="20solves", strategy="finetune:equal-cost", out=tmp_path, **SMALL)
    for level, step in enumerate(STEPS):
        known = Drawn(SHARED, 0, "train").inputs(2, [0])
        assert np.array_equal(record.samples(level).solutions[:1], np.tanh(known) + 1.0 + step * known)
    assert 0 < record.error < 1 and record.outcome.grids == ()


def test_rates_of_levels_on_one_grid_are_not_fitted():
    found = rates([28, 28, 28], bias=[0.2, 0.1, 0], corrections=[1, 0.2, 0.1], costs=[0.1, 0.4, 1])
    assert np.isnan([found.bias_rate.value, found.variance_rate.value, found.cost_rate.value]).all()


# ---- One sample at a time


def test_a_solver_of_one_sample_is_called_for_one_at_a_time():
    seen = []

    def one(field, grid):
        seen.append(field.shape)
        field += 1.0
        return np.concatenate([np.tanh(field - 1.0), 2 * field])

    alone, fields = of(one, batched=False), some(5)
    kept = fields.copy()
    found = alone.solve(fields, LINE)
    assert seen == [(1, 28)] * 5 and found.status == ("ok",) * 5 and np.array_equal(fields, kept)
    assert np.array_equal(found.solutions, np.concatenate([np.tanh(fields + 1 - 1), 2 * (fields + 1)], axis=1))
    assert np.array_equal(alone.solve(fields[::2][:2], LINE).solutions, found.solutions[[0, 2]])
    uneven = of(lambda f, g: f[:, : 20 + int(f[0, 0] > 0)], batched=False)
    with pytest.raises(ValueError, match=r"solutions of the shapes \[\(1, 20\), \(1, 21\)\] on 28"):
        uneven.solve(np.stack([np.ones((1, 28)), -np.ones((1, 28))]), LINE)
    told = of(lambda f, g, level: f + level, batched=False)
    assert np.array_equal(told.solve_level(fields, 1).solutions, fields + 1)


def raising(field, grid):
    (n,) = field.mean(axis=0).shape  # of a sample alone
    return np.tanh(field)


@pytest.mark.parametrize("solver", [raising, lambda f, g: np.tanh(f.reshape(-1, f.shape[-1])[:1])])
def test_a_solver_that_takes_a_sample_alone_is_offered_to_be_called_so(solver, tmp_path):
    wrong = of(solver)
    found = the(mlft.check(wrong), "solutions", 0)
    assert found.passed is False and "give batched=False" in found.advice
    with pytest.raises(ConfigError, match="give batched=False"):
        mlft.run(wrong, budget="24solves", out=tmp_path, **SMALL)
    assert mlft.check(of(solver, batched=False)).ok


def test_a_solver_that_answers_for_the_first_sample_alone_is_told_so():
    found = the(mlft.check(of(lambda f, g: np.diag(np.ones(len(f[0, 0]))).dot(f[0, 0])[None, None])), "solutions", 0)
    assert found.measured == "solutions on 7 have shape (1, 1, 7)"
    assert found.advice.startswith("it solves one sample, and not 5 together: loop over the samples, or write it for")
    assert "batched=False" in found.advice


# ---- Grids of its own


def test_grids_of_any_ratio_need_both_transfers():
    for more in ({}, {"prolong_function": interpolated}, {"coarsen_function": interpolated}):
        with pytest.raises(ConfigError, match="17 follows 9; refine every axis .*`prolong_function` and `coarsen_func"):
            rehearse(of(solve, OTHER, **more))
    found = mlft.check(UNRELATED)
    assert found.ok and the(found, "one function", 0).passed is None
    assert the(found, "prolongation", 0).measured.startswith("by the problem's own transfer; means change by")
    assert distances(UNRELATED).own == distances(UNRELATED).plain and distances(UNRELATED).own[0] < 0.2


def test_other_boxes_or_axes_are_refused_with_what_to_do():
    for coarse in (mlft.Grid((14,), (2.0,)), mlft.Grid((14, 14)), mlft.Grid((14,), periodic=False)):
        with pytest.raises(ConfigError, match="use one on every level; a solver with a mesh of its own brings its sol"):
            rehearse(of(solve, (coarse, LINE), prolong_function=interpolated, coarsen_function=interpolated))


def test_a_run_on_unrelated_grids_lifts_and_ends(tmp_path):
    record = mlft.run(UNRELATED, budget="30solves", strategy="finetune:equal-cost", out=tmp_path, **SMALL)
    assert 0 < record.error < 1
    assert [row.mean is None for row in record.outcome.grids] == [True, True]  # the network is not asked there
    kept = record.samples(0)
    assert np.array_equal(kept.solutions[:1], solve(interpolated(kept.inputs[:1], OTHER[0]), OTHER[0]))


def test_lifts_on_grids_that_plain_transfers_do_not_join():
    fields = some(4)
    place = Place("mine", 0, 2, OTHER[0], LINE, 3, 2.0)
    assert plainly(fields, place) is fields
    joined = plainly(fields, dataclasses.replace(place, own=GRIDS[1]))
    assert not np.array_equal(joined, fields) and np.linalg.norm(joined - fields) < 0.2 * np.linalg.norm(fields)
    level = dataclasses.replace(place, ratio=1)
    coupled = Coupled(Coarse(fields, fields, fields, coarser_ratio=1), fields, np.ones(4, dtype=bool))
    with pytest.raises(LiftError, match="needs grids whose h differ"):
        RICHARDSON.fit(coupled, level, Course(Training(), 0))


def test_a_grid_is_nested_in_another_where_plain_transfers_join_them():
    assert nested(GRIDS[0], LINE) and nested(LINE, LINE) and not nested(LINE, GRIDS[0])
    assert not nested(mlft.Grid((14,), (2.0,)), LINE) and not nested(mlft.Grid((14,), centring="nodal"), LINE)
    assert nested(mlft.Grid((3, 10)), mlft.Grid((6, 40))) and not nested(mlft.Grid((3, 10)), mlft.Grid((6, 30)))


# ---- What is no field on the grid


def constant(numbers, grid):
    return np.tile(numbers.reshape(*numbers.shape, *[1] * len(grid.shape)), grid.shape)


def test_numbers_a_series_and_a_third_axis_are_refused_with_what_to_do(tmp_path):
    for changes, place, said in (
        ({"evaluate_function": lambda d, g: d}, "inputs", "such as parameters or quantities of interest, are channels"),
        ({"solve_function": lambda f, g: f.mean(axis=2)}, "solutions", "are channels that are constant on the grid"),
        (
            {"solve_function": lambda f, g: np.stack([f, f], 2)},
            "solutions",
            "one an instant or a layer, or make time an",
        ),
    ):
        with pytest.raises(ConfigError, match=place) as caught:
            mlft.run(dataclasses.replace(of(solve), **changes), budget="24solves", out=tmp_path, **SMALL)
        assert said in str(caught.value)
    with pytest.raises(ValueError, match="one or two axes.*a third axis is channels, one a layer"):
        mlft.Grid((8, 9, 10))


def test_parameters_in_and_quantities_of_interest_out_as_constant_channels(tmp_path):
    def numbers(inputs, grid):
        mean = inputs[:, :, :1].sum(axis=1)
        return constant(np.concatenate([np.tanh(mean) + 2 + grid.spacing[0] ** 2, np.cos(mean) + 3], 1), grid)

    problem = mlft.FunctionProblem("numbers", GRIDS[1:], draw, constant, numbers, cost_exponent=2.0)
    assert mlft.check(problem).ok
    record = mlft.run(problem, budget="12solves", strategy="finetune:equal-cost", out=tmp_path, **SMALL)
    given = constant(np.array([[0.1, -0.2, 0.3]]), LINE)
    assert record.predict(given).shape == (1, 2, 28) and 0 < record.error < 1
