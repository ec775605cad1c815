"""Other ways to use all levels: a mixture told how fine each label is, a sum of differences, a telescoped loss."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import mlft
from mlft.errors import ConfigError
from mlft.grids import Grid, Symmetry, group
from mlft.learners import Learner, Mixture, SumOfLevels, Telescoped
from mlft.learners.mixture import together
from mlft.learners.sum_of_levels import difference
from mlft.learners.telescoped import Telescope, of_squares, telescoped
from mlft.store import Samples
from mlft.surrogates import SURROGATES, Average, Held, Surrogate, Total, build, load
from mlft.training import Course, Training
from mlft.training import stage as stages
from small_networks import normal

GRID = Grid((22,))
COURSE = Course(Training(least=40, most=40, checks=4), seed=3)
SMALL = {"modes": [4], "width": 5, "depth": 2}
STREAM = torch.Generator().manual_seed(11)
DIRECTIONS = normal(3, 22, generator=STREAM)
INPUTS = np.einsum("nj,jx->nx", normal(60, 3, generator=STREAM), DIRECTIONS)[:, None] + 4.0
FINER = np.roll(INPUTS, 1, axis=2)
MANY, MORE, FEW = tuple(range(60)), tuple(range(30)), tuple(range(20))
REBUILDERS: list[Learner] = [Mixture(), SumOfLevels()]
LEARNERS: list[Learner] = [*REBUILDERS, Telescoped()]


def untrained(name: str = "linear", **options: Any) -> Surrogate:
    return build(name, (1, 1), GRID, generator=torch.Generator().manual_seed(7), options=options)


def level(number: int, indices: tuple[int, ...]) -> Samples:
    """u_l = 2x + l (x shifted) + 5 l: affine in x on each level."""
    x, shifted = INPUTS[list(indices)], FINER[list(indices)]
    return Samples(number, indices, x, 2 * x + number * (shifted + 5))


def affine(number: int, indices: tuple[int, ...]) -> Samples:
    """u_l = 2x + 5 l: affine in (x, l)."""
    x = INPUTS[list(indices)]
    return Samples(number, indices, x, 2 * x + 5.0 * number)


def error(surrogate: Surrogate, truth: np.ndarray) -> float:
    return float(np.abs(surrogate.predict(INPUTS) - truth).max())


@pytest.mark.parametrize("learner", [Mixture(), Telescoped()])
def test_the_pairs_that_a_regression_takes_of_many_tell_of_all_levels(
    learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the first ones; had those been of the coarsest level, it would know nothing of the others."""
    monkeypatch.setattr("mlft.training.regress.MOST", 30)
    found = learner.fit(untrained(), [affine(0, MANY), affine(1, MANY), affine(3, MANY)], COURSE)
    assert error(found.surrogate, 2 * INPUTS + 15.0) < 1e-9


# The mixture


def test_all_levels_are_there_once_and_of_draws_that_judge_the_finest_label_alone() -> None:
    given = [level(0, MANY), level(1, MORE), level(3, FEW)]
    found = together(given, COURSE.training)
    wanted = [(i, n) for i in MANY for n, few in ((0, MANY), (1, MORE), (3, FEW)) if i in few and (i % 5 or n == 3)]
    assert found.level == 3 and found.indices == tuple(i for i, _ in wanted)
    assert np.allclose(found.inputs[:, 1, 4], [n / 3 for _, n in wanted])
    assert np.array_equal(found.inputs[:, 0], INPUTS[list(found.indices), 0])
    finest = [row for row, (_, n) in enumerate(wanted) if n == 3]
    assert np.array_equal(found.solutions[finest], given[2].solutions)


