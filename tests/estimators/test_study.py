"""What an estimator is asked, from a pilot: which draws, which targets, at which weights."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

import mlft
from mlft.estimators import ESTIMATORS, Estimator, Study, estimate, evidence, study
from mlft.grids import Grid
from mlft.planning import LEARNABILITY, SPREAD, ErrorCurve, pilot_of
from mlft.store import Samples
from mlft.surrogates import build

POINTS = 9
CURVE = ErrorCurve(((4, 0.3),), 0.6, 0.5, 1.0, ((0.6, 0.5),))


@dataclass
class Asked:
    """An estimator that keeps what it was asked, and answers with one curve."""

    base: list = field(default_factory=list)
    evidence: list = field(default_factory=list)
    fresh: list = field(default_factory=list)

    def estimator(self, *, trained, base_trained=False):
        def first(task, surrogate, study, stream):
            self.base.append((task, surrogate))
            return CURVE

        def then(task, study, stream):
            self.evidence.append(task)
            return CURVE

        return Estimator(trained, base_trained, first, then)

    def study(self, generator):
        def train(surrogate, inputs, labels):
            self.fresh.append((inputs, labels))
            with torch.no_grad():
                for weights in surrogate.parameters():
                    weights.add_(0.5)

        return Study(train, train, lambda *names: generator, 100.0)


@pytest.fixture
def start(generator):
    options = {"modes": [3], "width": 5, "depth": 2}
    return build("fno", (1, 1), Grid((POINTS,)), generator=generator, options=options).double()


def level(number, indices, generator):
    """Solved draws: one input a draw on every level, solutions of the level's own."""
    waves = np.cos(np.outer(np.array(indices) + 1.0, np.arange(POINTS)))[:, None]
    noise = torch.randn(len(indices), 1, POINTS, generator=generator, dtype=torch.float64).numpy()
    return Samples(number, tuple(indices), waves, 2.0 * waves + noise)


@pytest.fixture
def pilot(generator):
    shared = (0, 1, 2, 4, 5, 7, 9, 11)
    samples = {0: level(0, range(14), generator), 1: level(1, shared, generator), 2: level(2, (0, 1), generator)}
    return pilot_of((14, 12, 2), samples, ())


def test_the_first_half_of_the_coarsest_samples_stays_unseen_until_the_correction_is_judged(pilot, start, generator):
    asked = Asked()
    found = estimate(asked.estimator(trained=True), pilot, start, asked.study(generator))
    coarse, fine = pilot.samples[0], pilot.samples[1]
    [(inputs, labels)], [(task, trained)], [correction] = asked.fresh, asked.base, asked.evidence
    assert np.array_equal(inputs, coarse.inputs[7:]) and np.array_equal(labels, coarse.solutions[7:])
    assert task.surrogate is start and len(task.inputs) == 14
    np.testing.assert_allclose(start.predict(coarse.inputs) + task.targets, coarse.solutions, atol=1e-12)
    assert not any(map(torch.equal, start.parameters(), trained.parameters()))
    assert correction.surrogate is trained
    draws = [0, 1, 2, 4, 5]  # those below 7 that both levels have
    assert np.array_equal(correction.inputs, coarse.inputs[draws])
    assert np.array_equal(correction.targets, fine.solutions[:5] - coarse.solutions[draws])
    np.testing.assert_allclose(correction.scale, np.sqrt((fine.solutions[:5] ** 2).mean(axis=(1, 2))))
    assert found.base == CURVE and found.origin == 0 and found.reach == 100.0 and found.gaps == pilot.gaps


@pytest.mark.parametrize(("base_trained", "times"), [(False, 0), (True, 1)])
def test_where_no_correction_is_wanted_none_is_looked_for_nor_trained_for(pilot, start, generator, base_trained, times):
    asked = Asked()
    given = asked.estimator(trained=True, base_trained=base_trained)
    found = estimate(given, pilot, start, asked.study(generator), corrections=False)
    assert asked.evidence == [] and len(asked.fresh) == times and (asked.base[0][1] is start) == (not base_trained)
    assert (found.learnability, found.scatter) == (LEARNABILITY, SPREAD)
    assert found.base == CURVE and found.gaps == pilot.gaps and found.reach == 100.0


def test_a_plan_of_lifted_labels_wants_no_correction_and_others_do():
    assert not mlft.STRATEGIES["lift"].planner.corrections and mlft.STRATEGIES["finetune"].planner.corrections


def test_an_estimator_at_initial_weights_trains_nothing(pilot, start, generator):
    asked = Asked()
    estimate(asked.estimator(trained=False), pilot, start, asked.study(generator))
    assert asked.fresh == [] and asked.base[0][1] is start and asked.evidence[0].surrogate is start


def test_a_correction_is_what_the_next_level_adds_on_the_draws_that_both_have(pilot, start, generator):
    asked = Asked()
    assert evidence(asked.estimator(trained=True), pilot, 0, start, asked.study(generator)) == CURVE
    shared = list(pilot.samples[1].indices)
    assert np.array_equal(asked.evidence[0].targets, pilot.samples[1].solutions - pilot.samples[0].solutions[shared])


def test_there_is_no_evidence_without_four_coupled_draws_or_without_a_difference(pilot, start, generator):
    asked = Asked()
    way, how = asked.estimator(trained=True), asked.study(generator)
    assert evidence(way, pilot, 0, start, how, upto=4) is None  # draws 0, 1, 2
    assert evidence(way, pilot, 0, start, how, upto=5) == CURVE
    assert evidence(way, pilot, 1, start, how) is None  # two draws on level 2
    assert evidence(way, pilot, 2, start, how) is None  # nothing above
    same = pilot_of((14, 14), {0: pilot.samples[0], 1: pilot.samples[0]}, ())
    assert evidence(way, same, 0, start, how) is None


def test_the_kernel_at_trained_weights_learns_centred_labels_that_the_training_has_not_seen(
    pilot, start, generator, monkeypatch
):
    asked, found = Asked(), []
    monkeypatch.setattr(study, "kernel_curve", lambda task, stream: found.append(task) or CURVE)
    estimate(ESTIMATORS["kernel-trained"], pilot, start, asked.study(generator))
    solutions = pilot.samples[0].solutions
    base, correction = found
    assert np.array_equal(base.inputs, pilot.samples[0].inputs[:7]) and base.surrogate is correction.surrogate
    np.testing.assert_allclose(base.targets, (solutions - solutions.mean(axis=0))[:7], atol=1e-12)
    assert len(base.scale) == 7 and not np.isclose(base.targets.mean(axis=0), 0.0).any()
