"""Lifted labels: which label each draw gets, what teaches a lift and what certifies it, and how it is trained on."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlft
from coupled import smooth
from mlft.errors import ConfigError
from mlft.grids import Grid, hierarchy
from mlft.learners import FineTune, Fitted, Lifted
from mlft.learners.lifted import lift_labels
from mlft.lifts import LIFTS, Coarse, Correction, Coupled, LiftError, Method, Place
from mlft.lifts.learned import Effort
from mlft.lifts.local import Layers, Local
from mlft.store import Samples
from mlft.surrogates import Surrogate, build
from mlft.training import Course, Scheme, Training
from mlft.training.stage import Pairs, held_out_error, restore
from small import SMALL, problem

GRIDS = hierarchy(Grid((40,)), 4)
COURSE = Course(Training(steps=24, batch=6, checks=4), seed=3, scheme=Scheme("toy/1", GRIDS, 2.0))
RANDOM = np.random.default_rng(7)
INPUTS, TRUTH = smooth(RANDOM, 60, 2, GRIDS[-1]), 2.0 + smooth(RANDOM, 60, 1, GRIDS[-1])
OFFSETS = {0: 0.7, 1: 0.3, 2: 0.0}
FEW, MORE, MANY = (0, 2, 3, 5, 7, 8, 11, 12, 13, 17), tuple(i for i in range(24) if i != 4), tuple(range(50))


def level(number: int, indices: tuple[int, ...], off: float | None = None) -> Samples:
    """Solutions that are off by a constant of the level."""
    rows = list(indices)
    return Samples(number, indices, INPUTS[rows], TRUTH[rows] + (OFFSETS[number] if off is None else off))


def unrelated(number: int, indices: tuple[int, ...]) -> Samples:
    """Solutions of other draws."""
    rows = [59 - i for i in indices]
    return Samples(number, indices, INPUTS[list(indices)], -TRUTH[rows])


@dataclass
class Constant(Correction):
    """Adds a number."""

    number: float

    def correct(self, coarse: Coarse) -> np.ndarray:
        return coarse.solutions + self.number


class Offset(Method):
    """Adds the mean of what is missing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[int, tuple[Coupled, Place]] = {}

    def fit(self, coupled: Coupled, place: Place, course: Course) -> tuple[Correction, np.ndarray]:
        self.asked[place.level] = coupled, place
        found = Constant(float(np.mean(coupled.fine - coupled.coarse.solutions)))
        return found, found.correct(coupled.coarse)

    def load(self, options: dict[str, Any], tensors: dict[str, Any], place: Place) -> Correction:
        raise NotImplementedError


@pytest.fixture
def offset() -> Iterator[Offset]:
    made = Offset()
    LIFTS["offset"] = made
    yield made
    del LIFTS["offset"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Lifted:
    monkeypatch.setattr("mlft.lifts.local.LINE", Layers((1, 2, 1), width=6, kernel=3))
    monkeypatch.setitem(LIFTS, "local", Local(line=Effort(12, passes=0, rate=1e-2)))
    return Lifted(("richardson", "local"))


def untrained(seed: int = 1) -> Surrogate:
    options = {"modes": [3], "width": 5, "depth": 2}
    return build("fno", (2, 1), GRIDS[-1], options=options, generator=torch.Generator().manual_seed(seed))


def weights(fitted: Fitted) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in fitted.surrogate.named_parameters()}


def same(left: Fitted, right: Fitted) -> bool:
    a, b = weights(left), weights(right)
    return all(torch.equal(a[name], b[name]) for name in a)


def test_true_labels_replace_lifted_ones_and_each_draw_appears_once(offset: Offset) -> None:
    """Coarse solutions are made wrong where a finer one is there: none of them is left among the labels."""
    coarse = level(0, MANY)
    coarse.solutions[list(FEW)] += np.linspace(-1e-3, 1e-3, len(FEW))[:, None, None]  # zero in the mean
    target = level(2, FEW)
    labelled, (log,) = lift_labels([coarse, target], COURSE, ["offset"])
    assert labelled.indices == MANY and labelled.level == 0
    assert np.array_equal(labelled.inputs, INPUTS[:50])
    assert np.array_equal(labelled.solutions[list(FEW)], target.solutions)
    assert np.allclose(labelled.solutions, TRUTH[:50], rtol=0, atol=1e-12)
    assert log.samples == len(MANY) - len(FEW)
    assert (log.choice.lift.name, log.choice.lift.error.draws) == ("offset", len(FEW))


