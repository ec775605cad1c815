"""Errors of each channel in other norms, against values worked by hand; no two axes are of equal length."""

import math

import numpy as np
import pytest

from mlft.grids import Grid, channel_errors, relative_error

LINE = Grid((4,), (2.0,))  # h = ½, periodic, cell-centred
PLANE = Grid((2, 3), (1.0, 1.5), periodic=False)  # h = ½, ½


def test_each_norm_of_a_line_is_as_worked_by_hand() -> None:
    reference = np.array([[[1.0, -2.0, 3.0, 2.0], [0.0, 4.0, 0.0, 0.0]]])
    off = np.array([[[0.5, 0.5, -1.0, 0.0], [1.0, -1.0, 1.0, 1.0]]])
    found = channel_errors(reference + off, reference, LINE)
    # h = ½, ∫ = ½ Σ; channel 0: Σd² = 1.5, Σu² = 18, ū = 1, Σ(u − ū)² = 14; channel 1: 4, 16, ū = 1, 12
    expected = {
        "relative_l2": [math.sqrt(1.5 / 18), math.sqrt(4 / 16)],
        "relative_l1": [2 / 8, 4 / 4],
        "relative_maximum": [1 / 3, 1 / 4],
        # steps of d, round the ring: 0, −1.5, 1, 0.5 and −2, 2, 0, 0; of u: −3, 5, −1, −1 and 4, −4, 0, 0
        "relative_h1": [math.sqrt(3.5 / 36), math.sqrt(8 / 32)],
        "mean_defect": [0.0, 2 / 4],
        "vrmse": [math.sqrt(1.5 / 14), math.sqrt(4 / 12)],
    }
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].shape == (1, 2)
        assert found[name][0] == pytest.approx(values, rel=1e-12, abs=1e-15), name


def test_a_plane_that_is_not_periodic_has_no_pairs_across_its_edges() -> None:
    reference = np.array([[[[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]]]])
    off = np.array([[[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]])
    # along x: d −1, 0, 0 and u 2, 1, −1; along y: d −1, 0, 0, 0 and u 1, 2, 0, 0
    assert channel_errors(reference + off, reference, PLANE)["relative_h1"][0, 0] == pytest.approx(
        math.sqrt((1 + 1) / (6 + 5)), rel=1e-12
    )


def test_a_stretched_plane_weighs_its_axes_by_their_spacing() -> None:
    grid = Grid((2, 3), (4.0, 1.5), periodic=False)  # h = 2, ½: ∫ u_x² = Σ (Δu/2)², ∫ u_y² = Σ (2 Δu)²
    along_x = np.array([[[[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]]]])
    along_y = np.array([[[[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]]])
    found = channel_errors(along_x + along_y, along_x, grid)["relative_h1"]  # d is along_y
    assert found[0, 0] == pytest.approx(math.sqrt((4 * 2.0**2) / (3 * 1.0**2)), rel=1e-12)


def test_the_ends_of_a_bounded_nodal_line_count_half() -> None:
    grid = Grid((2,), (2.0,), centring="nodal", periodic=False)  # weights ½, 1, ½
    found = channel_errors(np.array([[[2.0, 1.0, 1.0]]]), np.ones((1, 1, 3)), grid)
    assert found["relative_l1"][0, 0] == found["mean_defect"][0, 0] == pytest.approx(0.25)
    assert found["relative_l2"][0, 0] == pytest.approx(0.5) and found["relative_maximum"][0, 0] == 1.0
    assert found["vrmse"][0, 0] == found["relative_h1"][0, 0] == math.inf  # a constant has no spread and no gradient


def test_a_single_channel_has_the_relative_error_and_channels_do_not_mix() -> None:
    random = np.random.default_rng(3)
    field, reference = random.normal(size=(2, 5, 3, 2, 3))
    found = channel_errors(field, reference, PLANE)
    for c in range(3):
        alone = channel_errors(field[:, [c]], reference[:, [c]], PLANE)
        assert found["relative_l2"][:, c] == pytest.approx(relative_error(field[:, [c]], reference[:, [c]], PLANE))
        assert all(np.array_equal(alone[name][:, 0], found[name][:, c]) for name in found)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_fields_of_any_size_keep_their_errors(scale: float) -> None:
    field, reference = np.random.default_rng(4).normal(size=(2, 4, 1, 2, 3))
    plain, scaled = channel_errors(field, reference, PLANE), channel_errors(scale * field, scale * reference, PLANE)
    assert all(scaled[name] == pytest.approx(plain[name], rel=1e-10) for name in plain)


def test_the_solution_itself_has_no_error_even_where_it_is_zero() -> None:
    for reference in (np.zeros((1, 1, 4)), np.ones((1, 1, 4))):
        assert all(found == 0 for found in channel_errors(reference, reference, LINE).values())
    assert channel_errors(np.ones((1, 1, 4)), np.zeros((1, 1, 4)), LINE)["relative_l1"][0, 0] == math.inf
