import numpy as np
import pytest
import torch

from lab import LINE, SPACES, line
from mlft.laboratory import POISSON, LineEquation, Pairs, exact_pairs, orthogonalised, piecewise_linear
from mlft.laboratory.descent import minimise
from mlft.laboratory.discovery import (
    STENCILS,
    DifferenceLearner,
    PinnLearner,
    discover,
    discover_by_descent,
    leading_bias,
    residual,
    second_difference,
)
from mlft.seeds import generator as stream

K = 3.7
SCALED = LineEquation("poisson", 2, -1, ((0.0, 0), (1.0, 0)), k=K)


def population(name, grid, equation=POISSON):
    """The functions of a space themselves: the moments of infinitely many draws."""
    return Pairs(SPACES[name].basis(grid), equation.solutions(SPACES[name], grid))


def bias(name, cells, order=2):
    return discover(population(name, line(cells)), line(cells), order=order) - 1


@pytest.mark.parametrize("order", STENCILS)
def test_differences_have_their_order_and_are_exact_on_polynomials(order):
    x, h = LINE.points[0], LINE.spacing[0]
    inner = x[order // 2 : -(order // 2)]
    found = second_difference((x ** (order + 1))[None, None], h, order)[0, 0]
    assert np.abs(found - (order + 1) * order * inner ** (order - 1)).max() < 1e-11
    errors = []
    for cells in (10, 20, 40):
        fine = line(cells).points[0]
        wave = second_difference(np.sin(3 * fine)[None, None], 1 / cells, order)[0, 0]
        errors.append(np.abs(wave + 9 * np.sin(3 * fine[order // 2 : -(order // 2)])).max())
    assert np.abs(np.log2(np.array(errors[:-1]) / errors[1:]) - order).max() < 0.25


@pytest.mark.parametrize("order", STENCILS)
def test_the_parameter_is_exact_for_polynomials_below_the_order(order):
    for p in range(1, order):
        pairs = exact_pairs(SPACES[f"poly{p}"], SCALED, LINE, 37, generator=stream(0, "white", p))
        assert abs(discover(pairs, LINE, order=order) - K) / K <= 1e-12
    assert abs(bias(f"poly{order}", 24, order)) > 1e-10


@pytest.mark.parametrize(("order", "within"), [(2, 0.1), (4, 0.4), (6, 0.4)])
def test_the_bias_falls_with_the_order_of_the_difference(order, within):
    # sixth order: the small degrees, whose bias at 64 cells is a few round-offs, would show a slope of round-off
    names = [f"{family}{p}" for family in ("poly", "sin", "cos") for p in (6, 7, 8)]
    for name in [n for n in names if order < 6 or n not in ("poly6",)]:
        slope = np.log2(abs(bias(name, 32, order) / bias(name, 64, order)))
        assert slope == pytest.approx(order, abs=within), name


def test_the_bias_of_polynomials_has_the_constants_of_theory_and_grows_with_the_degree():
    law = {2: 0.0362, 3: 0.0928, 4: 0.167, 5: 0.2575, 6: 0.3636, 7: 0.4848, 8: 0.6206}
    measured = [-bias(f"poly{p}", 128) * 128**2 for p in law]
    assert measured == pytest.approx(list(law.values()), rel=0.03)
    assert measured == pytest.approx([0.0362, 0.0923, 0.1655, 0.2543, 0.3578, 0.4752, 0.6060], rel=2e-3)
    assert np.all(np.diff(measured) > 0)
    assert [-leading_bias(SPACES[f"poly{p}"], line(128)) * 128**2 for p in law] == pytest.approx(
        list(law.values()), rel=2e-3
    )


def test_the_bias_of_sines_is_positive_and_as_predicted():
    found = [bias(f"sin{p}", 128) * 128**2 for p in (1, 2, 4, 8)]
    assert found == pytest.approx([0.822, 2.056, 6.168, 20.963], rel=1e-3)
    for order in STENCILS:
        predicted = leading_bias(SPACES["sin3"], line(64), order=order)
        assert bias("sin3", 64, order) == pytest.approx(predicted, rel=0.02)


def test_the_parameter_does_not_feel_the_number_of_samples():
    found = [
        discover(exact_pairs(SPACES["sin6"], POISSON, LINE, n, generator=stream(0, "n", n)), LINE) - 1
        for n in (100, 10_000)
    ]
    limit = bias("sin6", 24)
    # w* is a ratio of mean squares over 6·n numbers: 6% standard error of the bias at n = 100, 0.6% at 10,000
    assert found[0] == pytest.approx(limit, rel=0.25) and found[1] == pytest.approx(limit, rel=0.025)


def test_gradient_descent_finds_the_closed_form_at_its_stated_rate():
    pairs = exact_pairs(SPACES["cos5"], SCALED, LINE, 41, generator=stream(0, "gd"))
    best = discover(pairs, LINE, order=4)
    assert discover_by_descent(pairs, LINE, order=4) == pytest.approx(best, rel=1e-13)
    assert discover_by_descent(pairs, LINE, order=4, steps=3, start=1.0) - best == pytest.approx((1 - best) * 0.2**3)


def test_a_row_of_the_minimiser_finds_its_own_minimum_and_feels_no_other():
    centres = torch.arange(12, dtype=torch.float64).reshape(3, 4) / 3
    scales = torch.tensor([1.0, 10.0, 300.0], dtype=torch.float64)[:, None] ** torch.tensor([0.0, 0.3, 0.6, 1.0])

    def loss(x):
        y = x - centres
        return (scales * y**2).sum(1) + (y**4).sum(1)

    start = torch.zeros(3, 4, dtype=torch.float64)
    found, value = minimise(loss, start, steps=60)
    assert (found - centres).abs().max() < 1e-6 and value.max() < 1e-11
    alone, _ = minimise(
        lambda x: ((scales[1:2] * (x - centres[1:2]) ** 2) + (x - centres[1:2]) ** 4).sum(1), start[1:2], steps=9
    )
    together, _ = minimise(loss, start, steps=9)
    assert torch.equal(alone[0], together[1])


def test_the_minimiser_solves_rosenbrock_and_never_rises(generator):
    values = []

    def loss(x):
        return 100 * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2

    start = torch.tensor([[-1.2, 1.0], [2.0, -3.0], [0.0, 0.0]], dtype=torch.float64)
    for steps in (0, 1, 5, 20, 60):
        found, value = minimise(loss, start, steps=steps)
        values.append(value)
        assert torch.equal(loss(found), value)
    assert torch.stack(values).diff(dim=0).max() <= 0
    assert (found - 1).abs().max() < 1e-6
    with pytest.raises(ValueError, match=r"not finite in rows \[1\]"):
        minimise(lambda x: torch.log(x[:, 0]), torch.tensor([[1.0], [-1.0]], dtype=torch.float64), steps=1)


def test_the_second_derivative_of_the_network_is_its_second_derivative():
    learner = PinnLearner(LINE, width=5)
    numbers = torch.stack([learner._start(1, i, 3)[1:] for i in range(2)])
    x, h = torch.linspace(0.1, 0.9, 7, dtype=torch.float64), 1e-4
    value, second = learner._network(numbers, x, 3)
    assert value.shape == second.shape == (2, 3, 7)
    left, right = (learner._network(numbers, x + s, 3)[0] for s in (-h, h))
    assert ((left - 2 * value + right) / h**2 - second).abs().max() < 5e-5


def test_a_physics_informed_network_finds_the_parameter(generator):
    sets = [exact_pairs(SPACES[name], SCALED, LINE, 9, generator=stream(5, name)) for name in ("poly2", "sin2")]
    fits = PinnLearner(LINE, functions=3, width=10, steps=300).fit(sets, seed=2)
    assert [fit.parameter for fit in fits] == pytest.approx([K, K], rel=0.01)
    again = PinnLearner(LINE, functions=3, width=10, steps=300).fit(sets, seed=2)
    assert [fit.parameter for fit in again] == [fit.parameter for fit in fits]


def test_the_learner_reports_the_parameter_and_the_residual():
    pairs = exact_pairs(SPACES["sin4"], POISSON, LINE, 43, generator=stream(0, "learner"))
    learner = DifferenceLearner(LINE, order=4)
    (fitted,) = learner.fit([pairs], seed=0)
    w = learner.facts(fitted)["parameter"]
    mse, scale = learner.errors(fitted, pairs)
    difference = second_difference(pairs.outputs, LINE.spacing[0], 4)
    assert mse == pytest.approx(np.mean((pairs.inputs[..., 2:-2] + w * difference) ** 2))
    assert scale == pytest.approx(np.mean(pairs.inputs[..., 2:-2] ** 2)) and (mse, scale) == residual(fitted, pairs)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: second_difference(np.zeros((2, 1, 9)), 0.1, 3), r"orders \[2, 4, 6\]"),
        (lambda: second_difference(np.zeros((2, 1, 6)), 0.1, 6), "6 nodes"),
        (lambda: discover(population("sin2", LINE), line(23)), r"shape \(n, 1, 24\)"),
        (lambda: discover(Pairs(np.ones((2, 1, 25)), np.zeros((2, 1, 25))), LINE), "are 0"),
        (lambda: discover_by_descent(population("sin2", LINE), LINE, rate=9.0), "between 0 and"),
        (lambda: leading_bias(orthogonalised(SPACES["sin2"], LINE), LINE), "not orthogonalised"),
        (lambda: leading_bias(piecewise_linear(9), LINE), "no derivative of order 2"),
    ],
)
def test_bad_input_is_one_clear_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()
