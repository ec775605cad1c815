import numpy as np
import pytest

from mlft.solvers.series import trigonometric


def test_a_series_is_its_sum_however_short_its_waves() -> None:
    a, b = np.array([[1.0, -2.0, 0.5], [0.0, 0.3, 4.0]]), np.array([[0.2, 0.0, -1.0], [3.0, 0.1, 0.7]])
    x, waves = np.arange(14) / 14, (1, 6, 31)
    k = 2 * np.pi * np.outer(waves, x)
    np.testing.assert_allclose(trigonometric(a, b, waves=waves, points=14), a @ np.cos(k) + b @ np.sin(k), atol=1e-12)
    fine = trigonometric(a, b, waves=waves, points=112)
    np.testing.assert_allclose(fine[:, ::8], trigonometric(a, b, waves=waves, points=14), atol=1e-14)
    with pytest.raises(ValueError, match="2 waves need as many"):
        trigonometric(a, b, waves=(1, 2), points=14)
