"""The span of training inputs: its dimensions, whatever their scale."""

import numpy as np
import pytest

from mlft.diagnostics.span import span


@pytest.mark.parametrize("scale", [1e-13, 1.0, 1e7])
def test_a_span_has_the_dimensions_of_its_fields_at_every_scale(scale):
    directions = np.random.default_rng(0).standard_normal((3, 1, 4, 5))
    mixed = np.einsum("nk,kcij->ncij", np.random.default_rng(1).standard_normal((8, 3)), directions)
    known = span(scale * mixed)
    assert known.shape == (20, 3)
    np.testing.assert_allclose(known.T @ known, np.eye(3), atol=1e-12)
    rows = directions.reshape(3, -1)
    np.testing.assert_allclose(rows @ known @ known.T, rows, atol=1e-11)


def test_directions_below_the_tolerance_do_not_count():
    fields = np.diag([2.0, 2e-4, 2e-7, 0.0])[:, None]
    assert [span(fields, tolerance=t).shape[1] for t in (1e-11, 1e-6, 1e-2)] == [3, 2, 1]
    np.testing.assert_allclose(np.abs(span(fields)[:, 0]), [1, 0, 0, 0], atol=1e-12)  # strongest first
