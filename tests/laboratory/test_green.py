import numpy as np
import pytest
import torch

from lab import LINE, SPACES, columns, line
from mlft.diagnostics.green import jacobian, likeness, probe, superposition_defect
from mlft.diagnostics.span import span
from mlft.grids import Grid
from mlft.laboratory import POISSON, exact_pairs
from mlft.laboratory.bounds import limit
from mlft.laboratory.extraction import (
    NotLinearError,
    SingularOperatorError,
    amplitude_defects,
    extract,
    invert,
    kernel,
    kinks,
    module_jacobian,
)
from mlft.laboratory.figures import law_figure, matrix_figure
from mlft.laboratory.linear import fit_linear
from mlft.laboratory.operators import green_matrix, green_poisson, hat_operator, lumped_operator, mass, stiffness
from mlft.seeds import generator as stream

A = hat_operator(LINE)
SHAPE = (1, 25)
MATRIX = np.arange(24.0).reshape(6, 4) % 7 - 2  # from (2, 2) to (1, 6)


def small(fields):
    """A linear map with an offset, from 2 channels on 2 points to 1 channel on 6."""
    return (fields.reshape(len(fields), 4) @ MATRIX.T + 5)[:, None]


def bent(fields):
    return small(fields) + 0.1 * fields[:, :1, :1] ** 3


def trained(name, n=400):
    return fit_linear(exact_pairs(SPACES[name], POISSON, LINE, n, generator=stream(2, "green", name)))


def test_probing_and_the_jacobian_give_the_matrix_of_a_linear_map():
    assert np.abs(probe(small, (2, 2)) - MATRIX).max() < 1e-14
    assert np.abs(probe(small, (2, 2), amplitude=-3.0, columns=[2, 0]) - MATRIX[:, [2, 0]]).max() < 1e-14
    assert np.abs(jacobian(small, np.ones((3, 2, 2))) - MATRIX).max() < 1e-10
    assert amplitude_defects(small, (2, 2), [0.5, 4.0]) == pytest.approx({0.5: 0, 4.0: 0}, abs=1e-14)
    assert superposition_defect(small, np.random.default_rng(0).normal(size=(7, 2, 2))) < 1e-14


def test_the_jacobian_is_taken_at_the_fields_asked_for_and_averaged():
    at = np.array([[[1.0, 3.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, 1.0]]])
    expected = MATRIX.copy()
    expected[:, 0] += 0.3 * np.mean(at[:, 0, 0] ** 2)
    assert np.abs(jacobian(bent, at, step=1e-3) - expected).max() < 1e-6
    assert np.abs(probe(bent, (2, 2), base=at[:1], amplitude=1e-6)[:, 0] - MATRIX[:, 0] - 0.3).max() < 1e-5


def test_the_jacobian_of_a_module_is_that_of_the_callable():
    torch.manual_seed(3)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4))
    module = module.append(torch.nn.Unflatten(1, (2, 2))).double()
    at = np.random.default_rng(1).normal(size=(2, 2, 3))
    found = module_jacobian(module, at)
    with torch.no_grad():
        by_steps = jacobian(lambda f: module(torch.tensor(f)).detach().numpy(), at)
    assert found.shape == (4, 6) and np.abs(found - by_steps).max() < 1e-7


def test_defects_have_their_closed_forms():
    cube = lambda f: f + f**3  # noqa: E731
    assert amplitude_defects(cube, (1, 3), [0.5]) == pytest.approx({0.5: 3 * 0.25 / (1 + 0.25)})
    square = lambda f: f**2 + 1  # noqa: E731
    inputs = np.array([1.0, 2.0, 3.0, 5.0, 9.0]).reshape(5, 1, 1)
    # f g twice over (f + g)²: (1, 3) and (2, 5)
    expected = np.linalg.norm([6.0, 20.0]) / np.linalg.norm([16.0, 49.0])
    assert superposition_defect(square, inputs) == pytest.approx(expected)