def test_a_mixture_is_asked_for_the_finest_level() -> None:
    """Regression is exact on what is affine in x and ξ; all that level 3 adds is told by ξ."""
    given = [affine(0, MANY), affine(1, MORE), affine(3, FEW)]
    found = Mixture().fit(untrained(), given, COURSE)
    assert isinstance(found.surrogate.network, Held) and found.surrogate.channels == (1, 1)
    assert error(found.surrogate, 2 * INPUTS + 15.0) < 1e-9
    assert [(log.level, log.samples, log.held_out) for log in found.stages] == [(3, 88, 4)]


def test_a_mixture_has_the_symmetries_that_it_is_told() -> None:
    odd = Symmetry((True,), inputs=(-1,), outputs=(-1,))
    surrogate = untrained("fno", **SMALL)
    surrogate.tell(group([odd]), shifts=(0,))
    found = Mixture().fit(surrogate, [level(0, MANY), level(1, FEW)], COURSE).surrogate
    assert (found.symmetries, found.shifts) == (surrogate.symmetries, (0,))
    mirrored = odd.of_outputs(found.predict(odd.of_inputs(INPUTS)))
    np.testing.assert_allclose(found.predict(INPUTS), mirrored, atol=1e-12)


# The sum


def test_a_difference_is_that_of_the_draws_on_both_levels() -> None:
    found = difference(level(2, tuple(range(0, 40, 3))), level(0, tuple(range(0, 40, 2))))
    assert found.indices == tuple(range(0, 40, 6)) and found.level == 2
    rows = list(found.indices)
    np.testing.assert_allclose(found.solutions, 2 * (FINER[rows] + 5), atol=1e-12)


def test_a_sum_of_levels_is_exact_where_each_difference_is_learned() -> None:
    given = [level(0, MANY), level(1, MORE), level(3, FEW)]
    found = SumOfLevels().fit(untrained(), given, COURSE)
    network = found.surrogate.network
    assert isinstance(network, Total) and len(network.terms) == 3
    assert error(found.surrogate, 2 * INPUTS + 3 * (FINER + 5)) < 1e-9
    assert [(log.level, log.samples) for log in found.stages] == [(0, 48), (1, 24), (3, 16)]


def test_a_difference_that_makes_it_worse_is_left_out() -> None:
    """What is trained on is far from what is held out; the level after it is of use again."""
    given = [level(0, MANY), level(0, MANY), affine(3, MANY)]
    given[1] = replace(given[1], level=1, solutions=given[1].solutions.copy())
    given[1].solutions[[i % 5 != 0 for i in MANY]] += 50.0
    given[2] = replace(given[2], solutions=given[1].solutions + 15.0)
    held_out = [i for i in MANY if i % 5 == 0]
    found = SumOfLevels().fit(untrained(), given, replace(COURSE, all_draws=False)).surrogate
    assert isinstance(found.network, Total) and len(found.network.terms) == 2
    np.testing.assert_allclose(found.predict(INPUTS[held_out]), 2 * INPUTS[held_out] + 15.0, atol=1e-9)


# The telescoped loss


