import dataclasses

import numpy as np
import pytest

from benchmarks import numbers
from benchmarks.truths.schemes import SCHEMES
from benchmarks.truths.settings import SETTINGS
from mlft.problems import PROBLEMS
from short_form import column, short_form


def test_every_ok_solution_is_that_of_its_scheme_and_near_the_truth(tmp_path):
    found = short_form("numbers", tmp_path)
    assert [row[0] for row in found.tables[0].rows] == sorted(PROBLEMS)
    assert len(found.tables[1].rows) == 2 * len(PROBLEMS)
    for table in range(2):
        assert sum(column(found, table, "wrong")) == 0
        assert all(row[3] >= 0.6 * row[2] for row in found.tables[table].rows), "most are ok"
        assert min(number for row in found.tables[table].rows for number in (row[6], row[9])) > 0, "all are compared"


def test_every_problem_has_its_references_and_ten_settings():
    assert set(numbers.TRUTHS) == set(SCHEMES) == set(SETTINGS) == set(PROBLEMS)
    assert {len(settings) for settings in SETTINGS.values()} == {10}
    for name, settings in SETTINGS.items():
        assert len({PROBLEMS[name](**options) for options in settings}) == 10


def off_by(problem, change):
    """Return the problem's class with solutions that are changed, and an `ok` on them."""

    def solve(self, inputs, grid):
        solved = type(problem).solve(problem, inputs, grid)
        return dataclasses.replace(solved, solutions=change(solved.solutions))

    wrong = type("Wrong", (type(problem),), {"solve": solve})
    return wrong(**problem.options)


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_a_solver_that_is_off_a_little_is_found(name):
    problem, effort = PROBLEMS[name](**numbers.SHORT.smaller.get(name, {})), numbers.Effort(2, 2, 2)
    found = numbers.examine(off_by(problem, lambda fields: fields * (1 + 1e-4)), effort)
    assert [level.wrong for level in found] == [2] * len(found)


def test_another_solution_of_a_well_posed_problem_is_found_by_the_truth():
    problem = PROBLEMS["kohn-sham"](cells=80, levels=1)
    distances, far = numbers._from_truth(
        problem.finest,
        truth := np.ones((9, 1, 80)),
        numbers.Solved(np.concatenate([1.02 * truth[:8], 1.5 * truth[8:]]), ("ok",) * 9),
        np.ones(9, dtype=bool),
    )
    assert far == {8}
    assert distances[0] == pytest.approx(0.02)