def test_a_map_that_is_not_linear_is_refused_with_its_defect():
    with pytest.raises(NotLinearError, match="is not linear has no Green") as caught:
        extract(lambda f: f**3, (1, 3))
    assert caught.value.defect == pytest.approx(3.0) and "defect is 3" in str(caught.value)
    with pytest.raises(NotLinearError, match="over 2 sums"):
        extract(lambda f: f**3, (1, 3), inputs=np.ones((5, 1, 3)))
    assert np.abs(extract(small, (2, 2), inputs=np.ones((4, 2, 2))) - MATRIX).max() < 1e-14
    tiny = extract(lambda f: f + 1e-3 * f**3, (1, 3))
    assert np.abs(tiny - 1.001 * np.eye(3)).max() < 1e-12


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[("poly1", 0.495), ("poly3", 0.120), ("poly8", 0.030)],
        *[("sin1", 0.274), ("sin3", 0.080), ("sin8", 0.0215)],
        *[("cos1", 0.488), ("cos3", 0.145), ("cos8", 0.0355)],
    ],
)
def test_the_green_function_of_a_linear_map_is_as_good_as_theory_says(name, expected):
    found = extract(trained(name), SHAPE)
    known = span(SPACES[name].basis(LINE))
    told = likeness(found, A, known=known)
    assert told.relative == pytest.approx(expected, rel=0.01)
    # of exact data the map is S B⁺, not AP: the two parts are orthogonal, and the one of theory is nearly all of it
    assert told.relative**2 == pytest.approx(told.predicted**2 + told.inside**2, rel=1e-9)
    assert told.predicted == pytest.approx(expected, rel=0.03)
    assert told.inside < 0.01 and np.linalg.norm(found - limit(A, known)) < 0.01 * np.linalg.norm(A)


def test_the_map_trained_on_finite_elements_is_the_operator_and_its_inverse_the_stencil():
    found = extract(trained("fem"), SHAPE)
    assert likeness(found, A, known=np.eye(25)[:, :24]).relative <= 1e-10
    inverse = invert(found, LINE)
    assert inverse.weighted_off_stencil <= 1e-10
    assert np.abs(inverse.weighted - stiffness(LINE)[1:-1, 1:-1]).max() < 1e-8 * 48
    assert inverse.off_stencil == pytest.approx(0.177, abs=0.002)
    assert invert(lumped_operator(LINE), LINE).off_stencil < 1e-12
    assert inverse.matrix[11, 15] / inverse.matrix[11, 14] == pytest.approx(-(2 - np.sqrt(3)), abs=1e-3)
    assert np.abs(kernel(found, LINE) - green_matrix(green_poisson, LINE)).max() < 1e-10
    assert (
        np.abs(
            kernel(lumped_operator(LINE), LINE, "lumped")[:, 1:-1] - green_matrix(green_poisson, LINE)[:, 1:-1]
        ).max()
        < 1e-14
    )


def test_an_inverse_is_weighted_from_the_left():
    operator = np.zeros((25, 25))  # one that the mass matrix does not commute with
    operator[1:-1, 1:-1] = np.eye(23) + np.triu(np.random.default_rng(0).uniform(-0.1, 0.1, (23, 23)))
    found, inner = invert(operator, LINE), np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(found.matrix @ operator[inner], np.eye(23), atol=1e-12)
    np.testing.assert_allclose(found.weighted @ operator[inner], mass(LINE)[inner], atol=1e-14)


def test_the_numbers_of_a_likeness_are_what_they_say():
    operator = np.diag([1.0, 2.0, 3.0])
    operator[0, 1] = 0.5
    shifted = np.roll(operator, 1, axis=0)
    told = likeness(shifted, operator, known=np.eye(3)[:, :2], weights=np.array([1.0, 2.0, 1.0]))
    assert told.relative == pytest.approx(np.linalg.norm(shifted - operator) / np.linalg.norm(operator))
    assert told.predicted == pytest.approx(3 / np.linalg.norm(operator))
    assert told.inside == pytest.approx(np.linalg.norm((shifted - operator)[:, :2]) / np.linalg.norm(operator))
    green = shifted / [1.0, 2.0, 1.0]
    assert told.asymmetry == pytest.approx(np.linalg.norm(green - green.T) / np.linalg.norm(green))
    assert told.peak == pytest.approx((1 + 1 + 2) / 3)
    assert np.isnan(likeness(operator[:2], operator[:2]).asymmetry) and np.isnan(likeness(operator, operator).inside)


