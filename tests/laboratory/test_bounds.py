import numpy as np
import pytest

from lab import LINE, SPACES, columns, line
from mlft.diagnostics.advice import advise
from mlft.diagnostics.span import descent_steps, span
from mlft.laboratory import CLAMPED, POISSON, SUPPORTED, Pairs, exact_pairs, orthogonalised, sines
from mlft.laboratory.bounds import (
    best_modes,
    expected_mse,
    is_recovered,
    limit,
    noise_floor,
    principal_angles,
    unseen,
    worst_error,
)
from mlft.laboratory.linear import complement_drift, descend_linear, fit_linear
from mlft.laboratory.operators import hat_operator
from mlft.seeds import generator as stream

A = hat_operator(LINE)


def pairs_of(name, n=500, *, purpose="train", noise=0.0):
    return exact_pairs(SPACES[name], POISSON, LINE, n, generator=stream(7, purpose, name), noise=noise)


def by_operator(pairs, operator=A):
    """The same inputs, with the outputs of an operator."""
    return Pairs(pairs.inputs, (pairs.inputs[:, 0] @ operator.T)[:, None])


def mse(predicted, true):
    return float(np.mean((predicted - true) ** 2))


@pytest.mark.parametrize("name", ["sin5", "cos4"])
def test_gradient_descent_tends_to_the_limit_of_the_theorem(name, generator):
    start = np.asarray(np.random.default_rng(5).normal(size=(25, 25))) / 5
    pairs = by_operator(pairs_of(name))
    fitted = descend_linear(pairs, steps=400, initial=start)
    known = span(SPACES[name].basis(LINE))
    predicted = limit(A, known, start)
    assert np.linalg.norm(fitted.matrix - predicted) <= 1e-10 * np.linalg.norm(predicted)
    assert complement_drift(start, fitted.matrix, known) <= 1e-12
    assert mse(fitted(pairs.inputs), pairs.outputs) <= 1e-20
    closed = fit_linear(pairs, initial=start)
    assert np.linalg.norm(closed.matrix - predicted) <= 1e-12 * np.linalg.norm(predicted)
    assert mse(closed(pairs.inputs), pairs.outputs) <= 1e-28
    assert complement_drift(start, fitted.matrix + 0.01 * start.T, known) > 1e-3  # it does see a drift


@pytest.mark.parametrize("name", SPACES)
def test_the_closed_form_is_exact_on_its_own_space(name):
    fitted, test = fit_linear(pairs_of(name)), pairs_of(name, purpose="test")
    assert fitted.rank == SPACES[name].rank
    assert mse(fitted(test.inputs), test.outputs) <= 1e-28
    assert np.array_equal(fitted.initial, np.zeros((25, 25)))


def test_a_zero_start_gives_the_least_squares_solution_of_smallest_norm():
    pairs = pairs_of("poly3", 40)
    inputs, outputs = pairs.inputs[:, 0].T, pairs.outputs[:, 0].T
    assert np.abs(fit_linear(pairs).matrix - outputs @ np.linalg.pinv(inputs)).max() < 1e-12


def test_one_step_of_descent_is_one_step_of_descent():
    pairs = pairs_of("cos2", 31)
    rate, start = 1e-3, A / 2
    gradient = np.zeros((25, 25))
    for f, u in zip(pairs.inputs[:, 0], pairs.outputs[:, 0], strict=True):
        gradient += np.outer(start @ f - u, f) / 31
    assert (
        np.abs(descend_linear(pairs, steps=1, rate=rate, initial=start).matrix - start + rate * gradient).max() < 1e-15
    )


@pytest.mark.parametrize(("name", "other"), [("sin3", "sin8"), ("poly2", "cos4")])
def test_the_expected_error_of_random_starts_is_as_predicted(name, other):
    # 400 starts of 625 entries: the relative standard error of the mean is about (2 / (25·400·rank outside))^½ < 1.5%,
    # and the draw is fixed; 2% is the bar.
    rng, pairs = np.random.default_rng(11), by_operator(pairs_of(name))
    test, variance = SPACES[other].basis(LINE), 1 / 25
    errors = []
    for _ in range(400):
        start = rng.normal(size=(25, 25)) * np.sqrt(variance)
        fitted = fit_linear(pairs, initial=start)
        errors.append(np.sum(((fitted.matrix - A) @ columns(test)) ** 2) / 25)
    predicted = expected_mse(A, span(pairs.inputs), test, initial_variance=variance)
    assert np.mean(errors) == pytest.approx(predicted, rel=0.02)


