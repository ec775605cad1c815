"""What a look at trust makes of solves that fail, are refused, or never come."""

import math

import numpy as np
import pytest

import poisson_line
from doors import door
from mlft.diagnostics.answers import Answers
from mlft.diagnostics.trust import measure_trust
from mlft.grids import Grid
from mlft.problems import Problem
from tiny import draws_of

LINE = Grid((20,), centring="nodal", periodic=False)


def exact(inputs):
    return poisson_line.solve(inputs, LINE)


def look(solve, problem=poisson_line.problem, predict=exact, n=9):
    draws, trained = draws_of(problem, n), draws_of(problem, 30, "span")
    return measure_trust(predict, problem, draws, trained=trained, solve=solve, amplitudes=(0.5, 1.0, 2.83))


def broken(ends):
    """A door at which some samples of some batches end otherwise: by name and row, (status, note)."""
    whole = door(poisson_line.problem)

    def solve(name, fields):
        answers = whole(name, fields)
        status, notes, solutions = list(answers.status), list(answers.notes), answers.solutions.copy()
        for row, (end, note) in ends.get(name, {}).items():
            status[row], notes[row], solutions[row] = end, note, np.nan
        return Answers(solutions, tuple(status), tuple(notes))

    return solve


def test_a_failed_sample_costs_itself_and_is_told_by_name():
    ends = {3: ("timeout", ""), 0: ("not-converged", ""), 7: ("timeout", "")}

    def predict(inputs):  # an error that tells a sample by its largest value
        return exact(inputs) * (1 + 0.01 * np.abs(inputs).max(axis=(1, 2), keepdims=True))

    found = look(broken({"smoother": ends}), predict=predict)
    whole = look(door(poisson_line.problem), predict=predict)
    smoother = found.families[1]
    assert (smoother.failed, smoother.failures, smoother.refused) == (3, "1 not-converged, 2 timeout", "")
    sizes = 0.01 * np.abs(poisson_line.problem.families()["smoother"](draws_of(poisson_line.problem, 9))).max(
        axis=(1, 2)
    )
    assert smoother.mean == pytest.approx(np.delete(sizes, (0, 3, 7)).mean())
    assert smoother.outside == whole.families[1].outside
    rest = [family for family in found.families if family.name != "smoother"]
    assert rest == [family for family in whole.families if family.name != "smoother"]


def test_a_refused_sample_refuses_its_law_with_the_reason_and_no_other():
    why = ("raised-ValueError", "ValueError: forces are at most 8")
    found = look(broken({"rougher": {2: ("timeout", ""), 5: why}, "larger-2": {0: ("raised-TypeError", "TypeError")}}))
    refused = {family.name: family.refused for family in found.families if family.refused}
    assert refused == {"rougher": "forces are at most 8"}
    assert math.isnan(found.families[2].mean) and not found.families[2].failures
    assert found.families[3].failures == "1 raised-TypeError" and found.families[3].mean < 1e-12


@pytest.mark.parametrize(
    ("bad", "refusal"),
    [
        ({"sums": {0: ("degenerate", "")}}, "take sums of its inputs, or 0: 1 degenerate of 5 solves"),
        ({"the-law-itself": {1: ("timeout", "")}}, "take sums of its inputs, or 0: 1 timeout of 8 solves"),
        ({"sums": {2: ("raised-ValueError", "ValueError: too large")}}, "sums of its inputs, or 0: too large"),
        ({"units": {20: ("timeout", "")}}, "the solver does not take unit inputs: 1 timeout of 22 solves"),
    ],
)
def test_there_is_no_green_function_where_one_of_its_solves_is_missing(bad, refusal):
    found = look(broken(bad))
    assert found.green is None and found.refusal.endswith(refusal)
    assert found.families[1].mean < 1e-12


def test_the_sample_that_belongs_to_neither_half_may_be_missing():
    found = look(broken({"the-law-itself": {8: ("timeout", "")}}))
    assert found.green is not None and found.families[0].failures == "1 timeout"


@pytest.mark.parametrize("end", [("timeout", ""), ("raised-ValueError", "ValueError: never")])
def test_a_law_of_which_nothing_is_solved_is_not_measured_and_the_rest_is(end):
    found = look(broken({"the-law-itself": dict.fromkeys(range(9), end)}))
    own = found.families[0]
    assert math.isnan(own.mean) and (own.refused, own.failures) == (("", "9 timeout") if not end[1] else ("never", ""))
    assert np.isnan(found.spectrum.error).all() and math.isnan(found.spectrum.resolved)
    assert len(found.spectrum.numbers) == 21 and found.green is None
    assert found.families[1].mean < 1e-12 and found.amplitudes[2.83].mean < 1e-12


class Picky(Problem):
    """Poisson on a line, with a family that refuses every draw, and one that is the law itself."""

    name, equation, hierarchy, order, cost_exponent = "picky", "", poisson_line.GRIDS, 2.0, 1.0
    draw, evaluate, solve = map(staticmethod, (poisson_line.draw, poisson_line.evaluate, poisson_line.solve))

    def families(self):
        def never(draws):
            raise ValueError("never")

        return {"never": never, "law again": lambda draws: self.amplified(draws, 1.0)}


def test_a_law_that_is_refused_by_its_maker_is_left_out_of_the_advice():
    asked = []
    found = look(door(poisson_line.problem, asked), Picky())
    assert found.families[1].refused == "never" and found.families[2].mean == found.families[0].mean
    names = [name for name, _ in asked]
    assert names == ["the-law-itself", "amplitude-0-5", "amplitude-2-83", "sums", "units"]
    assert found.green is not None and list(found.green.advice.outside) == ["law again"]
