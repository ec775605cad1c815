import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlft.grids import Grid, hierarchy, norm, prolong, refine, relative_error, restrict
from orders import observed_order

KINDS = [("cell", True), ("cell", False), ("nodal", True), ("nodal", False)]
ORDERS = [("cell", 1), ("cell", 3), ("nodal", 2), ("nodal", 4)]


def grid_2d(centring, periodic, cells=(12, 10)):
    return Grid(cells, (2.0, 1.5), centring, periodic)


def random_field(grid, generator, n=3, c=2):
    return torch.randn(n, c, *grid.shape, generator=generator, dtype=torch.float64).numpy()


def cell_averages(antiderivative, grid):
    """Averages over the cells of a 1D grid, from an antiderivative: exact."""
    faces = np.arange(grid.cells[0] + 1) * grid.spacing[0]
    return (np.diff(antiderivative(faces)) / grid.spacing[0])[None, None]


@pytest.mark.parametrize(("centring", "periodic"), KINDS)
@pytest.mark.parametrize("ratio", [2, 4])
def test_restrict_undoes_prolong(centring, periodic, ratio, generator):
    coarse = grid_2d(centring, periodic)
    u = random_field(coarse, generator)
    orders = [o for c, o in ORDERS if c == centring]
    for order in orders:
        back = restrict(prolong(u, to=refine(coarse, ratio), order=order), to=coarse)
        np.testing.assert_allclose(back, u, rtol=0, atol=2e-15 * np.abs(u).max())


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("order", [1, 3])
def test_cell_transfers_keep_the_mean(periodic, order, generator):
    coarse = grid_2d("cell", periodic)
    fine = refine(coarse, 4)
    u = random_field(coarse, generator)
    v = random_field(fine, generator)
    up, down = prolong(u, to=fine, order=order), restrict(v, to=coarse)
    np.testing.assert_allclose(up.mean((2, 3)), u.mean((2, 3)), atol=1e-14)
    np.testing.assert_allclose(down.mean((2, 3)), v.mean((2, 3)), atol=1e-14)


def test_restrict_is_the_adjoint_of_constant_prolongation_in_the_weighted_product(generator):
    coarse = grid_2d("cell", False)
    fine = refine(coarse)
    u, v = random_field(coarse, generator), random_field(fine, generator)
    left = np.sum(prolong(u, to=fine, order=1) * v * fine.weights)
    right = np.sum(u * restrict(v, to=coarse) * coarse.weights)
    assert left == pytest.approx(right, rel=1e-13)


@pytest.mark.parametrize("order", [1, 3])
def test_cell_prolongation_is_exact_on_polynomials_up_to_its_degree_on_a_bounded_axis(order):
    coarse = Grid((7,), (1.4,), periodic=False)
    fine = refine(coarse, 4)
    for degree in range(order):
        u = cell_averages(lambda x, d=degree: x ** (d + 1) / (d + 1), coarse)
        exact = cell_averages(lambda x, d=degree: x ** (d + 1) / (d + 1), fine)
        np.testing.assert_allclose(prolong(u, to=fine, order=order), exact, atol=1e-13)
    beyond = cell_averages(lambda x: x ** (order + 1), coarse)
    assert np.abs(prolong(beyond, to=fine, order=order) - cell_averages(lambda x: x ** (order + 1), fine)).max() > 1e-6


@pytest.mark.parametrize("order", [2, 4])
def test_nodal_prolongation_is_exact_on_polynomials_up_to_its_degree_on_bounded_axes(order):
    coarse = grid_2d("nodal", False, (7, 5))
    fine = refine(coarse, 4)

    def polynomial(grid, degree):
        x, y = np.meshgrid(*grid.points, indexing="ij")
        return (x**degree - 2 * y**degree * x)[None, None]

    for degree in range(order):
        got = prolong(polynomial(coarse, degree), to=fine, order=order)
        np.testing.assert_allclose(got, polynomial(fine, degree), atol=1e-12)
    assert np.abs(prolong(polynomial(coarse, order), to=fine, order=order) - polynomial(fine, order)).max() > 1e-6


@pytest.mark.parametrize(("centring", "order"), ORDERS)
@pytest.mark.parametrize("periodic", [True, False])
def test_prolongation_has_its_stated_order(centring, order, periodic):
    sizes, errors = [48, 96, 192, 384], []

    def field(grid):
        if centring == "cell":
            return cell_averages(lambda x: -np.cos(2 * np.pi * x + 0.3) / (2 * np.pi), grid)
        return np.sin(2 * np.pi * grid.points[0] + 0.3)[None, None]

    for n in sizes:
        coarse = Grid((n,), centring=centring, periodic=periodic)
        fine = refine(coarse)
        errors.append(norm(prolong(field(coarse), to=fine, order=order) - field(fine), fine)[0])
    assert observed_order([1 / n for n in sizes], errors) == pytest.approx(order, abs=0.1)
    assert errors[-1] < {1: 6e-3, 2: 5e-5, 3: 1e-6, 4: 1e-8}[order]