def test_the_expected_error_of_a_zero_start_is_the_mean_over_draws_with_sizes():
    sizes = np.array([1.0, 0.5, 2.0, 0.1, 1.0, 3.0])
    fitted = fit_linear(by_operator(pairs_of("sin3")))
    basis = SPACES["sin6"].basis(LINE)
    predicted = expected_mse(A, span(SPACES["sin3"].basis(LINE)), basis, sizes=sizes)
    rows = np.random.default_rng(2).normal(size=(40_000, 6)) * sizes @ basis[:, 0]
    measured = np.mean(((fitted.matrix - A) @ rows.T) ** 2)
    assert measured == pytest.approx(predicted, rel=0.03)  # 40,000 draws of three unseen modes: 0.7% standard error


def test_the_worst_error_is_reached_and_bounded_by_the_angle():
    known, test = span(SPACES["sin3"].basis(LINE)), span(SPACES["poly4"].basis(LINE))
    worst = worst_error(A, known, test)
    _, _, right = np.linalg.svd(unseen(A, known) @ test)
    f = test @ right[0]
    assert np.linalg.norm(f) == pytest.approx(1) and np.linalg.norm((limit(A, known) - A) @ f) == pytest.approx(worst)
    narrow = span(SPACES["poly1"].basis(LINE))
    angles, outside = principal_angles(known, narrow), np.linalg.norm(narrow - known @ (known.T @ narrow), 2)
    assert len(angles) == 2 and np.sin(angles[0]) == pytest.approx(outside) and angles[0] > angles[1] > 0.05
    assert worst_error(A, known, narrow) <= np.linalg.norm(unseen(A, known), 2) * outside * (1 + 1e-12)


@pytest.mark.parametrize("rank", [8, 16])
def test_sine_training_follows_the_law_of_modes(rank):
    grid = line(64)
    operator = hat_operator(grid)
    left_out = unseen(operator, span(sines(rank).basis(grid)))
    ratio = np.linalg.norm(left_out, 2) / np.linalg.norm(operator, 2)
    assert ratio == pytest.approx((rank + 1) ** -2.0, rel=0.06)
    frobenius = np.linalg.norm(left_out) / np.linalg.norm(operator)
    assert frobenius == pytest.approx({8: 0.0217, 16: 0.0078}[rank], rel=0.01)


def test_no_span_of_four_dimensions_beats_the_best_modes_and_the_sines_come_close():
    operator = hat_operator(line(64))
    spectral, frobenius = best_modes(operator, 4)
    ratios = {
        name: np.linalg.norm(unseen(operator, span(space.basis(line(64))))) / np.linalg.norm(operator)
        for name, space in {"sin": SPACES["sin4"], "poly": SPACES["poly3"]}.items()
    }
    best = frobenius / np.linalg.norm(operator)
    assert best == pytest.approx(0.05683, rel=1e-3) and ratios["sin"] == pytest.approx(0.05688, rel=1e-3)
    assert ratios["poly"] == pytest.approx(0.117, rel=0.01)
    assert spectral <= np.linalg.norm(unseen(operator, span(SPACES["sin4"].basis(line(64)))), 2)
    assert best_modes(operator, 65) == (0.0, 0.0)


@pytest.mark.parametrize("name", ["poly8", "sin8", "fem"])
def test_the_noise_floor_is_as_predicted(name):
    fitted = fit_linear(pairs_of(name, 10_000, noise=1e-3))
    test = pairs_of(name, 4000, purpose="test")
    floor = noise_floor(1e-3, SPACES[name].rank, 10_000)
    assert mse(fitted(test.inputs), test.outputs) == pytest.approx(floor, rel=0.10)


def test_the_error_drops_to_round_off_exactly_when_the_samples_span_the_space():
    for name, few in (("sin8", 7), ("fem", 24)):
        test = pairs_of(name, 200, purpose="test")
        size = mse(test.outputs, 0 * test.outputs)
        short, enough = (fit_linear(pairs_of(name, n)) for n in (few, few + 1))
        assert mse(short(test.inputs), test.outputs) > 1e-6 * size
        assert mse(enough(test.inputs), test.outputs) < 1e-24


def test_only_a_span_that_holds_the_row_space_recovers_the_operator():
    assert is_recovered(A, span(SPACES["fem"].basis(LINE)))
    assert not is_recovered(A, span(SPACES["sin8"].basis(LINE)))
    rank_two = np.outer(np.arange(4.0), [1, 0, 0, 0, 0]) + np.outer(np.ones(4), [0, 1, 0, 0, 0])
    assert is_recovered(rank_two, np.eye(5)[:, :2]) and not is_recovered(rank_two, np.eye(5)[:, 1:3])


