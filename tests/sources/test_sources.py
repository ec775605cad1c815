"""Sources: the samples of one stream, drawn, given, or the references of others."""

import numpy as np
import pytest

from mlft.grids import restrict
from mlft.problems import FunctionProblem, Problem, Solved
from mlft.seeds import generator
from mlft.sources import Drawn, Inputs, Reference, Stored
from small import GRIDS, draw, evaluate, problem, solve


def test_a_sample_is_one_draw_on_every_level_and_its_own_in_any_batch():
    source = Drawn(problem, 3, "train")
    whole = source.draws([4, 0, 7])
    assert np.array_equal(whole[1], draw(1, generator(3, "train", 0))[0])
    for level, grid in enumerate(GRIDS):
        fields = source.inputs(level, [4, 0, 7])
        assert fields.dtype == np.float64 and np.array_equal(fields, evaluate(whole, grid))
        assert np.array_equal(source.inputs(level, [7]), fields[2:])
    other = Drawn(problem, 3, "test").draws([4, 0, 7])
    assert not np.isclose(other, whole).any()


def test_a_drawn_source_solves_by_its_problem_and_says_whose_it_is():
    source = Drawn(problem, 3, "train")
    inputs = source.inputs(1, [0, 5])
    assert np.array_equal(source.solve(inputs, 1, [0, 5]).solutions, solve(inputs, GRIDS[1]))
    assert source.identity == {"problem": "small", "options": problem.options, "transfers": {}, "seed": 3}
    assert source.hierarchy is problem.hierarchy


def test_the_inputs_of_a_source_are_its_solutions_as_a_source():
    source = Inputs(Drawn(problem, 3, "train"))
    inputs = source.inputs(2, [1, 2])
    solved = source.solve(inputs, 2, [1, 2])
    assert np.array_equal(solved.solutions, Drawn(problem, 3, "train").inputs(2, [1, 2]))
    assert solved.status == ("ok", "ok") and source.identity == source.of.identity


class Doubled(Problem):
    name, equation, order, cost_exponent, hierarchy = "doubled", "u = 2x", 2.0, 1.0, GRIDS

    def draw(self, n, generator):
        return draw(n, generator)

    def evaluate(self, draws, grid):
        return evaluate(draws, grid)

    def solve(self, inputs, grid):
        return Solved(2 * inputs, ("ok",) * len(inputs))

    def reference(self, draws):
        return 2 * evaluate(draws, self.finest) + 1e-3


def test_references_are_those_of_the_same_draws_on_the_finest_level_alone():
    drawn = Drawn(Doubled(), 5, "test")
    source = Reference(drawn)
    found = source.solve(source.inputs(2, [3, 1]), 2, [3, 1])
    assert np.array_equal(found.solutions, 2 * drawn.inputs(2, [3, 1]) + 1e-3)
    with pytest.raises(ValueError, match="finest level, 2, got 1"):
        source.solve(source.inputs(1, [3]), 1, [3])


def test_given_inputs_are_rows_restricted_to_a_level():
    fields = np.random.default_rng(1).normal(size=(5, 1, 28))
    source = Stored(problem, fields)
    assert np.array_equal(source.inputs(2, [4, 0]), fields[[4, 0]])
    np.testing.assert_array_equal(source.inputs(0, [4, 0]), restrict(fields[[4, 0]], to=GRIDS[0]))
    assert np.array_equal(source.solve(fields[:2], 2, [0, 1]).solutions, solve(fields[:2], GRIDS[2]))
    assert "seed" not in source.identity and source.hierarchy is problem.hierarchy


def test_inputs_of_single_precision_are_solved_in_double():
    def single(draws, grid):
        return evaluate(draws, grid).astype(np.float32)

    def strict(inputs, grid):
        assert inputs.dtype == np.float64
        return inputs

    own = FunctionProblem("own", GRIDS, draw, single, strict, cost_exponent=1.0)
    source = Drawn(own, 0, "train")
    assert source.solve(source.inputs(0, [0]), 0, [0]).status == ("ok",)
