import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from affine import Affine, absolute, none
from mlft.learners import OneLevel, StageLog
from mlft.learners.stages import agreement as agreement_of
from mlft.learners.stages import eased as made_gentle
from mlft.store import Samples
from mlft.surrogates import Surrogate
from mlft.training import (
    Course,
    Training,
    Verdict,
    checkpoint,
    guard,
    stage,
)
from mlft.training.batches import batch_indices, learned
from mlft.training.guard import between
from mlft.training.stage import Pairs, Stage, held_out_error, snapshot, train
from stages import GRID, QUICK, finetune, same, samples, surrogate, two_levels, weights_of


def test_the_stages_go_from_coarse_to_fine_and_share_out_all_steps(generator):
    fitted = finetune(surrogate(generator), two_levels(generator), QUICK, seed=3)
    assert [log.level for log in fitted.stages] == [0, 2]
    assert sum(log.steps for log in fitted.stages) == QUICK.steps
    assert [(log.samples, log.held_out) for log in fitted.stages] == [(24, 7), (8, 3)]


def test_no_stage_raises_the_held_out_error_and_the_log_says_what_was_kept(generator):
    levels = two_levels(generator)
    fitted = finetune(surrogate(generator), levels, QUICK, seed=3)
    for log in fitted.stages:
        if log.verdict.kept:
            assert log.verdict.error_after <= log.verdict.error_before
    held_out = Samples(2, (0, 5, 10), levels[1].inputs[[0, 5, 10]], levels[1].solutions[[0, 5, 10]])
    pairs = Pairs(torch.tensor(held_out.inputs).float(), torch.tensor(held_out.solutions).float())
    last = fitted.stages[-1].verdict
    expected = last.error_after if last.kept else last.error_before
    assert held_out_error(fitted.surrogate, pairs) == pytest.approx(expected, rel=1e-6)


def test_no_more_draws_are_held_out_than_are_needed_as_guards(generator):
    """Of 31 draws every third is held out, 11; four guards are enough: draws 0, 3, 6, 9, on every level."""
    coarse, fine = samples(0, 31, generator), samples(1, 8, generator)
    fitted = finetune(surrogate(generator), [coarse, fine], Training(steps=6, held_out=3, guards=4), seed=0)
    assert [(log.samples, log.held_out) for log in fitted.stages] == [(27, 4), (5, 3)]
    assert learned(coarse.indices, Training(held_out=3, guards=4)).nonzero()[0].tolist() == [
        *[1, 2, 4, 5, 7, 8],
        *range(10, 31),
    ]
    assert learned(coarse.indices, Training(held_out=3)).sum() == 20


def test_held_out_draws_are_never_trained_on(generator, monkeypatch):
    def keep(net, before, after, held_out):
        stage.restore(net, after)
        return Verdict(math.nan, math.nan, 1.0)

    monkeypatch.setattr("mlft.learners.finetune.guard", keep)
    levels = two_levels(generator)
    spoiled = []
    for s in levels:
        inputs = s.inputs.copy()
        inputs[np.arange(len(s)) % QUICK.held_out == 0] = 7.0
        spoiled.append(Samples(s.level, s.indices, inputs, s.solutions))
    once = Training(steps=30, batch=5, checks=1)  # one check, at the end: the weights are those of the last step
    nets = [surrogate(torch.Generator().manual_seed(1)) for _ in range(2)]
    left, right = (weights_of(finetune(n, d, once, seed=3)) for n, d in zip(nets, (levels, spoiled), strict=True))
    assert same(left, right)


def test_continuing_a_killed_training_gives_the_same_bits_as_never_stopping(tmp_path, generator):
    levels = two_levels(generator)
    whole = weights_of(finetune(surrogate(torch.Generator().manual_seed(1)), levels, QUICK, seed=3))
    for kill in (13, 30, 44, 59):
        steps = iter(range(10**6))

        def stop(*_, steps=steps, kill=kill):
            if next(steps) == kill:
                raise KeyboardInterrupt

        folder = tmp_path / str(kill)
        with pytest.raises(KeyboardInterrupt):
            finetune(surrogate(torch.Generator().manual_seed(1)), levels, QUICK, seed=3, folder=folder, progress=stop)
        continued = finetune(surrogate(torch.Generator().manual_seed(1)), levels, QUICK, seed=3, folder=folder)
        assert same(weights_of(continued), whole)