def test_a_draw_that_only_finer_levels_solved_is_there_too(offset: Offset) -> None:
    """Draws 4 and 9 failed on the coarse level."""
    coarse = level(0, tuple(i for i in MANY if i not in (2, 9)))
    labelled, (log,) = lift_labels([coarse, level(2, FEW)], COURSE, ["offset"])
    assert labelled.indices == tuple(i for i in MANY if i != 9)
    assert np.array_equal(labelled.inputs, INPUTS[list(labelled.indices)])
    assert np.array_equal(labelled.solutions[2], TRUTH[2])
    assert log.choice.lift.error.draws == len(FEW) - 1


def test_a_coarse_lift_learns_from_lifted_labels_and_is_certified_by_true_ones(offset: Offset) -> None:
    labelled, logs = lift_labels([level(0, MANY), level(1, MORE), level(2, FEW)], COURSE, ["offset"])
    assert [log.choice.lift.place.level for log in logs] == [0, 1]
    assert [log.samples for log in logs] == [len(MANY) - len(MORE), len(MORE) - len(FEW)]
    assert np.allclose(labelled.solutions, TRUTH[:50], rtol=0, atol=1e-12)
    middle, _ = offset.asked[1]
    assert np.array_equal(middle.coarse.solutions, level(1, FEW).solutions)
    assert np.array_equal(middle.fine, TRUTH[list(FEW)]) and middle.true.all()
    low, _ = offset.asked[0]
    assert np.array_equal(low.coarse.solutions, level(0, MORE).solutions)
    assert np.array_equal(low.coarse.inputs, INPUTS[list(MORE)])
    assert np.array_equal(low.true, np.isin(MORE, FEW))
    assert np.allclose(low.fine, TRUTH[list(MORE)], rtol=0, atol=1e-12)  # not the middle level's own, 0.3 off
    assert [log.choice.lift.error.draws for log in logs] == [len(FEW), len(FEW)]


def test_a_lift_is_told_where_it_belongs(offset: Offset) -> None:
    lift_labels([level(0, MANY), level(1, MORE), level(2, FEW)], COURSE, ["offset"])
    assert offset.asked[0][1] == Place("toy/1", 0, 2, GRIDS[0], GRIDS[-1], 4, 2.0)
    assert offset.asked[1][1] == Place("toy/1", 1, 2, GRIDS[1], GRIDS[-1], 2, 2.0)


@pytest.mark.parametrize("useless", [0, 1])
def test_a_useless_level_gives_no_samples_and_the_log_says_so(useless: int, offset: Offset) -> None:
    """The other level is then lifted straight to the target."""
    given = [level(0, MANY), level(1, MORE), level(2, FEW)]
    given[useless] = unrelated(useless, given[useless].indices)
    labelled, logs = lift_labels(given, COURSE, ["offset"])
    assert [log.samples for log in logs] == ([0, len(MORE) - len(FEW)] if useless == 0 else [len(MANY) - len(FEW), 0])
    assert [log.choice.lift.error.useful for log in logs] == [useless == 1, useless == 0]
    assert labelled.level == 0
    assert labelled.indices == (tuple(sorted({*MORE, *FEW})) if useless == 0 else MANY)
    assert np.allclose(labelled.solutions, TRUTH[list(labelled.indices)], rtol=0, atol=1e-12)
    assert len(offset.asked[0][0]) == (len(MORE) if useless == 0 else len(FEW))


def test_where_no_level_is_of_use_the_true_labels_alone_are_trained_on(offset: Offset) -> None:
    fitted = Lifted(("offset",)).fit(untrained(), [unrelated(0, MANY), level(2, FEW)], COURSE)
    assert [(log.level, log.samples, log.held_out) for log in fitted.stages] == [(0, 8, 2), (2, 8, 2)]
    assert [log.samples for log in fitted.lifts] == [0]


