from dataclasses import replace

import numpy as np
import pytest

from lab import line
from mlft.diagnostics.green import likeness, probe
from mlft.errors import ConfigError, MlftError
from mlft.laboratory import POISSON, exact_pairs, polynomials, sines
from mlft.laboratory.crossval import Setting, cross_validate
from mlft.laboratory.learners import LinearLearner
from mlft.laboratory.operators import hat_operator
from mlft.laboratory.surrogate_learner import SurrogateLearner
from mlft.seeds import generator as stream
from mlft.training import Training

GRID = line(16)
LEARNER = SurrogateLearner(
    GRID, options={"modes": [5], "width": 8, "depth": 2}, training=Training(steps=150, rate=5e-3), samples=60
)


def pairs_of(space, n, purpose="train"):
    return exact_pairs(space, POISSON, GRID, n, generator=stream(4, purpose, space.name))


def relative(fitted, test):
    return float(np.mean((fitted(test.inputs) - test.outputs) ** 2) / np.mean(test.outputs**2))


def test_the_products_own_surrogate_fits_pairs_and_predicts_like_every_learner():
    sets, test = [pairs_of(space, 80) for space in (sines(2), sines(3))], pairs_of(sines(2), 40, "test")
    (fitted,) = LEARNER.fit(sets[:1], seed=2)
    assert relative(fitted, test) < 0.03 and LEARNER.errors(fitted, test)[1] == pytest.approx(np.mean(test.outputs**2))
    assert likeness(probe(fitted, (1, 17)), hat_operator(GRID)).relative < 3  # any callable can be probed
    quick = replace(LEARNER, training=Training(steps=9))
    both = [fit(test.inputs) for fit in quick.fit(sets, seed=2)]
    again, other = (quick.fit(sets[:1], seed=seed)[0](test.inputs) for seed in (2, 3))
    assert np.array_equal(again, both[0])
    assert not np.array_equal(other, both[0]) and not np.array_equal(both[1], both[0])


def test_only_the_stated_samples_are_used():
    pairs, few = pairs_of(sines(2), 30), replace(LEARNER, samples=12, training=Training(steps=3))
    inputs = pairs.inputs.copy()
    inputs[12:] = 7.0
    whole, cut = (few.fit([p], seed=1)[0] for p in (pairs, replace(pairs, inputs=inputs)))
    assert np.array_equal(whole(pairs.inputs), cut(pairs.inputs))


def test_its_matrix_is_made_kept_and_refused_with_other_options_like_any(tmp_path):
    setting = Setting((sines(1), polynomials(1)), POISSON, GRID, samples=20, test=9)
    quick = replace(LEARNER, training=Training(steps=4))
    matrix = cross_validate(quick, setting, seed=0, folder=tmp_path)
    assert matrix.learner == "surrogate" and matrix.mse.shape == (2, 2) and np.isfinite(matrix.mse).all()
    again = cross_validate(quick, setting, seed=0, folder=tmp_path)
    assert np.array_equal(again.mse, matrix.mse)
    with pytest.raises(MlftError, match="training is"):
        cross_validate(LEARNER, setting, seed=0, folder=tmp_path)


def test_an_unknown_network_is_refused_by_name():
    with pytest.raises(ConfigError, match="fno"):
        replace(LEARNER, network="fnoo").fit([pairs_of(sines(2), 9)], seed=0)


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        (lambda f: f[:, :, :1], r"\(40, 1, 1\)"),
        (lambda f: f[:1], r"\(1, 1, 17\)"),
        (lambda f: f[:, 0], r"\(40, 17\)"),
        (lambda f: 0.0, "a float"),
    ],
)
def test_a_map_of_the_wrong_shape_is_refused_and_not_broadcast(wrong, got):
    with pytest.raises(ValueError, match=rf"that is \(40, 1, 17\), it returned.*{got}"):
        LinearLearner().errors(wrong, pairs_of(sines(2), 40))