def test_another_seed_gives_other_weights_and_the_same_seed_the_same(generator):
    levels = two_levels(generator)
    runs = [weights_of(finetune(surrogate(torch.Generator().manual_seed(1)), levels, QUICK, seed=s)) for s in (3, 3, 4)]
    assert same(runs[0], runs[1]) and not same(runs[0], runs[2])


def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path, generator):
    levels = two_levels(generator)
    whole = weights_of(finetune(surrogate(torch.Generator().manual_seed(1)), levels, QUICK, seed=3, folder=tmp_path))
    for file in tmp_path.glob("*.safetensors"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 4
        file.write_bytes(content)
        assert checkpoint.read(file) is None
    again = finetune(surrogate(torch.Generator().manual_seed(1)), levels, QUICK, seed=3, folder=tmp_path)
    assert same(weights_of(again), whole)


def test_a_checkpoint_comes_back_as_it_was_written_and_an_interrupted_write_leaves_the_old(tmp_path, monkeypatch):
    file = tmp_path / "a.safetensors"
    checkpoint.write(file, {"w": torch.arange(6.0).view(2, 3)}, {"done": 3})
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        checkpoint.write(file, {"w": torch.zeros(2, 3)}, {"done": 4})
    tensors, facts = checkpoint.read(file)
    assert torch.equal(tensors["w"], torch.arange(6.0).view(2, 3)) and facts == {"done": 3}


def test_four_samples_can_be_learned_by_heart(generator):
    four = samples(0, 5, generator)  # index 0 is held out
    fitted = finetune(surrogate(generator), [four], Training(steps=400, batch=4, rate=1e-2, checks=1), seed=0)
    learned = Pairs(torch.tensor(four.inputs[1:]).float(), torch.tensor(four.solutions[1:]).float())
    assert held_out_error(fitted.surrogate, learned) < 0.03


def test_a_rate_of_nothing_changes_nothing(generator):
    net = surrogate(generator)
    before = snapshot(net)
    data = Pairs(torch.randn(7, 1, 18, generator=generator), torch.randn(7, 1, 18, generator=generator))
    train(net, Stage(0, data, none(), data, 3, 0.0), QUICK, seed=0)
    assert same(before, snapshot(net))


@pytest.mark.parametrize(
    ("before", "after", "blend", "errors"),
    [
        (0.0, 1.0, 1.0, (1.0, 0.0)),
        (0.0, 2.0, 0.5, (1.0, 0.0)),
        (0.8, 3.0, 0.0, (0.2, 0.35)),
        (1.0, 1.0, 0.0, (0.0, 0.0)),
        (0.0, float("nan"), 0.0, (1.0, math.nan)),
    ],
)
def test_the_guard_keeps_the_blend_that_held_out_samples_prefer(before, after, blend, errors, generator):
    x = torch.randn(6, 1, 18, generator=generator)
    net = Affine(before)
    verdict = guard(net, {"w": torch.tensor(before)}, {"w": torch.tensor(after)}, Pairs(x, x))
    assert (verdict.blend, verdict.kept) == (blend, blend > 0)
    assert (verdict.error_before, verdict.error_after) == pytest.approx(errors, abs=1e-6, nan_ok=True)
    assert float(net.w.detach()) == pytest.approx(before + blend * (after - before) if blend else before)


def test_without_held_out_samples_the_guard_keeps_what_was_learned():
    net = Affine(0.0)
    verdict = guard(net, {"w": torch.tensor(0.0)}, {"w": torch.tensor(2.0)}, none())
    assert verdict.kept and math.isnan(verdict.error_after) and float(net.w.detach()) == 2.0


def test_between_is_exact_at_both_ends():
    a, b = {"w": torch.tensor(0.1)}, {"w": torch.tensor(0.3)}
    assert between(a, b, 0.0) is a and between(a, b, 1.0) is b
    assert float(between(a, b, 0.25)["w"]) == pytest.approx(0.15)


def test_relative_l2_is_the_mean_over_samples(generator):
    x = torch.randn(7, 1, 18, generator=generator)
    y = x * torch.linspace(0.5, 2.0, 7)[:, None, None]
    expected = np.mean([abs(0.3 - s) / s for s in np.linspace(0.5, 2.0, 7)])
    assert held_out_error(Affine(0.3), Pairs(x, y), batch=3) == pytest.approx(expected, rel=1e-6)


def test_an_epoch_sees_every_sample_once_and_each_epoch_in_another_order():
    first = torch.cat([batch_indices(12, 4, step, seed=0, stream="a") for step in range(3)])
    second = torch.cat([batch_indices(12, 4, step, seed=0, stream="a") for step in range(3, 6)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert first.tolist() != second.tolist()


def test_a_batch_that_is_changed_changes_no_later_one():
    first = batch_indices(9, 3, 0, seed=0, stream="a")
    known = first.clone()
    first.zero_()
    assert torch.equal(batch_indices(9, 3, 0, seed=0, stream="a"), known)


def test_replayed_samples_fill_their_share_of_a_batch(generator):
    x = torch.zeros(9, 1, 18)
    spec = Stage(1, Pairs(x, x), Pairs(x + 1, x + 1), none(), 4, 1e-3, replay=0.25)
    inputs, labels, weights = stage._batch(spec, Training(batch=8), 0, 0)
    assert weights is None
    assert inputs[:, 0, 0].tolist() == [0.0] * 6 + [1.0] * 2 and torch.equal(inputs, labels)


def log_of(error):
    return StageLog(0, 12, 3, 60, Verdict(1.0, error, 1.0), ())


def coarse_and_fine(distance):
    """Two levels with draws of their own beside the shared ones 2, 3 and 5, whose labels differ by `distance`."""
    x = np.linspace(1.0, 2.0, 18) * np.array([1.0, 2.0, -3.0, 4.0])[:, None, None]
    fine = Samples(1, (2, 3, 5, 9), x, x)
    coarse = Samples(0, (1, 2, 3, 5), x, np.concatenate([x[3:] + 99.0, (1.0 + distance) * x[:3]]))
    return coarse, fine


@pytest.mark.parametrize(("distance", "agreement"), [(0.0, 1.0), (0.1, 0.8), (0.2, 0.5), (0.4, 0.2), (1e9, 0.0)])
def test_levels_agree_as_far_as_they_differ_by_less_than_the_network_errs(distance, agreement):
    # 1 / (1 + (d / 2e)²) with e = 0.1: d = 0.1 → 1/1.25, d = 2e → 1/2, d = 4e → 1/5.
    assert agreement_of(*coarse_and_fine(distance), log_of(0.1)) == pytest.approx(agreement, abs=1e-12)


def test_levels_agree_where_nothing_says_otherwise():
    coarse, fine = coarse_and_fine(0.4)
    assert agreement_of(coarse, replace(fine, indices=(0, 4, 6, 7)), log_of(0.1)) == 1.0  # no draw in common
    assert agreement_of(coarse, fine, log_of(math.nan)) == 1.0  # nothing was held out
    still = [replace(s, solutions=np.zeros_like(s.solutions)) for s in (coarse, fine)]
    assert agreement_of(*still, log_of(0.1)) == 1.0  # a label of 0 has no relative distance


@pytest.mark.parametrize(("agreement", "rate", "replay"), [(1.0, 1e-3, 0.4), (0.5, 2e-3, 0.2), (0.0, 4e-3, 0.0)])
def test_a_later_stage_is_gentle_and_replays_where_the_levels_agree_and_starts_afresh_where_not(
    agreement, rate, replay
):
    settings = Training(rate=4e-3, finetune_rate=0.25, replay=0.4)  # the rate moves in logarithms: 4e-3 · 0.25^½ = 2e-3
    eased = made_gentle(Stage(1, none(), none(), none(), 7, settings.rate), settings, agreement)
    assert (eased.rate, eased.replay) == pytest.approx((rate, replay))
    assert (eased.level, eased.steps) == (1, 7)


@pytest.mark.parametrize(("offset", "agreement"), [(0.0, 1.0), (1e9, 0.0)])
def test_the_second_stage_goes_by_how_far_its_level_agrees_with_the_first(generator, monkeypatch, offset, agreement):
    stages = []

    def keep(surrogate, stage, *arguments, **options):
        stages.append(stage)
        return train(surrogate, stage, *arguments, **options)

    monkeypatch.setattr("mlft.learners.finetune.train", keep)
    coarse = samples(0, 31, generator)
    fine = Samples(2, tuple(range(11)), coarse.inputs[:11], coarse.solutions[:11])
    coarse = replace(coarse, solutions=coarse.solutions + offset * coarse.inputs)
    finetune(surrogate(generator), [coarse, fine], QUICK, seed=3)
    assert (stages[0].rate, stages[0].replay) == (QUICK.rate, 0.0)
    expected = QUICK.rate * QUICK.finetune_rate**agreement, QUICK.replay * agreement
    assert (stages[1].rate, stages[1].replay) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"level": 2}, {}),
        ({"train": 8}, {}),
        ({"replayed": 3}, {}),
        ({"held_out": 2}, {}),
        ({"steps": 8}, {}),
        ({"early": True}, {}),
        ({"rate": 3e-3}, {}),
        ({"replay": 0.25}, {}),
        ({}, {"batch": 4}),
        ({}, {"checks": 3}),
        ({}, {"seed": 1}),
        ({"loss": absolute}, {}),
        ({"weights": torch.arange(1.0, 10.0)}, {}),
    ],
    ids=lambda told: ", ".join(f"{name}={getattr(value, '__name__', value)}" for name, value in told.items()),
)
def test_a_checkpoint_of_another_stage_is_not_continued(tmp_path, generator, changed, told):
    x = torch.randn(9, 1, 18, generator=generator)
    sizes = {"train": 9, "replayed": 4, "held_out": 3}

    def trained(file, changed, *, batch=5, checks=2, seed=0):
        counts = {name: changed.get(name, n) for name, n in sizes.items()}
        parts = {name: Pairs(x[:n], 2 * x[:n]) for name, n in counts.items()}
        spec = Stage(**{"level": 1, "steps": 6, "rate": 1e-2, "replay": 0.5} | changed | parts)
        net, steps = Affine(0.1), []
        settings = Training(batch=batch, checks=checks)
        train(net, spec, settings, seed=seed, file=file, progress=lambda *_: steps.append(1))
        return snapshot(net), len(steps)

    file = tmp_path / "stage.safetensors"
    first, steps = trained(file, {})
    assert steps == 6
    again, steps = trained(file, {})
    assert steps == 0 and same(again, first)
    other, steps = trained(file, changed, **told)
    afresh, all_steps = trained(None, changed, **told)
    assert steps == all_steps and same(other, afresh)