@pytest.mark.parametrize(("centring", "periodic"), KINDS)
def test_the_weights_integrate_one_and_the_norm_is_that_of_the_function(centring, periodic):
    grid = Grid((40, 36), (2.0, 1.5), centring, periodic)
    assert grid.weights.shape == grid.shape
    assert grid.weights.sum() == pytest.approx(3.0, rel=1e-14)
    ones = np.ones((2, 3, *grid.shape))
    np.testing.assert_allclose(norm(ones, grid), [3.0, 3.0], rtol=1e-14)  # √(3 channels · area 3)


def test_nodal_points_include_both_ends_only_when_bounded():
    assert Grid((4,), (2.0,), "nodal", periodic=False).points[0].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert Grid((4,), (2.0,), "nodal", periodic=True).points[0].tolist() == [0.0, 0.5, 1.0, 1.5]
    assert Grid((4,), (2.0,), "cell", periodic=False).points[0].tolist() == [0.25, 0.75, 1.25, 1.75]


def test_relative_error_is_that_of_each_sample_and_infinite_where_only_the_reference_is_zero(generator):
    grid = Grid((9,), (2.0,))
    u = random_field(grid, generator)
    scaled = u * np.array([1.1, 1.0, 0.5])[:, None, None]
    np.testing.assert_allclose(relative_error(scaled, u, grid), [0.1, 0.0, 0.5], atol=1e-14)
    some = np.array([1.0, 0.0, np.nan]).reshape(3, 1, 1) * np.ones((3, 1, 9))
    np.testing.assert_array_equal(relative_error(some, np.zeros((3, 1, 9)), grid), [np.inf, 0.0, np.nan])


@pytest.mark.parametrize("size", [1e-200, 1e-310, 1e250])
def test_norms_neither_underflow_nor_overflow(size, generator):
    grid = Grid((9,), (2.0,))
    u = random_field(grid, generator)
    rounding = 1e-12 if size > 1e-300 else 1e-3
    np.testing.assert_allclose(norm(size * u, grid), size * norm(u, grid), rtol=rounding)
    np.testing.assert_allclose(relative_error(1.1 * size * u, size * u, grid), 0.1, rtol=rounding)


@given(cells=st.integers(4, 20), levels=st.integers(1, 4), centring=st.sampled_from(["cell", "nodal"]))
def test_a_hierarchy_halves_the_cells_and_keeps_the_box(cells, levels, centring):
    finest = Grid((cells * 2 ** (levels - 1),), (3.0,), centring, periodic=False)
    grids = hierarchy(finest, levels)
    assert grids[-1] == finest and len(grids) == levels
    assert [g.cells[0] for g in grids] == [cells * 2**level for level in range(levels)]
    assert all(g.lengths == (3.0,) for g in grids)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: Grid((1,)), "at least 2 cells"),
        (lambda: Grid((4, 4, 4)), "one or two axes"),
        (lambda: Grid((4,), (-1.0,)), "positive"),
        (lambda: Grid((4,), (float("nan"),)), "positive"),
        (lambda: Grid((4,), centring="face"), "centring"),
        (lambda: hierarchy(Grid((36,)), 4), "36 cells allows 3 levels"),
        (lambda: hierarchy(Grid((8,)), 4), "8 cells allows 2 levels.* keeps 4 cells on each axis; got 4"),
        (lambda: hierarchy(Grid((6,)), 2), "6 cells allows 1 level:"),
        (lambda: hierarchy(Grid((48, 20)), 4), "48x20 cells allows 3 levels"),
        (lambda: hierarchy(Grid((36,)), 399999999999999999999), "got 399999999999999999999"),
        (lambda: hierarchy(Grid((36,)), 0), "at least 1 level"),
        (lambda: restrict(np.zeros((2, 1, 30)), to=Grid((10,))), "power of two"),
        (lambda: prolong(np.zeros((2, 1, 30)), to=Grid((40,))), "power of two"),
        (lambda: prolong(np.zeros((2, 1, 10)), to=Grid((5,))), "power of two"),
        (lambda: prolong(np.zeros((2, 1, 10)), to=Grid((20,)), order=2), "orders"),
        (lambda: prolong(np.zeros((2, 1, 2)), to=Grid((4,))), "at least 3"),
        (lambda: restrict(np.zeros((2, 30)), to=Grid((15,))), "axes"),
        (lambda: norm(np.zeros((2, 1, 30)), Grid((15,))), "shape"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_got_and_what_is_allowed(action, message):
    with pytest.raises((ValueError, TypeError), match=message):
        action()