@pytest.mark.parametrize("equation", [CLAMPED, SUPPORTED], ids=lambda e: e.name)
def test_the_biharmonic_map_is_exact_on_nested_spaces_alone(equation):
    for family in ("poly", "sin", "cos"):
        for p in (1, 4, 8):
            train = exact_pairs(SPACES[f"{family}{p}"], equation, LINE, 300, generator=stream(1, "a", p))
            fitted = fit_linear(train)
            for q in (1, 4, 8):
                test = exact_pairs(SPACES[f"{family}{q}"], equation, LINE, 50, generator=stream(1, "b", q))
                assert (mse(fitted(test.inputs), test.outputs) <= 1e-28) == (q <= p)


def test_descent_steps_are_those_that_descent_takes():
    pairs = by_operator(pairs_of("cos3"))
    closed = fit_linear(pairs)
    steps = descent_steps(closed.values, reduction=1e-6)
    along = np.linalg.svd(pairs.inputs[:, 0], full_matrices=False)[2][closed.rank - 1]
    before = np.linalg.norm(A @ along)
    after = np.linalg.norm((descend_linear(pairs, steps=round(steps)).matrix - A) @ along)
    assert after / before == pytest.approx(1e-6, rel=0.5)  # one step more or less is a factor of about 1.6
    assert descent_steps(np.ones(4)) == 1.0


def test_monomials_are_ill_conditioned_and_their_orthogonalised_space_is_not():
    found = [fit_linear(Pairs(b, b)).condition for b in (SPACES[f"poly{p}"].basis(LINE) for p in (1, 2, 4, 6, 8))]
    assert found == pytest.approx([18, 4.5e2, 3.7e5, 3.4e8, 3.7e11], rel=0.05)
    basis = orthogonalised(SPACES["poly8"], LINE).basis(LINE)
    assert fit_linear(Pairs(basis, basis)).condition == pytest.approx(1.0, abs=1e-6)


def test_the_advice_names_what_is_covered_what_is_not_and_what_to_add():
    tests = {name: SPACES[name].basis(LINE) for name in ("sin2", "sin4", "poly1", "sin6")}
    advice = advise(SPACES["sin4"].basis(LINE), tests, operator=A)
    assert advice.covered == ("sin2", "sin4") and (advice.rank, advice.points) == (4, 25)
    assert advice.outside["sin6"] == pytest.approx(np.sqrt(2 / 6))
    x = LINE.points[0]
    fifth = np.sin(5 * np.pi * x) / np.linalg.norm(np.sin(5 * np.pi * x))
    assert abs(advice.weakest[0, 0] @ fifth) > 0.99  # the sine that comes next
    assert advice.missing == pytest.approx(1 / 25, rel=0.06)
    text = str(advice)
    assert "Covered: sin2, sin4." in text and "Add inputs of sin6" in text
    assert "condition number" not in text and "condition number" in str(advise(SPACES["poly8"].basis(LINE), tests))


def test_the_advice_without_an_operator_finds_the_leading_test_input_off_the_span():
    advice = advise(SPACES["sin4"].basis(LINE), {"next": 3 * np.sin(6 * np.pi * LINE.points[0])[None, None]})
    assert (
        np.isnan(advice.missing)
        and abs(np.corrcoef(advice.weakest[0, 0], np.sin(6 * np.pi * LINE.points[0]))[0, 1]) > 0.99
    )
    full = advise(SPACES["fem"].basis(LINE), {"sin4": SPACES["sin4"].basis(LINE)}, operator=A)
    assert full.missing == 0 and not full.weakest.any() and full.covered == ("sin4",)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fit_linear(Pairs(np.zeros((3, 1, 5)), np.ones((3, 2, 5)))), "not all zero"),
        (lambda: fit_linear(Pairs(np.full((3, 1, 5), np.nan), np.ones((3, 2, 5)))), "finite"),
        (lambda: fit_linear(pairs_of("sin3"), initial=np.zeros((25, 24))), r"shape \(25, 25\), got \(25, 24\)"),
        (lambda: descend_linear(pairs_of("sin3"), steps=2, rate=9.0), "between 0 and"),
        (lambda: span(np.zeros((3, 1, 5))), "not all zero"),
        (lambda: best_modes(A, 26), "0 to 25"),
        (lambda: noise_floor(0.1, 5, 4), "at least 5"),
        (lambda: descent_steps(np.ones(3), reduction=2.0), "between 0 and 1"),
        (lambda: advise(np.ones((2, 1, 5)), {"a": np.ones((2, 1, 6))}), "inputs of a have shape"),
    ],
)
def test_bad_input_is_one_clear_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()
