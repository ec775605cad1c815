"""Shifts along periodic axes: against indices, tensors as arrays, one that makes all others."""

import numpy as np
import torch

from mlft.grids import Grid, Translation, shifted, translations


def test_a_shift_moves_every_point_by_as_many_and_wraps(generator: torch.Generator) -> None:
    field = torch.randn(2, 3, 5, 7, generator=generator)
    for axis, points in ((0, 2), (1, 3)):
        found = Translation(axis, points).of_inputs(field)
        for i in range(5):
            for j in range(7):
                back = ((i - points) % 5, j) if axis == 0 else (i, (j - points) % 7)
                assert torch.equal(found[:, :, i, j], field[:, :, back[0], back[1]])
        same = Translation(axis, points).of_outputs(field.numpy())
        assert isinstance(same, np.ndarray)
        assert np.array_equal(same, found.numpy())


def test_each_field_is_shifted_by_its_own_points(generator: torch.Generator) -> None:
    field = torch.randn(3, 2, 5, 7, generator=generator)
    for axis in (0, 1):
        found = shifted(field, axis, torch.tensor([0, 4, 2]))
        for row, by in enumerate((0, 4, 2)):
            assert torch.equal(found[row : row + 1], Translation(axis, by).of_inputs(field[row : row + 1]))


def test_the_shift_of_an_axis_makes_all_of_them_and_bounded_axes_have_none() -> None:
    for points in (2, 3, 12, 30, 64, 210):
        (one,) = translations(Grid((points, 4), periodic=(True, False)))
        assert one.axis == 0
        assert {one.points * n % points for n in range(points)} == set(range(points))
    assert translations(Grid((9, 4), periodic=False)) == ()
    assert [one.axis for one in translations(Grid((9, 4)))] == [0, 1]
    assert translations(Grid((12,)))[0].slug == "shift-0-by-5"