def test_a_learner_of_one_level_refuses_several(generator):
    with pytest.raises(ValueError, match="one level"):
        OneLevel().fit(surrogate(generator), two_levels(generator), Course(QUICK, 0))


def test_one_level_is_fine_tuning_of_a_single_stage(generator):
    level = samples(1, 23, generator)
    nets = [surrogate(torch.Generator().manual_seed(1)) for _ in range(2)]
    alone, tuned = OneLevel().fit(nets[0], [level], Course(QUICK, 3)), finetune(nets[1], [level], QUICK, seed=3)
    assert same(weights_of(alone), weights_of(tuned)) and alone.stages[0].steps == QUICK.steps


def test_too_few_samples_and_levels_out_of_order_are_refused(generator):
    with pytest.raises(ValueError, match="at least one must be left"):
        finetune(surrogate(generator), [samples(0, 1, generator)], QUICK, seed=0)
    with pytest.raises(ValueError, match="increasing levels"):
        finetune(surrogate(generator), two_levels(generator)[::-1], QUICK, seed=0)
    with pytest.raises(ValueError, match="increasing levels"):
        finetune(surrogate(generator), [], QUICK, seed=0)


def test_a_level_whose_only_sample_is_held_out_is_passed_over(generator):
    coarse = samples(0, 12, generator)
    single = Samples(1, (0,), coarse.inputs[:1], coarse.solutions[:1])
    fitted = finetune(surrogate(generator), [coarse, single], QUICK, seed=0)
    assert [log.level for log in fitted.stages] == [0]


@pytest.mark.parametrize(
    "wrong",
    [
        *[{"steps": 0}, {"rate": -1.0}, {"held_out": 1}, {"guards": 0}, {"replay": 1.0}, {"rate": math.nan}],
        *[{"passes": 0.0}, {"passes": math.inf}, {"least": 0}, {"least": 7, "most": 6}],
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="training needs"):
        Training(**wrong)


def test_the_shares_of_given_steps_add_up():
    for stages in (1, 2, 3, 5):
        shares = Training(steps=1001).effort([7] * stages)
        assert len(shares) == stages and sum(shares) == 1001 and min(shares) >= 1
        assert Training(steps=1001).first_of(stages).effort([99]) == shares[:1]


def test_a_module_of_the_user_takes_the_place_of_the_network(generator):
    net = Surrogate(nn.Conv1d(1, 1, 5, padding=2), (1, 1), GRID)
    fitted = finetune(net, two_levels(generator), QUICK, seed=0)
    assert fitted.surrogate.predict(np.zeros((2, 1, 18))).shape == (2, 1, 18)
    assert json.dumps([log.verdict.kept for log in fitted.stages])
