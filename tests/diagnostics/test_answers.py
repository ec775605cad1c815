"""What a solver says to given inputs."""

import numpy as np

from mlft.diagnostics.answers import Answers


def answers(*ends):
    """A sample an end, (status, note), of 2 channels on 3 points."""
    status, notes = zip(*ends, strict=True)
    solutions = np.stack([np.full((2, 3), i + 1.0 if s == "ok" else np.nan) for i, s in enumerate(status)])
    return Answers(solutions, status, notes)


def test_failures_are_counted_by_name_and_the_good_are_the_others():
    found = answers(("timeout", ""), ("ok", ""), ("not-converged", ""), ("ok", ""), ("not-converged", "slow"))
    assert found.failures == "2 not-converged, 1 timeout" and found.good.tolist() == [False, True, False, True, False]
    assert found.refused == ""
    whole = answers(("ok", ""), ("ok", "after a retry"))
    assert (whole.failures, whole.refused) == ("", "") and whole.good.all()


def test_inputs_are_refused_by_the_first_sample_that_raised_a_value_error():
    first, second = ("raised-ValueError", "ValueError: density −1"), ("raised-ValueError", "ValueError: density −2")
    found = answers(("ok", ""), ("timeout", "ValueError: no"), first, second)
    assert found.refused == "density −1" and found.failures == "2 raised-ValueError, 1 timeout"
    assert answers(("raised-ValueError", "")).refused == "raised-ValueError"
    assert answers(("raised-RuntimeError", "RuntimeError: no")).refused == ""
