"""Power means over coarse cells."""

import numpy as np
import pytest
import torch
from scipy.stats import gmean, hmean

from mlft.grids import Grid, power_mean, refine, restrict
from mlft.solvers.layered import solve_layered

POWERS = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
COARSE = Grid((6, 5), (2.0, 1.5), periodic=False)


def positive(generator, n=4):
    return np.exp(torch.randn(n, 2, *refine(COARSE, 4).shape, generator=generator, dtype=torch.float64).numpy())


def blocks(fields):
    return np.moveaxis(fields.reshape(*fields.shape[:2], 6, 4, 5, 4), 4, 3).reshape(*fields.shape[:2], 6, 5, 16)


def test_it_is_the_mean_of_each_cell_that_scipy_computes(generator):
    fields = positive(generator)
    np.testing.assert_allclose(power_mean(fields, to=COARSE, power=-1), hmean(blocks(fields), axis=-1), rtol=1e-13)
    np.testing.assert_allclose(power_mean(fields, to=COARSE, power=0), gmean(blocks(fields), axis=-1), rtol=1e-13)
    root = (np.sqrt(blocks(fields)).mean(-1)) ** 2
    np.testing.assert_allclose(power_mean(fields, to=COARSE, power=0.5), root, rtol=1e-13)
    assert np.array_equal(power_mean(fields, to=COARSE, power=1), restrict(fields, to=COARSE))


def test_means_grow_with_the_power_lie_within_the_cell_and_scale_with_the_field(generator):
    fields = positive(generator)
    means = [power_mean(fields, to=COARSE, power=power) for power in POWERS]
    assert all((low < high).all() for low, high in zip(means, means[1:], strict=False))
    low, high = blocks(fields).min(-1), blocks(fields).max(-1)
    assert all(((low < mean) & (mean < high)).all() for mean in means)
    for power, mean in zip(POWERS, means, strict=True):
        np.testing.assert_allclose(power_mean(3 * fields, to=COARSE, power=power), 3 * mean, rtol=1e-13)
        np.testing.assert_allclose(power_mean(0 * fields + 0.7, to=COARSE, power=power), 0.7, rtol=1e-14)


@pytest.mark.parametrize("power", POWERS)
def test_the_mean_of_means_is_the_mean_and_shifts_by_cells_shift_it(power, generator):
    fields = positive(generator)
    whole = power_mean(fields, to=COARSE, power=power)
    half = power_mean(fields, to=refine(COARSE, 2), power=power)
    np.testing.assert_allclose(power_mean(half, to=COARSE, power=power), whole, rtol=1e-13)
    shifted = power_mean(np.roll(fields, (8, 4), axis=(2, 3)), to=COARSE, power=power)
    assert np.array_equal(shifted, np.roll(whole, (2, 1), axis=(2, 3)))
    assert all(np.array_equal(power_mean(fields[[i]], to=COARSE, power=power)[0], whole[i]) for i in range(len(fields)))


def test_the_harmonic_mean_is_what_layers_in_series_conduct():
    layers = np.where(np.arange(512) % 2 == 0, 9.0, 0.5)[None, None]
    coarse, truth = Grid((64,), periodic=False), solve_layered(layers[:, 0], 1.0, width=1 / 512)
    truth = restrict(truth[:, None], to=coarse)[:, 0]
    errors = []
    for power in (-1, 0, 1):
        solved = solve_layered(power_mean(layers, to=coarse, power=power)[:, 0], 1.0, width=1 / 64)
        errors.append(np.abs(solved - truth).max() / truth.max())
    assert errors[0] < 0.01 < 0.3 < errors[1] < errors[2]


def test_values_that_are_not_positive_are_refused_unless_the_mean_is_arithmetic():
    fields = np.array([[[1.0, -0.25, np.nan, 2.0]]])
    for power in (-1, 0, 0.5):
        with pytest.raises(ValueError, match=r"positive values, got a minimum of -0\.25"):
            power_mean(fields, to=Grid((2,)), power=power)
    assert power_mean(fields, to=Grid((2,)), power=1)[0, 0, 0] == 0.375
    with_nan = power_mean(np.abs(fields), to=Grid((2,)), power=0)
    assert with_nan[0, 0, 0] == 0.5 and np.isnan(with_nan[0, 0, 1])
