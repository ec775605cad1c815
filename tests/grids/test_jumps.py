"""Jumps put in their places in coarse cells."""

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from mlft.grids import Grid, norm, prolong, prolong_jumps, refine, restrict
from orders import observed_order


def averages(antiderivative, cells, faces=None):
    """Averages over the cells of (0, 1) from an antiderivative, or over given faces: exact."""
    faces = np.arange(cells + 1) / cells if faces is None else faces
    return (np.diff(antiderivative(faces)) / np.diff(faces))[None, None]


def two_lines(place, left, right):
    """The antiderivative of a line left of a place and another one right of it, (value at the place, slope) each."""

    def antiderivative(x):
        over, under = np.maximum(x - place, 0), np.minimum(x - place, 0)
        return right[0] * over + right[1] * over**2 / 2 + left[0] * under + left[1] * under**2 / 2

    return antiderivative


def rough(generator, n=5, c=2, cells=28):
    """Steps of random sizes, waves and noise: jumps of many kinds."""
    steps = torch.randn(n, c, cells // 4, generator=generator, dtype=torch.float64).numpy()
    noise = torch.randn(n, c, cells, generator=generator, dtype=torch.float64).numpy()
    return np.repeat(steps, 4, axis=-1) + 0.05 * noise


@example(place=0.501953125, values=(2.0, 1.0), slopes=(0.0, 2.0), ratio=2)  # just inside a cell, larger from the next
@given(
    place=st.floats(0.35, 0.6),
    values=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    slopes=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    ratio=st.sampled_from([2, 4, 16]),
)
def test_two_lines_and_a_jump_anywhere_in_a_cell_are_exact(place, values, slopes, ratio):
    coarse, fine = Grid((20,), periodic=False), Grid((20 * ratio,), periodic=False)
    far = 1.5 * max(map(abs, slopes)) / 20 + 0.5 * max(map(abs, slopes)) / 20 * 2
    gap = values[0] - values[1]
    if abs(gap) <= far + 1e-3:
        return
    solution = two_lines(place, (values[0], slopes[0]), (values[1], slopes[1]))
    got = prolong_jumps(averages(solution, 20), to=fine)
    near = slice(int(place * 20 - 1) * ratio, int(place * 20 + 2) * ratio)  # the cell of the jump and those beside it
    np.testing.assert_allclose(got[..., near], averages(solution, 20 * ratio)[..., near], atol=2e-13)
    np.testing.assert_allclose(restrict(got, to=coarse), averages(solution, 20), atol=1e-13)


@pytest.mark.parametrize("widest", [2, 3, 4])
def test_a_jump_smeared_over_several_cells_is_put_where_their_mean_says(widest):
    place, ends = (12.1 + widest / 2) / 30, ((2.0, 0.3), (0.5, -0.2))
    u, exact = (averages(two_lines(place, *ends), cells) for cells in (30, 120))
    cells = slice(12, 12 + widest)
    smeared = u.copy()
    smeared[..., cells] = np.linspace(u[0, 0, 11], u[0, 0, 12 + widest], widest + 2)[1:-1]
    smeared[..., cells] += (u[..., cells] - smeared[..., cells]).mean()
    got = prolong_jumps(smeared, to=Grid((120,), periodic=False), widest=widest, steepness=3.0)
    inside = slice(4 * 11, 4 * (13 + widest))
    np.testing.assert_allclose(got[..., inside], exact[..., inside], atol=1e-12)
    fewer = prolong_jumps(smeared, to=Grid((120,), periodic=False), widest=1, steepness=3.0)
    assert np.abs(fewer - exact)[..., inside].max() > 0.1


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("falling", [True, False])
def test_the_mean_of_every_cell_is_kept_to_round_off(periodic, falling, generator):
    u, coarse = rough(generator), Grid((28,), periodic=periodic)
    for ratio in (2, 8):
        got = prolong_jumps(u, to=refine(coarse, ratio), falling=falling)
        np.testing.assert_allclose(restrict(got, to=coarse), u, atol=4e-15 * np.abs(u).max())
        assert np.abs(got - prolong(u, to=refine(coarse, ratio))).max() > 0.1


def test_over_several_cells_their_mean_is_kept_to_round_off(generator):
    u, coarse = rough(generator, cells=36), Grid((36,))
    got = prolong_jumps(u, to=refine(coarse, 4), widest=4, steepness=3.0)
    np.testing.assert_allclose(got.mean(axis=2), u.mean(axis=2), atol=2e-15 * np.abs(u).max())
    assert np.abs(restrict(got, to=coarse) - u).max() > 0.05


@pytest.mark.parametrize("widest", [1, 3])
def test_smooth_fields_are_prolonged_with_order_3_as_they_are_without(widest):
    sizes, errors = [48, 96, 192, 384], []
    for n in sizes:
        waves = [averages(lambda x, k=k: np.sin(2 * np.pi * k * x + k) / (2 * np.pi * k), n) for k in (1, 2)]
        exact = [averages(lambda x, k=k: np.sin(2 * np.pi * k * x + k) / (2 * np.pi * k), 4 * n) for k in (1, 2)]
        fine = Grid((4 * n,))
        got = prolong_jumps(waves[0] + waves[1], to=fine, widest=widest)
        assert np.array_equal(got, prolong(waves[0] + waves[1], to=fine))
        errors.append(norm(got - exact[0] - exact[1], fine)[0])
    assert observed_order([1 / n for n in sizes], errors) == pytest.approx(3, abs=0.1)
    assert errors[-1] < 1e-5


def test_what_falls_is_told_from_what_rises_and_small_jumps_from_large(generator):
    u = np.where(np.arange(24) < 12, 1.0, -0.5)[None, None]
    u[..., 11] = 0.4
    fine = Grid((48,), periodic=False)
    plain = prolong(u, to=fine)
    assert not np.array_equal(prolong_jumps(u, to=fine, falling=True), plain)
    assert np.array_equal(prolong_jumps(-u, to=fine, falling=True), -plain)
    assert np.array_equal(prolong_jumps(-u, to=fine), -prolong_jumps(u, to=fine))
    assert not np.array_equal(prolong_jumps(u, to=fine, least=1.49), plain)
    assert np.array_equal(prolong_jumps(u, to=fine, least=1.51), plain)


def test_on_a_bounded_axis_no_line_reaches_round_the_end():
    ramp, bounded = np.linspace(0.0, 1.0, 12)[None, None], Grid((48,), periodic=False)
    assert np.array_equal(prolong_jumps(ramp, to=bounded), prolong(ramp, to=bounded))
    assert not np.array_equal(prolong_jumps(ramp, to=Grid((48,))), prolong(ramp, to=Grid((48,))))
    for cell, placed in ((1, False), (2, True), (9, True), (10, False)):
        step = np.where(np.arange(12) < cell, 1.0, 0.0)[None, None]
        step[..., cell] = 0.5
        exact = np.where(np.arange(48) < 4 * cell + 2, 1.0, 0.0)
        off = np.abs(prolong_jumps(step, to=bounded) - exact)[..., 4 * cell - 4 : 4 * cell + 8].max()
        assert (off < 1e-14) == placed
        assert placed or np.array_equal(prolong_jumps(step, to=bounded), prolong(step, to=bounded))


@pytest.mark.parametrize("widest", [1, 4])
def test_a_field_shifted_by_coarse_cells_is_shifted_and_one_mirrored_is_mirrored(widest, generator):
    u, fine = rough(generator), Grid((28 * 4,))
    got = prolong_jumps(u, to=fine, widest=widest)
    for cells in (1, 5, 13):
        shifted = prolong_jumps(np.roll(u, cells, axis=2), to=fine, widest=widest)
        assert np.array_equal(shifted, np.roll(got, 4 * cells, axis=2))
    np.testing.assert_allclose(prolong_jumps(u[..., ::-1], to=fine, widest=widest), got[..., ::-1], atol=1e-13)


def test_a_sample_does_not_depend_on_its_batch_nor_on_how_it_lies_in_memory(generator):
    u, fine = rough(generator), Grid((28 * 8,))
    whole = prolong_jumps(u, to=fine, widest=3)
    assert np.array_equal(prolong_jumps(u[::-1], to=fine, widest=3), whole[::-1])
    assert all(np.array_equal(prolong_jumps(u[[i]], to=fine, widest=3)[0], whole[i]) for i in range(len(u)))
    assert np.array_equal(prolong_jumps(u[:, ::-1], to=fine, widest=3), whole[:, ::-1])


def test_the_switch_is_the_one_that_bisection_finds():
    u = np.array([0.9, 1.1, 1.2, -0.3, -0.8, -0.6, -0.7])
    got = prolong_jumps(u[None, None], to=Grid((7 * 64,), periodic=False))[0, 0]

    def mean(s):
        points = np.linspace(0, 1, 400_001)
        points = (points[1:] + points[:-1]) / 2
        return np.where(points < s, 1.2 + 0.1 * (points + 0.5), -0.8 + 0.2 * (points - 1.5)).mean()

    low, high = 0.0, 1.0
    for _ in range(40):
        s = (low + high) / 2
        low, high = (s, high) if mean(s) < u[3] else (low, s)
    cell = got[3 * 64 : 4 * 64]
    steps = np.abs(np.diff(cell)) > 0.2
    assert abs(np.flatnonzero(steps).mean() - (64 * s - 0.5)) < 0.6
    middles = (np.arange(64) + 0.5) / 64
    before, after = middles < s - 1 / 64, middles > s + 1 / 64
    np.testing.assert_allclose(cell[before], 1.2 + 0.1 * (middles[before] + 0.5), atol=1e-13)
    np.testing.assert_allclose(cell[after], -0.8 + 0.2 * (middles[after] - 1.5), atol=1e-13)


def test_constants_few_cells_and_the_same_grid_are_as_without():
    for field in (np.full((1, 1, 12), 0.1), np.zeros((2, 1, 12))):
        np.testing.assert_allclose(prolong_jumps(field, to=Grid((48,))), field[:, :, :1] + np.zeros((1, 1, 48)))
    few = np.array([[[1.0, 5.0, -2.0]]])
    assert np.array_equal(prolong_jumps(few, to=Grid((6,))), prolong(few, to=Grid((6,))))
    assert np.array_equal(prolong_jumps(few, to=Grid((3,))), few)


@pytest.mark.parametrize(
    ("field", "to", "message"),
    [
        (np.zeros((2, 1, 8)), Grid((16,), centring="nodal"), "one axis, got a nodal grid"),
        (np.zeros((2, 1, 8, 6)), Grid((16, 12)), "one axis, got a cell grid of 16x12"),
        (np.zeros((2, 1, 8)), Grid((24,)), "power of two"),
    ],
)
def test_other_fields_and_grids_are_refused(field, to, message):
    with pytest.raises(ValueError, match=message):
        prolong_jumps(field, to=to) if field.ndim == 3 else prolong_jumps(field[..., 0], to=to)