@pytest.mark.parametrize("name", ["none", "offset"])
def test_with_none_of_the_lifts_labels_stay_as_they_are(name: str, offset: Offset) -> None:
    labelled, (log,) = lift_labels([level(0, MANY), level(2, FEW)], COURSE, [] if name == "none" else [name])
    off = labelled.solutions - TRUTH[:50]
    assert log.choice.lift.name == name
    assert np.allclose(np.delete(off, FEW, axis=0), 0.7 if name == "none" else 0.0, rtol=0, atol=1e-12)


def test_richardson_is_offered_a_coarser_level_only_where_that_solved_all_the_draws(offset: Offset) -> None:
    """Offsets 1.6 and 0.4 of levels of 4 and 2 cells are a leading term, and give the target's 0.1."""
    second = {0: 1.6, 1: 0.4, 2: 0.1}
    given = [level(number, which, second[number]) for number, which in ((0, MANY), (1, MORE), (2, FEW))]
    _, (low, middle) = lift_labels(given, COURSE, ["richardson", "offset"])
    coarse = offset.asked[1][0].coarse
    assert coarse.coarser is not None and coarse.coarser_ratio == 4
    assert np.array_equal(coarse.coarser, level(0, FEW, 1.6).solutions)
    assert float(middle.choice.tried["richardson"]) < 1e-12
    assert offset.asked[0][0].coarse.coarser is None
    assert "coarser level" in str(low.choice.tried["richardson"]) and low.choice.lift.name == "offset"
    given[0] = level(0, tuple(i for i in MANY if i != 23), 1.6)
    _, (_, middle) = lift_labels(given, COURSE, ["richardson", "offset"])
    assert offset.asked[1][0].coarse.coarser is None and "coarser level" in str(middle.choice.tried["richardson"])


def test_samples_of_one_level_are_fine_tuned_to_the_same_bits() -> None:
    one, bare = level(1, MORE), replace(COURSE, scheme=None)
    fitted = Lifted().fit(untrained(), [one], bare)
    assert same(fitted, FineTune().fit(untrained(), [one], bare)) and fitted.lifts == ()


def test_all_labels_are_learned_and_then_the_true_ones(quick: Lifted) -> None:
    """The second stage starts where the first ended, is judged by the target's own labels and never makes it worse."""
    given = [level(0, MANY), level(2, FEW)]
    fitted = quick.fit(untrained(), given, replace(COURSE, all_draws=False))
    assert [(log.level, log.samples, log.held_out) for log in fitted.stages] == [(0, 40, 10), (2, 8, 2)]
    assert sum(log.steps for log in fitted.stages) == 24
    rows = [0, 5]
    pairs = Pairs(torch.tensor(INPUTS[rows]).float(), torch.tensor(TRUTH[rows]).float())
    verdict = fitted.stages[1].verdict
    after = held_out_error(fitted.surrogate, pairs)
    restore(fitted.surrogate, fitted.stages[0].weights)
    assert held_out_error(fitted.surrogate, pairs) == pytest.approx(verdict.error_before, rel=1e-6)
    assert after == pytest.approx(verdict.error_after if verdict.kept else verdict.error_before, rel=1e-6)
    assert after <= verdict.error_before * (1 + 1e-6)
    (log,) = fitted.lifts
    assert set(log.choice.tried) == {"richardson", "local"}


def test_fine_tuning_that_makes_it_worse_is_not_kept(offset: Offset) -> None:
    """The labels that the target trains on are wrong, those that it holds out are right."""
    given = [level(0, MANY), level(2, FEW)]
    given[1].solutions[np.array(FEW) % 5 != 0] *= np.linspace(-9, 9, 8)[:, None, None]
    course = replace(COURSE, training=replace(COURSE.training, steps=100, rate=1e-2, checks=1))
    verdict = Lifted(()).fit(untrained(), given, course).stages[1].verdict
    assert verdict.blend < 1 and (not verdict.kept or verdict.error_after <= verdict.error_before)


