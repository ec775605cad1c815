"""The maps of a grid: groups of them, on fields whose axes all differ, of every kind of grid."""

import itertools

import numpy as np
import pytest
import torch

from mlft.grids import Grid, Symmetry, group
from mlft.grids.symmetry import pins, refuse_no_group

KINDS = [("cell", True), ("cell", False), ("nodal", True), ("nodal", False)]
ALL = [
    Symmetry(flips, swap, inputs, (1, -1, 1), pinned)
    for flips in itertools.product([True, False], repeat=2)
    for swap in (True, False)
    for inputs in ((1, 1), (1, -1), (-1, -1))
    for pinned in (True, False)
]
LINE = Symmetry((True,), inputs=(-1,), outputs=(-1,))
SQUARE = group([Symmetry((True, False)), Symmetry((False, False), swap=True)])


def fields(generator, channels=2, shape=(5, 7)):
    return torch.randn(3, channels, *shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("element", ALL, ids=repr)
def test_the_inverse_undoes_a_map_of_arrays_and_of_tensors(element, generator):
    x, y = fields(generator), fields(generator, 3)
    for back, there in ((element.inverse, element), (element, element.inverse)):
        assert torch.equal(back.of_inputs(there.of_inputs(x)), x)
        assert torch.equal(back.of_outputs(there.of_outputs(y)), y)
    np.testing.assert_array_equal(element.of_inputs(x.numpy()), element.of_inputs(x).numpy())
    np.testing.assert_array_equal(element.of_outputs(y.numpy()), element.of_outputs(y).numpy())


def test_a_composition_is_one_map_after_the_other(generator):
    x, y = fields(generator), fields(generator, 3)
    for one, other in itertools.product(ALL, ALL):
        if one.pinned == other.pinned:
            both = one.after(other)
            assert torch.equal(both.of_inputs(x), one.of_inputs(other.of_inputs(x)))
            assert torch.equal(both.of_outputs(y), one.of_outputs(other.of_outputs(y)))


@pytest.mark.parametrize(("centring", "periodic"), KINDS)
def test_a_reflection_takes_a_function_to_its_mirror_image_on_every_kind_of_grid(centring, periodic):
    """u(x, y) → u(−x, y), by the values of u at the mirrored points: modulo the period, or within the box."""
    grid = Grid((5, 7), (2.0, 1.5), centring, periodic)
    x, y = np.meshgrid(*grid.points, indexing="ij")

    def u(x, y):
        wave = 2 * np.pi * x / grid.lengths[0]
        return np.sin(wave + 0.3) + np.cos(3 * wave) * y

    mirrored = Symmetry((True, False), pinned=pins(grid)).of_inputs(u(x, y)[None, None])
    np.testing.assert_allclose(mirrored[0, 0], u(grid.lengths[0] - x, y), atol=1e-13)


def test_a_swap_exchanges_the_axes():
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    swapped = Symmetry((False, False), swap=True).of_inputs(x)
    assert swapped.shape == (1, 1, 4, 3) and swapped[0, 0, 3, 1] == x[0, 0, 1, 3]


@pytest.mark.parametrize(
    ("generators", "order"),
    [
        ([], 0),
        ([LINE], 2),
        ([Symmetry((True, False), swap=True)], 4),
        ([Symmetry((True, False)), Symmetry((False, True))], 4),
        ([Symmetry((True, False)), Symmetry((False, False), swap=True)], 8),
        ([*SQUARE, Symmetry((False, False), inputs=(-1,), outputs=(-1,))], 16),
    ],
)
def test_a_group_is_closed_and_begins_with_the_identity(generators, order):
    found = group(generators)
    assert len(found) == len(set(found)) == order
    assert group(found) == () or set(group(found)) == set(found)
    for one, other in itertools.product(found, found):
        assert one.after(other) in found and one.inverse in found
    assert not found or str(found[0]) == "identity"


def test_gradients_pass(generator):
    x = fields(generator).requires_grad_()
    element = Symmetry((True, False), True, (1, -1), (1, -1), True)
    weights = torch.randn(3, 2, 7, 5, generator=generator, dtype=torch.float64)
    (weights * element.of_inputs(x)).sum().backward()
    torch.testing.assert_close(x.grad, element.inverse.of_inputs(weights))


def test_a_symmetry_says_what_it_does():
    assert str(Symmetry((True, False), True)) == "the axes swapped, reflection of axis 0"
    assert str(Symmetry((True, True))) == "reflection of axes 0 and 1"
    assert str(Symmetry((False,), inputs=(-1,), outputs=(-1, 1))) == "inputs × −1, solutions × (−1, 1)"


def test_what_is_no_symmetry_is_refused(generator):
    for wrong in ({"flips": ()}, {"flips": (True, True, True)}, {"flips": (True,), "swap": True}):
        with pytest.raises(ValueError, match="one axis, or two that may be swapped"):
            Symmetry(**wrong)
    for wrong in ({"inputs": (2,)}, {"inputs": ()}, {"outputs": (0,)}, {"outputs": ()}):
        with pytest.raises(ValueError, match="are 1 or −1, one a channel"):
            Symmetry((True,), **wrong)
    with pytest.raises(ValueError, match="a sign for each of 1 channels, got shape"):
        LINE.of_inputs(torch.zeros(2, 3, 5))
    with pytest.raises(ValueError, match="has 1 axes, got fields of shape"):
        LINE.of_inputs(torch.zeros(2, 1, 5, 6))
    with pytest.raises(ValueError, match="compose on one grid, with the same channels"):
        LINE.after(Symmetry((True,), inputs=(-1,), outputs=(-1,), pinned=True))
    signs = [Symmetry((False,), inputs=tuple(1 - 2 * (i == k) for i in range(5))) for k in range(5)]
    with pytest.raises(ValueError, match="5 symmetries make a group of over 16 elements"):
        group(signs)


def test_symmetries_of_a_surrogate_fit_its_grid_and_are_a_group():
    square, oblong = Grid((6, 6)), Grid((6, 8))
    refuse_no_group(SQUARE, square, (1, 1))
    refuse_no_group((), oblong, (1, 1))
    pinned = Grid((6, 6), centring="nodal")
    for grid, channels in (
        (oblong, (1, 1)),
        (square, (2, 1)),
        (square, (1, 2)),
        (pinned, (1, 1)),
        (Grid((6,)), (1, 1)),
    ):
        with pytest.raises(ValueError, match="no symmetry of Grid"):
            refuse_no_group(SQUARE, grid, channels)
    with pytest.raises(ValueError, match="no symmetry of Grid"):
        refuse_no_group(SQUARE, Grid((6, 6), (1.0, 2.0)), (1, 1))
    for none in (SQUARE[1:], SQUARE[:3], (*SQUARE, SQUARE[1])):
        with pytest.raises(ValueError, match="they make 8|they make 4|they make 2|they make 1 "):
            refuse_no_group(none, square, (1, 1))
