import numpy as np
import pytest

from lab import LINE, SPACES, columns, line, plane
from mlft.grids import Grid
from mlft.laboratory import (
    CLAMPED,
    POISSON,
    SUPPORTED,
    Mode,
    PlanePoisson,
    Space,
    cosines,
    exact_pairs,
    gaussian_field,
    orthogonalised,
    paper_spaces,
    piecewise_linear,
    polynomials,
    sines,
    tensor,
)
from mlft.laboratory.operators import (
    GREEN,
    green_matrix,
    green_poisson,
    hat_operator,
    lumped_operator,
    mass,
    plane_operator,
    stiffness,
)
from mlft.seeds import generator as stream

SMOOTH = [*[Mode("power", j) for j in (0, 1, 5)], Mode("legendre", 4), Mode("sin", 3), Mode("cos", 2)]
X = np.linspace(0.07, 0.91, 11)  # away from the nodes of 7 hats


@pytest.mark.parametrize("mode", SMOOTH, ids=str)
@pytest.mark.parametrize("order", [-4, -2, -1, 0, 1, 3])
def test_a_derivative_is_the_slope_of_the_one_below(mode, order):
    h = 1e-4
    slope = (mode.derivative(X + h, order) - mode.derivative(X - h, order)) / (2 * h)
    scale = 1 + np.abs(mode.derivative(X, order + 3)).max()
    assert np.abs(slope - mode.derivative(X, order + 1)).max() < 1e-7 * scale


@pytest.mark.parametrize("number", [0, 3, 6])
def test_hats_and_their_antiderivatives_fit_together(number):
    hat = Mode("hat", number, 7)
    nodes = np.linspace(0, 1, 7)
    assert np.abs(hat.derivative(nodes) - np.eye(7)[number]).max() < 1e-15
    for order in (-4, -3, -2, -1):
        slope = (hat.derivative(X + 1e-5, order) - hat.derivative(X - 1e-5, order)) / 2e-5
        assert np.abs(slope - hat.derivative(X, order + 1)).max() < 2e-5
    inside = np.array([0.3])
    assert hat.derivative(inside, 1) == pytest.approx({0: 0.0, 3: 0.0, 6: 0.0}[number])
    assert Mode("hat", 2, 7).derivative(inside, 1) == pytest.approx(6.0)


def test_modes_are_the_functions_they_are_named_after():
    assert np.allclose(Mode("power", 3).derivative(X), X**3)
    assert np.allclose(Mode("sin", 3).derivative(X), np.sin(3 * np.pi * X))
    assert np.allclose(Mode("cos", 2).derivative(X), np.cos(2 * np.pi * X))
    assert np.allclose(Mode("legendre", 2).derivative(X), 1.5 * (2 * X - 1) ** 2 - 0.5)


def test_the_spaces_of_the_paper_are_25_and_have_the_ranks_stated():
    spaces = paper_spaces(25)
    assert len(spaces) == 25 and len({space.name for space in spaces}) == 25
    ranks = {space.name: np.linalg.matrix_rank(columns(space.basis(LINE)), tol=1e-11) for space in spaces}
    assert all(ranks[f"poly{p}"] == ranks[f"cos{p}"] == p + 1 and ranks[f"sin{p}"] == p for p in range(1, 9))
    assert ranks["fem"] == 25
    assert cosines(4, constant=False).rank == 4 and sines(4, constant=True).rank == 5
    assert polynomials(4, constant=False).rank == 4


@pytest.mark.parametrize("name", ["poly1", "poly8", "sin7", "cos8"])
def test_the_exact_pairs_of_poisson_solve_the_equation(name):
    space = SPACES[name]
    fine = line(24)
    (x,), n = fine.points, len(fine.points[0])
    closed = {  # the closed forms of the reference, written out
        "power": lambda j: (x - x ** (j + 2)) / ((j + 1) * (j + 2)),
        "sin": lambda j: np.sin(j * np.pi * x) / (j * np.pi) ** 2,
        "cos": lambda j: (np.cos(j * np.pi * x) - 1 - x * ((-1) ** j - 1)) / (j * np.pi) ** 2,
    }
    expected = np.stack([closed[mode.kind](mode.number) for (mode,) in space.modes])
    found = POISSON.solutions(space, fine)
    assert found.shape == (space.rank, 1, n) and np.abs(found[:, 0] - expected).max() < 1e-15