def test_a_lift_tells_how_far_it_is(quick: Lifted) -> None:
    told: list[tuple[str, int, int]] = []
    quick.fit(untrained(), [level(0, MANY), level(2, FEW)], replace(COURSE, lifting=lambda *each: told.append(each)))
    assert told == [("level 0, local", done + 1, 48) for done in range(48)]


def test_a_stopped_fit_goes_on_to_the_same_bits(quick: Lifted, tmp_path: Path) -> None:
    """Stopped four times: in the middle level's lift, in the coarse one's, in the first stage and in the second."""
    given = [level(0, MANY), level(1, MORE), level(2, FEW)]
    rows = np.array(FEW)
    given[1].solutions[:] += 0.2 * np.tanh(INPUTS[list(MORE), :1])  # for the lifts to have something to learn
    whole = quick.fit(untrained(), given, COURSE)

    stops: list[tuple[str | int, int]] = [("level 1, local", 6), ("level 0, local", 24), (0, 8), (2, 7)]
    made: list[tuple[str | int, int]] = []

    def at(what: str | int, done: int) -> None:
        made.append((what, done))
        if stops and made[-1] == stops[0]:
            del stops[0]
            raise KeyboardInterrupt

    lifting = {"lifting": lambda what, done, _: at(what, done)}
    course = replace(COURSE, folder=tmp_path, progress=lambda level, _, done, __: at(level, done), **lifting)
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            quick.fit(untrained(), given, course)
    again = quick.fit(untrained(), given, course)
    assert same(again, whole) and not stops
    assert made.count(("level 1, local", 1)) == made.count(("level 0, local", 1)) == 1  # what is done is not done again
    for left, right in zip(again.lifts, whole.lifts, strict=True):
        assert (left.choice.lift.error, left.choice.tried) == (right.choice.lift.error, right.choice.tried)
        probe = Coarse(INPUTS[rows], TRUTH[rows], TRUTH[rows] + 0.1, 4)
        assert np.array_equal(left.choice.lift.lift(probe), right.choice.lift.lift(probe))


@pytest.mark.parametrize("plan", [(40, 0, 7), (40, 20, 7), (7, 7, 0), (9, 1, 0)])
def test_a_plan_of_several_levels_with_few_coupled_draws_is_refused(plan: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=rf"8 coupled draws teach at least, and the plan .* has {min(filter(None, plan))}"
    ):
        Lifted().check(plan)
    with pytest.raises(ConfigError, match="8 coupled draws"):
        mlft.run(problem, budget="24solves", out=tmp_path / "run", strategy="lift", plan=plan, **SMALL)
    assert not (tmp_path / "run").exists()  # nothing was solved


@pytest.mark.parametrize("plan", [(40, 0, 8), (8, 8, 8), (1, 0, 0), (0, 0, 3), (0, 0, 0)])
def test_a_plan_of_one_level_or_of_enough_coupled_draws_is_not_refused(plan: tuple[int, ...]) -> None:
    Lifted().check(plan)


@pytest.mark.parametrize(
    ("given", "course", "words"),
    [
        ([level(0, MANY), level(2, FEW)], replace(COURSE, scheme=None), "give the course a scheme"),
        ([level(2, MANY), level(0, FEW)], COURSE, "increasing levels"),
        ([level(0, MANY), level(2, MORE), level(1, MORE), level(2, FEW)], COURSE, "increasing levels"),
        ([level(1, MANY), level(1, FEW)], COURSE, "increasing levels"),
        ([], COURSE, "increasing levels"),
    ],
    ids=["no scheme", "falling", "mixed", "twice", "none"],
)
def test_what_cannot_be_learned_from_is_refused(given: list[Samples], course: Course, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Lifted(()).fit(untrained(), given, course)


def test_fields_that_are_not_finite_are_refused_by_level(offset: Offset) -> None:
    bad = level(0, MANY)
    bad.solutions[3, 0, 5] = math.inf
    with pytest.raises(LiftError, match="1 of 10 solutions of level 0 are not finite, first sample 2"):
        lift_labels([bad, level(2, FEW)], COURSE, ["offset"])