def test_columns_of_the_operator_are_tents_and_those_of_an_unlearned_one_are_not():
    assert np.abs(kinks(A) - 1).max() < 1e-12 and kinks(A).shape == (23,)
    assert kinks(limit(A, span(SPACES["sin3"].basis(LINE)))).max() < 0.6


def test_an_operator_without_an_inverse_is_refused_with_its_rank():
    with pytest.raises(SingularOperatorError, match="rank 8 of 23") as caught:
        invert(extract(trained("sin8"), SHAPE), LINE)
    assert caught.value.rank == 8 and caught.value.reciprocal_condition < 1e-10
    said = f"reciprocal condition number {caught.value.reciprocal_condition:.1e}, less than 1e-10"
    assert said in str(caught.value) and "train it on inputs that span the grid" in str(caught.value)
    with pytest.raises(SingularOperatorError, match="rank 0 of 23 and the reciprocal condition number 0.0e"):
        invert(np.zeros((25, 25)), LINE)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: probe(lambda f: f[:1], (2, 3)),
            r"for 7 fields of shape \(2, 3\) it returned an array of shape \(1, 2, 3\)",
        ),
        (lambda: probe(lambda f: f.tolist(), (2, 3)), "returned a list"),
        (lambda: probe(lambda f: f[:, 0, 0], (2, 3)), r"shape \(7,\)"),
        (lambda: probe(lambda f: f * np.nan, (2, 3)), "not finite"),
        (lambda: probe(small, (2, 2), amplitude=0.0), "not 0"),
        (lambda: superposition_defect(small, np.ones((1, 2, 2))), "at least 2 inputs"),
        (lambda: kernel(A, line(20)), r"shape \(21, 21\), got \(25, 25\)"),
        (lambda: kernel(np.eye(6), Grid((6,))), "nodal, bounded"),
        (lambda: invert(A[:-1], LINE), r"shape \(25, 25\), got \(24, 25\)"),
        (lambda: invert(np.eye(6), Grid((6,))), "nodal, bounded"),
        (lambda: likeness(A[:1], A), r"shape \(1, 25\) cannot be like an operator of shape \(25, 25\)"),
    ],
)
def test_a_callable_of_the_wrong_shape_is_one_clear_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_reference_numbers_need_no_training():
    for name, expected in (("poly3", 0.120), ("sin3", 0.080), ("cos3", 0.145)):
        basis, solutions = SPACES[name].basis(LINE), POISSON.solutions(SPACES[name], LINE)
        matrix = columns(solutions) @ np.linalg.pinv(columns(basis))
        assert likeness(matrix, A).relative == pytest.approx(expected, rel=0.01)


def test_pictures_name_what_they_show():
    picture = matrix_figure({"learned": A * 1.1, "truth": A}, columns=(3, 12))
    assert all(word in picture for word in ("learned", "truth", "node")) and picture.count("<image") == 2
    lines = {
        "first": {"a1": ((16, 32), (1e-2, 1e-3)), "b2": ((16, 32), (1e-3, 1e-5))},
        "second": {"b2": ((16, 32), (1, 2))},
    }
    laws = law_figure(lines, across="cells", up="error", guides={"first": ((16, 32), (1, 1))}, guided="c3")
    assert all(word in laws for word in ("first", "second", "a1", "b2", "cells", "error", "theory, c3"))
    assert laws == law_figure(lines, across="cells", up="error", guides={"first": ((16, 32), (1, 1))}, guided="c3")
