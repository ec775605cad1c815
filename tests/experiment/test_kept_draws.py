"""What a run measures on its test draws beside the relative L2 error, and which of them it keeps in full."""

import numpy as np
import pytest

import mlft
from mlft.experiment.measure import by_channel
from mlft.experiment.record import read_evaluation
from mlft.grids import channel_errors, relative_error
from small import SMALL, problem


def test_a_run_keeps_its_worst_draw_and_measures_other_norms_on_all(tmp_path):
    record = mlft.run(problem, out=tmp_path, budget="24solves", strategy="finetune:equal-cost", **SMALL)
    test, kept, told = record.samples(2, "test"), read_evaluation(tmp_path), record.outcome.error
    predicted, grid = record.predict(test.inputs), record.outcome.grid
    errors = relative_error(predicted, test.solutions, grid)
    assert len(errors) == told.samples == 7 and kept["errors"] == pytest.approx(errors, rel=1e-4)
    assert (
        len(kept["chosen"]) == 4 and kept["chosen"][3] == errors.argmax() and kept["chosen"][1] == np.argsort(errors)[3]
    )
    assert np.array_equal(kept["solutions"][3], test.solutions[errors.argmax()])
    (found,) = told.channels
    for name, values in channel_errors(predicted, test.solutions, grid).items():
        assert getattr(found, name).mean == pytest.approx(values.mean(), rel=1e-4), name
        assert getattr(found, name).median == pytest.approx(np.median(values), rel=1e-4), name


def test_channels_are_told_in_their_order_and_one_without_a_size_has_no_number():
    solutions = np.stack([np.ones((5, 28)), np.zeros((5, 28)), np.tile(np.arange(28.0), (5, 1))], axis=1)
    found = by_channel(solutions + [[0.1], [1.0], [0.0]], solutions, problem.finest)
    assert [one.channel for one in found] == [0, 1, 2]
    assert found[0].relative_l1.mean == pytest.approx(0.1) and found[1].relative_l1.mean == np.inf
    assert found[2].vrmse.mean == found[2].mean_defect.q90 == 0.0