def test_a_telescoped_loss_is_less_by_that_of_the_level_before() -> None:
    def loss(predictions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return (predictions - labels).square().flatten(1).sum(1)

    fields = normal(3, 4, 5, generator=STREAM)
    prediction, label, before = (torch.as_tensor(each).view(4, 1, 5) for each in fields)
    before[1] = torch.nan
    prediction.requires_grad_()
    found = Telescope(loss)(prediction, torch.cat([label, before], dim=1))
    of_label, of_before = loss(prediction, label), loss(prediction, before)
    rows = [0, 2, 3]
    torch.testing.assert_close(found[rows], (of_label - of_before)[rows])
    assert found[1] == of_label[1]
    found.sum().backward()
    gradient = prediction.grad
    assert gradient is not None
    torch.testing.assert_close(gradient[rows], 2 * (before - label)[rows])


def test_what_is_minimised_is_the_telescoped_mean() -> None:
    """Draws that are held out are not in it, nor ones of which the level before has no label; images double as well."""
    odd = Symmetry((True,), inputs=(-1,), outputs=(-1,))
    surrogate = untrained("fno", **SMALL)
    surrogate.tell(group([odd]), scaling=(2.0,))
    given = [level(0, MANY), level(1, tuple(range(2, 31))), level(3, (*FEW, 33))]
    surrogate.fit_normalisers(INPUTS, INPUTS)
    (stage,) = telescoped(surrogate, given, COURSE.training)
    taught = [[i for i in one.indices if i % 5] for one in given]
    taught[2] = [i for i in taught[2] if i not in (1, 33)]  # these have no label of level 1
    predictions = torch.as_tensor(np.cos(INPUTS))
    losses = [stage.loss.loss(predictions, torch.as_tensor(level(n, MANY).solutions)) for n in (0, 1, 3)]
    wanted = losses[0][taught[0]].mean()
    for place in (1, 2):
        wanted = wanted + (losses[place] - losses[place - 1])[taught[place]].mean()
    weights = stage.weights
    assert weights is not None
    rows = np.cos(stage.train.inputs.numpy())
    found = (weights * stage.loss(torch.as_tensor(rows), stage.train.labels)).sum() / len(taught[0])
    torch.testing.assert_close(found, wanted)
    assert len(stage.train) == 48 + 23 + 15 and weights[-1] == pytest.approx(48 / 15)
    np.testing.assert_array_equal(stage.held_out.labels, given[2].solutions[[i % 5 == 0 for i in given[2].indices]])
    assert (stage.level, len(stage.held_out), stage.scaling) == (3, 4, (2.0, 2.0))
    assert {one.outputs for one in stage.symmetries} == {(1, 1), (-1, -1)}


def test_the_end_is_trained_on_all_draws_of_all_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one network, of the choice among several, and where there are too few draws to choose by."""
    seen: list[tuple[type, int]] = []
    train = stages.train

    def told(surrogate: Surrogate, stage: Any, *rest: Any, **options: Any) -> Any:
        seen.append((type(stage.loss), len(stage.train)))
        return train(surrogate, stage, *rest, **options)

    monkeypatch.setattr("mlft.learners.all_draws.train", told)
    made = {"network": "fno", "options": SMALL, "name": "small", "training": {}}
    for few in (FEW, (0, 1, 2, 3, 4, 5)):
        for surrogate in (untrained("fno", **SMALL), untrained("auto", members=[made, made | {"name": "other"}])):
            Telescoped().fit(surrogate, [level(0, MANY), level(1, few)], COURSE)
    assert {loss for loss, _ in seen} == {Telescope}
    assert [rows for _, rows in seen] == [60 + 40] * (len(seen) - 2) + [60 + 30] * 2


def test_a_level_with_few_draws_has_its_share_of_a_batch() -> None:
    given = [level(0, MANY), level(1, FEW), level(3, (0, 1, 2, 3))]
    surrogate = untrained("fno", **SMALL)
    surrogate.fit_normalisers(INPUTS, INPUTS)
    (stage,) = telescoped(surrogate, given, COURSE.training)
    assert stage.weights is not None
    assert stage.weights.unique_consecutive().tolist() == pytest.approx([1.0, 48 / 16 / 2, 48 / 3 / 4])
    assert len(stage.train) == 48 + 2 * 16 + 4 * 3


def test_with_squares_the_telescoped_mean_is_that_of_one_set_of_labels() -> None:
    given = [level(0, MANY), level(1, tuple(range(1, 31))), level(3, (*FEW, 33))]
    found = of_squares(given)

    def telescope(prediction: np.ndarray) -> float:
        def squares(place: int, indices: list[int]) -> float:
            label = level((0, 1, 3)[place], tuple(indices)).solutions
            return float(np.square(prediction[indices] - label).sum(axis=(1, 2)).mean())

        both = [list(range(1, 31)), list(range(1, 20))]
        return squares(0, list(MANY)) + sum(squares(n + 1, both[n]) - squares(n, both[n]) for n in (0, 1))

    one, other = np.cos(INPUTS), 2 * INPUTS + 1
    squares = [float(np.square(each - found.solutions).sum(axis=(1, 2)).mean()) for each in (one, other)]
    assert squares[0] - squares[1] == pytest.approx(telescope(one) - telescope(other))


def test_labels_weigh_by_the_coarsest_draws_that_a_regression_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 48 draws that are learned from the first 15, half of 30 with their mirror images."""
    monkeypatch.setattr("mlft.training.regress.MOST", 30)
    surrogate = untrained()
    surrogate.tell(group([Symmetry((True,), inputs=(-1,), outputs=(-1,))]))
    few = (*range(10), 33)
    surrogate.fit_normalisers(INPUTS, INPUTS)
    (stage,) = telescoped(surrogate, [level(0, MANY), level(1, few)], COURSE.training)
    rows = [i for i in MANY if i % 5][:15]
    labels = 2 * INPUTS[rows] + (15 / 8) * (FINER[rows] + 5) * np.isin(rows, few)[:, None, None]
    np.testing.assert_allclose(stage.train.labels.numpy(), labels, atol=1e-12)


def test_a_regression_learns_the_finest_level_where_every_draw_is_on_all() -> None:
    found = Telescoped().fit(untrained(), [level(0, MANY), level(1, MANY), level(3, MANY)], COURSE)
    assert error(found.surrogate, 2 * INPUTS + 3 * (FINER + 5)) < 1e-9
    assert [(log.level, log.samples, log.held_out) for log in found.stages] == [(3, 48, 12)]


def test_what_few_draws_tell_of_a_level_is_learned_from_all() -> None:
    """The levels differ by a constant; that of the coarsest alone is far off."""
    given = [affine(0, MANY), affine(1, FEW)]
    course = replace(COURSE, training=Training(least=300, most=300, checks=4))
    made = {"network": "fno", "options": SMALL, "name": "small", "training": {}}
    for surrogate in (untrained("fno", **SMALL), untrained("auto", members=[made, made | {"name": "other"}])):
        found = Telescoped().fit(surrogate, given, course)
        assert error(found.surrogate, 2 * INPUTS + 5.0) < 0.5 * error(found.surrogate, 2 * INPUTS)
        assert {(log.level, log.samples, log.all_draws > 0) for log in found.stages} == {(1, 80, True)}


# All


def test_multiples_are_for_networks_that_see_inputs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mixture's see ξ beside them, which is no multiple of anything."""
    seen: list[tuple[int, tuple[float, ...]]] = []
    train = stages.train

    def told(surrogate: Surrogate, stage: Any, *rest: Any, **options: Any) -> Any:
        seen.append((surrogate.channels[0], stage.scaling))
        return train(surrogate, stage, *rest, **options)

    monkeypatch.setattr("mlft.learners.finetune.train", told)
    given = [level(0, MANY), level(3, FEW)]
    for learner in (SumOfLevels(), Mixture()):
        surrogate = untrained("fno", **SMALL)
        surrogate.tell((), scaling=(1.0,))
        assert learner.fit(surrogate, given, COURSE).surrogate.scaling == (1.0,)
    assert seen == [(1, (1.0,)), (1, (1.0,)), (2, ())]


@pytest.mark.parametrize("learner", LEARNERS)
def test_one_level_is_fine_tuned_as_it_is(learner: Learner) -> None:
    surrogate = untrained("fno", **SMALL)
    assert learner.fit(surrogate, [level(1, MORE)], COURSE).surrogate is surrogate


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize(("at", "name"), [(7, "fno"), (33, "fno"), (45, "auto")])
def test_a_stopped_fit_goes_on_to_the_same_bits(learner: Learner, at: int, name: str, tmp_path: Path) -> None:
    small = {"network": "fno", "options": SMALL, "name": "small", "training": {}}
    again_small = small | {"name": "other", "training": {"optimizer": "muon"}}
    options: dict[str, Any] = SMALL if name == "fno" else {"members": [small, again_small]}
    given = [level(0, MANY), level(1, MORE), level(3, FEW)]
    whole = learner.fit(untrained(name, **options), given, COURSE)

    def stop(steps: list[int]) -> Callable[..., None]:
        def told(*_: Any) -> None:
            steps.append(1)
            if len(steps) == at:
                raise KeyboardInterrupt

        return told

    course = replace(COURSE, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        learner.fit(untrained(name, **options), given, replace(course, progress=stop([])))
    again = learner.fit(untrained(name, **options), given, course)
    assert again.stages == whole.stages
    assert np.array_equal(again.surrogate.predict(INPUTS), whole.surrogate.predict(INPUTS))
    if name == "auto":
        assert {log.name for log in again.candidates} == {"small", "other"}


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("name", ["fno", "kernel", "auto"])
def test_what_is_learned_is_saved_and_exported(learner: Learner, name: str, tmp_path: Path) -> None:
    made = {"network": "fno", "options": SMALL, "name": "small", "training": {}}
    line = {"network": "linear", "options": SURROGATES["linear"].defaults(GRID), "name": "linear", "training": {}}
    options: dict[str, Any] = {"fno": SMALL, "kernel": {}, "auto": {"members": [made, line]}}[name]
    found = learner.fit(untrained(name, **options), [level(0, MANY), level(1, FEW)], COURSE).surrogate
    found.save(tmp_path / "surrogate")
    again = load(tmp_path / "surrogate")
    assert np.array_equal(again.predict(INPUTS), found.predict(INPUTS))
    if name != "auto":
        found.export(tmp_path / "surrogate.pt2")
        exported = torch.export.load(tmp_path / "surrogate.pt2").module()
        np.testing.assert_allclose(
            exported(torch.as_tensor(INPUTS, dtype=found.dtype)).detach().numpy(), found.predict(INPUTS), rtol=1e-5
        )


@pytest.mark.parametrize("learner", REBUILDERS)
def test_a_network_that_cannot_be_made_again_is_refused_by_name(learner: Learner) -> None:
    class Yours(nn.Conv1d):
        pass

    surrogate = Surrogate(Yours(1, 1, 3, padding=1), (1, 1), GRID)
    with pytest.raises(ConfigError, match="further networks like Yours are wanted"):
        learner.fit(surrogate, [level(0, MANY), level(1, FEW)], COURSE)


@pytest.mark.parametrize("learner", LEARNERS)
def test_levels_that_do_not_increase_are_refused(learner: Learner) -> None:
    with pytest.raises(ValueError, match="increasing levels"):
        learner.fit(untrained(), [level(1, MANY), level(0, FEW)], COURSE)


def test_a_candidate_of_a_term_is_told_of_the_coarsest_level() -> None:
    own = {"network": "linear", "options": SURROGATES["linear"].defaults(GRID), "name": "", "training": {}}
    other = {"network": "kernel", "options": SURROGATES["kernel"].defaults(GRID), "name": "", "training": {}}
    found = SumOfLevels().fit(untrained("auto", members=[own, other]), [level(0, MANY), level(1, FEW)], COURSE)
    assert [log.name for log in found.candidates] == ["linear", "kernel"]
    network = found.surrogate.network
    assert isinstance(network, Total) and all(isinstance(one, Average) for one in network.terms)


@pytest.mark.parametrize("asked", [{"strategy": "mixture:-2"}, {"strategy": "lift", "baselines": ("sum-of-levels",)}])
def test_a_network_object_is_refused_before_anything_is_solved(asked: dict[str, Any], tmp_path: Path) -> None:
    network = nn.Conv1d(1, 1, 3, padding=1)
    with pytest.raises(ConfigError, match=r"strategy '(mixture:-2|sum-of-levels)' trains further networks like the"):
        mlft.run("burgers", network=network, budget="24solves", out=tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()
