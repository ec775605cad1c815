"""Trigonometric prolongation: exact for the waves that the coarse grid carries."""

import numpy as np
import pytest
import torch

from mlft.grids import Grid, norm, prolong, prolong_waves, refine, restrict


def grid_of(periodic, cells=(12, 10)):
    return Grid(cells, (2.0, 1.5), "nodal", periodic)


def field_of(grid, generator, n=3, c=2):
    u = torch.randn(n, c, *grid.shape, generator=generator, dtype=torch.float64).numpy()
    if not grid.periodic:
        u[:, :, [0, -1]] = u[:, :, :, [0, -1]] = 0.0
    return u


def waves(grid, numbers):
    """A product of waves in closed form: e^(2πikx) or sin πkx on each axis."""
    parts = []
    for x, length, k in zip(grid.points, grid.lengths, numbers, strict=True):
        phase = np.pi * k * x / length
        parts.append(np.cos(2 * phase + k) if grid.periodic else np.sin(phase))
    return (parts[0] if len(parts) == 1 else np.outer(*parts))[None, None]


@pytest.mark.parametrize("ratio", [2, 8])
@pytest.mark.parametrize(("periodic", "most"), [(True, (5, 4)), (False, (11, 9))])
def test_it_is_exact_for_every_wave_of_the_coarse_grid(periodic, most, ratio):
    coarse = grid_of(periodic)
    for numbers in [(0, 1), (1, 0), (2, 3), (1, most[1]), (most[0], 1), most]:
        got = prolong_waves(waves(coarse, numbers), to=refine(coarse, ratio))
        np.testing.assert_allclose(got, waves(refine(coarse, ratio), numbers), atol=1e-13)


def test_it_is_the_sum_over_the_waves_computed_one_by_one(generator):
    coarse, fine = Grid((7,), centring="nodal"), Grid((28,), centring="nodal")  # an odd number has no wave N/2
    u = field_of(coarse, generator)
    numbers = np.arange(-3, 4)
    amplitudes = u @ np.exp(-2j * np.pi * np.outer(coarse.points[0], numbers)) / 7
    expected = (amplitudes @ np.exp(2j * np.pi * np.outer(numbers, fine.points[0]))).real
    np.testing.assert_allclose(prolong_waves(u, to=fine), expected, atol=1e-14)


def test_the_shortest_wave_is_a_cosine():
    saw = (-1.0) ** np.arange(8)
    got = prolong_waves(saw[None, None], to=Grid((32,), centring="nodal"))
    np.testing.assert_allclose(got[0, 0], np.cos(8 * np.pi * np.arange(32) / 32), atol=1e-14)


@pytest.mark.parametrize("periodic", [True, False])
def test_restrict_undoes_it_and_a_chain_of_grids_is_one_step(periodic, generator):
    coarse = grid_of(periodic)
    u = field_of(coarse, generator)
    got = prolong_waves(u, to=refine(coarse, 4))
    np.testing.assert_allclose(restrict(got, to=coarse), u, atol=2e-14)
    step = prolong_waves(u, to=refine(coarse, 2))
    np.testing.assert_allclose(prolong_waves(step, to=refine(coarse, 4)), got, atol=2e-14)
    assert prolong_waves(u, to=coarse) is u


def test_means_norms_and_products_of_resolved_fields_are_kept(generator):
    coarse = grid_of(True, (11, 9))  # odd: no wave N/2
    fine = refine(coarse, 4)
    u, v = field_of(coarse, generator), field_of(coarse, generator)
    up, vp = prolong_waves(u, to=fine), prolong_waves(v, to=fine)
    np.testing.assert_allclose(up.mean((2, 3)), u.mean((2, 3)), atol=1e-14)
    np.testing.assert_allclose(norm(up, fine), norm(u, coarse), rtol=1e-13)
    assert np.sum(up * vp * fine.weights) == pytest.approx(np.sum(u * v * coarse.weights), rel=1e-12)


@pytest.mark.parametrize("periodic", [True, False])
def test_it_is_of_no_finite_order_on_a_smooth_field(periodic):
    def bump(grid):
        x = grid.points[0]
        return (np.exp(np.cos(2 * np.pi * x)) if periodic else np.exp(np.cos(np.pi * x)) * np.sin(np.pi * x))[
            None, None
        ]

    errors = []
    for n in (4, 8, 16, 32):
        fine = Grid((128,), centring="nodal", periodic=periodic)
        errors.append(
            norm(prolong_waves(bump(Grid((n,), centring="nodal", periodic=periodic)), to=fine) - bump(fine), fine)[0]
        )  # noqa: E501
    orders = np.diff(-np.log2(errors))
    assert orders[0] > 4 and orders[1] > orders[0] + 2 and errors[-1] < 1e-13
    cubic = prolong(bump(Grid((16,), centring="nodal", periodic=periodic)), to=fine)
    assert errors[2] < 1e-4 * norm(cubic - bump(fine), fine)[0]


def test_a_field_shifted_by_coarse_points_is_shifted(generator):
    coarse = grid_of(True)
    u = field_of(coarse, generator)
    got = prolong_waves(u, to=refine(coarse, 2))
    shifted = prolong_waves(np.roll(u, (3, 4), axis=(2, 3)), to=refine(coarse, 2))
    np.testing.assert_allclose(shifted, np.roll(got, (6, 8), axis=(2, 3)), atol=1e-14)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_sample_does_not_depend_on_its_batch_bit_for_bit(periodic, generator):
    coarse = grid_of(periodic)
    u = field_of(coarse, generator, n=9)
    whole = prolong_waves(u, to=refine(coarse, 4))
    assert np.array_equal(prolong_waves(u[::-1], to=refine(coarse, 4)), whole[::-1])
    assert all(np.array_equal(prolong_waves(u[[i]], to=refine(coarse, 4))[0], whole[i]) for i in range(len(u)))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: prolong_waves(np.zeros((2, 1, 8)), to=Grid((16,))), "takes point values"),
        (
            lambda: prolong_waves(np.ones((2, 1, 9)), to=Grid((16,), (1.0,), "nodal", False)),
            "vanish at both ends, got 1",
        ),
        (lambda: prolong_waves(np.zeros((2, 1, 8)), to=Grid((24,), centring="nodal")), "power of two"),
    ],
)
def test_what_has_no_such_waves_is_refused(action, message):
    with pytest.raises(ValueError, match=message):
        action()