def test_the_nodal_values_of_finite_elements_are_exact():
    grid = line(17)
    exact = columns(POISSON.solutions(piecewise_linear(18), grid))
    assert np.abs(exact - hat_operator(grid)).max() < 1e-14


@pytest.mark.parametrize("equation", [CLAMPED, SUPPORTED], ids=lambda e: e.name)
def test_biharmonic_solutions_keep_their_boundary_conditions_and_agree_with_the_green_function(equation):
    grid = line(14)
    space = Space("all", "all", ((Mode("power", 2),), (Mode("sin", 3),), (Mode("cos", 2),)), (1.0,) * 3)
    found = columns(equation.solutions(space, grid))
    t, weights = np.polynomial.legendre.leggauss(40)
    for row, x in enumerate(grid.points[0]):
        for mode, value in zip(space.modes, found[row], strict=True):
            total = 0.0
            for low, high in ((0.0, x), (x, 1.0)):
                s = (low + high) / 2 + (high - low) / 2 * t
                kernel = GREEN[equation.name](np.full_like(s, x), s)
                total += (high - low) / 2 * np.sum(weights * kernel * mode[0].derivative(s))
            assert total == pytest.approx(value, abs=1e-14)
    if equation is CLAMPED:  # the case written in the reference
        x = grid.points[0]
        one = columns(equation.solutions(Space("one", "one", ((Mode("power", 0),),), (1.0,)), grid))[:, 0]
        assert np.abs(one - x**2 * (1 - x) ** 2 / 24).max() < 1e-16


def test_piecewise_linear_forces_of_the_biharmonic_equation_solve_the_equation():
    grid, space = line(12), piecewise_linear(7)
    t, weights = np.polynomial.legendre.leggauss(12)
    found = columns(SUPPORTED.solutions(space, grid))
    for row, x in enumerate(grid.points[0]):
        for j in range(7):
            s = (np.arange(12)[:, None] / 12 + (t + 1) / 24).ravel()
            w = np.tile(weights / 24, 12)
            total = np.sum(w * GREEN[SUPPORTED.name](np.full_like(s, x), s) * Mode("hat", j, 7).derivative(s))
            assert total == pytest.approx(found[row, j], abs=2e-15)


def test_the_hat_operator_is_the_green_matrix_times_the_mass_matrix():
    grid = line(24)
    green, inner = green_matrix(green_poisson, grid), slice(1, -1)
    assert np.abs(hat_operator(grid)[inner] - green[inner, inner] @ mass(grid)[inner]).max() < 1e-15
    difference = hat_operator(grid)[inner, inner] / grid.spacing[0] - green[inner, inner]
    assert np.abs(difference + grid.spacing[0] / 6 * np.eye(23)).max() < 1e-14  # −h/6 on the diagonal, 0 elsewhere
    second = np.diff(lumped_operator(grid, 2.0)[:, inner], 2, axis=0) / grid.spacing[0] ** 2
    assert np.abs(-2.0 * second - np.eye(23)).max() < 1e-12
    assert np.abs(hat_operator(grid, 2.0) - hat_operator(grid) / 2).max() < 1e-16
    assert np.abs(stiffness(grid) @ np.ones(25)).max() < 1e-13
    assert np.sum(mass(grid)) == pytest.approx(1.0)


def test_plane_poisson_is_exact_for_sines_and_accurate_for_a_constant():
    grid = plane(6, 9)
    x, y = grid.points
    space = tensor(sines(2), sines(3))
    found = PlanePoisson(k=2.0).solutions(space, grid)
    assert found.shape == (6, 1, 7, 10)
    exact = np.outer(np.sin(np.pi * x), np.sin(3 * np.pi * y)) / (2 * np.pi**2 * 10)
    assert np.abs(found[2, 0] - exact).max() < 1e-15
    one = Space("one", "one", ((Mode("power", 0), Mode("power", 0)),), (1.0,))
    centre = PlanePoisson().solutions(one, plane(2, 4))[0, 0, 1, 2]
    odd = np.arange(1, 2001, 2) * np.pi  # the classical series, whose terms decay exponentially
    series = 1 / 8 - np.sum(4 * (-1.0) ** np.arange(1000) / odd**3 / np.cosh(np.minimum(odd / 2, 700)))
    assert centre == pytest.approx(series, abs=1e-9) and centre == pytest.approx(0.0736713, abs=1e-7)


