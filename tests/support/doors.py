"""Doors to a problem's solver, for the tests of what asks it."""

import numpy as np

from mlft.diagnostics.answers import Answers


def door(problem, asked=None):
    """A door that solves in this process, and notes what it is asked in the list `asked`."""

    def solve(name, fields):
        if asked is not None:
            asked.append((name, fields))
        try:
            solved = problem.solve(fields, problem.finest)
        except ValueError as error:
            n, note = len(fields), f"ValueError: {error}"
            return Answers(np.full(fields.shape, np.nan), ("raised-ValueError",) * n, (note,) * n)
        solutions = np.array(solved.solutions, dtype=np.float64)
        solutions[[status != "ok" for status in solved.status]] = np.nan
        return Answers(solutions, tuple(solved.status), ("",) * len(fields))

    return solve