def test_the_finite_elements_of_the_plane_converge_at_order_two_to_the_exact_pairs():
    space, errors = tensor(polynomials(1), sines(2)), []
    for cells in (6, 12, 24):
        grid = plane(cells, cells + cells // 2)
        exact = columns(PlanePoisson().solutions(space, grid))
        errors.append(np.abs(plane_operator(grid) @ columns(space.basis(grid)) - exact).max())
    slopes = np.diff(np.log(errors)) / -np.log(2)
    assert np.all(np.abs(slopes - 2) < 0.2) and errors[-1] < 1e-3


@pytest.mark.parametrize("name", ["poly8", "sin4", "cos8"])
def test_orthogonalised_spaces_have_the_same_span_and_unit_gram_matrix(name):
    space = SPACES[name]
    new = orthogonalised(space, LINE)
    basis = columns(new.basis(LINE))
    assert np.abs(basis.T @ basis / 25 - np.eye(space.rank)).max() < 1e-12
    old = np.linalg.qr(columns(space.basis(LINE)))[0]
    assert np.abs(basis - old @ (old.T @ basis)).max() < 1e-9
    weights = np.linalg.lstsq(columns(space.basis(LINE)), basis, rcond=None)[0]
    solutions = columns(POISSON.solutions(space, LINE)) @ weights
    assert np.abs(columns(POISSON.solutions(new, LINE)) - solutions).max() < 1e-10


def test_pairs_are_the_same_for_the_same_stream_and_have_the_stated_noise():
    space = SPACES["cos3"]
    clean = exact_pairs(space, POISSON, LINE, 900, generator=stream(3, "pairs"))
    noisy = exact_pairs(space, POISSON, LINE, 900, generator=stream(3, "pairs"), noise=0.02)
    assert clean.inputs.shape == (900, 1, 25) and len(clean) == 900
    assert np.array_equal(clean.inputs, noisy.inputs)
    # 22,500 values: the standard error of their deviation is 0.5%, so 2.5% is five of them
    assert np.std(noisy.outputs - clean.outputs) == pytest.approx(0.02, rel=0.025)
    assert np.std(space.coefficients(5000, stream(4, "c")), axis=0) == pytest.approx(np.ones(4), abs=0.06)


def test_a_gaussian_field_has_the_stated_decay_and_variance(generator):
    field = gaussian_field(5, 2.0)
    sizes = np.array(field.sizes)
    assert sizes[1] / sizes[0] == pytest.approx(0.25) and np.array_equal(sizes[:5], sizes[5:])
    assert np.sum(sizes**2) == pytest.approx(2.0)  # half of it at a point: cos² + sin² = 1
    values = exact_pairs(field, POISSON, line(9), 4000, generator=generator).inputs
    assert np.var(values) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: SPACES["fem"].basis(line(16)), "25 functions, but on 16 cells they have rank 17"),
        (
            lambda: sines(8).basis(line(6)),
            r"rank 5 \(reciprocal condition number 0.0e\+00\): take a finer grid or a lower",
        ),
        (
            lambda: polynomials(20).basis(LINE),
            r"21 functions, but .* rank \d\d \(reciprocal condition number \d\.\de-1\d",
        ),
        (lambda: sines(2).basis(Grid((16,))), "nodal, bounded"),
        (lambda: sines(2).basis(plane(4, 6)), "unit interval"),
        (lambda: polynomials(0), "at least 1"),
        (lambda: sines(0), "at least 1"),
        (lambda: gaussian_field(0, 1.0), "at least 1"),
        (lambda: Mode("sin", 0), "no such function"),
        (lambda: Mode("hat", 7, 7), "no such function"),
        (lambda: Mode("hat", 2, 7).derivative(X, 2), "up to order 1"),
        (lambda: tensor(orthogonalised(sines(2), LINE), sines(2)), "before these are orthogonalised"),
        (lambda: exact_pairs(sines(2), POISSON, LINE, 0, generator=stream(0, "x")), "at least 1 draw"),
        (lambda: exact_pairs(sines(2), POISSON, LINE, 2, generator=stream(0, "x"), noise=-1.0), "0 or more"),
        (lambda: POISSON.solutions(sines(2), plane(4, 6)), "unit interval"),
        (lambda: PlanePoisson().solutions(tensor(sines(2), sines(2)), LINE), "unit square"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_got(call, words):
    with pytest.raises(ValueError, match=words):
        call()
